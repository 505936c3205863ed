//! Frames that other implementations made.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use phonograph_frame::{
    Codec,
    crypto::{FrameKey, KeyIndex, KeyRing, MediaKey, OpenError, SifTrailer},
};
use serde_json::Value;

fn livekit_client() -> Value {
    serde_json::from_str(include_str!("data/livekit-client.json")).unwrap()
}

fn element_call() -> Value {
    serde_json::from_str(include_str!("data/element-call.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn codec(value: &Value) -> Codec {
    match value.as_str().unwrap() {
        "opus" => Codec::Opus,
        "vp8" => Codec::Vp8,
        "vp9" => Codec::Vp9,
        "h264" => Codec::H264,
        "h265" => Codec::H265,
        other => panic!("unknown codec {other}"),
    }
}

fn key(vectors: &Value, name: &str) -> FrameKey {
    let entry = &vectors["keys"][name];
    let input = bytes(&entry["input_hex"]);
    match entry["kdf"].as_str().unwrap() {
        "HKDF" => MediaKey::new(input).unwrap().derive(),
        _ => FrameKey::from_password(std::str::from_utf8(&input).unwrap()),
    }
}

fn index(value: &Value) -> KeyIndex {
    KeyIndex::new(u8::try_from(value.as_u64().unwrap()).unwrap())
}

#[test]
fn frames_of_livekit_client_open() {
    let vectors = livekit_client();
    for frame in vectors["frames"].as_array().unwrap() {
        let mut ring = KeyRing::new();
        if let Some(name) = frame["key"].as_str() {
            ring.set(index(&frame["key_index"]), key(&vectors, name));
        }
        let mut out = Vec::new();
        ring.open(codec(&frame["codec"]), &bytes(&frame["frame_hex"]), &mut out).unwrap();
        assert_eq!(out, bytes(&frame["plaintext_hex"]), "{}", frame["id"]);
    }
}

#[test]
fn clear_headers_are_as_long_as_livekit_client_leaves_them() {
    for frame in livekit_client()["frames"].as_array().unwrap() {
        let Some(len) = frame["clear_header_len"].as_u64() else { continue };
        let plain = bytes(&frame["plaintext_hex"]);
        assert_eq!(codec(&frame["codec"]).clear_header_len(&plain) as u64, len, "{}", frame["id"]);
    }
}

#[test]
fn frames_that_livekit_client_drops_do_not_open() {
    let vectors = livekit_client();
    let dropped = vectors["negative"].as_array().unwrap().iter();
    // There the receiver is told a wrong frame type; ours reads the type from the frame.
    for frame in dropped.filter(|frame| frame["id"] != "vp8-delta-as-key") {
        let mut ring = KeyRing::new();
        let name = frame["receiver_key"].as_str().unwrap();
        ring.set(index(&frame["receiver_key_index"]), key(&vectors, name));
        let mut out = Vec::new();
        let opened = ring.open(codec(&frame["codec"]), &bytes(&frame["frame_hex"]), &mut out);
        assert!(opened.is_err(), "{} opened", frame["id"]);
        assert!(out.is_empty(), "{} left something behind", frame["id"]);
    }
}

#[test]
fn a_missing_key_is_told_from_a_wrong_one() {
    let vectors = livekit_client();
    let frame = bytes(&vectors["frames"][0]["frame_hex"]);
    let mut out = Vec::new();

    let missing = KeyRing::new().open(Codec::Opus, &frame, &mut out);
    let mut ring = KeyRing::new();
    ring.set(KeyIndex::new(0), key(&vectors, "K16b"));
    let wrong = ring.open(Codec::Opus, &frame, &mut out);

    assert!(matches!(missing, Err(OpenError::MissingKey { .. })));
    assert!(matches!(wrong, Err(OpenError::WrongKey { .. })));
}

#[test]
fn frames_of_the_server_are_recognised() {
    for frame in livekit_client()["sif"].as_array().unwrap() {
        let trailer = SifTrailer::new(bytes(&frame["sif_trailer_hex"]));
        assert!(trailer.ends(&bytes(&frame["frame_hex"])), "{}", frame["id"]);
    }
}

#[test]
fn every_frame_of_element_call_opens() {
    let mut count = 0;
    for set in element_call()["sets"].as_array().unwrap() {
        let mut ring = KeyRing::new();
        for entry in set["keys"].as_array().unwrap() {
            let key = if let Some(password) = entry["password"].as_str() {
                FrameKey::from_password(password)
            } else {
                let secret = STANDARD.decode(entry["secret"].as_str().unwrap()).unwrap();
                MediaKey::new(secret).unwrap().derive()
            };
            ring.set(index(&entry["index"]), key);
        }
        let mut out = Vec::new();
        for frame in set["frames"].as_array().unwrap() {
            let sealed = STANDARD.decode(frame["encrypted"].as_str().unwrap()).unwrap();
            let used = ring.open(Codec::Opus, &sealed, &mut out).unwrap();
            assert_eq!(used, Some(index(&frame["index"])));
            assert_eq!(out, STANDARD.decode(frame["opus"].as_str().unwrap()).unwrap());
            count += 1;
        }
    }
    assert!(count > 100, "only {count} frames");
}
