//! Events and answers as real programs write them, and what is to be read from them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use phonograph_matrixrtc::{
    DeviceId, KeyMessage, Member, RawStateEvent, RoomId, Roster, ServiceUrl, Timestamp, UserId,
    event, identity,
    transport::{self, Grant, Recovery},
};
use serde_json::{Value, json};

fn vectors(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("data/matrixrtc.json")).unwrap();
    all[name].clone()
}

fn member(user: &Value, device: &Value) -> Member {
    Member {
        user: UserId::from(user.as_str().unwrap()),
        device: DeviceId::from(device.as_str().unwrap()),
    }
}

/// The roster that one event makes at that time.
fn roster(case: &Value) -> Roster {
    let mut event = case["event"].clone();
    let membership = event["sender_room_membership"].take();
    let sender = UserId::from(event["sender"].as_str().unwrap());
    let joined = if membership == "join" { BTreeSet::from([sender]) } else { BTreeSet::new() };
    let now = Timestamp::from_millis(case["now"].as_u64().unwrap());
    Roster::evaluate(&[RawStateEvent::from(event)], &joined, now)
}

#[test]
fn memberships_count_as_element_call_counts_them() {
    for case in vectors("state_memberships").as_array().unwrap() {
        let (name, expect) = (&case["name"], &case["expect"]);
        let roster = roster(case);
        let in_our_slot = expect["slot_id"].as_str().is_none_or(|slot| slot == event::SLOT);
        let joined = expect["state"] == "joined" && in_our_slot;
        assert_eq!(roster.members().len(), usize::from(joined), "{name}");
        let Some(info) = roster.members().first() else { continue };
        if let Some(created) = expect["created_ts"].as_u64() {
            assert_eq!(info.created.as_millis(), created, "{name}");
        }
        if let Some(expires) = expect["expires_at"].as_u64() {
            assert_eq!(info.expires_at.as_millis(), expires, "{name}");
        }
        if let Some(identity) = expect["identity"].as_str() {
            assert_eq!(info.identity().as_str(), identity, "{name}");
        }
        if let Some(url) = expect.get("transport_url") {
            let ours = roster.transport_of(info).map(ServiceUrl::as_str);
            assert_eq!(ours, url.as_str(), "{name}");
        }
    }
}

#[test]
fn the_oldest_member_decides_for_those_that_follow_it() {
    let case = vectors("oldest_member");
    let members = case["members"].as_array().unwrap().iter();
    let members: Vec<&Value> = members.filter(|member| member["kind"] == "state").collect();
    let events: Vec<RawStateEvent> = members
        .iter()
        .map(|member| {
            RawStateEvent::from(json!({
                "sender": member["id"], "event_id": member["id"],
                "origin_server_ts": member["created_ts"],
                "content": {
                    "application": "m.call", "call_id": "", "device_id": "D",
                    "focus_active": { "type": "livekit", "focus_selection": member["focus_selection"] },
                    "foci_preferred": [{ "type": "livekit", "livekit_service_url": member["url"] }],
                },
            }))
        })
        .collect();
    let joined = members.iter().map(|m| UserId::from(m["id"].as_str().unwrap())).collect();
    let now = Timestamp::from_millis(case["now"].as_u64().unwrap());

    let roster = Roster::evaluate(&events, &joined, now);

    let order: Vec<&str> = roster.members().iter().map(|info| info.member.user.as_str()).collect();
    assert_eq!(order, ["B", "A", "C"]);
    for info in roster.members() {
        let expected = case["media_url_per_member"][info.member.user.as_str()].as_str();
        assert_eq!(roster.transport_of(info).map(ServiceUrl::as_str), expected);
    }
}

#[test]
fn state_keys_fit_the_room_version() {
    for case in vectors("state_keys")["write"].as_array().unwrap() {
        let key = event::state_key(
            &member(&case["user_id"], &case["device_id"]),
            case["room_version"].as_str().unwrap(),
        );
        assert_eq!(key, case["state_key"].as_str().unwrap());
    }
}

