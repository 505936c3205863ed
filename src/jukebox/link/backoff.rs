//! When to try again to reach what plays live. Pure; time and chance come in.

use std::time::{Duration, Instant};

/// The pause before the first attempt; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause: a station that restarts is heard soon after.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long is tried. People have chosen something else by then.
const TRY_FOR: Duration = Duration::from_mins(2);
/// What has to come for the trouble to be over, in bytes: a second of music. Less comes from servers
/// that take connections only to drop them.
const PROGRESS: u64 = 16 * 1024;

/// Counts the attempts of one trouble.
#[derive(Debug)]
pub(in super::super) struct Backoff {
    give_up_at: Instant,
    pause: Duration,
    received: u64,
}

impl Backoff {
    /// The trouble begins.
    pub(in super::super) fn new(now: Instant) -> Self {
        Self { give_up_at: now + TRY_FOR, pause: PAUSE_MIN, received: 0 }
    }

    /// How long to wait before the next attempt; `None` if it was tried for long enough. `chance` is
    /// from 0 to 1, so that listeners of one station do not return all at once.
    pub(in super::super) fn pause(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        if now >= self.give_up_at {
            return None;
        }
        let pause = self.pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        self.pause = (2 * self.pause).min(PAUSE_MAX);
        self.received = 0;
        Some(pause)
    }

    /// Some bytes came; whether the trouble is over.
    pub(in super::super) fn is_over(&mut self, bytes: usize) -> bool {
        self.received += bytes as u64;
        self.received >= PROGRESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_half_a_second_to_ten() {
        let now = Instant::now();
        let mut backoff = Backoff::new(now);
        let pauses: Vec<_> = (0..7).filter_map(|_| backoff.pause(now, 1.0)).collect();
        let millis = [500, 1000, 2000, 4000, 8000, 10_000, 10_000];
        assert_eq!(pauses, millis.map(Duration::from_millis));
    }

    #[test]
    fn chance_shortens_a_pause_by_half_at_most() {
        let now = Instant::now();
        assert_eq!(Backoff::new(now).pause(now, 0.0), Some(PAUSE_MIN / 2));
        assert_eq!(Backoff::new(now).pause(now, 7.0), Some(PAUSE_MIN));
    }

    #[test]
    fn it_is_given_up_after_two_minutes() {
        let now = Instant::now();
        let mut backoff = Backoff::new(now);
        assert!(backoff.pause(now + TRY_FOR.saturating_sub(PAUSE_MIN), 0.5).is_some());
        assert_eq!(backoff.pause(now + TRY_FOR, 0.5), None);
    }

    #[test]
    fn a_few_bytes_are_no_progress() {
        let now = Instant::now();
        let mut backoff = Backoff::new(now);
        assert!(!backoff.is_over(10_000));
        assert!(backoff.pause(now, 1.0).is_some());
        assert!(!backoff.is_over(10_000));
        assert!(backoff.is_over(10_000));
    }
}
