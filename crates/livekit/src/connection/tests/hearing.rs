//! Tracks of others: asked for, carried, lost and found again.

use str0m::media::MediaKind;

use super::*;
use crate::{SubscriptionProblem, TrackSid};

const AUDIO: MediaKind = MediaKind::Audio;
const VIDEO: MediaKind = MediaKind::Video;

/// A bed where the client receives these tracks.
fn hearing(tracks: &[(&str, MediaKind)]) -> Bed {
    let mut bed = connected();
    bed.publish(1, tracks);
    bed.run(ms(10));
    for (sid, _) in tracks {
        bed.client.subscribe(&TrackSid::from(*sid), bed.now);
    }
    bed.run(ms(500));
    bed
}

/// Sends frames of 20 ms, each with its number in it, from that number on.
fn speak(bed: &mut Bed, track: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        bed.send(track, number * 960, &[1, number as u8]);
        bed.run(ms(20));
    }
}

fn numbers(bed: &Bed) -> Vec<u8> {
    bed.heard.iter().map(|frame| frame.data[1]).collect()
}

fn subscriptions(bed: &Bed) -> Vec<(Vec<String>, bool)> {
    let of = |asked: &Asked| match asked {
        Asked::Subscription(asked) => Some((asked.track_sids.clone(), asked.subscribe)),
        _ => None,
    };
    bed.asked.iter().filter_map(of).collect()
}

#[test]
fn a_track_appears_and_is_not_heard_unless_asked_for() {
    let mut bed = connected();
    bed.publish(1, &[("TR_1", AUDIO)]);
    bed.run(ms(100));
    let Some(Event::Appeared(track)) = bed.events.last() else { panic!("{:?}", bed.events) };
    assert_eq!(track.identity, "@alice:x:A");
    assert_eq!(subscriptions(&bed), []);
}

#[test]
fn tracks_that_are_asked_for_together_are_told_together_and_once() {
    let mut bed = connected();
    bed.publish(1, &[("TR_1", AUDIO), ("TR_2", AUDIO)]);
    bed.run(ms(10));
    for sid in ["TR_2", "TR_1", "TR_1", "TR_unknown"] {
        bed.client.subscribe(&sid.into(), bed.now);
    }
    bed.run(ms(10));
    bed.client.subscribe(&"TR_1".into(), bed.now);
    bed.run(ms(10));
    assert_eq!(subscriptions(&bed), [(vec!["TR_1".to_owned(), "TR_2".to_owned()], true)]);
}

#[test]
fn a_track_that_is_watched_is_subscribed_to_and_switched_off_and_never_heard() {
    let mut bed = connected();
    bed.publish(1, &[("TR_1", AUDIO)]);
    bed.run(ms(10));
    assert_eq!(bed.client.tracks().map(|track| track.sid.as_str()).collect::<Vec<_>>(), ["TR_1"]);
    bed.client.watch(&"TR_1".into(), bed.now);
    bed.run(ms(500));
    assert_eq!(subscriptions(&bed), [(vec!["TR_1".to_owned()], true)]);
    let is_switched_off = |asked: &Asked| match asked {
        Asked::TrackSetting(asked) => asked.disabled && asked.track_sids == ["TR_1"],
        _ => false,
    };
    assert_eq!(bed.asked.iter().filter(|asked| is_switched_off(asked)).count(), 1);
    speak(&mut bed, "TR_1", 0..3);
    assert_eq!(numbers(&bed), [0; 0]);
    bed.client.unsubscribe(&"TR_1".into(), bed.now);
    bed.run(ms(10));
    assert_eq!(subscriptions(&bed)[1], (vec!["TR_1".to_owned()], false));
}

#[test]
fn what_a_track_sends_arrives_frame_by_frame_on_one_clock() {
    let mut bed = hearing(&[("TR_1", AUDIO)]);
    speak(&mut bed, "TR_1", 0..10);
    assert_eq!(numbers(&bed), (0..10).collect::<Vec<_>>());
    let first = &bed.heard[0];
    assert_eq!((first.track.as_str(), first.codec), ("TR_1", phonograph_frame::Codec::Opus));
    assert_eq!(bed.heard[9].units - first.units, 9 * 960);
}

