//! One video track's packets, in order, put together to pictures.
//!
//! A picture is the packets of one RTP time, up to the marker. One that lacks a packet is dropped
//! whole, and its packets count as lost before the next.

use std::{sync::Arc, time::Instant};

use phonograph_frame::Codec;

use super::{Packet, depacketise::Depacketiser};

/// The longest picture. A lossless 4K key frame would not fit; no call sends one.
pub(super) const PICTURE_MAX: usize = 4 << 20;

/// A picture that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) codec: Codec,
    pub(super) time: u32,
    pub(super) data: Vec<u8>,
    pub(super) arrival: Instant,
    /// Packets that are missing, or were dropped, directly before it.
    pub(super) lost: u64,
}

/// What a packet led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Two at most: one that ended without a marker, and one of this packet alone.
    pub(super) pictures: Vec<Picture>,
    /// Whether the sender is to begin anew, as something is missing.
    pub(super) is_broken: bool,
}

#[derive(Debug)]
pub(super) struct Assembler {
    codec: Codec,
    depacketiser: Depacketiser,
    open: Option<Open>,
    lost: u64,
    /// The RTP time of a picture that was given up; what else comes of it is dropped.
    dropped: Option<u32>,
}

#[derive(Debug)]
struct Open {
    time: u32,
    data: Vec<u8>,
    arrival: Instant,
    packets: u64,
}

impl Assembler {
    /// `None` if pictures of that codec are not put together here.
    pub(super) fn new(codec: Codec) -> Option<Self> {
        let depacketiser = Depacketiser::new(codec)?;
        Some(Self { codec, depacketiser, open: None, lost: 0, dropped: None })
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// What is held of a picture that is not whole yet, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.data.len())
    }

    /// Takes the next packet, and how many are missing before it.
    pub(super) fn push(&mut self, packet: &Packet, missing: u64) -> Step {
        let mut step = Step::default();
        if missing > 0 {
            self.lost += missing;
            self.give_up();
            step.is_broken = true;
        }
        if packet.payload.is_empty() {
            return step;
        }
        if self.open.as_ref().is_some_and(|open| open.time != packet.time) {
            self.close(&mut step);
        }
        if self.dropped == Some(packet.time) || !self.append(packet) {
            self.drop_packet(packet.time);
            step.is_broken = true;
        } else if packet.marker {
            self.close(&mut step);
        }
        step
    }

    /// Adds a packet to the picture that it belongs to; `false` if there is none that it could.
    fn append(&mut self, packet: &Packet) -> bool {
        let payload: &Arc<[u8]> = &packet.payload;
        if self.open.is_none() && !self.depacketiser.is_head(payload) {
            return false;
        }
        let open = self.open.get_or_insert_with(|| Open {
            time: packet.time,
            data: Vec::new(),
            arrival: packet.arrival,
            packets: 0,
        });
        let fits = open.data.len() + payload.len() <= PICTURE_MAX;
        if !fits || self.depacketiser.append(payload, &mut open.data).is_err() {
            return false;
        }
        open.packets += 1;
        open.arrival = open.arrival.max(packet.arrival);
        true
    }

    /// Ends the open picture.
    fn close(&mut self, step: &mut Step) {
        let Some(open) = self.open.take() else { return };
        if self.depacketiser.finish().is_err() || open.data.is_empty() {
            self.lost += open.packets;
            step.is_broken = true;
            return;
        }
        let Open { time, data, arrival, .. } = open;
        let lost = std::mem::take(&mut self.lost);
        self.dropped = None;
        step.pictures.push(Picture { codec: self.codec, time, data, arrival, lost });
    }

