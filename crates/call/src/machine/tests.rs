//! The decisions in virtual time. The connection itself is held to a server in `phonograph-livekit`.

use std::collections::BTreeSet;

use phonograph_matrixrtc::{
    DelayId, DeviceId, EventId, Identity, RawStateEvent, RoomId, Timestamp, UserId,
    roster::Selection,
};
use serde_json::json;

use super::*;
use crate::end::{SfuError, TokenError};

const ME: &str = "@bot:x";
/// Our own token service, and somebody else's.
const OURS: &str = "https://t";
const THEIRS: &str = "https://elsewhere";

struct Bed {
    machine: Machine,
    now: Now,
    asked: Vec<(LinkId, ServiceUrl)>,
    opened: Vec<LinkId>,
    closed: Vec<LinkId>,
    requests: Vec<Request>,
    ended: Option<EndReason>,
    events: Vec<Event>,
    /// What Matrix answers to a membership.
    membership: Result<(), RequestError>,
}

fn state(encrypted: bool, others: &[&str]) -> RoomState {
    let others: Vec<_> = others.iter().map(|user| (*user, OURS)).collect();
    state_on(encrypted, &others)
}

/// Members, and the token service that each publishes by.
fn state_on(encrypted: bool, others: &[(&str, &str)]) -> RoomState {
    let membership = |(user, service): &(&str, &str)| {
        RawStateEvent::from(json!({
            "type": "org.matrix.msc3401.call.member", "sender": user,
            "state_key": format!("_{user}_D_m.call"), "event_id": format!("${user}"),
            "origin_server_ts": 1_000_000,
            "content": {
                "application": "m.call", "call_id": "", "scope": "m.room", "device_id": "D",
                "expires": 14_400_000, "membershipID": format!("{user}:D"),
                "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
                "foci_preferred": [{ "type": "livekit", "livekit_service_url": service }],
            },
        }))
    };
    RoomState {
        memberships: others.iter().map(membership).collect(),
        joined: others.iter().map(|(user, _)| UserId::from(*user)).collect::<BTreeSet<_>>(),
        encrypted,
        version: "11".to_owned(),
        power: Power { have: 0, need: 0 },
    }
}

impl Bed {
    fn new(state: RoomState) -> Self {
        Self::with(state, Ok(()))
    }

    /// At a homeserver that answers so to a membership.
    fn with(state: RoomState, membership: Result<(), RequestError>) -> Self {
        Self::of(state, membership, Config::new(RoomId::from("!r:x")))
    }

    fn of(state: RoomState, membership: Result<(), RequestError>, config: Config) -> Self {
        let now = Now { instant: Instant::now(), wall: Timestamp::from_millis(1_000_000) };
        let setup = Setup {
            me: Member { user: UserId::from(ME), device: DeviceId::from("D") },
            config,
            state,
            service: ServiceUrl::from(OURS),
            shared_key: None,
            seed: Seed { session: [1; 32], nonce: [2; 12], jitter: [3; 32] },
        };
        let mut bed = Self {
            machine: Machine::new(setup, now),
            now,
            asked: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            requests: Vec::new(),
            ended: None,
            events: Vec::new(),
            membership,
        };
        bed.machine.join(now);
        bed.drain();
        bed
    }

