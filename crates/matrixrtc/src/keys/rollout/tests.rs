//! The timeline that matrix-js-sdk's peers expect, and what ours adds to it.

use rand::SeedableRng;
use serde_json::json;

use super::*;
use crate::{DeviceId, RawStateEvent, UserId};

/// A call around us whose clock the test moves.
struct Call {
    rollout: Rollout,
    now: Instant,
    members: BTreeMap<&'static str, u64>,
}

impl Call {
    fn start() -> Self {
        Self::start_after(None)
    }

    fn start_after(last_index: Option<u8>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let me = Member { user: UserId::from("@me:x"), device: DeviceId::from("D") };
        let rng = ChaCha20Rng::seed_from_u64(1);
        let mut rollout = Rollout::new(me, last_index, rng);
        rollout.start(now);
        Self { rollout, now, members: BTreeMap::new() }
    }

    fn join(&mut self, name: &'static str, created: u64) {
        self.members.insert(name, created);
        self.tell();
    }

    fn leave(&mut self, name: &'static str) {
        self.members.remove(name);
        self.tell();
    }

    fn tell(&mut self) {
        let events: Vec<RawStateEvent> = self.members.iter().map(|m| event(m.0, *m.1)).collect();
        let joined = self.members.keys().map(|name| user(name)).collect();
        let roster = Roster::evaluate(&events, &joined, Timestamp::from_millis(1));
        self.rollout.handle_roster(&roster, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.rollout.handle_timeout(self.now);
    }

    fn sent(&mut self) {
        self.rollout.handle_sent(&BTreeSet::new(), self.now);
    }

    /// What happens next, in short: `send 1 to A B`, `use 1`.
    fn next(&mut self) -> Option<String> {
        Some(match self.rollout.poll_action()? {
            Action::Use { index, .. } => format!("use {}", index.get()),
            Action::Send { targets, index, .. } => {
                let names: Vec<&str> =
                    targets.iter().map(|member| &member.user.as_str()[1..2]).collect();
                format!("send {} to {}", index.get(), names.join(" "))
            }
        })
    }

    fn expect(&mut self, steps: &[&str]) {
        for step in steps {
            assert_eq!(self.next().as_deref(), Some(*step));
        }
        assert_eq!(self.next(), None);
    }
}

fn user(name: &str) -> UserId {
    UserId::from(format!("@{name}:x"))
}

fn event(name: &str, created: u64) -> RawStateEvent {
    RawStateEvent::from(json!({
        "sender": user(name), "event_id": name, "origin_server_ts": created,
        "content": {
            "application": "m.call", "call_id": "", "device_id": "D",
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
        },
    }))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_key_is_used_at_once() {
    Call::start().expect(&["use 0"]);
}

#[test]
fn who_joins_soon_is_sent_the_key_in_use() {
    let mut call = Call::start();
    call.expect(&["use 0"]);
    call.pass(3 * SECOND);
    call.join("A", 1);
    call.expect(&["send 0 to A"]);
}

#[test]
fn who_joins_later_makes_a_new_key_that_is_used_a_second_after_it_was_sent() {
    let mut call = Call::start();
    call.join("A", 1);
    call.sent();
    call.expect(&["use 0", "send 0 to A"]);
    call.pass(12 * SECOND);
    call.join("B", 1);
    call.expect(&["send 1 to A B"]);
    call.sent();
    call.pass(Duration::from_millis(999));
    call.expect(&[]);
    call.pass(Duration::from_millis(1));
    call.expect(&["use 1"]);
}

#[test]
fn who_joins_during_a_roll_out_is_served_when_it_ends() {
    let mut call = Call::start();
    call.join("A", 1);
    call.sent();
    call.pass(12 * SECOND);
    call.join("B", 1);
    call.sent();
    call.expect(&["use 0", "send 0 to A", "send 1 to A B"]);
    call.join("C", 1);
    call.expect(&[]);
    call.pass(SECOND);
    call.expect(&["use 1", "send 1 to C"]);
}

#[test]
fn who_leaves_gets_no_further_key() {
    let mut call = Call::start();
    call.join("A", 1);
    call.sent();
    call.join("B", 1);
    call.sent();
    call.expect(&["use 0", "send 0 to A", "send 0 to B"]);
    call.leave("A");
    call.expect(&["send 1 to B"]);
    call.sent();
    call.pass(SECOND);
    call.expect(&["use 1"]);
}

#[test]
fn a_burst_of_leaves_makes_two_rotations() {
    let mut call = Call::start();
    for name in ["A", "B", "C", "D", "E"] {
        call.join(name, 1);
        call.sent();
    }
    while call.next().is_some() {}
    for name in ["A", "B", "C"] {
        call.leave(name);
    }
    call.sent();
    call.expect(&["send 1 to B C D E"]);
    call.pass(SECOND);
    call.expect(&["use 1", "send 2 to D E"]);
}

#[test]
fn who_joins_anew_on_the_same_device_counts_as_new() {
    let mut call = Call::start();
    call.join("A", 1);
    call.sent();
    call.expect(&["use 0", "send 0 to A"]);
    call.pass(20 * SECOND);
    call.join("A", 2);
    call.expect(&["send 1 to A"]);
}

#[test]
fn a_key_that_nobody_present_holds_is_replaced_without_delay() {
    let mut call = Call::start();
    call.expect(&["use 0"]);
    call.pass(20 * SECOND);
    call.join("A", 1);
    call.expect(&["send 1 to A"]);
    call.sent();
    call.expect(&["use 1"]);
}

#[test]
fn the_last_one_to_leave_takes_no_usable_key_along() {
    let mut call = Call::start();
    call.join("A", 1);
    call.sent();
    call.expect(&["use 0", "send 0 to A"]);
    call.leave("A");
    call.expect(&["use 1"]);
}

#[test]
fn who_could_not_be_reached_is_tried_again_after_1_5_and_15_seconds() {
    let mut call = Call::start();
    call.join("A", 1);
    call.expect(&["use 0", "send 0 to A"]);
    let unserved = call.rollout.members.keys().cloned().collect();
    for pause in [1, 5, 15] {
        call.rollout.handle_sent(&unserved, call.now);
        call.expect(&[]);
        call.pass(pause * SECOND);
        call.expect(&["send 0 to A"]);
    }
    call.rollout.handle_sent(&unserved, call.now);
    assert_eq!(call.rollout.poll_timeout(), None);
}

#[test]
fn when_sending_fails_everybody_is_tried_again() {
    let mut call = Call::start();
    call.join("A", 1);
    call.expect(&["use 0", "send 0 to A"]);
    call.rollout.handle_failed(&RequestError::Forbidden, call.now);
    call.pass(SECOND);
    call.expect(&["send 0 to A"]);
}

#[test]
fn while_the_homeserver_fails_everybody_is_tried_again_without_end() {
    let mut call = Call::start();
    call.join("A", 1);
    call.expect(&["use 0", "send 0 to A"]);
    for pause in [1, 5, 15, 15, 15, 15] {
        call.rollout.handle_failed(&RequestError::Network, call.now);
        call.expect(&[]);
        call.pass(pause * SECOND);
        call.expect(&["send 0 to A"]);
    }
}

#[test]
fn a_rate_limit_of_the_keys_is_obeyed() {
    let mut call = Call::start();
    call.join("A", 1);
    call.expect(&["use 0", "send 0 to A"]);
    let limited = RequestError::RateLimited { retry_after: Some(7 * SECOND) };
    call.rollout.handle_failed(&limited, call.now);
    call.pass(6 * SECOND);
    call.expect(&[]);
    call.pass(SECOND);
    call.expect(&["send 0 to A"]);
}

#[test]
fn who_was_gone_sends_its_key_to_all_again() {
    let mut call = Call::start();
    call.join("A", 1);
    call.sent();
    call.expect(&["use 0", "send 0 to A"]);
    call.rollout.handle_rejoined(call.now);
    call.expect(&["send 0 to A"]);
    call.sent();
    call.pass(10 * SECOND);
    call.rollout.handle_rejoined(call.now);
    call.expect(&["send 1 to A"]);
    call.sent();
    call.expect(&["use 1"]);
}

#[test]
fn who_left_while_we_were_gone_takes_no_usable_key_along() {
    let mut call = Call::start();
    call.join("a", 1);
    call.expect(&["use 0", "send 0 to a"]);
    call.join("b", 2);
    call.sent();
    call.expect(&["send 0 to b"]);
    // Both before the answer comes: B goes, and the homeserver had made us leave.
    call.leave("b");
    call.rollout.handle_rejoined(call.now);
    call.sent();
    call.expect(&["send 1 to a"]);
}

#[test]
fn indices_go_on_after_the_last_run_and_wrap_before_255() {
    Call::start_after(Some(7)).expect(&["use 8"]);
    Call::start_after(Some(254)).expect(&["use 0"]);
}

/// A call with 9 900 devices that somebody made up, and Zoe.
fn with_invented() -> Call {
    let mut call = Call::start();
    call.expect(&["use 0"]);
    call.members.insert("zoe", 1);
    let mut events = vec![event("zoe", 1)];
    let invented = (0..9_900).map(|n| event(&format!("a{n:05}"), 1));
    events.extend(invented);
    let joined = (0..9_900).map(|n| user(&format!("a{n:05}"))).chain([user("zoe")]).collect();
    let roster = Roster::evaluate(&events, &joined, Timestamp::from_millis(1));
    call.rollout.handle_roster(&roster, call.now);
    call
}

fn zoe() -> Member {
    Member { user: user("zoe"), device: DeviceId::from("D") }
}

/// Whom the key is sent to, request by request, until nothing more is asked; none is reached.
fn requests(call: &mut Call) -> Vec<Vec<Member>> {
    let mut requests = Vec::new();
    while let Some(action) = call.rollout.poll_action() {
        if let Action::Send { targets, .. } = action {
            let unserved = targets.iter().filter(|target| **target != zoe()).cloned().collect();
            requests.push(targets);
            call.rollout.handle_sent(&unserved, call.now);
        }
    }
    requests
}

#[test]
fn a_key_goes_to_few_invented_devices_some_at_a_time() {
    let mut call = with_invented();
    let requests = requests(&mut call);
    assert!(requests.iter().all(|targets| targets.len() <= queue::TARGETS_MAX));
    assert_eq!(requests.iter().map(Vec::len).sum::<usize>(), queue::UNSEEN_MAX);
}

#[test]
fn who_is_seen_on_the_sfu_is_served_before_the_invented_that_wait() {
    let mut call = with_invented();
    assert!(matches!(call.rollout.poll_action(), Some(Action::Send { .. })));
    call.rollout.handle_seen(&zoe(), call.now);
    assert_eq!(call.rollout.poll_action(), None, "one request is under way");
    call.sent();
    let Some(Action::Send { targets, .. }) = call.rollout.poll_action() else { panic!() };
    assert_eq!(targets[0], zoe());
}

#[test]
fn a_new_key_waits_for_those_who_were_seen_and_not_for_the_invented() {
    let mut call = with_invented();
    call.rollout.handle_seen(&zoe(), call.now);
    requests(&mut call);
    // Everybody but the first of the invented is still there.
    let mut events = vec![event("zoe", 1)];
    events.extend((1..9_900).map(|n| event(&format!("a{n:05}"), 1)));
    let joined = (1..9_900).map(|n| user(&format!("a{n:05}"))).chain([user("zoe")]).collect();
    let roster = Roster::evaluate(&events, &joined, Timestamp::from_millis(1));
    call.rollout.handle_roster(&roster, call.now);

    let Some(Action::Send { targets, .. }) = call.rollout.poll_action() else { panic!() };
    assert_eq!(targets[0], zoe());
    call.sent();
    assert_eq!(call.rollout.poll_action(), None, "the key is used first");
    call.pass(USE_DELAY);
    assert!(matches!(call.rollout.poll_action(), Some(Action::Use { .. })));
    assert!(matches!(call.rollout.poll_action(), Some(Action::Send { .. })));
}
