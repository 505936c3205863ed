//! A server that sends what no server should.

use std::net::SocketAddr;

use proptest::prelude::*;
use str0m::media::MediaKind;

use super::{sfu::beginning, *};
use crate::{
    connection::hearing::HELD_MAX,
    receive::{Packet, Report},
};

const OFFER: &str = include_str!("offer.sdp");

fn packet(seq: u64, payload: &[u8]) -> Packet {
    let (time, arrival) = (0, beginning());
    Packet { seq, time, payload_type: 111, marker: false, arrival, payload: payload.into() }
}

#[test]
fn a_stream_that_no_offer_named_is_counted_and_makes_nothing() {
    let mut bed = connected();
    for seq in 0..1000 {
        bed.client.heard(4711, packet(seq, &[1]), bed.now);
    }
    let report = Report { time: 0, wall: std::time::SystemTime::UNIX_EPOCH, arrival: bed.now };
    bed.client.reported(4711, report);
    bed.run(ms(10));
    assert_eq!(bed.client.troubles.total(Trouble::UnknownStream), 1000);
    assert!(bed.heard.is_empty());
}

#[test]
fn a_stream_that_is_renamed_in_place_is_the_other_track_from_then_on() {
    let mut bed = connected();
    bed.publish(1, &[("TR_1", MediaKind::Audio), ("TR_2", MediaKind::Audio)]);
    bed.run(ms(10));
    bed.client.subscribe(&"TR_1".into(), bed.now);
    bed.run(ms(500));
    bed.hold_offers();
    bed.client.subscribe(&"TR_2".into(), bed.now);
    bed.send("TR_1", 0, &[1]);
    bed.run(ms(50));
    bed.rename_section("TR_1", "TR_2");
    bed.run(ms(50));
    bed.send("TR_2", 960, &[2]);
    bed.run(ms(50));
    let heard: Vec<_> =
        bed.heard.iter().map(|frame| (frame.track.as_str(), frame.data[0])).collect();
    assert_eq!(heard, [("TR_1", 1), ("TR_2", 2)]);
}

#[test]
fn unfinished_pictures_of_all_tracks_together_stay_within_a_limit() {
    let mut bed = connected();
    let names: Vec<String> = (0..12).map(|n| format!("TR_{n}")).collect();
    let tracks: Vec<_> = names.iter().map(|name| (name.as_str(), MediaKind::Video)).collect();
    bed.publish(1, &tracks);
    bed.run(ms(10));
    for name in &names {
        bed.client.subscribe(&name.as_str().into(), bed.now);
    }
    bed.run(ms(500));
    let streams: Vec<u32> = bed.client.hearing.streams.keys().copied().collect();
    assert_eq!(streams.len(), names.len());
    // VP8 (RFC 7741 §4.2): only the first packet of a picture says that it begins one.
    for (seq, begins) in [(0, 0x10), (1, 0), (2, 0)] {
        let mut part = vec![0; 1 << 20];
        part[0] = begins;
        for ssrc in &streams {
            let packet = Packet { payload_type: 96, ..packet(seq, &part) };
            bed.client.heard(*ssrc, packet, bed.now);
            assert!(bed.client.hearing.held <= HELD_MAX);
        }
    }
    assert!(bed.client.hearing.held > HELD_MAX / 2, "the others keep theirs");
    assert!(bed.client.troubles.total(Trouble::TooMuchHeld) > 0);
}

#[test]
fn who_knows_the_servers_address_cannot_end_the_connection_with_a_datagram() {
    let mut bed = connected();
    for first in 0..=255 {
        for (target, port) in [(Target::Publisher, 1), (Target::Subscriber, 2)] {
            let datagram = Received {
                target,
                protocol: Protocol::Udp,
                source: SocketAddr::from(([192, 0, 2, 1], port + 2)),
                destination: SocketAddr::from(([192, 0, 2, 1], port)),
                contents: &[first; 60],
            };
            bed.client.handle_datagram(&datagram, bed.now);
        }
    }
    bed.run(secs(1));
    assert_eq!(ended(&bed), None);
    let track = bed.track;
    bed.client.send_frame(track, &[7], 0, Level::Silent, bed.now).unwrap();
    bed.run(ms(100));
    assert_eq!(bed.frames, [[7]]);
}

