//! How often, and how soon, a connection is tried again.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// The pauses before each further attempt; the last one repeats. Each is spread by half either way,
/// so that the calls of one process do not all come back at once.
const PAUSES_MS: [u64; 5] = [300, 1000, 2000, 4000, 8000];
/// Attempts to get into a call: whoever asked for it is waiting.
const ATTEMPTS_FIRST: usize = 3;
/// Attempts to get back in: about a minute, in which an SFU is restarted.
const ATTEMPTS_LATER: usize = 10;

#[derive(Debug)]
pub(super) struct Retry {
    rng: ChaCha20Rng,
    failures: usize,
    was_up: bool,
    renewed: bool,
}

impl Retry {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { rng: ChaCha20Rng::from_seed(seed), failures: 0, was_up: false, renewed: false }
    }

    /// Takes over that an attempt succeeded.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.was_up = true;
    }

    /// Whether an OpenID token that was not believed may be replaced by a new one at once: the first
    /// time.
    pub(super) fn may_renew(&mut self) -> bool {
        !std::mem::replace(&mut self.renewed, true)
    }

    /// Takes over that the token service believed us.
    pub(super) fn granted(&mut self) {
        self.renewed = false;
    }

    /// Takes over that an attempt failed: how long to wait before the next one, if there is one.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        self.failures += 1;
        let attempts = if self.was_up { ATTEMPTS_LATER } else { ATTEMPTS_FIRST };
        if self.failures >= attempts {
            return None;
        }
        let millis = PAUSES_MS[(self.failures - 1).min(PAUSES_MS.len() - 1)];
        Some(Duration::from_millis(self.rng.random_range(millis / 2..=millis * 3 / 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_join_gives_up_soon_and_a_lost_call_does_not() {
        let mut first = Retry::new([1; 32]);
        assert_eq!(std::iter::from_fn(|| first.pause()).count(), ATTEMPTS_FIRST - 1);
        let mut later = Retry::new([1; 32]);
        later.succeed();
        let pauses: Vec<_> = std::iter::from_fn(|| later.pause()).collect();
        assert_eq!(pauses.len(), ATTEMPTS_LATER - 1);
        assert!(pauses[0] >= Duration::from_millis(150) && pauses[0] <= Duration::from_millis(450));
    }
}
