//! The queue as it is shown, page by page.

use std::time::Duration;

use super::{Entry, LoopMode, Queue};
use crate::jukebox::Item;

/// The entries of a page: what fits on a telephone.
pub(crate) const PAGE: usize = 10;

/// A page of what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// How many pages there are, at least 1.
    pub(crate) pages: usize,
    /// Its entries, in the order in which they will play.
    pub(crate) rows: Vec<Row<'a>>,
}

/// An entry that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// Its position.
    pub(crate) position: usize,
    /// What it is.
    pub(crate) entry: &'a Entry,
    /// In how long it begins if nobody pauses or changes anything; none, if something before it has
    /// no known length or repeats.
    pub(crate) starts_in: Option<Duration>,
}

/// How long everything plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Total {
    /// What is left of the entries whose length is known, the current one included.
    pub(crate) length: Duration,
    /// How many others there are.
    pub(crate) unknown: usize,
}

impl Queue {
    /// How many pages there are, at least 1.
    pub(crate) fn pages(&self) -> usize {
        self.len().div_ceil(PAGE).max(1)
    }

    /// A page, counted from 1; beyond the last it is the last.
    pub(crate) fn page(&self, number: usize) -> Page<'_> {
        let pages = self.pages();
        let number = number.clamp(1, pages);
        let rows = self.rows().skip((number - 1) * PAGE).take(PAGE).collect();
        Page { number, pages, rows }
    }

    /// What waits, in the order in which it will play, each with its position and time.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut starts_in = match (&self.current, self.repeat) {
            (None, _) => Some(Duration::ZERO),
            (Some(_), LoopMode::One) => None,
            (Some(_), LoopMode::Off | LoopMode::All) => self.rest_of_current(),
        };
        (1..).zip(self.upcoming()).map(move |(position, entry)| {
            let row = Row { position, entry, starts_in };
            // The loop stays with whatever plays next.
            let length = if self.repeat == LoopMode::One { None } else { entry.remaining() };
            starts_in = starts_in.zip(length).and_then(|(start, length)| start.checked_add(length));
            row
        })
    }

    /// In how long an entry begins that waits at a position, as in [`Row`].
    pub(crate) fn starts_in(&self, position: usize) -> Option<Duration> {
        self.rows().nth(position.checked_sub(1)?)?.starts_in
    }

    /// How long everything plays, once.
    pub(crate) fn total(&self) -> Total {
        let current = self.current.iter().map(|_| self.rest_of_current());
        let lengths = current.chain(self.waiting.iter().map(Entry::remaining));
        lengths.fold(Total::default(), |total, length| match length {
            Some(length) => Total { length: total.length.saturating_add(length), ..total },
            None => Total { unknown: total.unknown + 1, ..total },
        })
    }

    /// What plays and what waits, in that order, to be saved as a list.
    pub(crate) fn items(&self) -> Vec<Item> {
        let current = self.current.iter().map(|current| &current.entry);
        current.chain(self.upcoming()).map(|entry| entry.item.clone()).collect()
    }

    /// What is left of the current entry, where its length is known.
    fn rest_of_current(&self) -> Option<Duration> {
        let current = self.current.as_ref()?;
        let position = Duration::from_millis(current.position_ms);
        Some(current.entry.item.duration?.saturating_sub(position))
    }
}
