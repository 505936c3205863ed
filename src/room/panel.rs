//! The panel: one message that shows what plays, edited as that changes, with buttons under it.
//!
//! Homeservers let a user send about one event in five seconds, after a burst of ten, and answers go
//! before the panel: an edit waits until the last one is a few seconds past, and the buttons come one
//! by one.

use std::{collections::VecDeque, time::Duration};

use phonograph_call::matrixrtc::EventId;
use phonograph_matrix::{Edit, Image, Notice, Picture, ReplyTo};
use phonograph_media::playback::Cover;
use tokio::{task::JoinError, time::Instant};
use tracing::warn;

use super::Room;
use crate::{
    command::{BUTTONS, Panel as Shown, Reply, keycap},
    jukebox::queue::EntryId,
};

/// The least time between two edits.
const EDIT_EVERY: Duration = Duration::from_secs(4);
/// How often the progress is shown while nothing else changes.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);
/// How long what happens at once is gathered into one edit.
const GATHER: Duration = Duration::from_millis(300);
/// The time between two reactions of ours, so that answers are not held up.
const REACT_EVERY: Duration = Duration::from_secs(5);

/// The room's panel.
#[derive(Debug)]
pub(super) struct Panel {
    event: Option<EventId>,
    /// As it was sent last.
    shown: Option<Shown>,
    /// When something that may differ from what is shown is looked at.
    touched: Option<Instant>,
    edited: Option<Instant>,
    /// While the first version is being sent.
    posting: bool,
    /// Reactions that are still to be put under messages, as buttons: eighteen at most.
    reactions: VecDeque<(Purpose, EventId, String)>,
    /// When the next of them may be.
    react_at: Instant,
    /// The cover of the track that plays.
    cover: Option<(EntryId, Picture)>,
    cover_shown: Option<EntryId>,
}

/// What something was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is the panel.
    Panel,
    /// It is a list to pick from.
    Picks,
}

/// What came of sending.
pub(super) enum Sent {
    /// A message has this id.
    Message(Purpose, Option<EventId>),
    /// A cover was uploaded.
    Cover(EntryId, Option<Picture>),
}

impl Panel {
    /// The panel that an earlier run has left, if there was one.
    pub(super) fn new(event: Option<EventId>) -> Self {
        Self {
            event,
            shown: None,
            touched: None,
            edited: None,
            posting: false,
            reactions: VecDeque::new(),
            react_at: Instant::now(),
            cover: None,
            cover_shown: None,
        }
    }

    /// Its message, once it is sent.
    pub(super) fn event(&self) -> Option<&EventId> {
        self.event.as_ref()
    }

    /// Something that it shows may have changed.
    pub(super) fn touch(&mut self) {
        let now = Instant::now();
        let earliest = self.edited.map_or(now, |edited| edited + EDIT_EVERY);
        self.touched.get_or_insert(earliest.max(now + GATHER));
    }

    /// Time has passed in what plays.
    pub(super) fn tick(&mut self) {
        if self.edited.is_some_and(|edited| edited.elapsed() >= PROGRESS_EVERY) {
            self.touch();
        }
    }

    /// Puts buttons under a message, in the place of those of its kind that are still to come.
    fn offer(&mut self, purpose: Purpose, event: &EventId, keys: impl Iterator<Item = String>) {
        self.reactions.retain(|(other, ..)| *other != purpose);
        self.reactions.extend(keys.map(|key| (purpose, event.clone(), key)));
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let button = (!self.reactions.is_empty()).then_some(self.react_at);
        let edit = self.touched.filter(|_| !self.posting);
        [button, edit].into_iter().flatten().min()
    }
}

impl Room {
    /// Edits the panel, posts the first one, or puts the next button under it.
    pub(super) fn show_panel(&mut self) {
        let now = Instant::now();
        if self.panel.react_at <= now {
            self.put_button(now);
        }
        if self.panel.posting || self.panel.touched.is_none_or(|at| at > now) {
            return;
        }
        self.panel.touched = None;
        if !self.kept.settings.panel {
            return;
        }
        let shown = self.shown();
        let cover = self.cover();
        let is_same = self.panel.shown.as_ref() == Some(&shown)
            && cover.as_ref().map(|(entry, _)| *entry) == self.panel.cover_shown;
        if is_same {
            return;
        }
        match self.panel.event.clone() {
            Some(event) => self.edit_panel(event, shown, cover, now),
            // There is nothing to show where nothing has played yet.
            None if shown.now.is_none() => {}
            None => self.post_panel(),
        }
    }

