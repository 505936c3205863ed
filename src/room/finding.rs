//! Finding what somebody wants to hear, and putting it into the queue.

use std::time::Duration;

use phonograph_call::matrixrtc::{EventId, UserId};
use phonograph_matrix::ReplyTo;
use tokio::{task::JoinError, time::Instant};
use tracing::error;

use super::{Room, ask::Asker, panel::Purpose};
use crate::{
    command::{Barred, Limit, PICKS_MAX, Picks, Reply, Title},
    jukebox::{
        Found, Item, Opened, Origin, PlayError, Resolver, Sound, Want,
        queue::{AddError, Added, Asked, Place},
    },
};

/// What is looked for at once in a room. One more is refused: the person can try again in a moment.
pub(super) const LOOKS_MAX: usize = 8;
/// How many of them may be one person's, so that nobody keeps the others waiting.
const LOOKS_OF_ONE_MAX: usize = 3;
/// How long something may take to be found before we are shown as typing.
const TYPING_AFTER: Duration = Duration::from_secs(1);
/// How long one can pick from a list: as long as one talks about it.
const PICK_WITHIN: Duration = Duration::from_mins(2);

/// What came of looking.
pub(super) struct Looked {
    asked: ReplyTo,
    place: Place,
    found: Result<Finding, PlayError>,
}

/// What was found.
pub(super) enum Finding {
    /// Something to be queued; the first of it may be open already.
    Items {
        items: Vec<Item>,
        opened: Option<Box<Opened>>,
        /// What the list is called that they are of.
        title: Option<Title>,
        /// Whether the list that they are of has more.
        is_cut: bool,
    },
    /// The message that is answered has no file.
    NoFile,
    /// Something to choose from.
    Picks { query: Title, items: Vec<Item>, count: usize },
}

/// How something is to be queued.
pub(super) struct Request {
    pub(super) place: Place,
    pub(super) asked: ReplyTo,
    /// What the list is called that it is of.
    pub(super) of: Option<Title>,
    pub(super) is_cut: bool,
}

impl Request {
    /// At the end, all of it.
    pub(super) fn of(asked: ReplyTo) -> Self {
        Self { place: Place::End, asked, of: None, is_cut: false }
    }
}

/// A list that somebody picks from.
#[derive(Debug)]
pub(super) struct Picking {
    by: UserId,
    items: Vec<Item>,
    until: Instant,
    event: Option<EventId>,
}

impl Picking {
    /// How many there are to choose from.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether this person's choice from this message counts.
    pub(super) fn is_for(&self, event: &EventId, who: &UserId) -> bool {
        self.event.as_ref() == Some(event) && self.by == *who
    }

    /// The message with the list, once it is sent.
    pub(super) fn event(&self) -> Option<&EventId> {
        self.event.as_ref()
    }

    pub(super) fn was_sent(&mut self, event: EventId) {
        self.event = Some(event);
    }
}

impl Room {
    /// Begins to look for something.
    pub(super) fn look(&mut self, want: Want, place: Place, asker: &Asker) {
        self.looking_for.retain(|(looking, _)| !looking.is_finished());
        let theirs = self.looking_for.iter().filter(|(_, to)| to.sender == asker.to.sender).count();
        if self.looking.len() >= LOOKS_MAX || theirs >= LOOKS_OF_ONE_MAX {
            return self.say(&Reply::StillLooking, Some(asker.to.clone()));
        }
        if let Want::Link(url) | Want::Podcast { feed: url, .. } = &want
            && let Some(host) = self.barred().host(url)
        {
            return self.say(&Reply::LinkBlocked(Title::new(host)), Some(asker.to.clone()));
        }
        self.typing_at.get_or_insert(Instant::now() + TYPING_AFTER);
        let (resolver, sound) = (self.resolver(), self.sound());
        let asked = asker.to.clone();
        let (rooms, room) = (self.shared.rooms.clone(), self.id.clone());
        let looking = self.looking.spawn(async move {
            let found = match want {
                Want::Answered(event) => match rooms.attachment(&room, &event).await {
                    Some(file) => {
                        let (name, upload) = super::ask::upload(file);
                        find(&resolver, Want::Upload(name, upload), sound).await
                    }
                    None => Ok(Finding::NoFile),
                },
                want => find(&resolver, want, sound).await,
            };
            Looked { asked, place, found }
        });
        self.looking_for.push((looking, asker.to.clone()));
    }

