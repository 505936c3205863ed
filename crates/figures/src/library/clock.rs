//! Time on the CPU.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::figure::quantile;

/// How often each is measured.
pub(crate) const ROUNDS: usize = 5;

/// A moment of this thread's time on a CPU.
#[derive(Clone, Copy)]
pub(crate) struct CpuInstant(Duration);

impl CpuInstant {
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs()))
    }

    /// How long this thread has been on a CPU since.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The median of some measurements.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}
