//! What plays: the queue decides, the desk plays, and here one follows the other.
//!
//! What plays next is opened while the current track still plays, and follows it without a gap. The
//! queue may change its mind until then: whatever [`peek_next`] says is what is prepared.
//!
//! [`peek_next`]: crate::jukebox::queue::Queue::peek_next

use std::{collections::VecDeque, future::pending, time::Duration};

use phonograph_call::Role;
use phonograph_matrix::ReplyTo;
use phonograph_media::playback::{Begin, Join, TrackId};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::{info, warn};

use super::{
    Room,
    jumps::{Jumps, Landing},
};
use crate::{
    command::{Limit, Reference, Reply, Title},
    jukebox::{
        Item, JumpId, News, Opened, Origin, PlayError,
        queue::{EntryId, FAILURES_MAX, Following, State, Why},
    },
};

/// How long a station has to have played before it is opened anew when it changes its format.
const REOPEN_AFTER: Duration = Duration::from_secs(10);

/// How far what plays may have come since that was told: it is told once a second.
const UNTOLD_MAX: Duration = Duration::from_secs(2);

/// What plays for less is taken for nothing.
const NOTHING: Duration = Duration::from_millis(500);

/// What is on the desk, and on its way there.
#[derive(Default)]
pub(super) struct Stage {
    next_track: u64,
    /// What plays, or is paused.
    pub(super) on: Option<On>,
    /// Since when.
    on_since: Option<Instant>,
    /// What is to follow it.
    after: Option<After>,
    /// Whether the end of what plays is near.
    ends_soon: bool,
    /// The current entry, while it is being opened.
    pub(super) opening: JoinSet<Opening>,
    /// The one after it.
    pub(super) preparing: JoinSet<Opening>,
    /// What the station that plays calls what it sends.
    pub(super) titles: Option<watch::Receiver<Option<Title>>>,
    jumps: Jumps,
    /// When it was last told how far what plays has come.
    noted: Option<Instant>,
    /// Whose clips these were, the last ones.
    pub(super) clips: VecDeque<(TrackId, ReplyTo)>,
}

/// A track on the desk.
#[derive(Debug, Clone, Copy)]
pub(super) struct On {
    track: TrackId,
    pub(super) entry: EntryId,
}

/// What was chosen to follow.
struct After {
    entry: EntryId,
    origin: Origin,
    /// Once it is on the desk.
    track: Option<TrackId>,
    titles: Option<watch::Receiver<Option<Title>>>,
}

/// What came of opening an entry.
pub(super) struct Opening {
    entry: EntryId,
    opened: Result<Opened, PlayError>,
}

impl Stage {
    /// A name for a track that no other has.
    pub(super) fn track(&mut self) -> TrackId {
        self.next_track += 1;
        TrackId(self.next_track)
    }

    /// Whether something is on the desk or on its way there.
    pub(super) fn is_busy(&self) -> bool {
        self.on.is_some() || !self.opening.is_empty()
    }
}

impl Room {
    /// Plays the queue's current entry from its position, in the place of what plays; is silent if
    /// there is none, or if it is paused.
    pub(super) fn begin_current(&mut self) {
        self.stage.opening = JoinSet::new();
        let Some(current) = self.queue.current() else { return self.be_silent() };
        if current.state == State::Paused {
            return self.be_silent();
        }
        if let Origin::Link(url) = &current.entry.item.origin
            && let Some(host) = self.barred().host(url).map(Title::new)
        {
            let entry = current.entry.id;
            return self.leave_out(entry, &Reply::LinkBlocked(host));
        }
        let (entry, item) = (current.entry.id, current.entry.item.clone());
        let from = Duration::from_millis(current.position_ms);
        if let Some(After { track: Some(track), titles, .. }) = self.take_prepared(entry, &item) {
            self.player.skip_to(track);
            return self.is_on(track, entry, titles);
        }
        self.be_silent();
        let opening = self.open_entry(entry, item, from);
        self.stage.opening.spawn(opening);
        self.panel.touch();
    }

    /// Opens an entry's item, to be played from a place on.
    fn open_entry(
        &self,
        entry: EntryId,
        item: Item,
        from: Duration,
    ) -> impl Future<Output = Opening> + Send + use<> {
        let (resolver, sound) = (self.resolver(), self.sound());
        async move { Opening { entry, opened: resolver.prepare(&item, sound, from).await } }
    }