    /// The hosts that links are not opened to, here or anywhere.
    pub(super) fn barred(&self) -> Barred {
        self.shared.config.block.hosts().chain(self.kept.settings.blocked_hosts()).collect()
    }

    /// What finds and opens music for this room.
    pub(super) fn resolver(&self) -> Resolver {
        self.shared.resolver.barring(self.barred())
    }

    /// Forgets who asked for what is no longer in the queue.
    pub(super) fn forget_unqueued(&mut self) {
        if self.asked.len() > self.queue.len() + 1 {
            let queue = &self.queue;
            self.asked.retain(|id, _| queue.find(*id).is_some());
        }
    }

    /// Gives up looking for anything, and tells whoever waits for it, but not who wants that; whether
    /// something was looked for.
    pub(super) fn stop_looking(&mut self, by: Option<&UserId>) -> bool {
        let was_looking = !self.looking.is_empty();
        for (looking, to) in std::mem::take(&mut self.looking_for) {
            if !looking.is_finished() && Some(&to.sender) != by {
                self.say(&Reply::StoppedLooking, Some(to));
            }
        }
        self.looking.abort_all();
        self.show_typing(false);
        was_looking
    }

    pub(super) async fn looked(&mut self, looked: Result<Looked, JoinError>) {
        if self.looking.is_empty() {
            self.show_typing(false);
        }
        let Looked { asked, place, found } = match looked {
            Ok(looked) => looked,
            Err(error) if error.is_cancelled() => return,
            Err(error) => return error!(%error, "looking for something failed"),
        };
        match found {
            Ok(Finding::Items { items, opened, title: of, is_cut }) => {
                let request = Request { place, asked, of, is_cut };
                self.add(items, opened, request).await;
            }
            Ok(Finding::Picks { query, items, count }) => self.offer(query, items, count, asked),
            Ok(Finding::NoFile) => self.say(&Reply::NoUpload, Some(asked)),
            Err(error) => self.refuse(&error, Some(asked)),
        }
    }

    /// Queues what was found, and plays it if its turn is now.
    pub(super) async fn add(
        &mut self,
        mut items: Vec<Item>,
        opened: Option<Box<Opened>>,
        Request { place, asked, of, is_cut }: Request,
    ) {
        let first = items.first().map(|item| item.origin.clone());
        let barred = self.barred();
        let host = |item: &Item| match &item.origin {
            Origin::Link(url) => barred.host(url).map(Title::new),
            Origin::File(_) | Origin::Upload(_) => None,
        };
        let blocked = items.iter().find_map(host);
        items.retain(|item| host(item).is_none());
        if let (true, Some(host)) = (items.is_empty(), blocked) {
            return self.say(&Reply::LinkBlocked(host), Some(asked));
        }
        let request = Asked { by: asked.sender.clone(), place, at_ms: now_ms() };
        let added = match self.queue.add(items, &request, &self.kept.limits()) {
            Ok(added) => added,
            Err(error) => return self.say(&refusal(error), Some(asked)),
        };
        self.unsaved.queue = true;
        self.changed_by(&asked.sender);
        for id in &added.ids {
            self.asked.insert(*id, asked.clone());
        }
        let entry = added.ids.first().and_then(|id| self.queue.find(*id));
        let Some((id, item)) = entry.map(|entry| (entry.id, entry.item.clone())) else { return };
        let title = item.title;
        if added.begins {
            self.told = Some(id);
            // What is open may be what the room leaves out.
            match opened.filter(|_| first.as_ref() == Some(&item.origin)) {
                Some(opened) => self.begin_opened(id, *opened),
                None => self.begin_current(),
            }
            self.say_when_joined(Reply::Playing(title.clone()), asked.clone());
            self.join_if_out().await;
        }
        let shown = of.filter(|_| added.ids.len() > 1).unwrap_or(title);
        self.tell_added(&added, shown, is_cut, asked);
        self.panel.touch();
    }

