//! What comes from strangers, each kind with what must hold of it: no panic, no unbounded memory.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run frames fuzz/corpus/frames
//! ```
//!
//! The corpora in `corpus/` are replayed by a plain test (`tests/corpora`), which includes this file.

use std::time::Instant;

use livekit_protocol::{
    JoinResponse, ParticipantInfo, SessionDescription, SignalResponse, signal_response::Message,
};
use phonograph_frame::{
    Codec,
    crypto::{KeyIndex, KeyRing, MediaKey, SifTrailer},
};
use phonograph_livekit::{Addresses, Config, Connection, Output};
use phonograph_matrixrtc::{
    DeviceId, KeyMessage, Member, RawStateEvent, RoomId, Roster, Timestamp, UserId,
};
use prost::Message as _;
use serde_json::Value;

/// What may be said before it is silent: a message asks for a handful of things.
const OUTPUTS_MAX: usize = 10_000;

/// A codec, then a frame as the SFU forwards it.
pub fn frames(bytes: &[u8]) {
    let Some((codec, frame)) = bytes.split_first() else { return };
    let codecs = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];
    let codec = codecs[usize::from(*codec) % codecs.len()];
    let mut ring = KeyRing::new();
    for index in 0..=u8::MAX {
        ring.set(KeyIndex::new(index), MediaKey::from_random([index; 16]).derive());
    }
    let mut opened = Vec::new();
    match ring.open(codec, frame, &mut opened) {
        Ok(_) => assert!(opened.len() <= frame.len(), "decryption makes nothing longer"),
        Err(_) => assert!(opened.is_empty(), "nothing undecrypted is handed on"),
    }
}

/// The length of a trailer, a trailer, and a frame that may end with it.
pub fn trailers(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first() else { return };
    let (trailer, frame) = rest.split_at(usize::from(*len).min(rest.len()));
    let ends = SifTrailer::new(trailer).ends(frame);
    assert_eq!(ends, !trailer.is_empty() && frame.ends_with(trailer));
}

/// A JSON array of state events.
pub fn memberships(bytes: &[u8]) {
    let Ok(Value::Array(events)) = serde_json::from_slice::<Value>(bytes) else { return };
    let senders = events.iter().filter_map(|event| event["sender"].as_str()).map(UserId::from);
    let joined = senders.collect();
    let count = events.len();
    let events: Vec<_> = events.into_iter().map(RawStateEvent::from).collect();
    let roster = Roster::evaluate(&events, &joined, Timestamp::from_millis(1_000_000));
    assert!(roster.members().len() <= count);
    for info in roster.members() {
        assert_eq!(roster.by_identity(&info.identity()), Some(info));
        let _transport = roster.transport_of(info);
    }
}

/// The content of a to-device message with a media key.
pub fn keys(bytes: &[u8]) {
    let Ok(content) = serde_json::from_slice::<Value>(bytes) else { return };
    let device = content["member"]["claimed_device_id"].as_str().map(DeviceId::from);
    let message = KeyMessage {
        sender: UserId::from("@ann:example.org"),
        sender_device: device,
        signed: true,
        content,
    };
    let me = Member { user: UserId::from("@bot:example.org"), device: DeviceId::from("BOT") };
    if let Ok(key) = message.accept(&RoomId::from("!room:example.org"), &me, true) {
        let bytes = key.key.as_bytes().len();
        assert!((16..=256).contains(&bytes), "a key of {bytes} bytes");
    }
}

/// Signalling messages of an SFU, each behind its length in two bytes.
pub fn signals(bytes: &[u8]) {
    let mut session = Session::new();
    let mut rest = bytes;
    while let [high, low, following @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(following.len());
        let (message, next) = following.split_at(len);
        session.handle(message);
        rest = next;
    }
}

/// The SDP of an SFU's offer, to somebody who has joined.
pub fn offers(bytes: &[u8]) {
    let mut session = Session::new();
    session.say(Message::Join(JoinResponse {
        participant: Some(ParticipantInfo {
            sid: "PA_1".to_owned(),
            identity: "@bot:example.org:BOT".to_owned(),
            ..ParticipantInfo::default()
        }),
        ..JoinResponse::default()
    }));
    session.say(Message::Offer(SessionDescription {
        r#type: "offer".to_owned(),
        sdp: String::from_utf8_lossy(bytes).into_owned(),
        id: 1,
        ..SessionDescription::default()
    }));
}

/// A connection that is told things.
struct Session {
    connection: Connection,
    now: Instant,
}

impl Session {
    fn new() -> Self {
        let now = Instant::now();
        let addresses = Addresses {
            publisher: vec!["192.0.2.1:1".parse().expect("an address")],
            subscriber: vec!["192.0.2.1:2".parse().expect("an address")],
        };
        let config = Config { addresses, seed: 1 };
        Self { connection: Connection::new(&config, now), now }
    }

    fn say(&mut self, message: Message) {
        self.handle(&SignalResponse { message: Some(message) }.encode_to_vec());
    }

    fn handle(&mut self, message: &[u8]) {
        self.connection.handle_signal(message, self.now);
        for _ in 0..OUTPUTS_MAX {
            if matches!(self.connection.poll_output(), Output::Timeout(_) | Output::Done) {
                return;
            }
        }
        panic!("one message made more than {OUTPUTS_MAX} outputs");
    }
}