    /// Plays something that is open already as the queue's current entry.
    pub(super) fn begin_opened(&mut self, entry: EntryId, opened: Opened) {
        self.stage.opening = JoinSet::new();
        self.put_on(entry, opened);
    }

    /// What was being opened is open, or cannot be.
    pub(super) fn opened(&mut self, opening: Result<Opening, JoinError>) {
        let current = self.queue.current().map(|current| current.entry.id);
        let Opening { entry, opened } = match (opening, current) {
            (Ok(opening), _) => opening,
            (Err(error), Some(entry)) if !error.is_cancelled() => {
                Opening { entry, opened: Err(PlayError::Unfinished(error)) }
            }
            (Err(_), _) => return,
        };
        if current != Some(entry) {
            return;
        }
        match opened {
            Ok(opened) if self.kept.limits().check_length(opened.duration()).is_err() => {
                let max = self.kept.settings.track_length_max.unwrap_or_default();
                self.leave_out(entry, &Reply::OverLimit(Limit::Length(max)));
            }
            Ok(opened) => self.put_on(entry, opened),
            Err(error) => self.failed(entry, &error),
        }
    }

    fn put_on(&mut self, entry: EntryId, mut opened: Opened) {
        self.note(entry, &mut opened);
        let track = self.stage.track();
        let titles = opened.titles.take();
        let fade = self.kept.settings.fade;
        self.player.begin(track, opened, Begin { fade_out: fade, ..Begin::default() });
        self.is_on(track, entry, titles);
        if !self.plays() {
            // Somebody paused it while it was being opened.
            self.player.pause();
        }
    }

    fn is_on(
        &mut self,
        track: TrackId,
        entry: EntryId,
        titles: Option<watch::Receiver<Option<Title>>>,
    ) {
        self.give_up_seeking();
        self.stage.on = Some(On { track, entry });
        self.stage.on_since = Some(Instant::now());
        self.stage.after = None;
        self.stage.preparing = JoinSet::new();
        self.stage.ends_soon = false;
        self.stage.titles = titles;
        self.panel.touch();
    }

    /// Takes from an opened source what its entry did not know.
    fn note(&mut self, entry: EntryId, opened: &mut Opened) {
        self.queue.note_title(entry, opened.title.clone());
        self.queue.note_duration(entry, opened.duration());
        if let Some(cover) = opened.cover.take() {
            self.bring_cover(entry, cover);
        }
        self.unsaved.queue = true;
    }

    /// Ends what is heard, and forgets what was to follow.
    pub(super) fn be_silent(&mut self) {
        self.player.stop();
        self.give_up_seeking();
        self.stage.on = None;
        self.stage.after = None;
        self.stage.preparing = JoinSet::new();
        self.stage.ends_soon = false;
        self.stage.titles = None;
        self.panel.touch();
    }

    /// Gives up whatever plays or is on its way, and keeps its place in the queue.
    pub(super) fn stop_playing(&mut self) {
        self.stage.opening = JoinSet::new();
        self.be_silent();
        self.queue.stop();
        self.unsaved.queue = true;
    }

    /// Opens what follows, once the end is near; again if the queue has changed its mind.
    pub(super) fn prepare_next(&mut self) {
        if !self.stage.ends_soon || self.stage.on.is_none() {
            return;
        }
        let wanted = self.queue.peek_next(&self.lists);
        let is_prepared = match (&wanted, &self.stage.after) {
            (Some(wanted), Some(after)) => {
                wanted.id == after.entry && wanted.item.origin == after.origin
            }
            (None, None) => true,
            _ => false,
        };
        if is_prepared {
            return;
        }
        self.forget_prepared();
        let Some(wanted) = wanted else { return };
        let (entry, origin) = (wanted.id, wanted.item.origin.clone());
        self.stage.after = Some(After { entry, origin, track: None, titles: None });
        let from = Duration::from_millis(wanted.resume_ms);
        let opening = self.open_entry(entry, wanted.item, from);
        self.stage.preparing.spawn(opening);
    }

    /// What was to follow is opened anew, if it still is to.
    pub(super) fn forget_prepared(&mut self) {
        if self.stage.after.take().is_some() {
            self.stage.preparing = JoinSet::new();
            self.player.unfollow();
        }
    }

