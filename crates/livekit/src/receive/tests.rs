//! One track's way from packets to frames, over links of all kinds.

use std::sync::OnceLock;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const OPUS: u8 = 111;
const VP8: u8 = 96;
/// One frame of 20 ms at 48 kHz.
const STEP: u32 = 960;

/// So many ms after the beginning of virtual time.
pub(super) fn at(ms: u64) -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
    let start = *START.get_or_init(Instant::now); // the beginning of virtual time
    start + Duration::from_millis(ms)
}

/// An Opus packet of that number, with the RTP time and contents that belong to it.
pub(super) fn packet(seq: u64, ms: u64) -> Packet {
    Packet {
        seq,
        time: (seq as u32).wrapping_mul(STEP),
        payload_type: OPUS,
        marker: false,
        arrival: at(ms),
        payload: seq.to_be_bytes().as_slice().into(),
    }
}

fn audio() -> Receiver {
    Receiver::new("TR_a".into(), Kind::Audio, vec![(OPUS, Codec::Opus)])
}

fn video() -> Receiver {
    Receiver::new("TR_v".into(), Kind::Video, vec![(VP8, Codec::Vp8)])
}

fn drain(receiver: &mut Receiver, ms: u64) -> Vec<Frame> {
    let mut troubles = Troubles::default();
    std::iter::from_fn(|| receiver.poll(at(ms), &mut troubles)).collect()
}

/// What comes of one packet that is alone.
fn take(receiver: &mut Receiver, packet: Packet) -> (Option<Frame>, Troubles) {
    let mut troubles = Troubles::default();
    let now = packet.arrival;
    receiver.handle_packet(packet, &mut troubles);
    let frame = receiver.poll(now, &mut troubles);
    (frame, troubles)
}

#[test]
fn an_audio_packet_is_a_frame_on_the_tracks_clock() {
    let mut receiver = audio();
    let (first, _) = take(&mut receiver, packet(5, 100));
    let (second, _) = take(&mut receiver, packet(6, 120));
    let (first, second) = first.zip(second).unwrap();
    assert_eq!((first.codec, first.lost, first.arrival), (Codec::Opus, 0, at(100)));
    assert_eq!(first.data, 5_u64.to_be_bytes());
    assert_eq!(second.units, first.units + 960);
}

#[test]
fn padding_is_no_frame_and_no_loss() {
    let mut receiver = audio();
    let padding = Packet { payload: Arc::from([]), payload_type: 0, ..packet(6, 20) };
    take(&mut receiver, packet(5, 0));
    assert_eq!(take(&mut receiver, padding).0, None);
    assert_eq!(take(&mut receiver, packet(7, 40)).0.map(|frame| frame.lost), Some(0));
}

#[test]
fn a_codec_that_the_section_does_not_have_is_counted() {
    let mut receiver = audio();
    let (frame, troubles) = take(&mut receiver, Packet { payload_type: 0, ..packet(5, 0) });
    assert_eq!((frame, troubles.total(Trouble::UnknownCodec)), (None, 1));
}

#[test]
fn video_is_no_codec_of_an_audio_track() {
    let codecs = vec![(OPUS, Codec::Opus), (VP8, Codec::Vp8)];
    let mut receiver = Receiver::new("TR_a".into(), Kind::Audio, codecs);
    let (frame, troubles) = take(&mut receiver, Packet { payload_type: VP8, ..packet(5, 0) });
    assert_eq!((frame, troubles.total(Trouble::UnknownCodec)), (None, 1));
}

#[test]
fn what_is_missing_is_told_by_the_next_frame() {
    let mut receiver = audio();
    let mut troubles = Troubles::default();
    for (seq, ms) in [(5, 0), (8, 60)] {
        receiver.handle_packet(packet(seq, ms), &mut troubles);
    }
    assert_eq!(drain(&mut receiver, 60)[0].lost, 0);
    assert_eq!(receiver.timeout(), Some(at(360)));
    assert_eq!(drain(&mut receiver, 360)[0].lost, 2);
}

#[test]
fn frames_of_any_size_pass_as_they_are() {
    for size in [1, 65_535] {
        let payload: Arc<[u8]> = vec![7; size].into();
        let (frame, _) = take(&mut audio(), Packet { payload, ..packet(5, 0) });
        assert_eq!(frame.map(|frame| frame.data.len()), Some(size));
    }
}

#[test]
fn a_jump_in_time_is_counted_and_put_right() {
    let mut receiver = audio();
    let (first, _) = take(&mut receiver, packet(5, 0));
    let (second, troubles) = take(&mut receiver, Packet { time: 0x9000_0000, ..packet(6, 20) });
    assert_eq!(second.unwrap().units, first.unwrap().units + 960);
    assert_eq!(troubles.total(Trouble::TimeJump), 1);
}

#[test]
fn frames_after_a_sender_report_know_when_they_were_captured() {
    let mut receiver = audio();
    let mut troubles = Troubles::default();
    take(&mut receiver, packet(5, 0));
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let report = Report { time: 5 * STEP, wall, arrival: at(10) };
    receiver.handle_report(report, &mut troubles);
    let (frame, _) = take(&mut receiver, packet(6, 20));
    assert_eq!(frame.unwrap().captured, Some(wall + Duration::from_millis(20)));
    let lie = Report { wall: wall - Duration::from_secs(5), ..report };
    receiver.handle_report(lie, &mut troubles);
    assert_eq!(troubles.total(Trouble::LyingReport), 1);
}

