//! Whose tracks are heard, and what is handed on of them.

use std::collections::BTreeSet;

use phonograph_frame::{
    Codec,
    crypto::{MediaKey, NonceSeed, Sealer},
};
use phonograph_livekit::{ParticipantSid, Source};
use phonograph_matrixrtc::{DeviceId, RawStateEvent, Timestamp, UserId};
use serde_json::json;

use super::*;

const LINK: LinkId = LinkId(0);
const TRAILER: &[u8] = b"made-by-the-server";

/// Ann's track on one SFU, and the keys that the test gives out.
struct Bed {
    hearing: Hearing,
    now: Instant,
    units: u64,
    sealer: Sealer,
}

fn ann() -> Member {
    Member { user: UserId::from("@ann:x"), device: DeviceId::from("D") }
}

fn ann_identity() -> Identity {
    Identity::from("@ann:x:D")
}

fn roster(users: &[&str]) -> Roster {
    let membership = |user: &&str| {
        RawStateEvent::from(json!({
            "type": "org.matrix.msc3401.call.member", "sender": user,
            "state_key": format!("_{user}_D_m.call"), "event_id": format!("${user}"),
            "origin_server_ts": 1_000_000,
            "content": {
                "application": "m.call", "call_id": "", "scope": "m.room", "device_id": "D",
                "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
                "foci_preferred": [{ "type": "livekit", "livekit_service_url": "https://t" }],
            },
        }))
    };
    let events: Vec<_> = users.iter().map(membership).collect();
    let joined = users.iter().map(|user| UserId::from(*user)).collect::<BTreeSet<_>>();
    Roster::evaluate(&events, &joined, Timestamp::from_millis(1_000_001))
}

fn remote(identity: &str, encrypted: bool) -> RemoteTrack {
    RemoteTrack {
        sid: TrackSid::from("TR_1"),
        participant: ParticipantSid::from("PA_1"),
        identity: identity.to_owned(),
        name: String::new(),
        source: Source::Microphone,
        kind: Kind::Audio,
        codec: Some(Codec::Opus),
        muted: false,
        encrypted,
        stereo: false,
    }
}

fn id() -> TrackId {
    TrackId { link: 0, sid: TrackSid::from("TR_1") }
}

fn key(byte: u8) -> MediaKey {
    MediaKey::from_random([byte; 16])
}

impl Bed {
    fn new(secrecy: Secrecy) -> Self {
        let mut hearing = Hearing::new(secrecy);
        hearing.handle_trailer(LINK, TRAILER.to_vec());
        let sealer = Sealer::new(NonceSeed::new([7; 12]));
        Self { hearing, now: Instant::now(), units: 0, sealer }
    }

    /// With Ann's track, received.
    fn hearing_ann(secrecy: Secrecy) -> Self {
        let encrypted = secrecy.is_encrypted();
        let mut bed = Self::new(secrecy);
        bed.hearing.handle_track(LINK, remote("@ann:x:D", encrypted), |_| Some(ann()));
        assert!(bed.hearing.subscribe(&id()));
        bed.said();
        bed
    }

    fn said(&mut self) -> Vec<Said> {
        std::iter::from_fn(|| self.hearing.poll()).collect()
    }

    fn frame(&mut self, data: &[u8]) -> Encoded {
        self.units += 960;
        Encoded {
            track: TrackSid::from("TR_1"),
            codec: Codec::Opus,
            data: data.to_vec(),
            units: self.units,
            arrival: self.now,
            lost: 0,
            captured: None,
        }
    }

    /// A frame comes that was sealed with that key.
    fn comes(&mut self, index: u8, by: u8, data: &[u8]) {
        self.sealer.set_key(KeyIndex::new(index), key(by).derive());
        let mut sealed = Vec::new();
        self.sealer.seal(Codec::Opus, data, &mut sealed).unwrap();
        self.comes_as_it_is(&sealed);
    }

    fn comes_as_it_is(&mut self, data: &[u8]) {
        let frame = self.frame(data);
        self.hearing.handle_frame(LINK, frame, self.now);
    }

    fn key_comes(&mut self, index: u8, by: u8) {
        let key = (KeyIndex::new(index), key(by).derive());
        self.hearing.handle_key(&ann_identity(), key, self.now);
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        if self.hearing.poll_timeout().is_some_and(|at| at <= self.now) {
            self.hearing.handle_timeout(self.now);
        }
    }

    /// The frames that were handed on, each with how many are missing before it.
    fn frames(&mut self) -> Vec<(Vec<u8>, u32)> {
        let frames = self.said().into_iter().filter_map(|said| match said {
            Said::Frame(_, frame) => Some((frame.data, frame.lost)),
            _ => None,
        });
        frames.collect()
    }
}

#[test]
fn a_members_frames_are_decrypted() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(3, 9);
    bed.comes(3, 9, b"\xfchello");
    assert_eq!(bed.frames(), [(b"\xfchello".to_vec(), 0)]);
}