    /// What follows is open. If it cannot be, its turn comes all the same, and then it is said.
    pub(super) fn prepared(&mut self, opening: Result<Opening, JoinError>) {
        let Ok(Opening { entry, opened }) = opening else { return };
        let Ok(mut opened) = opened else { return };
        if self.stage.after.as_ref().is_none_or(|after| after.entry != entry)
            || self.kept.limits().check_length(opened.duration()).is_err()
        {
            return;
        }
        self.note(entry, &mut opened);
        let crossfade = self.kept.settings.crossfade;
        let fades = opened.duration().is_some() && !crossfade.is_zero();
        let join = if fades { Join::Crossfade(crossfade) } else { Join::Gapless };
        let track = self.stage.track();
        let titles = opened.titles.take();
        self.player.follow(track, opened, join);
        if let Some(after) = &mut self.stage.after {
            after.track = Some(track);
            after.titles = titles;
        }
    }

    /// What was prepared, if it is this entry and begins at its beginning.
    fn take_prepared(&mut self, entry: EntryId, item: &Item) -> Option<After> {
        self.stage.on?;
        self.stage.after.take_if(|after| {
            after.track.is_some() && after.entry == entry && after.origin == item.origin
        })
    }

    pub(super) fn handle_news(&mut self, news: News) {
        match news {
            News::Began(track) => self.began(track),
            News::NearEnd(track) => {
                if self.stage.on.is_some_and(|on| on.track == track) {
                    self.stage.ends_soon = true;
                }
            }
            News::Ended { id, finished, error } => self.ended(id, finished, error),
            News::Position { id, at } => self.note_position(id, at),
            News::ClipRefused(id) => self.clip_refused(id),
            News::Sought { jump, done } => self.came_to(jump, done),
            News::Silent => {}
        }
    }

    /// Something is heard: what was begun, or what follows what has ended.
    fn began(&mut self, track: TrackId) {
        let follows = self.stage.after.take_if(|after| after.track == Some(track));
        if let Some(after) = follows {
            let was_paused = !self.plays();
            self.queue.advance(Why::Ended, &self.lists);
            if was_paused {
                self.queue.pause();
            }
            self.unsaved.queue = true;
            let is_current =
                self.queue.current().is_some_and(|current| current.entry.id == after.entry);
            if !is_current {
                return self.begin_current();
            }
            self.is_on(track, after.entry, after.titles);
        } else if self.stage.on.is_none_or(|on| on.track != track) {
            // Nobody wants it any more, and the order that said so came too late.
            warn!("something plays that the queue does not know of");
            return self.begin_current();
        }
        let Some(current) = self.queue.current() else { return };
        let (entry, title) = (current.entry.id, current.entry.item.title.clone());
        let by = current.entry.by.as_ref().map(tracing::field::display);
        info!(%title, by, "playing");
        self.asked.remove(&entry);
        if self.kept.settings.announce && self.told.take() != Some(entry) {
            self.say(&Reply::Playing(title), None);
        }
        self.panel.touch();
    }

    /// Something is heard no longer.
    fn ended(&mut self, track: TrackId, finished: bool, error: Option<PlayError>) {
        let Some(on) = self.stage.on.filter(|on| on.track == track) else { return };
        if let Some(error) = error {
            self.stage.on = None;
            if error.is_over_when_reopened() && self.has_played_since(on.entry) {
                info!(error = phonograph_call::chain(&error), "opening what plays anew");
                return self.begin_current();
            }
            return self.failed(on.entry, &error);
        }
        let is_followed = self.stage.after.as_ref().is_some_and(|after| after.track.is_some());
        if finished && is_followed {
            // What follows is heard already, and is told of next.
            return;
        }
        self.stage.on = None;
        if !finished {
            // It was taken for what follows, and is gone.
            return self.begin_current();
        }
        info!("played to the end");
        let why = if self.was_nothing() { Why::Failed } else { Why::Ended };
        self.queue.advance(why, &self.lists);
        self.unsaved.queue = true;
        self.begin_current();
    }

    /// Whether what has just ended was over as soon as it began: played again and again, it would keep
    /// everybody busy.
    fn was_nothing(&self) -> bool {
        let is_short = self.stage.on_since.is_some_and(|since| since.elapsed() < NOTHING);
        let duration = self.queue.current().and_then(|current| current.entry.item.duration);
        is_short && duration.is_none_or(|duration| duration > NOTHING)
    }