#[test]
fn identities_are_derived_as_the_token_service_derives_them() {
    for case in vectors("livekit_identity_plain").as_array().unwrap() {
        let plain = identity::plain(&member(&case["user_id"], &case["device_id"]));
        assert_eq!(plain.as_str(), case["identity"].as_str().unwrap());
    }
    for name in ["livekit_identity_hashed", "livekit_alias"] {
        for case in vectors(name).as_array().unwrap() {
            let parts = case["array"].as_array().unwrap().iter();
            let parts: Vec<&str> = parts.map(|part| part.as_str().unwrap()).collect();
            assert_eq!(identity::hashed(&parts), case["unpadded_base64"].as_str().unwrap());
        }
    }
}

#[test]
fn key_messages_are_taken_as_element_call_takes_them() {
    let room = RoomId::from("!tDLCaLXijNtYcJZEey:example.com");
    let me = Member { user: UserId::from("@me:example.org"), device: DeviceId::from("ME") };
    for case in vectors("key_messages")["receive"].as_array().unwrap() {
        let message = KeyMessage {
            sender: UserId::from(case["sender"].as_str().unwrap()),
            sender_device: Some(DeviceId::from("BOTDEVICE1")),
            signed: false,
            content: case["content"].clone(),
        };
        let taken = message.accept(&room, &me, false);
        assert_eq!(taken.is_ok(), case["accept"] == true, "{}", case["name"]);
        if let (Ok(taken), Some(hex)) = (taken, case["key_hex"].as_str()) {
            assert_eq!(hex::encode(taken.key.as_bytes()), hex, "{}", case["name"]);
            assert_eq!(u64::from(taken.index.get()), case["index"].as_u64().unwrap());
        }
    }
}

#[test]
fn transports_are_found_where_they_are_announced() {
    for case in vectors("transport_discovery").as_array().unwrap() {
        let announced = transport::parse_transports(&case["endpoint_body"]);
        let known = transport::parse_well_known(&case["well_known"]);
        let first = announced.into_iter().chain(known).next();
        let first = first.as_ref().map(ServiceUrl::as_str);
        assert_eq!(first, case["result"].as_str(), "{}", case["name"]);
    }
}

#[test]
fn a_token_request_holds_exactly_what_the_service_knows() {
    let expected = &vectors("token_requests")["sfu_get"]["body"];
    let token = transport::OpenIdToken {
        access_token: "tok".to_owned(),
        token_type: "Bearer".to_owned(),
        matrix_server_name: "example.org".to_owned(),
        expires_in: 3600,
    };
    let room = RoomId::from(expected["room"].as_str().unwrap());
    assert_eq!(transport::sfu_get(&room, &DeviceId::from("BOTDEVICE1"), &token), *expected);
}

#[test]
fn refusals_of_the_token_service_say_what_helps() {
    for case in vectors("token_requests")["replies"].as_array().unwrap() {
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let action = case["action"].as_str().unwrap();
        let expected = match action {
            "connect" => continue,
            _ if action.contains("OpenID") => Recovery::NewOpenIdToken,
            "retry with back-off" => Recovery::Later,
            _ => Recovery::GiveUp,
        };
        let ours = transport::recovery(status, case["body"]["errcode"].as_str());
        assert_eq!(ours, expected, "{action}");
    }
}

#[test]
fn a_grant_tells_who_and_where_we_are() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = vectors("jwt_claims")["claims"].clone();
    let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));

    let grant = Grant::parse(&json!({ "url": "wss://sfu", "jwt": token })).unwrap();

    assert_eq!(grant.identity.as_str(), claims["sub"].as_str().unwrap());
    assert_eq!(grant.room, claims["video"]["room"].as_str().unwrap());
    assert!(!format!("{grant:?}").contains("e30"));
    assert!(Grant::parse(&json!({ "url": "wss://sfu" })).is_err());
    assert!(Grant::parse(&json!({ "url": "wss://sfu", "jwt": "x.y.z" })).is_err());
}
