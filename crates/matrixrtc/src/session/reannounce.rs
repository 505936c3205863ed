//! When our membership is sent anew because keys of others are missing.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha20Rng;

/// The shortest time between two: each costs every other member a roll-out of its key.
const INTERVAL: Duration = Duration::from_mins(1);
/// How long it is put off at most, by chance, so that those who miss the same key do not all
/// announce themselves at one moment.
const JITTER_MAX: Duration = Duration::from_secs(5);

/// One that is due, and the last that was.
#[derive(Debug)]
pub(super) struct Reannounce {
    jitter: ChaCha20Rng,
    at: Option<Instant>,
    last: Option<Instant>,
}

impl Reannounce {
    pub(super) fn new(jitter: ChaCha20Rng) -> Self {
        Self { jitter, at: None, last: None }
    }

    /// Plans one, unless one is planned.
    pub(super) fn want(&mut self, now: Instant) {
        if self.at.is_none() {
            let earliest = self.last.map_or(now, |last| now.max(last + INTERVAL));
            self.at = Some(earliest + self.jitter.random_range(Duration::ZERO..JITTER_MAX));
        }
    }

    /// Whether the planned one is to be made now; it then counts as made.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = None;
            self.last = Some(now);
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }
}
