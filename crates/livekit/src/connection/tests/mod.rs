//! The connection in virtual time, against a server made of str0m.

mod chatter;
mod hearing;
mod hostile;
mod link;
mod publishing;
mod remote;
mod resume;
mod sfu;
mod simulation;
mod tcp;

use std::time::Duration;

use livekit_protocol as proto;
use proptest::prelude::*;
use proto::{signal_request::Message as Asked, signal_response::Message as Said};

use self::sfu::Bed;
use super::*;
use crate::Recovery;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn connected() -> Bed {
    let mut bed = Bed::new();
    bed.join();
    bed.run(secs(2));
    assert_eq!(bed.client.state(), State::Connected, "{:?}", bed.events);
    bed
}

fn ended(bed: &Bed) -> Option<&Ended> {
    bed.events.iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended),
        _ => None,
    })
}

#[test]
fn a_join_is_followed_by_track_and_offer_in_one_breath() {
    let mut bed = Bed::new();
    bed.join();
    bed.run(Duration::from_millis(1));
    let kinds: Vec<_> = bed.asked.iter().take(2).collect();
    assert!(matches!(kinds[..], [Asked::AddTrack(_), Asked::Offer(_)]), "{kinds:?}");
}

#[test]
fn an_encrypted_music_track_is_announced_as_one() {
    let bed = connected();
    let Some(Asked::AddTrack(track)) = bed.asked.first() else { panic!("{:?}", bed.asked) };
    assert_eq!(track.encryption(), proto::encryption::Type::Gcm);
    assert_eq!(track.source(), proto::TrackSource::Microphone);
    assert!(track.disable_red);
    let features: Vec<_> = track.audio_features().collect();
    assert!(features.contains(&proto::AudioTrackFeature::TfStereo));
}

#[test]
fn the_offer_names_the_track_as_it_was_announced() {
    let bed = connected();
    let [Asked::AddTrack(track), Asked::Offer(offer), ..] = &bed.asked[..] else {
        panic!("{:?}", bed.asked)
    };
    let msid = offer.sdp.lines().find(|line| line.starts_with("a=msid:"));
    assert!(msid.is_some_and(|line| line.ends_with(&track.cid)), "{msid:?}");
}

#[test]
fn the_servers_offer_is_answered_by_its_number_with_nothing_to_send() {
    let bed = connected();
    let answer = bed.asked.iter().find_map(|asked| match asked {
        Asked::Answer(answer) => Some(answer),
        _ => None,
    });
    let answer = answer.expect("an answer");
    assert_eq!(answer.id, 77);
    assert!(!answer.sdp.contains("a=sendrecv") && !answer.sdp.contains("a=ssrc"));
}

#[test]
fn the_largest_frame_that_opus_and_encryption_make_arrives_whole() {
    let mut bed = connected();
    let frame = vec![0xfc; 1275 + 30];
    bed.client.send_frame(bed.track, &frame, 0, Level::Below(20), bed.now).unwrap();
    bed.run(Duration::from_millis(200));
    assert_eq!(bed.frames, [frame]);
}

#[test]
fn a_longer_frame_is_refused_instead_of_cut_in_two() {
    let mut bed = connected();
    let frame = vec![0; FRAME_MAX + 1];
    let sent = bed.client.send_frame(bed.track, &frame, 0, Level::Silent, bed.now);
    assert_eq!(sent, Err(SendError::TooLong(FRAME_MAX + 1)));
}

#[test]
fn a_frame_before_the_media_path_is_lost_and_said_to_be() {
    let mut bed = Bed::new();
    let sent = bed.client.send_frame(bed.track, &[1], 0, Level::Silent, bed.now);
    assert_eq!(sent, Err(SendError::NotConnected));
}

#[test]
fn mute_names_the_track_by_the_servers_name() {
    let mut bed = connected();
    bed.client.set_muted(bed.track, true);
    bed.run(Duration::from_millis(10));
    let Some(Asked::Mute(mute)) = bed.asked.last() else { panic!("{:?}", bed.asked) };
    assert_eq!((mute.sid.as_str(), mute.muted), ("TR_1", true));
}

#[test]
fn a_mute_before_the_track_has_a_name_is_made_up_for() {
    let mut bed = Bed::new();
    bed.join();
    bed.run(Duration::from_millis(1));
    bed.client.set_muted(bed.track, true);
    bed.run(secs(1));
    let mute = bed.asked.iter().find_map(|asked| match asked {
        Asked::Mute(mute) => Some(mute.muted),
        _ => None,
    });
    assert_eq!(mute, Some(true));
}

