//! What strangers and broken clients send.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What comes of a key message of a member, changed like that.
fn judge(change: impl FnOnce(&mut KeyMessage)) -> Result<(u8, usize), KeyRefused> {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.roster(&["@a:x"]);
    bed.events();
    let mut message = key_of("@a:x");
    change(&mut message);
    bed.session.handle_media_key(&message, bed.now);
    match &bed.events()[..] {
        [Event::PeerKey { index, key, .. }] => Ok((index.get(), key.as_bytes().len())),
        [Event::KeyRefused { reason, .. }] => Err(*reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_16_to_256_bytes_are_taken() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    for len in [16, 32, 256] {
        let key = STANDARD.encode(vec![1; len]);
        assert_eq!(judge(|message| message.content["keys"]["key"] = key.into()), Ok((3, len)));
    }
    for len in [0, 1, 15, 257, 100_000] {
        let key = STANDARD.encode(vec![1; len]);
        let taken = judge(|message| message.content["keys"]["key"] = key.into());
        assert_eq!(taken, Err(KeyRefused::Malformed), "{len}");
    }
}

#[test]
fn indices_of_0_to_255_are_taken() {
    for index in [0, 254, 255] {
        let taken = judge(|message| message.content["keys"]["index"] = index.into());
        assert_eq!(taken, Ok((index, 16)));
    }
    for index in [json!(256), json!(-1), json!(1.5), json!("0"), json!(u64::MAX), json!(null)] {
        let taken = judge(|message| message.content["keys"]["index"] = index.clone());
        assert_eq!(taken, Err(KeyRefused::Malformed), "{index}");
    }
}

#[test]
fn base64_is_read_in_each_of_its_forms_and_in_no_other() {
    for key in ["-_ECAwQFBgcICQoLDA0ODw==", "+/ECAwQFBgcICQoLDA0ODw", "+/ECAwQFBgcICQoLDA0ODx"] {
        let taken = judge(|message| message.content["keys"]["key"] = key.into());
        assert_eq!(taken, Ok((3, 16)), "{key}");
    }
    for key in [
        "AAECAwQFBgcICQoLDA0OD",
        "AAEC AwQFBgcICQoLDA0ODw==",
        "AAECAwQFBgcICQoLDA0ODw===",
        "\0",
        "é",
    ] {
        let taken = judge(|message| message.content["keys"]["key"] = key.into());
        assert_eq!(taken, Err(KeyRefused::Malformed), "{key}");
    }
}

#[test]
fn a_key_for_another_room_is_refused() {
    let taken = judge(|message| message.content["room_id"] = "!other:x".into());
    assert_eq!(taken, Err(KeyRefused::OtherRoom));
}

#[test]
fn a_key_of_another_device_is_refused() {
    let taken = judge(|message| message.content["member"]["claimed_device_id"] = "E".into());
    assert_eq!(taken, Err(KeyRefused::OtherDevice));
}

#[test]
fn a_key_that_claims_to_be_ours_is_refused() {
    let taken = judge(|message| message.sender = UserId::from("@me:x"));
    assert_eq!(taken, Err(KeyRefused::Own));
}

#[test]
fn what_is_no_key_message_at_all_is_refused() {
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({ "keys": deep, "member": [deep] });
        if deep.to_string().len() > 100_000 {
            break;
        }
    }
    for content in [json!(null), json!([]), json!("x"), json!({}), deep] {
        let taken = judge(|message| message.content = content);
        assert_eq!(taken, Err(KeyRefused::Malformed));
    }
}

#[test]
fn a_key_that_comes_twice_is_told_twice_and_does_no_harm() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.roster(&["@a:x"]);
    bed.events();
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    assert!(matches!(bed.events()[..], [Event::PeerKey { .. }, Event::PeerKey { .. }]));
}

#[test]
fn a_flood_of_keys_does_not_push_out_the_one_that_matters() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    for n in 0..1_000 {
        let mut flood = key_of("@rogue:x");
        let device = format!("{n}");
        flood.content["member"]["claimed_device_id"] = device.as_str().into();
        flood.sender_device = Some(DeviceId::from(device));
        bed.session.handle_media_key(&flood, bed.now);
    }
    bed.roster(&["@a:x"]);
    assert!(bed.events().iter().any(|event| matches!(event, Event::PeerKey { .. })));
}

#[test]
fn memberships_that_expire_one_after_the_other_are_looked_at_once_a_second() {
    let mut bed = Bed::new(Encryption::None);
    let names: Vec<String> = (0..100).map(|n| format!("@{n}:x")).collect();
    let events = names.iter().enumerate().map(|(n, name)| {
        let mut event = membership_json(name);
        event["content"]["expires"] = (1_000 + 10 * n).into();
        RawStateEvent::from(event)
    });
    let joined = names.iter().map(|name| UserId::from(name.as_str())).collect();
    bed.session.handle_roster(events.collect(), joined, bed.now);
    let mut looks = 0;
    while let Some(at) = bed.session.poll_timeout(bed.now) {
        bed.pass(at.duration_since(bed.now.instant));
        looks += 1;
    }
    assert!(bed.session.is_alone());
    assert_eq!(looks, 2);
}

