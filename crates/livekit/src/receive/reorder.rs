//! One track's packets in order.
//!
//! A packet that is not the next waits for those before it: until they come, until it has waited
//! its time, or until so many wait that the gap must be a loss. Then the gap is passed over and
//! counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::Packet;

/// How long a gap is waited for, and how many packets may wait behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) time: Duration,
    pub(super) packets: usize,
}

#[derive(Debug)]
pub(super) struct Reorder {
    patience: Patience,
    /// The number that comes next; `None` until the first packet.
    next: Option<u64>,
    held: BTreeMap<u64, Packet>,
    /// What their payloads weigh.
    bytes: usize,
    /// When the gap at the front was noticed.
    gap_since: Option<Instant>,
}

impl Reorder {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, next: None, held: BTreeMap::new(), bytes: 0, gap_since: None }
    }

    /// Takes a packet; `false` if it came too late or for the second time.
    pub(super) fn push(&mut self, packet: Packet) -> bool {
        let next = *self.next.get_or_insert(packet.seq);
        if packet.seq < next || self.held.contains_key(&packet.seq) {
            return false;
        }
        let arrival = packet.arrival;
        self.bytes += packet.payload.len();
        self.held.insert(packet.seq, packet);
        if self.gap() > 0 {
            self.gap_since.get_or_insert(arrival);
        }
        true
    }

    /// The next packet that need not wait any longer, and how many are missing before it.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Packet, u64)> {
        let gap = self.gap();
        if gap > 0 && !self.is_impatient(now) {
            return None;
        }
        let (seq, packet) = self.held.pop_first()?;
        self.bytes -= packet.payload.len();
        self.next = Some(seq + 1);
        // A gap further on was noticed when the first behind it came.
        let earliest = || self.held.values().map(|packet| packet.arrival).min();
        self.gap_since = if self.gap() > 0 { earliest() } else { None };
        Some((packet, gap))
    }

    /// When the front will have waited long enough.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.gap_since.map(|since| since + self.patience.time)
    }

    /// Goes on without waiting for anything that is missing.
    pub(super) fn give_up(&mut self) {
        self.patience.time = Duration::ZERO;
    }

    /// What is held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops what is held; with what comes next it is missing.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
        self.gap_since = None;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// How many are missing before the first that is held.
    fn gap(&self) -> u64 {
        let first = self.held.keys().next().copied();
        first.zip(self.next).map_or(0, |(first, next)| first - next)
    }

    fn is_impatient(&self, now: Instant) -> bool {
        self.held.len() > self.patience.packets
            || self.timeout().is_some_and(|timeout| timeout <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::{at, packet};

    const PATIENCE: Patience = Patience { time: Duration::from_millis(100), packets: 4 };

    /// Pushes the packets, each arriving at its time in ms; what comes out at that moment.
    fn run(arrivals: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut reorder = Reorder::new(PATIENCE);
        let mut out = Vec::new();
        for &(seq, ms) in arrivals {
            reorder.push(packet(seq, ms));
            out.extend(drain(&mut reorder, ms));
        }
        out
    }

    fn drain(reorder: &mut Reorder, ms: u64) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| reorder.pop(at(ms)).map(|(packet, lost)| (packet.seq, lost)))
            .collect()
    }

    #[test]
    fn in_order_nothing_waits() {
        assert_eq!(run(&[(7, 0), (8, 20), (9, 40)]), [(7, 0), (8, 0), (9, 0)]);
    }

    #[test]
    fn a_packet_that_was_overtaken_is_put_back_in_its_place() {
        assert_eq!(run(&[(7, 0), (9, 20), (8, 30)]), [(7, 0), (8, 0), (9, 0)]);
    }

    #[test]
    fn a_gap_is_waited_for_and_then_counted() {
        let mut reorder = Reorder::new(PATIENCE);
        for (seq, ms) in [(7, 0), (10, 60), (11, 80)] {
            reorder.push(packet(seq, ms));
        }
        assert_eq!(drain(&mut reorder, 159), [(7, 0)]);
        assert_eq!(reorder.timeout(), Some(at(160)));
        assert_eq!(drain(&mut reorder, 160), [(10, 2), (11, 0)]);
        assert_eq!(reorder.timeout(), None);
    }

    #[test]
    fn a_second_gap_waits_from_when_it_was_noticed() {
        let mut reorder = Reorder::new(PATIENCE);
        for (seq, ms) in [(7, 0), (9, 20), (11, 60)] {
            reorder.push(packet(seq, ms));
        }
        assert_eq!(drain(&mut reorder, 120), [(7, 0), (9, 1)]);
        assert_eq!(reorder.timeout(), Some(at(160)));
        assert_eq!(drain(&mut reorder, 160), [(11, 1)]);
    }

    #[test]
    fn when_too_many_wait_the_gap_is_passed_over_at_once() {
        let arrivals: Vec<_> = [7, 9, 10, 11, 12, 13].map(|seq| (seq, 0)).to_vec();
        let passed = [(7, 0), (9, 1), (10, 0), (11, 0), (12, 0), (13, 0)];
        assert_eq!(run(&arrivals), passed);
    }

    #[test]
    fn duplicates_and_latecomers_are_turned_away() {
        let mut reorder = Reorder::new(PATIENCE);
        assert!(reorder.push(packet(7, 0)));
        assert!(reorder.push(packet(9, 0)));
        assert!(!reorder.push(packet(9, 0)));
        assert_eq!(drain(&mut reorder, 100), [(7, 0), (9, 1)]);
        assert!(!reorder.push(packet(8, 100)));
        assert!(!reorder.push(packet(9, 100)));
    }

    #[test]
    fn at_the_end_of_a_track_nothing_is_waited_for() {
        let mut reorder = Reorder::new(PATIENCE);
        reorder.push(packet(7, 0));
        reorder.push(packet(9, 0));
        reorder.give_up();
        assert_eq!(drain(&mut reorder, 0), [(7, 0), (9, 1)]);
    }
}
