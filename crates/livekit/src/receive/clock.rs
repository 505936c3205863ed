//! One track's RTP time, unwrapped and held to what the arrivals allow.

use std::time::{Duration, Instant};

/// How far a step of the RTP time may be from what passed between the arrivals. Far beyond what a
/// frozen server holds back, and any pause is within it, as RTP time runs on over a mute.
const JUMP_MAX: Duration = Duration::from_mins(1);
/// Where the first packet is put: time before it can still be counted.
const START: u64 = 1 << 32;

/// A clock of 2³² units that wraps, as one that does not.
#[derive(Debug)]
pub(super) struct Clock {
    rate: u32,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    time: u32,
    units: u64,
    arrival: Instant,
}

/// A position, and whether the sender's time had to be disbelieved for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) units: u64,
    pub(super) jumped: bool,
}

impl Clock {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, last: None }
    }

    /// The position of a packet, in the order of the packets. One whose time is more than a minute
    /// off the arrival is put where the arrival says, and the clock goes on from there.
    pub(super) fn advance(&mut self, time: u32, arrival: Instant) -> Position {
        let position =
            self.last.map_or(Position { units: START | u64::from(time), jumped: false }, |last| {
                let step = i64::from(time.wrapping_sub(last.time).cast_signed());
                let expected = self.units_between(last.arrival, arrival);
                let jumped = step.abs_diff(expected) > self.units(JUMP_MAX);
                let step = if jumped { expected } else { step };
                Position { units: last.units.saturating_add_signed(step), jumped }
            });
        self.last = Some(Last { time, units: position.units, arrival });
        position
    }

    /// The position that a time near the last packet's has; `None` before the first packet.
    pub(super) fn position(&self, time: u32) -> Option<u64> {
        let last = self.last?;
        let step = i64::from(time.wrapping_sub(last.time).cast_signed());
        Some(last.units.saturating_add_signed(step))
    }

    /// The position of that moment, as the last packet's arrival has it.
    pub(super) fn expected(&self, at: Instant) -> Option<u64> {
        let last = self.last?;
        Some(last.units.saturating_add_signed(self.units_between(last.arrival, at)))
    }

    /// How many units that is.
    pub(super) fn units(&self, duration: Duration) -> u64 {
        let units = duration.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// How long so many units are.
    pub(super) fn duration(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn units_between(&self, from: Instant, to: Instant) -> i64 {
        let between = |from, to| i64::try_from(self.units(to - from)).unwrap_or(i64::MAX);
        if to >= from { between(from, to) } else { -between(to, from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::at;

    const RATE: u32 = 48_000;

    fn clock(time: u32) -> (Clock, u64) {
        let mut clock = Clock::new(RATE);
        let first = clock.advance(time, at(0)).units;
        (clock, first)
    }

    #[test]
    fn the_wrap_is_a_step_like_any_other() {
        let (mut clock, first) = clock(u32::MAX - 479);
        assert_eq!(clock.advance(480, at(20)).units, first + 960);
    }

    #[test]
    fn a_small_step_back_goes_back() {
        let (mut clock, first) = clock(0);
        assert_eq!(clock.advance(0_u32.wrapping_sub(960), at(20)).units, first - 960);
    }

    #[test]
    fn a_pause_is_a_long_step() {
        let (mut clock, first) = clock(5);
        let position = clock.advance(5 + 30 * RATE, at(30_000));
        assert_eq!(position, Position { units: first + u64::from(30 * RATE), jumped: false });
    }

    #[test]
    fn a_burst_that_was_held_back_keeps_its_own_time() {
        let (mut clock, first) = clock(0);
        assert_eq!(clock.advance(960, at(12_000)).units, first + 960);
    }

    #[test]
    fn a_time_more_than_a_minute_off_is_put_where_the_arrival_says() {
        for jump in [61 * RATE, 0_u32.wrapping_sub(61 * RATE), 1 << 31, u32::MAX / 2] {
            let (mut clock, first) = clock(0);
            let position = clock.advance(jump, at(20));
            assert_eq!(position, Position { units: first + 960, jumped: true }, "{jump}");
            // And what follows it follows it.
            let next = clock.advance(jump.wrapping_add(960), at(40));
            assert_eq!(next, Position { units: first + 1920, jumped: false }, "{jump}");
        }
    }

    #[test]
    fn units_and_durations_are_the_same_thing() {
        let clock = Clock::new(RATE);
        assert_eq!(clock.units(Duration::from_millis(20)), 960);
        assert_eq!(clock.duration(960), Duration::from_millis(20));
    }
}
