//! What plays and what follows it.

use std::time::Duration;

use super::{
    Current, ENTRIES_MAX, Entry, EntryId, HISTORY_MAX, Lists, LoopMode, Queue, State, fair,
    undo::{Change, Skipped},
};
use crate::{command::Title, jukebox::Item};

/// The entries in a row that may fail before playing stops: then it is not their fault.
pub(crate) const FAILURES_MAX: u32 = 5;
/// Who has played this long has not failed, even if it breaks off.
const PLAYED_MS: u64 = 30_000;

/// Why the current entry is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It played to its end.
    Ended,
    /// Somebody had enough of it.
    Skipped,
    /// It could not be opened, or broke off. It is dropped, even if it was to play again.
    Failed,
}

/// What came of it that the current entry was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advanced {
    /// What was current.
    pub(crate) left: Option<EntryId>,
    /// What is now.
    pub(crate) following: Following,
}

/// What is current now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    /// The same entry, from its beginning.
    Again,
    /// The first that waited.
    Next,
    /// Something that autoplay chose.
    Chosen,
    /// Nothing: nothing waits.
    Nothing,
    /// Nothing: too many in a row have failed. What waits is kept, [`Queue::resume`] tries it.
    TooManyFailures,
}

/// What will follow when the current entry has ended, so that it can be opened ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upcoming {
    /// What the entry will be called.
    pub(crate) id: EntryId,
    /// What it is.
    pub(crate) item: Item,
    /// Where in it playing will begin, in milliseconds.
    pub(crate) resume_ms: u64,
}

/// What came of it that somebody wants to hear something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It was paused and goes on.
    GoesOn,
    /// Nothing was current; what is now is to be opened.
    Begins,
    /// It plays already.
    Plays,
    /// There is nothing to play.
    Nothing,
}

/// Why nothing earlier plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPrevious {
    /// Nothing has played before it, or that is forgotten.
    #[error("nothing has played before")]
    Nothing,
    /// What plays cannot be put back, as [`ENTRIES_MAX`] entries wait.
    #[error("the queue is full")]
    Full,
}

/// Where what follows comes from.
enum Source {
    Again,
    Waiting(usize),
    Chosen(Item),
    Nothing,
}

impl Queue {
    /// Leaves the current entry and goes on to what follows, which then plays, even if the current
    /// one was paused.
    ///
    /// Without a current entry it begins what waits. A skip can be undone.
    pub(crate) fn advance(&mut self, why: Why, lists: &Lists) -> Advanced {
        match why {
            Why::Failed => self.count_failure(),
            Why::Ended | Why::Skipped => self.failures = 0,
        }
        if self.failures >= FAILURES_MAX {
            self.failures = 0;
            let left = self.retire(why);
            return Advanced { left, following: Following::TooManyFailures };
        }
        match self.source(why, lists) {
            Source::Again => Advanced { left: self.restart(), following: Following::Again },
            Source::Waiting(i) => {
                let next = self.waiting.remove(i);
                self.leave_for(Some(next), why, Following::Next)
            }
            Source::Chosen(item) => {
                self.draws += 1;
                let next = self.entry(item, None);
                self.leave_for(Some(next), why, Following::Chosen)
            }
            Source::Nothing => self.leave_for(None, why, Following::Nothing),
        }
    }

    /// What [`Queue::advance`] will make current if the current entry plays to its end.
    pub(crate) fn peek_next(&self, lists: &Lists) -> Option<Upcoming> {
        match self.source(Why::Ended, lists) {
            Source::Again => {
                let entry = &self.current.as_ref()?.entry;
                Some(Upcoming { id: entry.id, item: entry.item.clone(), resume_ms: 0 })
            }
            Source::Waiting(i) => {
                let Entry { id, item, resume_ms, .. } = &self.waiting[i];
                Some(Upcoming { id: *id, item: item.clone(), resume_ms: *resume_ms })
            }
            Source::Chosen(item) => {
                Some(Upcoming { id: EntryId(self.next_id), item, resume_ms: 0 })
            }
            Source::Nothing => None,
        }
    }

    /// Goes back to what played last, from its beginning; the current entry will play after it, from
    /// its own beginning.
    ///
    /// # Errors
    /// [`NoPrevious`]; then nothing has changed.
    pub(crate) fn previous(&mut self) -> Result<EntryId, NoPrevious> {
        let in_history = self.history.back().map_or(0, |entry| entry.ended_in);
        // In a loop of the whole queue, what has ended waits again.
        let looped = (0..self.waiting.len())
            .max_by_key(|&i| self.waiting[i].ended_in)
            .filter(|&i| self.waiting[i].ended_in > in_history);
        let previous = if let Some(i) = looped {
            self.waiting.remove(i)
        } else {
            if self.entries().count() >= ENTRIES_MAX {
                return Err(NoPrevious::Full);
            }
            self.history.pop_back().ok_or(NoPrevious::Nothing)?
        };
        if let Some(current) = self.current.take() {
            self.put_next(current.entry, 0);
        }
        let id = previous.id;
        self.failures = 0;
        self.begin(previous);
        Ok(id)
    }

