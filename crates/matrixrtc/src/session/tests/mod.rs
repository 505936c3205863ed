//! The parts together.

mod hostile;
mod restart;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{DelayId, DeviceId, Intent, Timestamp, keys::KeyRefused};

struct Bed {
    session: Session,
    now: Now,
}

fn member(user: &str) -> Member {
    Member { user: UserId::from(user), device: DeviceId::from("D") }
}

impl Bed {
    fn new(encryption: Encryption) -> Self {
        Self::with(|config| config.encryption = encryption)
    }

    /// An encrypted call, but for what is changed.
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let instant = Instant::now(); // the beginning of virtual time
        let mut config = Config {
            membership: membership::Config {
                me: member("@me:x"),
                room: RoomId::from("!r:x"),
                room_version: "11".to_owned(),
                intent: Intent::Audio,
                selection: Selection::Own,
                delegate: false,
            },
            encryption: Encryption::PerParticipant,
            signed_devices_only: false,
            saved: None,
            seed: [7; 32],
        };
        change(&mut config);
        Self {
            session: Session::new(config),
            now: Now { instant, wall: Timestamp::from_millis(1_000_000) },
        }
    }

    fn roster(&mut self, users: &[&str]) {
        let events = users.iter().map(|user| membership_of(user)).collect();
        let joined = users.iter().map(|user| UserId::from(*user)).collect();
        self.session.handle_roster(events, joined, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall = self.now.wall.plus(time);
        self.session.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// What a healthy homeserver answers.
    fn answer(request: &Request) -> Response {
        match request {
            Request::ListDelayedEvents => Response::DelayedEvents(Vec::new()),
            Request::ScheduleLeave { .. } => Response::Scheduled(DelayId::from("1")),
            Request::SendMembership { .. } => Response::Sent(crate::EventId::from("$@me:x")),
            Request::SendKey { .. } => Response::KeySent { unserved: Vec::new() },
            Request::ReadMembership { .. } => Response::Membership(json!({ "device_id": "D" })),
            Request::RestartLeave(_)
            | Request::CancelLeave(_)
            | Request::SendLeaveNow(_)
            | Request::DelegateLeave { .. } => Response::Done,
        }
    }

    /// Answers all requests as a healthy homeserver would, and returns them.
    fn serve(&mut self) -> Vec<Request> {
        let mut served = Vec::new();
        while let Some((id, request)) = self.session.poll_request() {
            let answer = Self::answer(&request);
            self.session.handle_response(id, Ok(answer), self.now);
            served.push(request);
        }
        served
    }
}

fn membership_of(user: &str) -> RawStateEvent {
    RawStateEvent::from(membership_json(user))
}

fn membership_json(user: &str) -> Value {
    json!({
        "sender": user, "event_id": format!("${user}"), "origin_server_ts": 1_000_000,
        "content": {
            "application": "m.call", "call_id": "", "device_id": "D",
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
            "foci_preferred": [{ "type": "livekit", "livekit_service_url": "https://x/jwt" }],
        },
    })
}

fn key_of(user: &str) -> KeyMessage {
    KeyMessage {
        sender: UserId::from(user),
        sender_device: Some(DeviceId::from("D")),
        signed: false,
        content: json!({
            "keys": { "index": 3, "key": "AAECAwQFBgcICQoLDA0ODw==" },
            "room_id": "!r:x",
            "member": { "claimed_device_id": "D" },
        }),
    }
}

#[test]
fn joining_an_encrypted_call_sends_everybody_our_key() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.roster(&["@a:x", "@b:x"]);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);

    let served = bed.serve();

    let targets = served.iter().find_map(|request| match request {
        Request::SendKey { targets, .. } => Some(targets.clone()),
        _ => None,
    });
    assert_eq!(targets, Some(vec![member("@a:x"), member("@b:x")]));
    let events = bed.events();
    assert!(events.iter().any(|event| matches!(event, Event::UseKey { .. })));
    assert!(events.contains(&Event::Joined));
}