    /// Drops the open picture, as a packet of it or after it is missing.
    pub(super) fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            self.lost += open.packets;
            self.dropped = Some(open.time);
            // Only what it says is of interest: whether a unit was open does not matter any more.
            let _ = self.depacketiser.finish();
        }
    }

    fn drop_packet(&mut self, time: u32) {
        self.give_up();
        self.lost += 1;
        self.dropped = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::at;

    /// A VP8 packet: whether it begins and ends the picture of that RTP time, and what it carries.
    fn vp8(time: u32, begins: bool, ends: bool, body: &[u8]) -> Packet {
        let mut payload = vec![if begins { 0x10 } else { 0x00 }];
        payload.extend_from_slice(body);
        let (seq, payload_type) = (0, 96);
        let payload = payload.into();
        Packet { seq, time, payload_type, marker: ends, arrival: at(0), payload }
    }

    fn run(packets: &[(Packet, u64)]) -> Vec<(Vec<u8>, u64)> {
        let mut assembler = Assembler::new(Codec::Vp8).unwrap();
        let steps = packets.iter().map(|(packet, missing)| assembler.push(packet, *missing));
        steps.flat_map(|step| step.pictures).map(|got| (got.data, got.lost)).collect()
    }

    #[test]
    fn a_picture_is_all_packets_up_to_the_marker() {
        let packets = [
            (vp8(1, true, false, &[1]), 0),
            (vp8(1, false, true, &[2]), 0),
            (vp8(2, true, true, &[3]), 0),
        ];
        assert_eq!(run(&packets), [(vec![1, 2], 0), (vec![3], 0)]);
    }

    #[test]
    fn a_picture_without_a_marker_ends_where_the_next_begins() {
        let packets = [(vp8(1, true, false, &[1]), 0), (vp8(2, true, true, &[3]), 0)];
        assert_eq!(run(&packets), [(vec![1], 0), (vec![3], 0)]);
    }

    #[test]
    fn a_picture_that_lacks_a_packet_is_dropped_whole_and_counted() {
        let packets = [
            (vp8(1, true, false, &[1]), 0),
            (vp8(1, false, true, &[3]), 2),
            (vp8(2, true, true, &[4]), 0),
        ];
        // The two that are missing, the one before them, the one behind.
        assert_eq!(run(&packets), [(vec![4], 4)]);
    }

    #[test]
    fn a_picture_whose_beginning_is_missing_is_dropped() {
        let packets = [
            (vp8(1, true, true, &[1]), 0),
            (vp8(2, false, false, &[2]), 1),
            (vp8(2, false, true, &[3]), 0),
            (vp8(3, true, true, &[4]), 0),
        ];
        assert_eq!(run(&packets), [(vec![1], 0), (vec![4], 3)]);
    }

    #[test]
    fn a_gap_between_pictures_costs_neither() {
        let packets = [(vp8(1, true, true, &[1]), 0), (vp8(3, true, true, &[3]), 1)];
        assert_eq!(run(&packets), [(vec![1], 0), (vec![3], 1)]);
    }

    #[test]
    fn padding_is_no_part_of_a_picture() {
        let mut padding = vp8(1, false, false, &[]);
        padding.payload = Arc::from([]);
        let packets =
            [(vp8(1, true, false, &[1]), 0), (padding, 0), (vp8(1, false, true, &[2]), 0)];
        assert_eq!(run(&packets), [(vec![1, 2], 0)]);
    }

    #[test]
    fn a_picture_beyond_the_limit_is_dropped_and_the_next_comes() {
        let mut assembler = Assembler::new(Codec::Vp8).unwrap();
        let part = vec![0; 64 << 10];
        let mut longest = 0;
        for index in 0..80 {
            let step = assembler.push(&vp8(1, index == 0, index == 79, &part), 0);
            assert_eq!(step.pictures, []);
            longest = longest.max(assembler.open.as_ref().map_or(0, |open| open.data.len()));
        }
        assert!(longest <= PICTURE_MAX && longest > PICTURE_MAX / 2, "{longest}");
        let step = assembler.push(&vp8(2, true, true, &[7]), 0);
        assert_eq!(step.pictures[0].lost, 80);
    }

    #[test]
    fn a_loss_asks_for_a_new_beginning_and_wholeness_does_not() {
        let mut assembler = Assembler::new(Codec::Vp8).unwrap();
        assert!(!assembler.push(&vp8(1, true, true, &[1]), 0).is_broken);
        assert!(assembler.push(&vp8(3, true, true, &[1]), 1).is_broken);
    }
}
