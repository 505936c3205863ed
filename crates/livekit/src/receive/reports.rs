//! One track's sender reports: which wall time an RTP time was, by the publisher's own clock
//! (RFC 3550 §6.4.1).
//!
//! The SFU passes the publisher's clock on, and anybody can put anything there. So a report counts
//! only if it agrees with the one before, and both with the arrivals, within 10 s. A clock that was
//! really set otherwise shows by three reports in a row that agree with one another.

use std::time::{Duration, Instant, SystemTime};

use super::clock::Clock;

/// How far a report may be from what was to be expected.
const TOLERANCE: Duration = Duration::from_secs(10);
/// So many reports that contradict the accepted one, but not one another, replace it.
const CONVINCING: u32 = 3;

/// What a sender report says, and when it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    /// The RTP time, as the wire has it.
    pub(crate) time: u32,
    /// The same moment on the publisher's clock.
    pub(crate) wall: SystemTime,
    /// When it came to us.
    pub(crate) arrival: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Mapping {
    units: u64,
    wall: SystemTime,
    arrival: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Reports {
    accepted: Option<Mapping>,
    /// The last that contradicted it, and how many did in a row.
    doubted: Option<(Mapping, u32)>,
}

impl Reports {
    /// Takes a report; `false` if it was not believed. Before the first packet none can be.
    pub(super) fn push(&mut self, report: Report, clock: &Clock) -> bool {
        let position = clock.position(report.time).zip(clock.expected(report.arrival));
        let Some((units, expected)) = position else { return true };
        if units.abs_diff(expected) > clock.units(TOLERANCE) {
            return false;
        }
        let mapping = Mapping { units, wall: report.wall, arrival: report.arrival };
        if self.accepted.is_none_or(|before| mapping.agrees_with(&before)) {
            self.accepted = Some(mapping);
            self.doubted = None;
            return true;
        }
        let in_a_row = match self.doubted {
            Some((before, count)) if mapping.agrees_with(&before) => count + 1,
            _ => 1,
        };
        self.doubted = Some((mapping, in_a_row));
        if in_a_row == CONVINCING {
            self.accepted = Some(mapping);
            self.doubted = None;
        }
        in_a_row == CONVINCING
    }

    /// The wall time of that position; `None` before the first report.
    pub(super) fn captured(&self, units: u64, clock: &Clock) -> Option<SystemTime> {
        let mapping = self.accepted?;
        let distance = clock.duration(units.abs_diff(mapping.units));
        if units >= mapping.units {
            mapping.wall.checked_add(distance)
        } else {
            mapping.wall.checked_sub(distance)
        }
    }
}

impl Mapping {
    /// Whether as much time passed on the publisher's clock as between the arrivals, and forward.
    fn agrees_with(&self, before: &Self) -> bool {
        let passed = self.arrival.saturating_duration_since(before.arrival);
        let told = self.wall.duration_since(before.wall);
        told.is_ok_and(|told| told.abs_diff(passed) <= TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::receive::tests::at;

    /// A report of that RTP second and wall second, arriving at that second.
    fn report(rtp: u64, wall: u64, arrival: u64) -> Report {
        Report {
            time: (rtp * 48_000) as u32,
            wall: UNIX_EPOCH + Duration::from_secs(wall),
            arrival: at(arrival * 1000),
        }
    }

    /// A clock whose last packet had RTP time 0 at 0 s.
    fn clock() -> (Clock, u64) {
        let mut clock = Clock::new(48_000);
        let units = clock.advance(0, at(0)).units;
        (clock, units)
    }

    fn wall(reports: &Reports, clock: &Clock, units: u64) -> Option<u64> {
        let captured = reports.captured(units, clock)?;
        captured.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    #[test]
    fn a_position_before_or_after_the_report_is_counted_from_it() {
        let (clock, start) = clock();
        let mut reports = Reports::default();
        assert_eq!(wall(&reports, &clock, start), None);
        assert!(reports.push(report(3, 1003, 3), &clock));
        assert_eq!(wall(&reports, &clock, start), Some(1000));
        assert_eq!(wall(&reports, &clock, start + 5 * 48_000), Some(1005));
    }

    #[test]
    fn the_newest_report_counts_so_that_drift_is_followed() {
        let (clock, start) = clock();
        let mut reports = Reports::default();
        reports.push(report(3, 1003, 3), &clock);
        assert!(reports.push(report(6, 1007, 6), &clock));
        assert_eq!(wall(&reports, &clock, start + 6 * 48_000), Some(1007));
    }

    #[test]
    fn a_report_that_jumps_or_goes_back_is_not_believed() {
        let (clock, start) = clock();
        let mut reports = Reports::default();
        reports.push(report(3, 1003, 3), &clock);
        for lie in [report(6, 1017, 6), report(6, 1002, 6), report(6, 0, 6), report(40, 1006, 6)] {
            assert!(!reports.push(lie, &clock), "{lie:?}");
        }
        assert_eq!(wall(&reports, &clock, start), Some(1000));
    }

    #[test]
    fn a_first_report_far_from_the_packets_is_not_believed() {
        let (clock, _) = clock();
        assert!(!Reports::default().push(report(60, 1000, 3), &clock));
    }

    #[test]
    fn a_clock_that_was_set_shows_by_three_reports_that_agree() {
        let (clock, start) = clock();
        let mut reports = Reports::default();
        reports.push(report(3, 1003, 3), &clock);
        let believed = [6, 9, 12].map(|at| reports.push(report(at, 5000 + at, at), &clock));
        assert_eq!(believed, [false, false, true]);
        assert_eq!(wall(&reports, &clock, start), Some(5000));
    }
}