#[test]
fn after_a_sender_report_a_frame_knows_when_it_was_captured() {
    let mut bed = hearing(&[("TR_1", AUDIO)]);
    speak(&mut bed, "TR_1", 0..250);
    bed.run(secs(6));
    speak(&mut bed, "TR_1", 550..552);
    let frames = &bed.heard[bed.heard.len() - 2..];
    let (before, after) = frames[0].captured.zip(frames[1].captured).expect("a sender report");
    assert_eq!(after.duration_since(before).unwrap().as_millis(), 20);
}

#[test]
fn a_track_that_is_no_longer_asked_for_is_not_heard_even_if_it_comes() {
    let mut bed = hearing(&[("TR_1", AUDIO)]);
    speak(&mut bed, "TR_1", 0..2);
    bed.client.unsubscribe(&"TR_1".into(), bed.now);
    speak(&mut bed, "TR_1", 2..4);
    assert_eq!(numbers(&bed), [0, 1]);
    assert_eq!(subscriptions(&bed).last(), Some(&(vec!["TR_1".to_owned()], false)));
}

#[test]
fn a_reused_section_is_another_track_and_is_heard_at_once() {
    let mut bed = hearing(&[("TR_1", AUDIO)]);
    speak(&mut bed, "TR_1", 0..5);
    bed.publish(2, &[("TR_2", AUDIO)]);
    bed.run(ms(10));
    assert!(bed.events.contains(&Event::Vanished("TR_1".into())));
    bed.client.subscribe(&"TR_2".into(), bed.now);
    bed.hold_offers();
    bed.run(ms(10));
    bed.reuse_section("TR_1", "TR_2");
    bed.run(ms(50));
    bed.heard.clear();
    speak(&mut bed, "TR_2", 100..105);
    assert_eq!(numbers(&bed), (100..105).collect::<Vec<_>>());
    assert!(bed.heard.iter().all(|frame| frame.track.as_str() == "TR_2"));
}

#[test]
fn a_lost_audio_packet_is_asked_for_again_or_counted() {
    let mut bed = hearing(&[("TR_1", AUDIO)]);
    speak(&mut bed, "TR_1", 0..5);
    bed.link.loss = 1.0;
    speak(&mut bed, "TR_1", 5..7);
    bed.link.loss = 0.0;
    speak(&mut bed, "TR_1", 7..20);
    bed.run(ms(300));
    let lost: u32 = bed.heard.iter().map(|frame| frame.lost).sum();
    assert_eq!(bed.heard.len() as u32 + lost, 20);
    assert_eq!(numbers(&bed).last(), Some(&19));
}

#[test]
fn a_picture_of_many_packets_arrives_whole() {
    let mut bed = hearing(&[("TR_v", VIDEO)]);
    let picture: Vec<u8> = (0..20_000_u32).map(|index| (index % 251) as u8 & !1).collect();
    bed.send("TR_v", 90_000, &picture);
    bed.run(ms(200));
    assert_eq!(bed.heard.len(), 1);
    assert!(bed.heard[0].data == picture, "{} bytes", bed.heard[0].data.len());
    assert_eq!(bed.heard[0].codec, phonograph_frame::Codec::Vp8);
}