    fn edit_panel(
        &mut self,
        event: EventId,
        shown: Shown,
        cover: Option<(EntryId, Picture)>,
        now: Instant,
    ) {
        let prefix = self.prefix();
        let edit = Edit {
            room: self.id.clone(),
            event,
            text: shown.text(prefix.as_str()),
            html: Some(shown.html(prefix.as_str())),
            picture: cover.as_ref().map(|(_, picture)| picture.clone()),
        };
        if let Err(error) = self.shared.outbox.edit(edit) {
            warn!(%error, "the panel was not edited");
        }
        self.panel.edited = Some(now);
        self.panel.shown = Some(shown);
        self.panel.cover_shown = cover.map(|(entry, _)| entry);
    }

    /// Posts the panel anew, below everything that was said since.
    pub(super) fn post_panel(&mut self) {
        let shown = self.shown();
        let prefix = self.prefix();
        let cover = self.cover();
        let notice = Notice {
            room: self.id.clone(),
            text: shown.text(prefix.as_str()),
            html: Some(shown.html(prefix.as_str())),
            picture: cover.as_ref().map(|(_, picture)| picture.clone()),
            reply_to: None,
        };
        self.panel.event = None;
        self.panel.posting = self.dispatch(notice, Purpose::Panel);
        self.panel.edited = Some(Instant::now());
        self.panel.shown = Some(shown);
        self.panel.cover_shown = cover.map(|(entry, _)| entry);
    }

    /// Says something, and learns its id.
    pub(super) fn send(&mut self, reply: &Reply, to: Option<ReplyTo>, purpose: Purpose) {
        let text = reply.text(&self.prefix());
        let notice =
            Notice { room: self.id.clone(), text, html: None, picture: None, reply_to: to };
        self.dispatch(notice, purpose);
    }

    fn dispatch(&mut self, notice: Notice, purpose: Purpose) -> bool {
        match self.shared.outbox.send_for_id(notice) {
            Ok(id) => {
                self.sending.spawn(async move { Sent::Message(purpose, id.await.ok()) });
                true
            }
            Err(error) => {
                warn!(%error, "a message was lost");
                false
            }
        }
    }

    pub(super) async fn sent(&mut self, sent: Result<Sent, JoinError>) {
        match sent {
            Ok(Sent::Message(Purpose::Panel, event)) => {
                self.panel.posting = false;
                if let Some(event) = event {
                    self.save_panel(&event).await;
                    self.panel.offer(
                        Purpose::Panel,
                        &event,
                        BUTTONS.iter().map(ToString::to_string),
                    );
                    self.panel.event = Some(event);
                }
            }
            Ok(Sent::Message(Purpose::Picks, Some(event))) => {
                if let Some(picking) = &mut self.picking {
                    self.panel.offer(
                        Purpose::Picks,
                        &event,
                        (1..=picking.len()).filter_map(keycap),
                    );
                    picking.was_sent(event);
                }
            }
            Ok(Sent::Message(Purpose::Picks, None)) => {}
            Ok(Sent::Cover(entry, picture)) => {
                self.panel.cover = picture.map(|picture| (entry, picture));
                self.panel.touch();
            }
            Err(error) => warn!(%error, "sending failed"),
        }
    }

    fn put_button(&mut self, now: Instant) {
        let Some((_, event, key)) = self.panel.reactions.pop_front() else { return };
        if let Err(error) = self.shared.outbox.react(&self.id, event, key) {
            warn!(%error, "a button is missing");
        }
        self.panel.react_at = now + REACT_EVERY;
    }

    /// The cover of what plays, once it is uploaded.
    fn cover(&self) -> Option<(EntryId, Picture)> {
        let current = self.queue.current()?.entry.id;
        self.panel.cover.clone().filter(|(entry, _)| *entry == current)
    }

    /// Uploads a cover to be shown with the entry.
    pub(super) fn bring_cover(&mut self, entry: EntryId, cover: Cover) {
        if !self.kept.settings.panel {
            return;
        }
        let (outbox, room) = (self.shared.outbox.clone(), self.id.clone());
        self.sending.spawn(async move {
            let scaled = tokio::task::spawn_blocking(move || Image::from_cover(&cover.data));
            let picture = match scaled.await {
                Ok(Ok(image)) => match outbox.upload(&room, image) {
                    Ok(uploaded) => uploaded.await.ok(),
                    Err(_full) => None,
                },
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the cover is not shown");
                    None
                }
                Err(_ends) => None,
            };
            Sent::Cover(entry, picture)
        });
    }
}