#[test]
fn a_ping_answered_from_the_beginning_of_time_is_a_ping_answered() {
    let mut bed = connected();
    for last_ping_timestamp in [i64::MIN, i64::MAX] {
        bed.say(Said::PongResp(proto::Pong { last_ping_timestamp, timestamp: 0 }));
    }
    bed.run(ms(10));
    assert_eq!(ended(&bed), None);
}

#[test]
fn a_flood_of_addresses_is_taken_up_to_a_limit() {
    let mut bed = connected();
    let target = proto::SignalTarget::Publisher.into();
    for port in 1..=10_000 {
        let candidate =
            format!("candidate:{port} 1 tcp 1 192.0.2.7 {port} typ host tcptype passive");
        let candidate_init = serde_json::json!({ "candidate": candidate }).to_string();
        let trickle = proto::TrickleRequest { candidate_init, target, ..Default::default() };
        bed.client.handle_response(Response::Trickle(trickle), bed.now);
    }
    assert!(bed.client.publisher.remote_addresses() <= 64);
    bed.run(ms(10));
    assert_eq!(ended(&bed), None);
}

#[test]
fn an_offer_as_the_real_server_makes_it_is_answered_with_what_it_carries() {
    let mut bed = Bed::new();
    bed.udp = false;
    bed.say(Said::Join(JoinResponse::default()));
    let sdp = OFFER.replace('\n', "\r\n");
    bed.say(Said::Offer(SessionDescription { sdp, id: 5, ..SessionDescription::default() }));
    bed.run(ms(10));
    let answer = bed.asked.iter().find_map(|asked| match asked {
        Asked::Answer(answer) => Some(answer),
        _ => None,
    });
    let answer = answer.expect("an answer");
    assert_eq!(answer.id, 5);
    assert_eq!(answer.sdp.matches("a=recvonly").count(), 2, "{}", answer.sdp);
    for codec in ["111 opus/48000/2", "96 VP8/90000", "98 VP9/90000", "125 H264/90000"] {
        assert!(answer.sdp.contains(&format!("a=rtpmap:{codec}")), "{codec}: {}", answer.sdp);
    }
    assert!(answer.sdp.contains("a=rtcp-fb:111 nack"), "{}", answer.sdp);
}

#[test]
fn an_offer_without_what_it_needs_ends_it_and_says_so() {
    for part in ["a=fingerprint", "a=ice-ufrag"] {
        let lines: Vec<_> = OFFER.lines().filter(|line| !line.starts_with(part)).collect();
        let sdp = lines.join("\r\n");
        let mut bed = Bed::new();
        bed.udp = false;
        bed.say(Said::Join(JoinResponse::default()));
        bed.say(Said::Offer(SessionDescription { sdp, ..SessionDescription::default() }));
        bed.run(ms(10));
        assert!(
            matches!(ended(&bed), Some(Ended { why: Why::Protocol(_), .. })),
            "{part}: {:?}",
            bed.events
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_offer_that_is_put_together_of_lines_of_offers_makes_it_panic(
        picks in proptest::collection::vec((0_usize..1000, 0_u8..10, any::<u8>()), 0..120),
    ) {
        let lines: Vec<&str> = OFFER.lines().collect();
        let mut sdp = String::new();
        for (pick, fate, noise) in picks {
            let line = lines[pick % lines.len()];
            match fate {
                0 => sdp.push_str(&line[..line.len() / 2]),
                1 => sdp.push_str(&line.replace(|c: char| c.is_ascii_digit(), &noise.to_string())),
                _ => sdp.push_str(line),
            }
            sdp.push_str("\r\n");
        }
        let mut bed = Bed::new();
        bed.client.handle_response(Response::Join(JoinResponse::default()), bed.now);
        for id in 0..2 {
            let sdp = sdp.clone();
            let offer = SessionDescription { sdp, id, ..SessionDescription::default() };
            bed.client.handle_response(Response::Offer(offer), bed.now);
        }
    }

    #[test]
    fn no_answer_makes_it_panic(cut in 0_usize..3000, noise in "[ -~\r\n]{0,80}") {
        let mut bed = Bed::new();
        bed.client.handle_response(Response::Join(JoinResponse::default()), bed.now);
        let cut = OFFER.floor_char_boundary(cut);
        let sdp = format!("{}{noise}{}", &OFFER[..cut], &OFFER[cut..]);
        let answer = SessionDescription { sdp, id: 1, ..SessionDescription::default() };
        bed.client.handle_response(Response::Answer(answer), bed.now);
    }
}