#[test]
fn a_clear_call_has_no_keys() {
    let mut bed = Bed::new(Encryption::None);
    bed.roster(&["@a:x"]);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    let served = bed.serve();
    assert!(!served.iter().any(|request| matches!(request, Request::SendKey { .. })));
    let key = |event: &Event| matches!(event, Event::UseKey { .. } | Event::PeerKey { .. });
    assert!(!bed.events().iter().any(key));
}

#[test]
fn a_key_that_comes_before_its_member_is_held() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    assert_eq!(bed.events(), []);
    bed.roster(&["@a:x"]);
    assert!(bed.events().iter().any(|event| matches!(
        event,
        Event::PeerKey { identity, .. } if identity.as_str() == "@a:x:D"
    )));
}

#[test]
fn a_key_that_came_in_clear_is_refused() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    let message = KeyMessage { sender_device: None, ..key_of("@a:x") };
    bed.session.handle_media_key(&message, bed.now);
    let refused = Event::KeyRefused { sender: UserId::from("@a:x"), reason: KeyRefused::Clear };
    assert_eq!(bed.events(), [refused]);
}

#[test]
fn our_membership_is_visible_once_the_room_shows_it() {
    let mut bed = Bed::new(Encryption::None);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    bed.events();
    bed.roster(&["@me:x"]);
    assert_eq!(bed.events(), [Event::Visible]);
    assert!(bed.session.is_alone());
}

#[test]
fn our_membership_is_visible_though_the_room_showed_it_before_the_answer() {
    let mut bed = Bed::new(Encryption::None);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    while let Some((id, request)) = bed.session.poll_request() {
        if matches!(request, Request::SendMembership { .. }) {
            bed.roster(&["@me:x"]);
        }
        let answer = Bed::answer(&request);
        bed.session.handle_response(id, Ok(answer), bed.now);
    }
    assert!(bed.events().contains(&Event::Visible));
}

#[test]
fn a_membership_that_expires_is_a_leave() {
    let mut bed = Bed::new(Encryption::None);
    bed.roster(&["@a:x"]);
    bed.events();
    let expiry = bed.session.poll_timeout(bed.now).unwrap();
    bed.pass(expiry.duration_since(bed.now.instant));
    assert!(bed.events().contains(&Event::MemberLeft(member("@a:x"))));
}

#[test]
fn leaving_ends_the_membership() {
    let mut bed = Bed::new(Encryption::None);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    bed.events();
    bed.session.leave(bed.now);
    assert!(matches!(bed.serve()[..], [Request::SendLeaveNow(_)]));
    assert!(bed.events().contains(&Event::Left));
}

#[test]
fn a_change_of_transports_is_told_once() {
    let mut bed = Bed::new(Encryption::None);
    bed.session.join(ServiceUrl::from("https://own/jwt"), bed.now);
    assert!(bed.events().contains(&Event::TransportsChanged));
    bed.roster(&["@a:x"]);
    assert!(bed.events().contains(&Event::TransportsChanged));
    let others = BTreeSet::from([ServiceUrl::from("https://x/jwt")]);
    let publish = Some(ServiceUrl::from("https://own/jwt"));
    assert_eq!(*bed.session.transports(), Transports { publish, others, surplus: 0 });
    bed.roster(&["@a:x", "@b:x"]);
    assert!(!bed.events().contains(&Event::TransportsChanged));
    bed.serve();
    bed.session.leave(bed.now);
    bed.serve();
    assert!(bed.events().contains(&Event::TransportsChanged));
    assert_eq!(bed.session.transports().publish, None);
}

#[test]
fn who_follows_the_oldest_says_so_and_names_its_own_transport() {
    let mut bed = Bed::with(|config| config.membership.selection = Selection::Oldest);
    bed.roster(&["@a:x"]);
    bed.session.join(ServiceUrl::from("https://own/jwt"), bed.now);
    let publish = bed.session.transports().publish.clone();
    assert_eq!(publish, Some(ServiceUrl::from("https://x/jwt")));
    let content = bed.serve().into_iter().find_map(|request| match request {
        Request::SendMembership { content, .. } => Some(content),
        _ => None,
    });
    let content = content.unwrap();
    assert_eq!(content["focus_active"]["focus_selection"], "oldest_membership");
    assert_eq!(content["foci_preferred"][0]["livekit_service_url"], "https://own/jwt");
}