#[test]
fn a_picture_of_each_codec_arrives_as_another_packetiser_cut_it() {
    use phonograph_frame::Codec as Ours;
    use str0m::format::Codec as Theirs;

    let body = |len: u32| (0..len).map(|index| (index % 200) as u8 + 4);
    let unit = |header: &[u8], len| {
        let code = [0, 0, 0, 1].into_iter().chain(header.iter().copied());
        code.chain(body(len)).collect::<Vec<u8>>()
    };
    let h264 =
        [unit(&[0x67, 0x42], 10), unit(&[0x68, 0xce], 4), unit(&[0x65, 0x88], 5000)].concat();
    // A sequence header and a frame, each with its size.
    let av1 =
        [&[0x0a, 0x03, 7, 8, 9, 0x32, 0x88, 0x27][..], &body(5000).collect::<Vec<_>>()].concat();
    // An intra-coded frame: frame marker, profile 0, no repetition, key.
    let vp9 = [&[0x82][..], &body(5000).collect::<Vec<_>>()].concat();
    for (theirs, ours, picture) in [
        (Theirs::H264, Ours::H264, h264),
        (Theirs::Av1, Ours::Av1, av1),
        (Theirs::Vp9, Ours::Vp9, vp9),
    ] {
        let mut bed = hearing(&[("TR_v", VIDEO)]);
        for index in 0..3 {
            bed.send_picture("TR_v", theirs, index * 3000, &picture);
            bed.run(ms(33));
        }
        bed.run(secs(1));
        assert_eq!(bed.heard.len(), 3, "{ours:?}");
        for frame in &bed.heard {
            assert_eq!((frame.codec, frame.lost), (ours, 0));
            assert!(frame.data == picture, "{ours:?}: {:x?}", &frame.data[..24]);
        }
    }
}

#[test]
fn a_lost_video_packet_comes_again_by_rtx_and_costs_nothing() {
    let mut bed = hearing(&[("TR_v", VIDEO)]);
    let picture = vec![2; 20_000];
    bed.link.loss = 0.05;
    for index in 0..20 {
        bed.send("TR_v", 90_000 + index * 3000, &picture);
        bed.run(ms(33));
    }
    bed.link.loss = 0.0;
    bed.send("TR_v", 90_000 + 20 * 3000, &picture);
    bed.run(secs(1));
    assert_eq!(bed.heard.len(), 21);
    assert!(bed.heard.iter().all(|frame| frame.data == picture));
}

#[test]
fn a_video_track_begins_with_a_request_for_a_key_frame() {
    let mut bed = hearing(&[("TR_v", VIDEO)]);
    bed.run(secs(2));
    assert_eq!(bed.key_frames_asked, 1);
    bed.client.request_key_frame(&"TR_v".into(), bed.now);
    bed.run(secs(2));
    assert_eq!(bed.key_frames_asked, 2);
}

#[test]
fn what_the_server_refuses_is_told_once_and_so_is_its_permission() {
    let mut bed = hearing(&[("TR_1", AUDIO)]);
    let permit = |allowed| {
        Said::SubscriptionPermissionUpdate(proto::SubscriptionPermissionUpdate {
            participant_sid: "PA_1".to_owned(),
            track_sid: "TR_1".to_owned(),
            allowed,
        })
    };
    let before = bed.events.len();
    for allowed in [true, false, false, true, true] {
        bed.say(permit(allowed));
    }
    bed.run(ms(10));
    let told = bed.events[before..].iter().map(|event| match event {
        Event::Subscription { problem, .. } => *problem,
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [Some(SubscriptionProblem::Forbidden), None]);
}

#[test]
fn more_than_512_tracks_are_not_asked_for() {
    let mut bed = connected();
    let sids: Vec<String> = (0..600).map(|index| format!("TR_{index}")).collect();
    let tracks: Vec<_> = sids.iter().map(|sid| (sid.as_str(), AUDIO)).collect();
    bed.publish(1, &tracks);
    bed.hold_offers();
    bed.run(ms(10));
    for sid in &sids {
        bed.client.subscribe(&sid.as_str().into(), bed.now);
    }
    bed.run(ms(10));
    assert_eq!(subscriptions(&bed)[0].0.len(), 512);
    assert_eq!(bed.client.troubles.total(Trouble::TooMany), 88);
}

#[test]
fn an_offer_of_ten_thousand_sections_ends_it_before_it_is_read() {
    let mut bed = connected();
    let mut sdp = "v=0\r\n".to_owned();
    for _ in 0..10_000 {
        sdp.push_str("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n");
    }
    bed.say(Said::Offer(SessionDescription { sdp, ..SessionDescription::default() }));
    bed.run(ms(10));
    let why = ended(&bed).map(|ended| ended.why.to_string()).unwrap_or_default();
    assert!(why.contains("10000 media sections"), "{why}");
}
