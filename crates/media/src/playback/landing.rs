//! From the packet at which a demuxer lands to the sample that was asked for.

use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

/// A place to be reached by decoding what comes before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landing {
    /// The time stamp of the first sample to be heard.
    pub(crate) target: i64,
    /// The unit of time stamps, in seconds.
    pub(crate) time_base: TimeBase,
}

impl Landing {
    /// How many samples at this rate lie between the first that a packet gives and the target; none
    /// if the packet comes later. A decoder that trims by itself leaves out the packet's beginning.
    pub(crate) fn early(&self, packet: &Packet, is_trimmed: bool, rate_hz: u32) -> u64 {
        let trim = if is_trimmed { packet.trim_start.get() } else { 0 };
        let from = packet.pts.get().saturating_add_unsigned(trim);
        let Ok(early) = u128::try_from(self.target.saturating_sub(from)) else { return 0 };
        let numer = u128::from(self.time_base.numer.get()) * u128::from(rate_hz);
        u64::try_from(early * numer / u128::from(self.time_base.denom.get())).unwrap_or(u64::MAX)
    }
}
