//! What networks do to packets.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How long a datagram or message takes at least.
pub(super) const DELAY: Duration = Duration::from_millis(1);

/// A link that does to packets what networks do.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) loss: f64,
    pub(super) double: f64,
    pub(super) spread: Duration,
    pub(super) rng: ChaCha8Rng,
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { loss: 0.0, double: 0.0, spread: Duration::ZERO, rng }
    }

    /// After how long each copy of a packet arrives.
    pub(super) fn delays(&mut self) -> Vec<Duration> {
        let copies = match (self.rng.random_bool(self.loss), self.rng.random_bool(self.double)) {
            (true, _) => 0,
            (false, double) => 1 + usize::from(double),
        };
        let spread = self.spread.as_micros() as u64;
        let mut delay = || DELAY + Duration::from_micros(self.rng.random_range(0..=spread));
        (0..copies).map(|_| delay()).collect()
    }
}
