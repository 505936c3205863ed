//! Two clocks: one that never jumps, for waiting, and the wall's, which events carry.

use std::time::{Duration, Instant};

/// Milliseconds since 1970, as Matrix events carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A time as events carry it.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// As events carry it.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// That much later; at the end of time for what goes beyond it.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long this is after an earlier time; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// One moment on both clocks; every input carries it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For waiting.
    pub instant: Instant,
    /// For comparing with events.
    pub wall: Timestamp,
}

impl Now {
    /// When on the waiting clock the wall shows `time`; at once if that is past.
    pub fn when(self, time: Timestamp) -> Instant {
        self.instant + time.since(self.wall)
    }
}
