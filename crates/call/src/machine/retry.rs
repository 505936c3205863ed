//! How often, and how soon, a connection is tried again.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// The pauses before each further attempt; the last one repeats. Each is spread by half either way,
/// so that the calls of one process do not all come back at once.
const PAUSES_MS: [u64; 5] = [300, 1000, 2000, 4000, 8000];
/// Attempts to get into a call: whoever asked for it is waiting.
const ATTEMPTS_FIRST: usize = 3;
/// After standing for so long a connection that ends is an accident of its own. One that ends sooner
/// counts with those before it, so that a server which lets us in and sends us away is not hammered.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// The longest wait before the first attempt to come back: all calls of a process lose an SFU at once.
const SPREAD_MS: u64 = 300;
/// Attempts to get back in: about a minute, in which an SFU is restarted.
const ATTEMPTS_LATER: usize = 10;

#[derive(Debug)]
pub(super) struct Retry {
    rng: ChaCha20Rng,
    failures: usize,
    was_up: bool,
    up_since: Option<Instant>,
    renewed: bool,
}

impl Retry {
    pub(super) fn new(seed: u64) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self { rng, failures: 0, was_up: false, up_since: None, renewed: false }
    }

    /// Takes over that an attempt succeeded.
    pub(super) const fn succeed(&mut self, now: Instant) {
        self.was_up = true;
        self.up_since = Some(now);
    }

    /// Takes over that what stood has ended.
    pub(super) fn end(&mut self, now: Instant) {
        let stood = self.up_since.take().map(|since| now.saturating_duration_since(since));
        if stood.is_some_and(|stood| stood >= STABLE_AFTER) {
            self.failures = 0;
        }
    }

    /// Forgets what failed.
    pub(super) const fn begin_anew(&mut self) {
        self.failures = 0;
    }

    /// Whether the connection stood before.
    pub(super) const fn was_up(&self) -> bool {
        self.was_up
    }

    /// Whether nothing has failed since it last stood.
    pub(super) const fn is_first(&self) -> bool {
        self.failures == 0
    }

    /// How long to wait before the first attempt to come back.
    pub(super) fn first_pause(&mut self) -> Duration {
        self.failures += 1;
        Duration::from_millis(self.rng.random_range(0..=SPREAD_MS))
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

    /// Takes over that an attempt failed: how long to wait before the next one, if there is one. For
    /// an SFU that only some members publish on there always is: it may be theirs that is not well.
    pub(super) fn pause(&mut self, endless: bool) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let attempts = if self.was_up { ATTEMPTS_LATER } else { ATTEMPTS_FIRST };
        if self.failures >= attempts && !endless {
            return None;
        }
        let millis = PAUSES_MS[(self.failures - 1).min(PAUSES_MS.len() - 1)];
        Some(Duration::from_millis(self.rng.random_range(millis / 2..=millis * 3 / 2)))
    }

    /// A number for a new connection's own jitter.
    pub(super) fn seed(&mut self) -> u64 {
        self.rng.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_join_gives_up_soon_and_a_lost_call_does_not() {
        let mut first = Retry::new(1);
        assert_eq!(std::iter::from_fn(|| first.pause(false)).count(), ATTEMPTS_FIRST - 1);
        let mut later = Retry::new(1);
        later.succeed(Instant::now());
        let pauses: Vec<_> = std::iter::from_fn(|| later.pause(false)).collect();
        assert_eq!(pauses.len(), ATTEMPTS_LATER - 1);
        assert!(pauses[0] >= Duration::from_millis(150) && pauses[0] <= Duration::from_millis(450));
    }

    #[test]
    fn only_what_stood_for_a_while_begins_anew() {
        let now = Instant::now();
        let mut retry = Retry::new(1);
        retry.succeed(now);
        retry.end(now + STABLE_AFTER / 2);
        assert!(retry.is_first());
        retry.first_pause();
        retry.succeed(now);
        retry.end(now + STABLE_AFTER / 2);
        assert!(!retry.is_first());
        retry.succeed(now);
        retry.end(now + STABLE_AFTER);
        assert!(retry.is_first());
    }

    #[test]
    fn somebody_elses_sfu_is_never_given_up() {
        let mut retry = Retry::new(1);
        let pauses: Vec<_> = (0..100).map(|_| retry.pause(true).unwrap()).collect();
        assert!(pauses[99] >= Duration::from_secs(4) && pauses[99] <= Duration::from_secs(12));
    }
}