#[test]
fn a_call_with_a_password_sends_and_takes_no_keys() {
    let mut bed = Bed::new(Encryption::SharedPassword);
    bed.roster(&["@a:x"]);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    let served = bed.serve();
    assert!(!served.iter().any(|request| matches!(request, Request::SendKey { .. })));
    let key = |event: &Event| matches!(event, Event::UseKey { .. } | Event::PeerKey { .. });
    assert!(!bed.events().iter().any(key));
    bed.session.request_keys(bed.now);
    bed.pass(Duration::from_secs(6));
    assert!(!bed.serve().iter().any(|request| matches!(request, Request::SendMembership { .. })));
}

#[test]
fn only_signed_devices_are_served_and_believed_if_so_wished() {
    let mut bed = Bed::with(|config| config.signed_devices_only = true);
    bed.roster(&["@a:x"]);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    let signed_only =
        |request: &Request| matches!(request, Request::SendKey { signed_only: true, .. });
    assert!(bed.serve().iter().any(signed_only));
    bed.events();

    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    let refused = Event::KeyRefused { sender: UserId::from("@a:x"), reason: KeyRefused::Unsigned };
    assert_eq!(bed.events(), [refused]);
    bed.session.handle_media_key(&KeyMessage { signed: true, ..key_of("@a:x") }, bed.now);
    assert!(matches!(bed.events()[..], [Event::PeerKey { .. }]));
}

#[test]
fn who_was_removed_and_joined_anew_sends_its_key_again() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.roster(&["@a:x"]);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    bed.roster(&["@me:x", "@a:x"]);
    assert_eq!(bed.serve(), []);
    bed.roster(&["@a:x"]);
    let sends_key = |request: &Request| matches!(request, Request::SendKey { .. });
    assert!(bed.serve().iter().any(sends_key));
}

#[test]
fn a_key_that_overtakes_its_members_leave_and_new_join_is_told_again() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.roster(&["@a:x"]);
    bed.session.handle_media_key(&key_of("@a:x"), bed.now);
    bed.events();
    bed.roster(&[]);
    bed.roster(&["@a:x"]);
    assert!(bed.events().iter().any(|event| matches!(event, Event::PeerKey { .. })));
}

#[test]
fn who_left_can_join_again_with_a_new_key() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.roster(&["@a:x"]);
    for index in 0..2 {
        bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
        let sent: Vec<Value> = bed
            .serve()
            .into_iter()
            .filter_map(|request| match request {
                Request::SendKey { content, .. } => Some(content["keys"]["index"].clone()),
                _ => None,
            })
            .collect();
        assert_eq!(sent, [json!(index)]);
        bed.session.leave(bed.now);
        bed.serve();
        assert!(bed.events().contains(&Event::Left));
        bed.pass(Duration::from_secs(20));
        bed.roster(&["@a:x"]);
        assert_eq!(bed.serve(), []);
    }
}

#[test]
fn missing_keys_are_asked_for_once_a_minute_after_a_random_pause() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    bed.roster(&["@me:x", "@a:x"]);
    bed.serve();
    let start = bed.now.instant;
    let mut announced = Vec::new();
    while bed.now.instant < start + Duration::from_mins(4) {
        bed.session.request_keys(bed.now);
        let next = bed.session.poll_timeout(bed.now).unwrap();
        bed.pass(next.saturating_duration_since(bed.now.instant));
        let anew = |request: &Request| {
            matches!(request, Request::SendMembership { content, .. }
                if content["expires"].as_u64() > Some(14_400_000) && content.get("created_ts").is_none())
        };
        if bed.serve().iter().any(anew) {
            announced.push(bed.now.instant.duration_since(start));
        }
    }
    assert!(announced.len() >= 3, "{announced:?}");
    assert!(announced[0] < Duration::from_secs(5));
    for pair in announced.windows(2) {
        let pause = pair[1].saturating_sub(pair[0]);
        assert!(pause >= Duration::from_mins(1) && pause <= Duration::from_secs(65), "{pause:?}");
    }
}

#[test]
fn missing_keys_are_not_asked_for_before_we_are_in() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.session.request_keys(bed.now);
    assert_eq!(bed.session.poll_timeout(bed.now), None);
}