    /// Carries out what the machine wants, as a willing homeserver would.
    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Request(id, request) => {
                    let answer = self.answer(&request);
                    self.requests.push(request);
                    self.machine.handle_response(id, answer, self.now);
                }
                Action::Ask(id, service) => self.asked.push((id, service)),
                Action::Open(id, _) => self.opened.push(id),
                Action::Close(id) => self.closed.push(id),
                Action::Event(event) => self.events.push(event),
                Action::End(reason) => self.ended = Some(reason),
                Action::Signal(..)
                | Action::Datagram(..)
                | Action::Reopen(..)
                | Action::DialTcp(..)
                | Action::Deliver(..)
                | Action::EndTrack(_) => {}
            }
        }
    }

    fn answer(&self, request: &Request) -> Result<Response, RequestError> {
        match request {
            Request::ListDelayedEvents => Ok(Response::DelayedEvents(Vec::new())),
            Request::ScheduleLeave { .. } => Ok(Response::Scheduled(DelayId::from("d"))),
            Request::SendMembership { .. } => {
                self.membership.clone().map(|()| Response::Sent(EventId::from("$1")))
            }
            Request::SendKey { .. } => Ok(Response::KeySent { unserved: Vec::new() }),
            Request::RestartLeave(_)
            | Request::CancelLeave(_)
            | Request::SendLeaveNow(_)
            | Request::DelegateLeave { .. } => Ok(Response::Done),
            Request::ReadMembership { .. } => {
                let sent = self.requests.iter().rev().find_map(|request| match request {
                    Request::SendMembership { content, .. } => Some(content.clone()),
                    _ => None,
                });
                sent.map(Response::Membership).ok_or(RequestError::NotFound)
            }
        }
    }

    fn grant(&mut self, answer: Result<Grant, TokenError>) {
        let (id, _) = self.asked.last().expect("it was asked").clone();
        self.grant_on(id, answer);
    }

    fn grant_on(&mut self, id: LinkId, answer: Result<Grant, TokenError>) {
        self.machine.handle_grant(id, answer, self.now);
        self.drain();
    }

    fn services(&self) -> Vec<&str> {
        self.asked.iter().map(|(_, service)| service.as_str()).collect()
    }

    fn refuse(&mut self, status: u16) {
        self.grant(Err(TokenError::Answer { status, errcode: None }));
    }

    fn accept(&mut self) {
        self.grant(Ok(Grant {
            url: "ws://sfu".to_owned(),
            token: "t".to_owned(),
            identity: Identity::from("@bot:x:D"),
            room: "r".to_owned(),
            expires_at: Timestamp::from_millis(9_000_000),
        }));
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        while let Some(at) = self.machine.poll_timeout(self.now).filter(|at| *at <= end) {
            let step = at.saturating_duration_since(self.now.instant);
            self.now = Now { instant: self.now.instant + step, wall: self.now.wall.plus(step) };
            self.machine.handle_timeout(self.now);
            self.drain();
        }
        let rest = end.saturating_duration_since(self.now.instant);
        self.now = Now { instant: end, wall: self.now.wall.plus(rest) };
    }
}

#[test]
fn membership_and_token_are_asked_for_at_once() {
    let bed = Bed::new(state(false, &[]));
    assert_eq!(bed.services(), [OURS]);
    assert!(bed.requests.iter().any(|request| matches!(request, Request::SendMembership { .. })));
}

#[test]
fn in_an_encrypted_room_the_key_goes_to_everybody_there() {
    let bed = Bed::new(state(true, &["@ann:x"]));
    let targets = bed.requests.iter().find_map(|request| match request {
        Request::SendKey { targets, .. } => Some(targets),
        _ => None,
    });
    assert_eq!(targets.map(|targets| targets[0].user.as_str()), Some("@ann:x"));
    let index = bed.events.iter().rev().find_map(|event| match event {
        Event::Saved(saved) => saved.last_key_index,
        _ => None,
    });
    assert_eq!(index, Some(0), "it is to be kept for the next run");
}

#[test]
fn in_a_clear_room_there_is_no_key() {
    let bed = Bed::new(state(false, &["@ann:x"]));
    assert!(!bed.requests.iter().any(|request| matches!(request, Request::SendKey { .. })));
}

#[test]
fn a_refusal_of_the_token_service_ends_the_call_after_leaving() {
    let mut bed = Bed::new(state(false, &[]));
    bed.refuse(403);
    assert!(matches!(bed.ended, Some(EndReason::TokenService(_))), "{:?}", bed.ended);
    assert!(matches!(bed.requests.last(), Some(Request::SendLeaveNow(_))), "{:?}", bed.requests);
}

#[test]
fn an_openid_token_that_is_not_believed_is_renewed_once() {
    let mut bed = Bed::new(state(false, &[]));
    bed.refuse(401);
    assert_eq!((bed.asked.len(), bed.ended.is_some()), (2, false));
    bed.refuse(401);
    assert!(matches!(bed.ended, Some(EndReason::TokenService(_))));
}