#[test]
fn a_password_opens_everybodys_frames() {
    let mut bed = Bed::hearing_ann(Secrecy::Shared(key(5).derive()));
    bed.comes(0, 5, b"\xfchello");
    assert_eq!(bed.frames().len(), 1);
}

#[test]
fn a_clear_calls_frames_pass_as_they_are() {
    let mut bed = Bed::hearing_ann(Secrecy::Clear);
    bed.comes_as_it_is(b"\xfchello");
    assert_eq!(bed.frames(), [(b"\xfchello".to_vec(), 0)]);
}

#[test]
fn whoever_is_no_member_is_neither_told_of_nor_heard() {
    let mut bed = Bed::new(Secrecy::Clear);
    bed.hearing.handle_track(LINK, remote("@mallory:x:D", false), |_| None);
    assert!(!bed.hearing.subscribe(&id()));
    bed.comes_as_it_is(b"\xfchello");
    assert_eq!(bed.said(), []);
}

#[test]
fn a_track_that_came_before_its_membership_is_told_of_then() {
    let mut bed = Bed::new(Secrecy::Clear);
    bed.hearing.handle_track(LINK, remote("@ann:x:D", false), |_| None);
    bed.hearing.handle_roster(&roster(&["@ann:x"]), |_, _| Some(ann()));
    assert!(matches!(&bed.said()[..], [Said::Published(info)] if info.member == ann()));
}

#[test]
fn who_leaves_is_no_longer_received() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(0, 1);
    bed.hearing.handle_roster(&roster(&[]), |_, _| None);
    assert_eq!(bed.said(), [Said::Subscribe(id(), false), Said::Ended(id())]);
    bed.comes(0, 1, b"\xfchello");
    assert_eq!(bed.said(), []);
}

#[test]
fn the_keys_of_who_left_are_forgotten() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(0, 1);
    bed.hearing.handle_roster(&roster(&[]), |_, _| None);
    bed.hearing.handle_roster(&roster(&["@ann:x"]), |_, _| Some(ann()));
    bed.hearing.subscribe(&id());
    bed.said();
    bed.comes(0, 1, b"\xfchello");
    assert_eq!(bed.frames(), []);
}

#[test]
fn a_late_key_decrypts_the_frames_held_for_it() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.comes(1, 9, b"\xfcone");
    bed.pass(Duration::from_millis(1900));
    bed.comes(1, 9, b"\xfctwo");
    assert_eq!(bed.frames(), []);
    bed.key_comes(1, 9);
    assert_eq!(bed.frames(), [(b"\xfcone".to_vec(), 0), (b"\xfctwo".to_vec(), 0)]);
}

#[test]
fn a_key_that_takes_the_place_of_another_decrypts_what_that_did_not() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(0, 1);
    bed.comes(0, 2, b"\xfcafter rejoining");
    assert_eq!(bed.frames(), []);
    bed.key_comes(0, 2);
    assert_eq!(bed.frames().len(), 1);
}

#[test]
fn frames_are_held_for_two_seconds_and_counted_afterwards() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.comes(1, 9, b"\xfcone");
    bed.pass(Duration::from_millis(2100));
    bed.comes(1, 9, b"\xfctwo");
    bed.key_comes(1, 9);
    assert_eq!(bed.frames(), [(b"\xfctwo".to_vec(), 1)]);
}

#[test]
fn frames_are_held_up_to_a_number_and_a_size() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    for _ in 0..300 {
        bed.comes(1, 9, b"\xfcone");
    }
    bed.key_comes(1, 9);
    let frames = bed.frames();
    assert_eq!((frames.len(), frames[0].1), (256, 44));

    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    for _ in 0..100 {
        bed.comes(1, 9, &vec![0xfc; 60_000]);
    }
    bed.key_comes(1, 9);
    let frames = bed.frames();
    assert!(frames.len() * 60_000 < 2 << 20 && frames.len() > 30, "{} frames", frames.len());
}

#[test]
fn a_key_that_is_missing_for_two_seconds_is_shown_and_taken_back() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.comes(1, 9, b"\xfcone");
    bed.pass(Duration::from_millis(1900));
    assert_eq!(bed.said(), []);
    bed.pass(Duration::from_millis(100));
    let missing = Said::Undecryptable(id(), Some(Undecryptable::MissingKey));
    assert_eq!(bed.said(), [missing]);
    bed.key_comes(1, 9);
    bed.comes(1, 9, b"\xfctwo");
    assert_eq!(bed.said()[0], Said::Undecryptable(id(), None));
}

#[test]
fn a_key_that_does_not_fit_is_shown() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(1, 8);
    for _ in 0..3 {
        bed.comes(1, 9, b"\xfcone");
        bed.pass(Duration::from_secs(1));
    }
    let wrong = Said::Undecryptable(id(), Some(Undecryptable::WrongKey));
    assert_eq!(bed.said(), [wrong]);
}

