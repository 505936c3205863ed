//! What stands in the queue.

use std::{fmt, time::Duration};

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Serialize};

use crate::jukebox::Item;

/// Names an entry for as long as the room has a queue: it is never given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EntryId(pub(super) u64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that somebody asked for, with its place in the room's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its name; it stays the same in queue, play and history.
    pub(crate) id: EntryId,
    /// What it is.
    pub(crate) item: Item,
    /// Who asked for it; none, if autoplay chose it.
    #[serde(default)]
    pub(crate) by: Option<UserId>,
    /// When it was asked for, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) asked_at_ms: u64,
    /// Where in it playing begins, in milliseconds: where it was stopped, or 0.
    #[serde(default)]
    pub(crate) resume_ms: u64,
    /// Whether it goes before all turns, because somebody put it next.
    #[serde(default)]
    pub(super) ahead: bool,
    /// The number of the turn that it ended in, to find what played last; 0 if it has not played.
    #[serde(default)]
    pub(super) ended_in: u64,
}

impl Entry {
    /// What is left to play of it, where its length is known.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let length = self.item.duration?;
        Some(length.saturating_sub(Duration::from_millis(self.resume_ms)))
    }
}

/// The entry that plays, or is to play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Current {
    /// What plays.
    pub(crate) entry: Entry,
    /// Whether it is heard.
    #[serde(default)]
    pub(crate) state: State,
    /// How far it has played, in milliseconds, as last noted.
    #[serde(default)]
    pub(crate) position_ms: u64,
}

/// Whether the current entry is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It plays.
    #[default]
    Playing,
    /// It waits at its position.
    Paused,
}