    /// Says where in the queue it is, unless it plays at once and is all there is.
    fn tell_added(&self, added: &Added, title: Title, is_cut: bool, asked: ReplyTo) {
        let waiting = added.ids.len() - usize::from(added.begins);
        let Some(position) = added.position.filter(|_| waiting > 0) else { return };
        let reply = if added.ids.len() == 1 {
            Reply::Queued { title, position, wait: self.queue.starts_in(position) }
        } else {
            let left_out = added.left_out.count();
            Reply::QueuedMany { title, count: added.ids.len(), position, left_out, is_cut }
        };
        self.say(&reply, Some(asked));
    }

    /// Shows what fits, to pick from.
    fn offer(&mut self, query: Title, items: Vec<Item>, count: usize, asked: ReplyTo) {
        let titles = items.iter().map(|item| (item.title.clone(), item.duration)).collect();
        let picks = Picks { query, titles, count, expires: PICK_WITHIN };
        let until = Instant::now() + PICK_WITHIN;
        let by = asked.sender.clone();
        self.picking = (!items.is_empty()).then_some(Picking { by, items, until, event: None });
        self.send(&Reply::Picks(picks), Some(asked), Purpose::Picks);
    }

    /// Takes one of the list.
    pub(super) async fn pick(&mut self, number: usize, asker: &Asker) {
        let now = Instant::now();
        let list = self.picking.as_ref();
        let list = list.filter(|list| list.by == asker.to.sender && now < list.until);
        let Some(list) = list else {
            return self.say(&Reply::NothingToPick, Some(asker.to.clone()));
        };
        let last = list.items.len();
        let Some(item) = number.checked_sub(1).and_then(|at| list.items.get(at)).cloned() else {
            return self.say(&Reply::NoSuchPick { last }, Some(asker.to.clone()));
        };
        self.add(vec![item], None, Request::of(asker.to.clone())).await;
    }
}

/// Finds something, and opens the first of it to learn what it is.
async fn find(resolver: &Resolver, want: Want, sound: Sound) -> Result<Finding, PlayError> {
    if let Want::Search(words) = &want {
        let (items, count) = resolver.search(words, PICKS_MAX).await?;
        return Ok(Finding::Picks { query: Title::new(words), items, count });
    }
    if let Want::Link(url) = &want
        && let Some((item, opened)) = resolver.on_air(url)
    {
        let opened = Some(Box::new(opened));
        return Ok(Finding::Items { items: vec![item], opened, title: None, is_cut: false });
    }
    let Found { mut items, opened, title, is_cut } = resolver.find(want).await?;
    let (Some(source), Some(first)) = (opened, items.first_mut()) else {
        return Ok(Finding::Items { items, opened: None, title, is_cut });
    };
    let opened = resolver.look_into(first, source, sound, Duration::ZERO).await?;
    first.title = opened.title.clone();
    first.duration = opened.duration();
    Ok(Finding::Items { items, opened: Some(Box::new(opened)), title, is_cut })
}

/// What somebody is told whose request does not fit.
fn refusal(error: AddError) -> Reply {
    match error {
        AddError::Nothing => Reply::QueueEmpty,
        AddError::TooLong { max } => Reply::OverLimit(Limit::Length(max)),
        AddError::TooManyOfYours { max } => Reply::OverLimit(Limit::PerPerson(max)),
        AddError::Full { max } => Reply::OverLimit(Limit::Queue(max)),
    }
}

/// The time as events carry it.
fn now_ms() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