#[test]
fn a_token_service_that_is_not_well_is_asked_three_times() {
    let mut bed = Bed::new(state(false, &[]));
    for asked in 1..=3 {
        assert_eq!((bed.asked.len(), bed.ended.is_some()), (asked, false));
        bed.refuse(503);
        bed.pass(Duration::from_secs(4));
    }
    assert!(matches!(bed.ended, Some(EndReason::TokenService(_))));
}

#[test]
fn an_sfu_that_cannot_be_reached_is_tried_three_times_with_new_tokens() {
    let mut bed = Bed::new(state(false, &[]));
    for opened in 1..=3 {
        bed.accept();
        assert_eq!(bed.opened.len(), opened);
        let why = SfuError::Unreachable("no".to_owned());
        bed.machine.handle_open_failure(bed.opened[opened - 1], why, bed.now);
        bed.drain();
        bed.pass(Duration::from_secs(4));
    }
    assert!(matches!(&bed.ended, Some(EndReason::Sfu { url, .. }) if url == "ws://sfu"));
}

#[test]
fn a_membership_that_is_not_allowed_names_the_power_level() {
    let power = Power { have: 0, need: 50 };
    let state = RoomState { power, ..state(false, &[]) };
    let bed = Bed::with(state, Err(RequestError::Forbidden));
    let named = match &bed.ended {
        Some(EndReason::NotAllowed { power }) => Some(*power),
        _ => None,
    };
    assert_eq!(named, Some(power), "{:?}", bed.ended);
}

#[test]
fn leaving_sends_the_held_leave_and_ends() {
    let mut bed = Bed::new(state(false, &[]));
    bed.machine.leave(bed.now);
    bed.drain();
    assert!(matches!(bed.requests.last(), Some(Request::SendLeaveNow(_))));
    assert!(matches!(bed.ended, Some(EndReason::Left)));
}

#[test]
fn that_we_left_is_told_before_the_end() {
    let mut bed = Bed::new(state(true, &[]));
    bed.machine.leave(bed.now);
    bed.drain();
    let saved = bed.events.iter().rev().find_map(|event| match event {
        Event::Saved(saved) => Some(saved.clone()),
        _ => None,
    });
    assert!(bed.ended.is_some());
    assert!(saved.is_some_and(|saved| !saved.joined && saved.delay_ids.is_empty()));
}

#[test]
fn a_room_that_becomes_encrypted_gets_no_further_clear_frame() {
    let mut bed = Bed::new(state(false, &[]));
    bed.machine.handle_room_state(state(true, &[]), bed.now);
    bed.drain();
    assert!(matches!(bed.ended, Some(EndReason::NowEncrypted)));
    assert!(!bed.machine.may_send(bed.now));
}

#[test]
fn who_comes_and_goes_is_counted() {
    let mut bed = Bed::new(state(false, &["@ann:x"]));
    bed.machine.handle_room_state(state(false, &["@ann:x", "@bob:x"]), bed.now);
    bed.machine.handle_room_state(state(false, &[]), bed.now);
    bed.drain();
    let counts: Vec<usize> = bed
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Others(others) => Some(*others),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [1, 2, 0]);
}

#[test]
fn nothing_is_sent_before_there_is_a_path() {
    let mut bed = Bed::new(state(true, &[]));
    assert!(!bed.machine.may_send(bed.now));
    bed.machine.send(Role::Microphone, &[1], 0, Level::Silent, bed.now);
    assert!(bed.machine.poll_action().is_none());
}

#[test]
fn every_sfu_that_a_member_publishes_on_is_connected_to_while_it_does() {
    let mut bed = Bed::new(state_on(false, &[("@ann:x", OURS), ("@bob:y", THEIRS)]));
    assert_eq!(bed.services(), [OURS, THEIRS]);
    bed.accept();
    let theirs = bed.opened[0];
    bed.machine.handle_open(theirs, Addresses::default(), bed.now);
    bed.machine.handle_room_state(state_on(false, &[("@ann:x", OURS)]), bed.now);
    bed.drain();
    assert_eq!(bed.closed, [theirs]);
}

#[test]
fn who_does_not_listen_connects_to_its_own_sfu_only() {
    let config = Config { listens: false, ..Config::new(RoomId::from("!r:x")) };
    let bed = Bed::of(state_on(false, &[("@bob:y", THEIRS)]), Ok(()), config);
    assert_eq!(bed.services(), [OURS]);
}

