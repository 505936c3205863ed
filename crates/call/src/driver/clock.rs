//! The two clocks: the machines are driven by both, and read neither.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use phonograph_matrixrtc::{Now, Timestamp};

/// Both clocks.
pub(super) fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    Now { instant: Instant::now(), wall: Timestamp::from_millis(millis) }
}
