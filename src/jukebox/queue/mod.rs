//! A room's queue: what plays, what waits, what has played, and what follows what.
//!
//! Pure: a [`Queue`] is a value, each command a method that changes it and returns what happened as
//! data. Time and seeds are given. It neither opens nor plays anything: whoever does says how that
//! went ([`Queue::advance`], `note_*`) and plays [`Queue::current`].
//!
//! ```text
//!  add     +-stop, previous, loop of all-+   +-----previous------+
//!   |      v                             |   v                   |
//!   +--> waiting ---------advance-------> current --advance--> history --the 101st--> (forgotten)
//!         |  ^  ^                             |                  |
//!  remove |  |  +-----------undo of a skip----|------------------+
//!   clear v  | undo                           | advance: Failed
//!       (removed)                             +--> (dropped)
//! ```
//!
//! The *position* of a waiting entry counts from 1, in the order in which entries will play; an
//! entry's [`EntryId`] stays with it wherever it goes.

mod add;
mod autoplay;
mod edit;
mod entry;
mod fair;
mod limits;
mod lists;
mod playing;
#[cfg(test)]
mod tests;
mod undo;
mod view;
mod votes;

use std::collections::VecDeque;

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Serialize};

use crate::command::{Autoplay, LoopMode};

pub(crate) use add::{Added, Asked, Place};
#[cfg(test)]
use edit::NoSuchEntry;
pub(crate) use edit::{MoveError, Selection};
pub(crate) use entry::{Current, Entry, EntryId, State};
use limits::LeftOut;
pub(crate) use limits::{AddError, Limits};
#[cfg(test)]
use lists::List;
pub(crate) use lists::{ListError, Lists};
#[cfg(test)]
use playing::{Advanced, NoPrevious, Upcoming};
pub(crate) use playing::{FAILURES_MAX, Following, Resumed, Why};
pub(crate) use undo::Undone;
#[cfg(test)]
use view::{Page, Row, Total};
pub(crate) use votes::{Share, Vote, Votes};

/// The most entries that play and wait in any room, whatever its settings: a few hundred kilobytes.
pub(crate) const ENTRIES_MAX: usize = 1000;
/// What has played and is remembered; the oldest is forgotten beyond it.
pub(crate) const HISTORY_MAX: usize = 100;

/// The queue of one room.
///
/// It is stored as it is: fields that an older program did not write have their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Queue {
    /// What the next entry is called; ids count from 0.
    next_id: u64,
    /// What all chance is drawn from, together with `draws`.
    seed: u64,
    /// How often something was drawn by chance.
    draws: u64,
    /// How many entries have begun.
    turns: u64,
    current: Option<Current>,
    /// What waits, in the order in which it was put there, whatever the turns.
    waiting: Vec<Entry>,
    /// What has played, the last one last.
    history: VecDeque<Entry>,
    repeat: LoopMode,
    fair: bool,
    /// Who has had a turn, the last one last.
    served: Vec<UserId>,
    autoplay: Autoplay,
    /// How many entries in a row could not be played.
    failures: u32,
    /// What can be undone, the last change last.
    changes: VecDeque<undo::Change>,
}

impl Queue {
    /// An empty queue. The seed decides how it shuffles and what autoplay chooses.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// What plays, or is to play.
    pub(crate) fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// What waits, in the order in which it will play.
    pub(crate) fn upcoming(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.order().into_iter().map(|i| &self.waiting[i])
    }

    /// The entry at a position.
    pub(crate) fn at(&self, position: usize) -> Option<&Entry> {
        self.upcoming().nth(position.checked_sub(1)?)
    }

    /// An entry that plays, waits or has played.
    pub(crate) fn find(&self, id: EntryId) -> Option<&Entry> {
        self.entries().chain(&self.history).find(|entry| entry.id == id)
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing plays and nothing waits.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// What has played, the last one first; at most [`HISTORY_MAX`].
    pub(crate) fn history(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.history.iter().rev()
    }

    /// What begins again when it has ended.
    pub(crate) fn repeat(&self) -> LoopMode {
        self.repeat
    }

    /// Whether people take turns.
    #[cfg(test)]
    pub(crate) fn is_fair(&self) -> bool {
        self.fair
    }

    /// What plays when nothing waits any more.
    pub(crate) fn autoplay(&self) -> &Autoplay {
        &self.autoplay
    }

    /// What plays and what waits, in no order that matters.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.current.iter().map(|current| &current.entry).chain(&self.waiting)
    }

    /// The order in which what waits will play, as indices.
    fn order(&self) -> Vec<usize> {
        if self.fair {
            fair::order(&self.waiting, &self.served)
        } else {
            (0..self.waiting.len()).collect()
        }
    }

    fn entry_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        let current = self.current.iter_mut().map(|current| &mut current.entry);
        current.chain(&mut self.waiting).chain(&mut self.history).find(|entry| entry.id == id)
    }
}
