//! Time on the CPU.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::figure::quantile;

/// How often each is measured.
pub(super) const ROUNDS: usize = 5;

/// How long this thread has been on a CPU.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

/// The median of some measurements.
pub(super) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}