    /// Leaves an entry out that may not be played here, and says why.
    fn leave_out(&mut self, entry: EntryId, why: &Reply) {
        let asked = self.asked.remove(&entry);
        self.say(why, asked);
        self.queue.advance(Why::Failed, &self.lists);
        self.unsaved.queue = true;
        self.begin_current();
    }

    /// Whether an entry has played for a while since it was opened, so that opening it anew does not go
    /// on for ever.
    fn has_played_since(&mut self, entry: EntryId) -> bool {
        self.queue.note_position(entry, 0);
        self.stage.on_since.is_some_and(|since| since.elapsed() >= REOPEN_AFTER)
    }

    /// The current entry cannot be played: whoever asked for it is told, and the next one's turn comes.
    fn failed(&mut self, entry: EntryId, error: &PlayError) {
        let asked = self.asked.remove(&entry);
        self.refuse(error, asked);
        let advanced = self.queue.advance(Why::Failed, &self.lists);
        self.unsaved.queue = true;
        if advanced.following == Following::TooManyFailures {
            self.say(&Reply::TooManyFailed(FAILURES_MAX as usize), None);
        }
        self.begin_current();
    }

    /// Says why something cannot be played.
    pub(super) fn refuse(&self, error: &PlayError, asked: Option<ReplyTo>) {
        let reference = Reference::random();
        let chain = phonograph_call::chain(error);
        let by = asked.as_ref().map(|asked| tracing::field::display(&asked.sender));
        warn!(%reference, error = chain, by, "cannot play");
        self.say(&error.reply(reference), asked);
    }

    fn note_position(&mut self, track: TrackId, at: Duration) {
        let Some(on) = self.stage.on.filter(|on| on.track == track) else { return };
        self.queue.note_position(on.entry, u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        self.stage.noted = Some(Instant::now());
        self.save_position();
        self.panel.tick();
    }

    /// How far what plays has come, or will have once the jumps under way are done.
    pub(super) fn place(&self) -> Option<Duration> {
        if let Some(to) = self.stage.jumps.last() {
            return Some(to);
        }
        let current = self.queue.current()?;
        let untold = match (current.state, self.stage.noted) {
            (State::Playing, Some(noted)) => noted.elapsed().min(UNTOLD_MAX),
            (State::Playing, None) | (State::Paused, _) => Duration::ZERO,
        };
        Some(Duration::from_millis(current.position_ms) + untold)
    }

    /// Jumps within what plays, and tells whoever asked when that is done.
    pub(super) fn seek(&mut self, to: Duration, asked: Option<ReplyTo>) {
        let jump = self.player.seek(to);
        self.stage.jumps.begin(jump, to, asked);
    }

    /// What was to be jumped in plays no longer.
    fn give_up_seeking(&mut self) {
        self.stage.noted = None;
        for asked in self.stage.jumps.give_up() {
            self.say(&Reply::NothingPlays, Some(asked));
        }
    }

    fn came_to(&mut self, jump: JumpId, done: bool) {
        let Some(on) = self.stage.on else { return };
        let Some(Landing { to, asked }) = self.stage.jumps.end(jump) else { return };
        if done {
            self.queue.note_position(on.entry, u64::try_from(to.as_millis()).unwrap_or(u64::MAX));
            self.stage.noted = Some(Instant::now());
        }
        // The end may be far again, and is told anew.
        self.stage.ends_soon &= !done;
        for asked in asked {
            let reply = if done { Reply::Sought(to) } else { Reply::NoSeeking };
            self.say(&reply, Some(asked));
        }
        self.panel.touch();
    }

    /// The station that plays says what it sends now.
    pub(super) fn station_title(&mut self) {
        let title =
            self.stage.titles.as_mut().and_then(|titles| titles.borrow_and_update().clone());
        let (Some(title), Some(on)) = (title, self.stage.on) else { return };
        info!(%title, "the station changes its title");
        self.queue.note_title(on.entry, title);
        self.unsaved.queue = true;
        self.panel.touch();
    }

    /// Hands the desk to the call, if something is to be heard.
    pub(super) fn publish(&mut self) {
        let Some(ongoing) = &self.call else { return };
        if let Some(source) = self.player.source() {
            ongoing.call.publish_as(Role::Microphone, source);
        }
    }
}

/// Waits until a station says something new.
pub(super) async fn title_changed(titles: &mut Option<watch::Receiver<Option<Title>>>) {
    match titles {
        Some(titles) => {
            if titles.changed().await.is_err() {
                pending::<()>().await;
            }
        }
        None => pending().await,
    }
}
