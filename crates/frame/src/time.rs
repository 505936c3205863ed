//! Media time.

use std::fmt;

/// A position on a track's RTP clock; it wraps after 2³² units (RFC 3550 §5.1).
///
/// For Opus a unit is 1/48000 s, whatever the source's rate (RFC 7587 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RtpTime(u32);

impl RtpTime {
    /// A position as the wire has it.
    pub const fn new(units: u32) -> Self {
        Self(units)
    }

    /// As the wire has it.
    pub const fn units(self) -> u32 {
        self.0
    }

    /// The position so many units later, past the wrap if need be.
    #[must_use]
    pub const fn plus(self, units: u32) -> Self {
        Self(self.0.wrapping_add(units))
    }

    /// How many units lie between an earlier position and this one; negative if that one is later.
    /// Right while the two are less than half the clock apart (12 h at 48 kHz).
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

impl fmt::Debug for RtpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtpTime({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_hold_across_the_wrap() {
        let before = RtpTime::new(u32::MAX - 479);
        let after = before.plus(960);
        assert_eq!(after.units(), 480);
        assert_eq!(after.since(before), 960);
        assert_eq!(before.since(after), -960);
    }
}