    /// Plays: what is paused goes on; if nothing is current, what waits begins.
    pub(crate) fn resume(&mut self, lists: &Lists) -> Resumed {
        match &mut self.current {
            Some(current) => match std::mem::take(&mut current.state) {
                State::Paused => Resumed::GoesOn,
                State::Playing => Resumed::Plays,
            },
            None => match self.advance(Why::Ended, lists).following {
                Following::Nothing | Following::TooManyFailures => Resumed::Nothing,
                Following::Again | Following::Next | Following::Chosen => Resumed::Begins,
            },
        }
    }

    /// Holds the current entry at its position; whether it played.
    pub(crate) fn pause(&mut self) -> bool {
        let Some(current) = &mut self.current else { return false };
        std::mem::replace(&mut current.state, State::Paused) == State::Playing
    }

    /// Plays the current entry from its beginning.
    pub(crate) fn restart(&mut self) -> Option<EntryId> {
        let current = self.current.as_mut()?;
        current.position_ms = 0;
        current.entry.resume_ms = 0;
        current.state = State::Playing;
        Some(current.entry.id)
    }

    /// Ends playing and keeps everything: the current entry waits before all others, and goes on
    /// where it was once somebody resumes. To forget the queue as well is [`Selection::All`].
    ///
    /// [`Selection::All`]: super::Selection::All
    pub(crate) fn stop(&mut self) -> Option<EntryId> {
        let current = self.current.take()?;
        let id = current.entry.id;
        self.put_next(current.entry, current.position_ms);
        Some(id)
    }

    /// Notes how far the current entry has played; nothing if another is current by now.
    pub(crate) fn note_position(&mut self, id: EntryId, position_ms: u64) {
        let Some(current) = &mut self.current else { return };
        if current.entry.id != id {
            return;
        }
        current.position_ms = position_ms;
        if position_ms.saturating_sub(current.entry.resume_ms) >= PLAYED_MS {
            self.failures = 0;
        }
    }

    /// Notes what an entry is called, by its tags or by what the station says.
    pub(crate) fn note_title(&mut self, id: EntryId, title: Title) {
        if let Some(entry) = self.entry_mut(id) {
            entry.item.title = title;
        }
    }

    /// Notes how long an entry plays, as found when it was opened. Whether it may be that long is
    /// [`Limits::check_length`].
    ///
    /// [`Limits::check_length`]: super::Limits::check_length
    pub(crate) fn note_duration(&mut self, id: EntryId, duration: Option<Duration>) {
        if let Some(entry) = self.entry_mut(id) {
            entry.item.duration = duration;
        }
    }

    /// What follows the current entry.
    fn source(&self, why: Why, lists: &Lists) -> Source {
        let repeats = match self.repeat {
            LoopMode::Off => false,
            LoopMode::One => why == Why::Ended,
            LoopMode::All => why != Why::Failed && self.waiting.is_empty(),
        };
        if repeats && self.current.is_some() {
            return Source::Again;
        }
        if let Some(&first) = self.order().first() {
            return Source::Waiting(first);
        }
        self.choose(why, lists).map_or(Source::Nothing, Source::Chosen)
    }

    fn leave_for(&mut self, next: Option<Entry>, why: Why, following: Following) -> Advanced {
        let at_ms = self.current.as_ref().map_or(0, |current| current.position_ms);
        let left = self.retire(why);
        if let (Why::Skipped, Some(id)) = (why, left) {
            self.record(Change::Skipped(Skipped { id, at_ms }));
        }
        if let Some(next) = next {
            self.begin(next);
        }
        Advanced { left, following }
    }

    /// Counts that the current entry could not be played, which costs nobody a turn.
    fn count_failure(&mut self) {
        let Some(current) = &self.current else { return };
        self.failures += 1;
        if let Some(by) = &current.entry.by {
            fair::make_good(&mut self.served, by);
        }
    }

    /// Takes the current entry to where it belongs when it is over.
    pub(super) fn retire(&mut self, why: Why) -> Option<EntryId> {
        let Current { mut entry, .. } = self.current.take()?;
        let id = entry.id;
        entry.resume_ms = 0;
        entry.ended_in = self.turns;
        match (why, self.repeat) {
            (Why::Failed, _) => {}
            (Why::Ended | Why::Skipped, LoopMode::All) => self.waiting.push(entry),
            (Why::Ended | Why::Skipped, LoopMode::Off | LoopMode::One) => {
                self.history.push_back(entry);
                let surplus = self.history.len().saturating_sub(HISTORY_MAX);
                self.history.drain(..surplus);
            }
        }
        Some(id)
    }

    /// Makes an entry the current one.
    pub(super) fn begin(&mut self, mut entry: Entry) {
        self.turns += 1;
        entry.ahead = false;
        if let Some(by) = &entry.by {
            fair::serve(&mut self.served, by);
        }
        let position_ms = entry.resume_ms;
        self.current = Some(Current { entry, state: State::Playing, position_ms });
    }

    /// Puts an entry that was current before all that waits.
    pub(super) fn put_next(&mut self, entry: Entry, resume_ms: u64) {
        self.waiting.insert(0, Entry { resume_ms, ahead: true, ended_in: 0, ..entry });
    }
}
