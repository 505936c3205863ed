//! Keeps what strangers can cause any number of times from filling the log.

use std::time::{Duration, Instant};

/// How often something may be logged.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts something that may be logged once a second.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    logged: Option<Instant>,
    count: u64,
}

impl Throttle {
    /// Counts one more; how many there were since they were last logged, if they may be now.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let rests = |at: Instant| now.saturating_duration_since(at) < INTERVAL;
        if self.logged.is_some_and(rests) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_a_second_and_counted() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        let logged: Vec<u64> =
            (0..3000).filter_map(|n| throttle.count(start + Duration::from_millis(n))).collect();
        assert_eq!(logged, [1, 1000, 1000]);
    }
}
