//! Taking back the last changes.
//!
//! What plays is never disturbed by it. A change is kept as what it takes to undo it, not as a copy
//! of the queue, since what waits moves on meanwhile.

use serde::{Deserialize, Serialize};

use super::{Autoplay, ENTRIES_MAX, Entry, EntryId, LoopMode, Queue};

/// The changes that can be undone; the oldest is kept beyond it.
pub(crate) const CHANGES_MAX: usize = 10;

/// What it takes to undo a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// Entries were added, and one may have been skipped for them.
    Added { ids: Vec<EntryId>, skipped: Option<Skipped> },
    /// Entries were removed from these indices.
    Removed { entries: Vec<(usize, Entry)> },
    /// What waits was in this order, each entry before the turns or not.
    Reordered { before: Vec<(EntryId, bool)> },
    /// An entry was skipped.
    Skipped(Skipped),
    /// The loop was this.
    Repeat(LoopMode),
    /// People took turns or not.
    Fair(bool),
    /// Autoplay was this.
    Autoplay(Autoplay),
}

/// What was skipped, and how far it had played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Skipped {
    pub(super) id: EntryId,
    pub(super) at_ms: u64,
}

/// What was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undone {
    /// What somebody added.
    Added {
        /// How many of the entries were taken out; those that play or have played are not.
        taken_out: usize,
        /// What had been skipped for it, and plays next.
        back: Option<EntryId>,
    },
    /// A removal.
    Removed {
        /// How many entries wait again.
        back: usize,
    },
    /// A move or a shuffle.
    Reordered,
    /// A skip.
    Skipped {
        /// What was skipped, and plays next, from where it was; none, if it is forgotten by now.
        back: Option<EntryId>,
    },
    /// A change of the loop, which is this again.
    Repeat(LoopMode),
    /// A change of whether people take turns, which is this again.
    Fair(bool),
    /// A change of autoplay, which is this again.
    Autoplay(Autoplay),
}

impl Queue {
    /// Takes back the last change, one of up to [`CHANGES_MAX`]; none, if there is none.
    ///
    /// What plays goes on. What was skipped comes back as the next entry: who wants to hear it at
    /// once skips what plays, or goes back to it ([`Queue::previous`]) instead of undoing. If nothing
    /// plays, [`Queue::resume`] begins it.
    pub(crate) fn undo(&mut self) -> Option<Undone> {
        Some(match self.changes.pop_back()? {
            Change::Added { ids, skipped } => {
                let taken_out = self.take_out(&ids).len();
                let back = skipped.and_then(|skipped| self.bring_back(skipped));
                Undone::Added { taken_out, back }
            }
            Change::Removed { entries } => Undone::Removed { back: self.put_back(entries) },
            Change::Reordered { before } => {
                self.arrange(&before);
                Undone::Reordered
            }
            Change::Skipped(skipped) => Undone::Skipped { back: self.bring_back(skipped) },
            Change::Repeat(before) => {
                self.repeat = before;
                Undone::Repeat(before)
            }
            Change::Fair(before) => {
                self.fair = before;
                Undone::Fair(before)
            }
            Change::Autoplay(before) => {
                self.autoplay = before.clone();
                Undone::Autoplay(before)
            }
        })
    }

    pub(super) fn record(&mut self, change: Change) {
        self.changes.push_back(change);
        let surplus = self.changes.len().saturating_sub(CHANGES_MAX);
        self.changes.drain(..surplus);
    }

    /// Puts what was skipped next, if it is still known.
    fn bring_back(&mut self, Skipped { id, at_ms }: Skipped) -> Option<EntryId> {
        let entry = if let Some(i) = self.waiting.iter().position(|entry| entry.id == id) {
            self.waiting.remove(i)
        } else {
            let i = self.history.iter().position(|entry| entry.id == id)?;
            if self.entries().count() >= ENTRIES_MAX {
                return None;
            }
            self.history.remove(i)?
        };
        self.put_next(entry, at_ms);
        Some(id)
    }

    /// Puts entries back to where they were, as far as there is room; how many.
    fn put_back(&mut self, entries: Vec<(usize, Entry)>) -> usize {
        let room = ENTRIES_MAX.saturating_sub(self.entries().count());
        let back = entries.len().min(room);
        for (i, entry) in entries.into_iter().take(room) {
            self.waiting.insert(i.min(self.waiting.len()), entry);
        }
        back
    }

    /// Arranges what waits as it was. What has come since stays in front if it was put next, and
    /// else goes to the end.
    fn arrange(&mut self, before: &[(EntryId, bool)]) {
        self.waiting.sort_by_cached_key(|entry| {
            match before.iter().position(|(id, _)| *id == entry.id) {
                Some(i) => i + 1,
                None if entry.ahead => 0,
                None => usize::MAX,
            }
        });
        for entry in &mut self.waiting {
            if let Some((_, ahead)) = before.iter().find(|(id, _)| *id == entry.id) {
                entry.ahead = *ahead;
            }
        }
    }
}