#[test]
fn a_call_of_old_clients_is_joined_on_the_oldest_members_sfu_and_followed() {
    let config = Config { selection: Selection::Oldest, ..Config::new(RoomId::from("!r:x")) };
    let mut bed = Bed::of(state_on(false, &[("@bob:y", THEIRS)]), Ok(()), config);
    assert_eq!(bed.services(), [THEIRS]);
    assert_eq!(bed.machine.service().as_str(), THEIRS);
    bed.machine.handle_room_state(state_on(false, &[]), bed.now);
    bed.drain();
    assert_eq!(bed.services(), [THEIRS, OURS]);
    assert_eq!(bed.machine.service().as_str(), OURS);
}

#[test]
fn what_the_same_device_does_elsewhere_is_not_undone_now_or_later() {
    let mut bed = Bed::new(state(false, &[]));
    bed.accept();
    bed.machine.handle_open(bed.opened[0], Addresses::default(), bed.now);
    let asked = bed.requests.len();
    bed.machine.end(EndReason::DuplicateIdentity, bed.now);
    bed.drain();
    assert!(matches!(bed.ended, Some(EndReason::DuplicateIdentity)));
    let after = &bed.requests[asked..];
    assert!(matches!(after, [Request::CancelLeave(_)]), "{after:?}");
}

#[test]
fn somebody_elses_sfu_that_is_down_does_not_end_the_call() {
    let mut bed = Bed::new(state_on(false, &[("@bob:y", THEIRS)]));
    let (theirs, _) = bed.asked[1].clone();
    for _ in 0..20 {
        bed.grant_on(theirs, Err(TokenError::Answer { status: 503, errcode: None }));
        bed.pass(Duration::from_secs(13));
    }
    assert!(bed.ended.is_none());
    assert!(bed.asked.iter().filter(|(id, _)| *id == theirs).count() >= 20);
}

/// A leave for the reason that the same identity joined again, as the wire has it.
const DUPLICATE_IDENTITY: [u8; 4] = [0x42, 2, 0x10, 2];

#[test]
fn our_own_sfu_says_that_the_same_device_is_elsewhere() {
    let mut bed = Bed::new(state(false, &[]));
    bed.accept();
    bed.machine.handle_open(bed.opened[0], Addresses::default(), bed.now);
    bed.machine.handle_signal(bed.opened[0], &DUPLICATE_IDENTITY, bed.now);
    bed.drain();
    assert!(matches!(bed.ended, Some(EndReason::DuplicateIdentity)), "{:?}", bed.ended);
}

#[test]
fn an_sfu_that_others_chose_cannot_end_our_call() {
    let mut bed = Bed::new(state_on(false, &[("@bob:y", THEIRS)]));
    bed.accept();
    let theirs = bed.opened[0];
    assert_eq!(theirs, bed.asked[1].0);
    bed.machine.handle_open(theirs, Addresses::default(), bed.now);
    bed.machine.handle_signal(theirs, &DUPLICATE_IDENTITY, bed.now);
    bed.drain();
    assert!(bed.ended.is_none(), "{:?}", bed.ended);
}

#[test]
fn an_sfu_that_refused_us_is_asked_again_when_we_are_to_publish_there() {
    let config = Config { selection: Selection::Oldest, ..Config::new(RoomId::from("!r:x")) };
    let both = [("@ann:x", OURS), ("@bob:y", THEIRS)];
    let mut bed = Bed::of(state_on(false, &both), Ok(()), config);
    let (theirs, _) = bed.asked[1].clone();
    bed.grant_on(theirs, Err(TokenError::Answer { status: 403, errcode: None }));
    assert_eq!(bed.services(), [OURS, THEIRS]);
    bed.machine.handle_room_state(state_on(false, &both[1..]), bed.now);
    bed.drain();
    assert_eq!(bed.services(), [OURS, THEIRS, THEIRS]);
}

#[test]
fn nobody_is_connected_to_in_clear_whose_own_service_is_not() {
    let bed = Bed::new(state_on(false, &[("@bob:y", "http://elsewhere")]));
    assert_eq!(bed.services(), [OURS]);
}