#[test]
fn a_track_that_stays_as_announced_is_not_muted_again() {
    let bed = connected();
    assert!(!bed.asked.iter().any(|asked| matches!(asked, Asked::Mute(_))), "{:?}", bed.asked);
}

#[test]
fn the_newest_token_is_kept_and_never_printed() {
    let mut bed = connected();
    for token in ["secret-1", "secret-2"] {
        bed.say(Said::RefreshToken(token.to_owned()));
    }
    bed.run(Duration::from_millis(10));
    assert_eq!(bed.client.token(), Some("secret-2"));
    assert!(!format!("{:?}", bed.client).contains("secret"));
}

#[test]
fn the_first_listener_is_told() {
    let mut bed = connected();
    bed.say(Said::TrackSubscribed(proto::TrackSubscribed { track_sid: "TR_1".to_owned() }));
    bed.run(Duration::from_millis(10));
    assert_eq!(bed.events.last(), Some(&Event::Subscribed(bed.track)));
}

#[test]
fn a_track_that_the_token_does_not_allow_is_told() {
    let mut bed = Bed::new();
    bed.join();
    bed.run(Duration::from_millis(1));
    let request = sfu::music().request(bed.track);
    bed.client.handle_response(
        Response::RequestResponse(proto::RequestResponse {
            request: Some(proto::request_response::Request::AddTrack(request)),
            ..proto::RequestResponse::default()
        }),
        bed.now,
    );
    bed.udp = false;
    bed.run(Duration::from_micros(100));
    assert!(bed.events.contains(&Event::Refused(bed.track)), "{:?}", bed.events);
}

#[test]
fn the_server_is_pinged_every_five_seconds() {
    let mut bed = connected();
    bed.asked.clear();
    bed.run(secs(9));
    let pings = bed.asked.iter().filter(|asked| matches!(asked, Asked::PingReq(_))).count();
    assert_eq!(pings, 2);
}

#[test]
fn a_server_that_answers_is_kept() {
    let mut bed = connected();
    for _ in 0..20 {
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(5));
    }
    assert_eq!(ended(&bed), None);
}

#[test]
fn no_join_in_five_seconds_ends_it() {
    let mut bed = Bed::new();
    bed.run(secs(5));
    assert_eq!(ended(&bed).map(|ended| &ended.why), Some(&Why::NoJoin));
}

#[test]
fn no_media_path_in_fifteen_seconds_ends_it_and_says_so() {
    let mut bed = Bed::new();
    bed.udp = false;
    bed.join();
    for _ in 0..5 {
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(4));
    }
    assert_eq!(ended(&bed).map(|ended| &ended.why), Some(&Why::NoMediaPath));
}

#[test]
fn leaving_says_so_and_is_over_at_once() {
    let mut bed = connected();
    bed.client.leave(bed.now);
    bed.run(Duration::from_millis(1));
    assert!(matches!(bed.asked.last(), Some(Asked::Leave(_))));
    assert_eq!(ended(&bed).map(|ended| &ended.why), Some(&Why::Left));
    assert_eq!(bed.client.poll_output(), Output::Done);
}

#[test]
fn after_the_end_nothing_happens_any_more() {
    let mut bed = connected();
    bed.client.leave(bed.now);
    bed.run(secs(1));
    let events = bed.events.len();
    bed.say(Said::Leave(proto::LeaveRequest::default()));
    bed.run(secs(60));
    assert_eq!(bed.events.len(), events);
}

#[test]
fn an_offer_that_is_none_ends_it() {
    let mut bed = connected();
    let sdp = "nonsense".to_owned();
    bed.say(Said::Offer(SessionDescription { sdp, ..SessionDescription::default() }));
    bed.run(secs(1));
    assert!(matches!(ended(&bed), Some(Ended { why: Why::Protocol(_), .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_message_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bed = Bed::new();
        bed.client.handle_signal(&bytes, bed.now);
    }

    #[test]
    fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bed = Bed::new();
        let datagram = Received {
            target: Target::Publisher,
            protocol: Protocol::Udp,
            source: "192.0.2.9:1".parse().unwrap(),
            destination: "192.0.2.1:1".parse().unwrap(),
            contents: &bytes,
        };
        bed.client.handle_datagram(&datagram, bed.now);
    }
}
