//! Whether a server sends fast enough to be waited for. Pure; time comes in.

use std::time::{Duration, Instant};

/// The slowest that still may be music, in bytes per second: Opus for speech takes 750.
const RATE_MIN: f64 = 500.0;

/// What counts as much: of a source that gave this much while it was opened and is still not known,
/// one says that it has no end, and of others that they are slow. In bytes.
const MUCH: u64 = 256 * 1024;

/// Judges the time that a reader waited. While music plays, nobody reads, so that a server which
/// sends in the pace of the music is not slow.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Duration,
    /// Within which the source has to turn out to be music; `None` since it has.
    opening_until: Option<Instant>,
    opening_bytes: u64,
    waited: Duration,
    received: u64,
}

/// What is wrong with a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Too little comes.
    TooSlow,
    /// Much came, and it was not known in time what it is.
    Endless,
}

impl Pace {
    /// From here on: silences of `patience` are borne, and twice of it until the source is opened.
    pub(super) fn new(patience: Duration, now: Instant) -> Self {
        Self {
            patience,
            opening_until: Some(now + 2 * patience),
            opening_bytes: 0,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// The source is known to be music: from now on it may take its time.
    pub(super) fn opened(&mut self) {
        self.opening_until = None;
    }

    /// How long the next bytes may take.
    pub(super) fn limit(&self, now: Instant) -> Duration {
        let left = self.opening_until.map_or(self.patience, |until| until - now);
        left.min(self.patience)
    }

    /// Some bytes came after a time of waiting.
    pub(super) fn received(&mut self, bytes: usize, waited: Duration) -> Result<(), Fault> {
        self.received += bytes as u64;
        self.opening_bytes += bytes as u64;
        self.waited += waited;
        if self.waited < self.patience {
            return Ok(());
        }
        let rate = self.received as f64 / self.waited.as_secs_f64();
        self.waited = Duration::ZERO;
        self.received = 0;
        if rate < RATE_MIN { Err(Fault::TooSlow) } else { Ok(()) }
    }

    /// What it means that [`limit`](Self::limit) has passed.
    pub(super) fn fault(&self) -> Fault {
        let was_opening = self.opening_until.is_some();
        if was_opening && self.opening_bytes >= MUCH { Fault::Endless } else { Fault::TooSlow }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn silence_is_borne_as_long_as_the_settings_say() {
        let now = Instant::now();
        let mut pace = Pace::new(PATIENCE, now);
        pace.opened();
        assert_eq!(pace.limit(now + Duration::from_hours(1)), PATIENCE);
    }

    #[test]
    fn opening_takes_twice_as_long_at_most() {
        let now = Instant::now();
        let pace = Pace::new(PATIENCE, now);
        assert_eq!(pace.limit(now), PATIENCE);
        assert_eq!(pace.limit(now + Duration::from_secs(15)), Duration::from_secs(5));
        assert_eq!(pace.limit(now + Duration::from_secs(25)), Duration::ZERO);
    }

    #[test]
    fn a_trickle_is_too_slow() {
        let mut pace = Pace::new(PATIENCE, Instant::now());
        pace.opened();
        assert_eq!(pace.received(1, Duration::from_secs(9)), Ok(()));
        assert_eq!(pace.received(1, Duration::from_secs(9)), Err(Fault::TooSlow));
    }

    #[test]
    fn a_station_in_the_pace_of_its_music_is_not() {
        let mut pace = Pace::new(PATIENCE, Instant::now());
        pace.opened();
        for _ in 0..3600 {
            assert_eq!(pace.received(3_000, Duration::from_secs(1)), Ok(()));
        }
    }

    #[test]
    fn what_is_not_known_after_much_has_no_end() {
        let mut pace = Pace::new(PATIENCE, Instant::now());
        assert_eq!(pace.fault(), Fault::TooSlow);
        pace.received(300_000, Duration::from_millis(1)).unwrap();
        assert_eq!(pace.fault(), Fault::Endless);
        pace.opened();
        assert_eq!(pace.fault(), Fault::TooSlow);
    }
}