#[test]
fn reasons_that_change_with_each_frame_are_shown_once_a_second() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(1, 8);
    let mut shown = 0;
    for n in 0..200 {
        bed.comes(1 + n % 2, 9, b"\xfcone");
        bed.pass(Duration::from_millis(20));
        let is_shown = |said: &&Said| matches!(said, Said::Undecryptable(..));
        shown += bed.said().iter().filter(is_shown).count();
    }
    assert!((1..=3).contains(&shown), "shown {shown} times in four seconds");
}

#[test]
fn a_key_that_never_comes_is_asked_for_once() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    let mut asked = 0;
    for _ in 0..60 {
        bed.comes(1, 9, b"\xfcone");
        bed.pass(Duration::from_secs(1));
        asked += bed.said().iter().filter(|said| **said == Said::AskForKeys).count();
    }
    assert_eq!(asked, 1);
}

#[test]
fn nothing_in_clear_is_handed_on_in_an_encrypted_call() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.hearing.handle_track(LINK, remote("@ann:x:D", false), |_| Some(ann()));
    bed.said();
    bed.key_comes(0, 1);
    bed.comes_as_it_is(b"\xfchello");
    bed.pass(Duration::from_secs(2));
    let shown = Said::Undecryptable(id(), Some(Undecryptable::InClear));
    assert_eq!(bed.said(), [shown]);
}

#[test]
fn a_clear_frame_on_a_track_that_claims_to_be_encrypted_is_not_handed_on() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(0, 1);
    bed.comes_as_it_is(&[0xfc; 200]);
    bed.comes_as_it_is(&[0xfc; 3]);
    assert_eq!(bed.frames(), []);
}

#[test]
fn noise_is_not_handed_on_in_a_clear_call() {
    let mut bed = Bed::hearing_ann(Secrecy::Clear);
    bed.hearing.handle_track(LINK, remote("@ann:x:D", true), |_| Some(ann()));
    bed.said();
    bed.comes(0, 1, b"\xfchello");
    assert_eq!(bed.frames(), []);
}

#[test]
fn what_the_server_puts_in_is_nobodys_speech_and_no_trouble() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    bed.key_comes(0, 1);
    let mut made = vec![0xf8, 0xff, 0xfe];
    made.extend_from_slice(TRAILER);
    for _ in 0..51 {
        bed.comes_as_it_is(&made);
        bed.pass(Duration::from_millis(60));
    }
    assert_eq!(bed.said(), []);
    bed.comes(0, 1, b"\xfchello");
    assert_eq!(bed.frames(), [(b"\xfchello".to_vec(), 0)]);
}

#[test]
fn an_empty_frame_is_left_out() {
    let mut bed = Bed::hearing_ann(Secrecy::Clear);
    bed.comes_as_it_is(b"");
    assert_eq!(bed.said(), []);
}

#[test]
fn one_members_trouble_is_nobody_elses() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    let bob = Member { user: UserId::from("@bob:x"), device: DeviceId::from("D") };
    let theirs = RemoteTrack { sid: TrackSid::from("TR_2"), ..remote("@bob:x:D", true) };
    bed.hearing.handle_track(LINK, theirs, |_| Some(bob));
    bed.hearing.subscribe(&TrackId { link: 0, sid: TrackSid::from("TR_2") });
    bed.key_comes(0, 1);
    bed.said();
    for _ in 0..1000 {
        let mut frame = bed.frame(&[0xff; 1000]);
        frame.track = TrackSid::from("TR_2");
        bed.hearing.handle_frame(LINK, frame, bed.now);
    }
    bed.comes(0, 1, b"\xfchello");
    assert_eq!(bed.frames(), [(b"\xfchello".to_vec(), 0)]);
}

#[test]
fn a_key_that_was_missing_for_pictures_is_followed_by_the_wish_for_a_whole_one() {
    let mut bed = Bed::hearing_ann(Secrecy::PerParticipant);
    let video = RemoteTrack { kind: Kind::Video, ..remote("@ann:x:D", true) };
    bed.hearing.handle_track(LINK, video, |_| Some(ann()));
    bed.comes(1, 9, b"\xfcone");
    bed.said();
    bed.key_comes(1, 9);
    assert_eq!(bed.said()[0], Said::KeyFrame(id()));
}

#[test]
fn a_mute_is_told_to_whoever_hears_the_track() {
    let mut bed = Bed::hearing_ann(Secrecy::Clear);
    let muted = RemoteTrack { muted: true, ..remote("@ann:x:D", false) };
    bed.hearing.handle_track(LINK, muted, |_| Some(ann()));
    assert!(matches!(&bed.said()[..], [Said::Muted(_, true), Said::Changed(info)] if info.muted));
}

#[test]
fn a_connection_that_ends_takes_its_tracks_along() {
    let mut bed = Bed::hearing_ann(Secrecy::Clear);
    bed.hearing.handle_link_end(LINK);
    assert_eq!(bed.said(), [Said::Ended(id())]);
    assert!(!bed.hearing.subscribe(&id()));
}