#[test]
fn ten_thousand_members_are_a_call_like_any_other() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    let names: Vec<String> = (0..10_000).map(|n| format!("@{n}:x")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    bed.events();
    bed.roster(&names);
    let joined = |event: &&Event| matches!(event, Event::MemberJoined(_));
    assert_eq!(bed.events().iter().filter(joined).count(), 10_000);
    // Of those that no SFU has, only some are sent the key.
    assert_eq!(key_requests(&bed.serve()), [128; 4]);
    bed.session.handle_seen(&member("@9999:x"), bed.now);
    assert_eq!(key_requests(&bed.serve()), [1]);
    bed.roster(&names[1..]);
    assert!(bed.events().contains(&Event::MemberLeft(member("@0:x"))));
}

/// To how many each of them sends our key.
fn key_requests(requests: &[Request]) -> Vec<usize> {
    let sent = requests.iter().filter_map(|request| match request {
        Request::SendKey { targets, .. } => Some(targets.len()),
        _ => None,
    });
    sent.collect()
}

/// JSON of any shape, with the names that the parsers look for among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "content",
        "sender",
        "application",
        "call_id",
        "device_id",
        "focus_active",
        "type",
        "foci_preferred",
        "expires",
        "created_ts",
        "origin_server_ts",
        "keys",
        "index",
        "key",
        "room_id",
        "member",
        "claimed_device_id",
    ]);
    let texts = prop::sample::select(vec!["m.call", "", "!r:x", "D", "AAECAwQFBgcICQoLDA0ODw"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        texts.prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

/// An answer of any kind, whether it fits the request or not.
fn any_answer() -> impl Strategy<Value = Result<Response, RequestError>> {
    let id = || prop::sample::select(vec!["1", "2", "3"]).prop_map(DelayId::from);
    let listed = id().prop_map(|delay_id| {
        let room_id = RoomId::from("!r:x");
        let event_type = event::CALL_MEMBER.to_owned();
        let state_key = Some("_@me:x_D_m.call".to_owned());
        vec![crate::DelayedEvent { delay_id, room_id, event_type, state_key }]
    });
    prop_oneof![
        Just(Ok(Response::Done)),
        Just(Ok(Response::Sent(crate::EventId::from("$@me:x")))),
        id().prop_map(|id| Ok(Response::Scheduled(id))),
        listed.prop_map(|events| Ok(Response::DelayedEvents(events))),
        any::<bool>().prop_map(|there| {
            Ok(Response::Membership(if there { json!({ "device_id": "D" }) } else { json!({}) }))
        }),
        Just(Ok(Response::KeySent { unserved: vec![member("@a:x")] })),
        Just(Err(RequestError::NotFound)),
        Just(Err(RequestError::Forbidden)),
        Just(Err(RequestError::Unsupported)),
        Just(Err(RequestError::Timeout)),
        Just(Err(RequestError::Network)),
        Just(Err(RequestError::MaxDelay(None))),
        Just(Err(RequestError::RateLimited { retry_after: None })),
    ]
}

/// Something that happens to a session.
#[derive(Debug, Clone)]
enum Happening {
    Answer(Result<Response, RequestError>, prop::sample::Index),
    Pass(u64),
    Roster(Vec<&'static str>),
    Join,
    Leave,
    RequestKeys,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let users = prop::sample::subsequence(vec!["@me:x", "@a:x", "@b:x"], 0..=3);
    prop_oneof![
        8 => (any_answer(), any::<prop::sample::Index>()).prop_map(|(a, i)| Happening::Answer(a, i)),
        3 => (0_u64..20_000).prop_map(Happening::Pass),
        2 => users.prop_map(Happening::Roster),
        1 => Just(Happening::Join),
        1 => Just(Happening::Leave),
        1 => Just(Happening::RequestKeys),
    ]
}

proptest! {
    #[test]
    fn a_session_that_is_not_out_always_waits_for_something(
        happenings in prop::collection::vec(any_happening(), 1..80),
        delegate in any::<bool>(),
    ) {
        let mut bed = Bed::with(|config| config.membership.delegate = delegate);
        bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
        let mut asked = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Answer(answer, which) if !asked.is_empty() => {
                    let id = asked.swap_remove(which.index(asked.len()));
                    bed.session.handle_response(id, answer, bed.now);
                }
                Happening::Answer(..) => bed.pass(Duration::ZERO),
                Happening::Pass(ms) => bed.pass(Duration::from_millis(ms)),
                Happening::Roster(users) => bed.roster(&users),
                Happening::Join => {
                    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
                }
                Happening::Leave => bed.session.leave(bed.now),
                Happening::RequestKeys => bed.session.request_keys(bed.now),
            }
            asked.extend(std::iter::from_fn(|| bed.session.poll_request()).map(|(id, _)| id));
            bed.events();
            let own = |id: &&RequestId| {
                matches!(bed.session.waiting.get(id), Some(Asker::Membership(Lane::Own)))
            };
            let waits = asked.iter().any(|id| own(&id));
            let out = bed.session.membership.is_out();
            let timer = bed.session.membership.poll_timeout().is_some();
            prop_assert!(out || waits || timer);
            prop_assert!(asked.iter().filter(own).count() <= 1, "two requests of one machine");
        }
    }

    #[test]
    fn no_state_and_no_key_make_a_session_panic(
        events in prop::collection::vec(any_json(), 0..4),
        content in any_json(),
    ) {
        let mut bed = Bed::new(Encryption::PerParticipant);
        let events = events.into_iter().map(RawStateEvent::from).collect();
        bed.session.handle_roster(events, BTreeSet::from([UserId::from("D")]), bed.now);
        let message = KeyMessage { content, ..key_of("@a:x") };
        bed.session.handle_media_key(&message, bed.now);
        bed.pass(Duration::from_secs(1));
    }
}
