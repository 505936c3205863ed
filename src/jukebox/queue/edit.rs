//! Changing what waits, and how it follows.

use phonograph_matrixrtc::UserId;
use rand::seq::SliceRandom;

use super::{Autoplay, Entry, EntryId, LoopMode, Queue, lists::key, undo::Change};

/// Some of what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The entry at a position.
    At(usize),
    /// The entries from one position to another, both included, in either order; what lies beyond
    /// the end is not missed.
    Range(usize, usize),
    /// All that one person asked for.
    By(UserId),
    /// Everything.
    All,
}

/// Nothing waits at that position; the list may have moved on since it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing at {position}, {waiting} entries wait")]
pub(crate) struct NoSuchEntry {
    /// The position that was named.
    pub(crate) position: usize,
    /// How many entries wait: positions go from 1 to this.
    pub(crate) waiting: usize,
}

/// Why an entry was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoveError {
    /// One of the positions does not exist.
    #[error(transparent)]
    NoSuchEntry(#[from] NoSuchEntry),
    /// People take turns. An entry can be put next, or in the place of another of the same person.
    #[error("people take turns")]
    Turns,
}

impl Queue {
    /// The entries that a selection means, in the order in which they will play.
    ///
    /// # Errors
    /// [`NoSuchEntry`], if it begins where nothing waits.
    pub(crate) fn select(&self, selection: &Selection) -> Result<Vec<&Entry>, NoSuchEntry> {
        let positions = match *selection {
            Selection::At(position) => position..=position,
            Selection::Range(a, b) => a.min(b)..=a.max(b),
            Selection::By(_) | Selection::All => 1..=self.len(),
        };
        if matches!(selection, Selection::At(_) | Selection::Range(..)) {
            self.check(*positions.start())?;
        }
        let is_meant = |entry: &Entry| match selection {
            Selection::By(person) => entry.by.as_ref() == Some(person),
            Selection::At(_) | Selection::Range(..) | Selection::All => true,
        };
        let numbered = (1..).zip(self.upcoming());
        let meant = numbered.filter(|(n, entry)| positions.contains(n) && is_meant(entry));
        Ok(meant.map(|(_, entry)| entry).collect())
    }

    /// Takes out what a selection means. What plays goes on.
    ///
    /// # Errors
    /// [`NoSuchEntry`]; then nothing has changed.
    pub(crate) fn remove(&mut self, selection: &Selection) -> Result<Vec<Entry>, NoSuchEntry> {
        let removed: Vec<_> = self.select(selection)?.into_iter().cloned().collect();
        let ids: Vec<_> = removed.iter().map(|entry| entry.id).collect();
        let entries = self.take_out(&ids);
        if !entries.is_empty() {
            self.record(Change::Removed { entries });
        }
        Ok(removed)
    }

    /// Moves the entry at one position to another.
    ///
    /// # Errors
    /// [`MoveError`]; then nothing has changed.
    pub(crate) fn shift(&mut self, from: usize, to: usize) -> Result<EntryId, MoveError> {
        self.check(from)?;
        self.check(to)?;
        let order = self.order();
        let (source, target) = (order[from - 1], order[to - 1]);
        let id = self.waiting[source].id;
        if from == to {
            return Ok(id);
        }
        let before = self.arrangement();
        if !self.fair {
            let mut entry = self.waiting.remove(source);
            // It stays before the turns only among its like, should people take turns later.
            entry.ahead &= self.waiting.get(target).is_some_and(|next| next.ahead);
            self.waiting.insert(target, entry);
        } else if to == 1 {
            let entry = self.waiting.remove(source);
            self.waiting.insert(0, Entry { ahead: true, ..entry });
        } else {
            self.swap_turns(source, target)?;
        }
        self.record(Change::Reordered { before });
        Ok(id)
    }

    /// Puts an entry in the place of another of the same person; those between move up or down.
    fn swap_turns(&mut self, source: usize, target: usize) -> Result<(), MoveError> {
        // What was put next keeps its order whoever asked for it.
        let lane = |i: usize| match &self.waiting[i] {
            entry if entry.ahead => None,
            entry => Some(entry.by.as_ref()),
        };
        if lane(source) != lane(target) {
            return Err(MoveError::Turns);
        }
        let slots: Vec<_> = (0..self.waiting.len()).filter(|&i| lane(i) == lane(source)).collect();
        let rank = |i| slots.iter().position(|&slot| slot == i).unwrap_or_default();
        let (mut at, to) = (rank(source), rank(target));
        while at != to {
            let next = if at < to { at + 1 } else { at - 1 };
            self.waiting.swap(slots[at], slots[next]);
            at = next;
        }
        Ok(())
    }

    /// Puts what waits into an order by chance, once; how many entries that are.
    pub(crate) fn shuffle(&mut self) -> usize {
        let before = self.arrangement();
        let mut rng = self.rng();
        self.waiting.shuffle(&mut rng);
        self.draws += 1;
        for entry in &mut self.waiting {
            entry.ahead = false;
        }
        if !before.is_empty() {
            self.record(Change::Reordered { before });
        }
        self.waiting.len()
    }

    /// Sets what begins again when it has ended: `One` is the current entry until somebody skips it;
    /// with `All`, what has ended or was skipped goes to the end of the queue.
    pub(crate) fn set_repeat(&mut self, repeat: LoopMode) {
        let before = std::mem::replace(&mut self.repeat, repeat);
        if before != repeat {
            self.record(Change::Repeat(before));
        }
    }

    /// Lets people take turns, or has entries play as they were asked for.
    pub(crate) fn set_fair(&mut self, fair: bool) {
        let before = std::mem::replace(&mut self.fair, fair);
        if before != fair {
            self.record(Change::Fair(before));
        }
    }

    /// Sets what plays when nothing waits any more. A list that does not exist is nothing.
    pub(crate) fn set_autoplay(&mut self, autoplay: Autoplay) {
        let before = std::mem::replace(&mut self.autoplay, autoplay);
        if before != self.autoplay {
            self.record(Change::Autoplay(before));
        }
    }

    /// Follows a saved list that has another name now, if autoplay plays it.
    pub(crate) fn note_renamed(&mut self, from: &str, to: &str) {
        if matches!(&self.autoplay, Autoplay::List(name) if key(name) == key(from)) {
            self.autoplay = Autoplay::List(to.to_owned());
        }
    }

    /// Takes entries out of what waits, each with the index it had.
    pub(super) fn take_out(&mut self, ids: &[EntryId]) -> Vec<(usize, Entry)> {
        let all = std::mem::take(&mut self.waiting).into_iter().enumerate();
        let (out, kept): (Vec<_>, Vec<_>) = all.partition(|(_, entry)| ids.contains(&entry.id));
        self.waiting = kept.into_iter().map(|(_, entry)| entry).collect();
        out
    }

    /// How what waits is arranged: each entry, and whether it goes before the turns.
    fn arrangement(&self) -> Vec<(EntryId, bool)> {
        self.waiting.iter().map(|entry| (entry.id, entry.ahead)).collect()
    }

    fn check(&self, position: usize) -> Result<(), NoSuchEntry> {
        let waiting = self.len();
        let exists = (1..=waiting).contains(&position);
        if exists { Ok(()) } else { Err(NoSuchEntry { position, waiting }) }
    }
}
