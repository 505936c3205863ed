//! What a room full of memberships comes to, hostile ones among them.

use serde_json::{Map, json};

use super::*;
use crate::DeviceId;

const NOW: Timestamp = Timestamp::from_millis(2_000_000);

fn member(user: &str, device: &str) -> Member {
    Member { user: UserId::from(user), device: DeviceId::from(device) }
}

fn membership(user: &str, device: &str) -> Value {
    json!({
        "sender": user, "event_id": format!("${user}{device}"), "origin_server_ts": 1_000_000,
        "content": {
            "application": "m.call", "call_id": "", "device_id": device,
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
            "foci_preferred": [{ "type": "livekit", "livekit_service_url": "https://x/jwt" }],
        },
    })
}

/// The roster of these events, whose senders are all in the room.
fn evaluate(events: Vec<Value>) -> Roster {
    let senders = events.iter().filter_map(|event| event["sender"].as_str());
    let joined = senders.map(UserId::from).collect();
    let events: Vec<RawStateEvent> = events.into_iter().map(RawStateEvent::from).collect();
    Roster::evaluate(&events, &joined, NOW)
}

#[test]
fn a_member_is_found_by_its_name_on_the_sfu() {
    let roster = evaluate(vec![membership("@a:x", "D"), membership("@a:x", "E")]);
    let found = roster.by_identity(&Identity::from("@a:x:E")).map(|info| &info.member);
    assert_eq!(found, Some(&member("@a:x", "E")));
    assert_eq!(roster.by_identity(&Identity::from("@a:x:F")), None);
}

#[test]
fn a_name_that_two_members_could_have_is_the_one_with_the_plainer_device() {
    let victim = membership("@a:x:8448", "D");
    let rogue = membership("@a:x", "8448:D");
    for events in [[victim.clone(), rogue.clone()], [rogue, victim]] {
        let roster = evaluate(events.to_vec());
        let found = roster.by_identity(&Identity::from("@a:x:8448:D")).map(|info| &info.member);
        assert_eq!(found, Some(&member("@a:x:8448", "D")));
        assert_eq!(roster.get(&member("@a:x", "8448:D")), None);
        assert_eq!(roster.ignored().ambiguous, 1);
    }
}

#[test]
fn of_two_state_keys_of_one_device_the_newer_counts() {
    let mut older = membership("@a:x", "D");
    older["origin_server_ts"] = 999_999.into();
    older["content"]["m.call.intent"] = "audio".into();
    let roster = evaluate(vec![older, membership("@a:x", "D")]);
    assert_eq!(roster.members().len(), 1);
    assert_eq!(roster.members()[0].intent, None);
    assert_eq!(roster.ignored(), Ignored::default());
}

#[test]
fn of_more_than_ten_thousand_memberships_the_newest_count() {
    let events = (0..EVENTS_MAX + 3).map(|n| {
        let mut event = membership(&format!("@{n}:x"), "D");
        event["origin_server_ts"] = n.into();
        event["content"]["expires"] = 10_000_000.into();
        event
    });
    let roster = evaluate(events.collect());
    assert_eq!(roster.members().len(), EVENTS_MAX);
    assert_eq!(roster.ignored().surplus, 3);
    assert_eq!(roster.get(&member("@2:x", "D")), None);
    assert!(roster.get(&member("@3:x", "D")).is_some());
    assert_eq!(roster.next_expiry(), Some(Timestamp::from_millis(10_000_003)));
}

#[test]
fn rubbish_hides_nobody_and_is_counted() {
    let mut deep = json!(0);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let huge: Map<String, Value> = (0..10_000).map(|n| (n.to_string(), n.into())).collect();
    let broken = ["application", "call_id", "device_id", "focus_active", "foci_preferred"];
    let mut events: Vec<Value> = Vec::new();
    for (n, field) in broken.iter().enumerate() {
        for value in [deep.clone(), Value::Object(huge.clone()), json!(7)] {
            let mut event = membership(&format!("@{n}:x"), "D");
            event["content"][*field] = value;
            events.push(event);
        }
    }
    let malformed = events.len();
    for field in ["created_ts", "expires"] {
        for value in [json!(-1), json!("1"), json!(1.5), deep.clone()] {
            let mut event = membership("@b:x", "D");
            event["content"][field] = value;
            events.push(event);
        }
    }
    let malformed = malformed + 8;
    let mut harmless = membership("@extra:x", "D");
    harmless["content"]["more"] = Value::Object(huge);
    harmless["content"]["nested"] = deep;
    events.push(harmless);
    events.push(membership("@good:x", "D"));

    let roster = evaluate(events);

    let users: Vec<&str> = roster.members().iter().map(|info| info.member.user.as_str()).collect();
    assert_eq!(users, ["@extra:x", "@good:x"]);
    assert_eq!(roster.ignored(), Ignored { malformed, ..Ignored::default() });
}

#[test]
fn times_at_the_end_of_time_do_not_overflow() {
    let mut event = membership("@a:x", "D");
    event["origin_server_ts"] = u64::MAX.into();
    event["content"]["created_ts"] = u64::MAX.into();
    event["content"]["expires"] = u64::MAX.into();
    assert_eq!(evaluate(vec![event]).next_expiry(), Some(Timestamp::from_millis(u64::MAX)));
}

#[test]
fn an_endless_membership_is_taken_for_one_of_a_year() {
    let mut event = membership("@a:x", "D");
    event["content"]["expires"] = u64::MAX.into();
    let year = Duration::from_hours(24 * 365);
    let expected = Timestamp::from_millis(1_000_000).plus(year);
    assert_eq!(evaluate(vec![event]).next_expiry(), Some(expected));
}

#[test]
fn ids_and_addresses_of_impossible_length_are_not_kept() {
    let long_id = membership("@a:x", &"D".repeat(256));
    let mut long_url = membership("@b:x", "D");
    let url = format!("https://{}", "x".repeat(2041));
    long_url["content"]["foci_preferred"][0]["livekit_service_url"] = url.into();

    let roster = evaluate(vec![long_id, long_url, membership("@c:x", &"D".repeat(255))]);

    assert_eq!(roster.ignored().malformed, 1);
    assert_eq!(roster.get(&member("@b:x", "D")).unwrap().preferred, None);
    assert_eq!(roster.members().len(), 2);
}