#[test]
fn a_video_track_asks_for_a_key_frame_at_once_and_then_once_a_second() {
    let mut receiver = video();
    assert!(receiver.take_key_frame_request(at(0)));
    receiver.want_key_frame();
    assert!(!receiver.take_key_frame_request(at(999)));
    assert_eq!(receiver.timeout(), Some(at(1000)));
    assert!(receiver.take_key_frame_request(at(1000)));
    assert!(!receiver.take_key_frame_request(at(5000)), "nobody wants another");
}

#[test]
fn an_audio_track_never_asks_for_a_key_frame() {
    let mut receiver = audio();
    receiver.want_key_frame();
    assert!(!receiver.take_key_frame_request(at(0)));
}

#[test]
fn a_lost_video_packet_is_waited_for_half_a_second_then_a_key_frame_wanted() {
    let mut receiver = video();
    let mut troubles = Troubles::default();
    receiver.take_key_frame_request(at(0));
    for (seq, ms) in [(5, 0), (7, 40)] {
        let payload: Arc<[u8]> = [0x10, 1, 2].as_slice().into();
        let picture = Packet { payload_type: VP8, marker: true, payload, ..packet(seq, ms) };
        receiver.handle_packet(picture, &mut troubles);
    }
    assert_eq!(drain(&mut receiver, 539).len(), 1);
    assert_eq!(drain(&mut receiver, 540)[0].lost, 1);
    assert!(receiver.take_key_frame_request(at(1000)));
}

#[test]
fn at_the_end_what_is_held_comes_out() {
    let mut receiver = audio();
    let mut troubles = Troubles::default();
    for (seq, ms) in [(5, 0), (7, 20)] {
        receiver.handle_packet(packet(seq, ms), &mut troubles);
    }
    receiver.give_up();
    assert_eq!(drain(&mut receiver, 20).len(), 2);
}

/// A link that loses, doubles and delays, and what the packets sent over it arrive as.
fn arrivals(seed: u64, packets: u64) -> Vec<Packet> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (loss, double, spread) =
        (rng.random_range(0.0..0.3), rng.random_range(0.0..0.1), rng.random_range(0..90));
    let first = rng.random_range(0..1 << 20);
    let mut out = Vec::new();
    for index in 0..packets {
        if rng.random_bool(loss) {
            continue;
        }
        for _ in 0..=u32::from(rng.random_bool(double)) {
            out.push(packet(first + index, index * 20 + rng.random_range(0..=spread)));
        }
    }
    out.sort_by_key(|packet| packet.arrival);
    out
}

#[test]
fn over_a_thousand_bad_links_every_packet_comes_once_in_order_or_counts_as_lost() {
    for seed in 0..1000 {
        let sent = arrivals(seed, 200);
        let mut receiver = audio();
        let mut troubles = Troubles::default();
        let mut frames = Vec::new();
        let end = at(10_000);
        for packet in &sent {
            while let Some(due) = receiver.timeout().filter(|due| *due < packet.arrival) {
                frames.extend(std::iter::from_fn(|| receiver.poll(due, &mut troubles)));
            }
            receiver.handle_packet(packet.clone(), &mut troubles);
            frames.extend(std::iter::from_fn(|| receiver.poll(packet.arrival, &mut troubles)));
        }
        frames.extend(std::iter::from_fn(|| receiver.poll(end, &mut troubles)));

        let seqs: Vec<u64> = frames
            .iter()
            .map(|frame| u64::from_be_bytes(frame.data.as_slice().try_into().unwrap()))
            .collect();
        for (pair, after) in seqs.windows(2).zip(&frames[1..]) {
            assert!(pair[0] < pair[1], "seed {seed}: out of order, {seqs:?}");
            assert_eq!(pair[1] - pair[0], u64::from(after.lost) + 1, "seed {seed}");
        }
        for (pair, seqs) in frames.windows(2).zip(seqs.windows(2)) {
            let steps = (pair[1].units - pair[0].units) / u64::from(STEP);
            assert_eq!(steps, seqs[1] - seqs[0], "seed {seed}: the clock");
        }
        // The spread is less than what a gap is waited for: nothing that arrived is missing, but
        // what was overtaken by the very first.
        let mut arrived: Vec<u64> = sent.iter().map(|packet| packet.seq).collect();
        let begun = arrived[0];
        arrived.retain(|seq| *seq >= begun);
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(seqs, arrived, "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_packets_make_it_panic_or_hold_more_than_its_patience(
        packets in proptest::collection::vec(
            (0_u64..3000, any::<u32>(), 90_u8..114, any::<bool>(), 0_u64..2000,
             proptest::collection::vec(any::<u8>(), 0..20)),
            0..200),
        kind in prop_oneof![Just(Kind::Audio), Just(Kind::Video)],
    ) {
        let codecs = vec![
            (96, Codec::Vp8), (98, Codec::Vp9), (102, Codec::H264), (45, Codec::Av1),
            (OPUS, Codec::Opus),
        ];
        let mut receiver = Receiver::new("TR_x".into(), kind, codecs);
        let mut troubles = Troubles::default();
        for (seq, time, payload_type, marker, ms, payload) in packets {
            let payload = payload.into();
            let packet = Packet { seq, time, payload_type, marker, arrival: at(ms), payload };
            receiver.handle_packet(packet, &mut troubles);
            while let Some(frame) = receiver.poll(at(ms), &mut troubles) {
                prop_assert!(!frame.data.is_empty());
            }
            prop_assert!(receiver.reorder.len() <= VIDEO_PATIENCE.packets);
        }
    }
}
