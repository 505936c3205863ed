//! What is odd about what comes in: counted always, logged at most once a second and kind.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tracing::debug;

/// How often one kind of trouble is logged at most.
const PAUSE: Duration = Duration::from_secs(1);

/// What can be odd, and is gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// A packet of a stream that no offer named.
    UnknownStream,
    /// A packet of a codec that the stream's section does not have.
    UnknownCodec,
    /// A packet that came twice, or after it was given up.
    LatePacket,
    /// A datagram from the other side's address that its protocol does not allow.
    BrokenDatagram,
    /// A picture with a part that cannot be read, or of more than the limit.
    BrokenPicture,
    /// More held of unfinished pictures than the limit, over all tracks.
    TooMuchHeld,
    /// A sender report that cannot be true.
    LyingReport,
    /// An RTP time far from what the arrival says.
    TimeJump,
    /// A participant or track beyond the limit.
    TooMany,
    /// A name or id beyond its limit.
    TextTooLong,
    /// An update older than what is known.
    OldUpdate,
    /// An answer to an offer that is not the last.
    OldAnswer,
    /// A packet of data that cannot be read, or is too long.
    BrokenData,
}

/// The count of each trouble.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<Trouble, Throttle>);

impl Troubles {
    /// Counts one, and logs it if the last of its kind was logged long enough ago.
    pub(crate) fn count(&mut self, trouble: Trouble, now: Instant) {
        self.add(trouble, 1, now);
    }

    /// Counts several.
    pub(crate) fn add(&mut self, trouble: Trouble, more: u64, now: Instant) {
        if more == 0 {
            return;
        }
        let throttle = self.0.entry(trouble).or_default();
        if let Some(since) = throttle.count(more, now) {
            debug!(?trouble, since, total = throttle.total, "the SFU sent what it should not");
        }
    }

    /// How many there were.
    #[cfg(test)]
    pub(crate) fn total(&self, trouble: Trouble) -> u64 {
        self.0.get(&trouble).map_or(0, |throttle| throttle.total)
    }
}

/// Lets one of many through.
#[derive(Debug, Default)]
struct Throttle {
    total: u64,
    /// When one was let through last, and the count then.
    last: Option<(Instant, u64)>,
}

impl Throttle {
    /// Counts some more; how many there were since the last that was let through, if one is now.
    fn count(&mut self, more: u64, now: Instant) -> Option<u64> {
        self.total = self.total.saturating_add(more);
        let (at, logged) = self.last.unzip();
        if at.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        self.last = Some((now, self.total));
        Some(self.total - logged.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_let_through_once_a_second() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let start = Instant::now(); // the beginning of virtual time
        let mut throttle = Throttle::default();
        let passed: Vec<u64> = (0..2500)
            .filter_map(|ms| throttle.count(1, start + Duration::from_millis(ms)))
            .collect();
        assert_eq!(passed, [1, 1000, 1000]);
        assert_eq!(throttle.total, 2500);
    }

    #[test]
    fn each_kind_is_counted_by_itself() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut troubles = Troubles::default();
        troubles.add(Trouble::LatePacket, 3, now);
        troubles.count(Trouble::TimeJump, now);
        let found = [Trouble::LatePacket, Trouble::TimeJump, Trouble::TooMany]
            .map(|trouble| troubles.total(trouble));
        assert_eq!(found, [3, 1, 0]);
    }
}
