//! One test per edge of the module's picture.

use super::*;
use crate::{DeviceId, UserId};

/// A homeserver and a clock in the test's hands.
struct Bed {
    membership: Membership,
    now: Now,
}

fn me() -> Member {
    Member { user: UserId::from("@me:x"), device: DeviceId::from("D") }
}

fn url() -> ServiceUrl {
    ServiceUrl::from("https://x/jwt")
}

impl Bed {
    fn new(stale: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let instant = Instant::now(); // the beginning of virtual time
        let now = Now { instant, wall: Timestamp::from_millis(1_000_000) };
        let mut membership = Membership::new(Config {
            me: me(),
            room: RoomId::from("!r:x"),
            room_version: "12".to_owned(),
            intent: Intent::Audio,
            selection: Selection::Own,
            delegate: false,
        });
        membership.join(url(), stale);
        Self { membership, now }
    }

    /// In the call, and seen there.
    fn joined() -> Self {
        let mut bed = Self::new(false);
        bed.expect("list");
        bed.answer(Ok(Response::DelayedEvents(Vec::new())));
        bed.expect("schedule 18");
        bed.answer(Ok(scheduled("1")));
        bed.expect("join");
        bed.answer(Ok(sent()));
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
        assert_eq!(bed.event(), Some(Event::Joined));
        bed.see(true);
        bed
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall = self.now.wall.plus(time);
        self.membership.handle_timeout(self.now);
    }

    fn answer(&mut self, answer: Result<Response, RequestError>) {
        self.membership.handle_response(answer, self.now);
    }

    fn see(&mut self, there: bool) {
        let info = MemberInfo {
            member: me(),
            created: Timestamp::from_millis(1_000_000),
            expires_at: Timestamp::from_millis(u64::MAX),
            selection: Some(Selection::Own),
            preferred: Some(url()),
            intent: None,
            event: crate::EventId::from("$1"),
        };
        self.membership.handle_own(there.then_some(&info), self.now);
    }

    fn event(&mut self) -> Option<Event> {
        self.membership.poll_event()
    }

    /// The next request in short.
    fn next(&mut self) -> String {
        match self.membership.poll_request(self.now) {
            None => "nothing".to_owned(),
            Some(Request::ListDelayedEvents) => "list".to_owned(),
            Some(Request::ScheduleLeave { delay, .. }) => format!("schedule {}", delay.as_secs()),
            Some(Request::RestartLeave(id)) => format!("restart {id}"),
            Some(Request::CancelLeave(id)) => format!("cancel {id}"),
            Some(Request::SendLeaveNow(id)) => format!("send {id}"),
            Some(Request::SendMembership { content, .. }) if content == json!({}) => {
                "leave".to_owned()
            }
            Some(Request::SendMembership { content, .. }) => match content.get("created_ts") {
                Some(_) => format!("renew {}", content["expires"]),
                None if content["expires"] == 600_000 => "join unguarded".to_owned(),
                None => "join".to_owned(),
            },
            Some(other) => format!("{other:?}"),
        }
    }

    fn expect(&mut self, step: &str) {
        assert_eq!(self.next(), step);
    }
}

fn scheduled(id: &str) -> Response {
    Response::Scheduled(DelayId::from(id))
}

fn sent() -> Response {
    Response::Sent(crate::EventId::from("$1"))
}

fn delayed(id: &str, room: &str, key: &str) -> DelayedEvent {
    DelayedEvent {
        delay_id: DelayId::from(id),
        room_id: RoomId::from(room),
        event_type: event::CALL_MEMBER.to_owned(),
        state_key: Some(key.to_owned()),
    }
}

#[test]
fn the_delayed_leave_stands_before_the_membership_and_is_restarted_after_it() {
    Bed::joined().expect("nothing");
}

#[test]
fn leaves_of_an_earlier_run_are_cancelled_but_no_others() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    let ours = "_@me:x_D_m.call";
    bed.answer(Ok(Response::DelayedEvents(vec![
        delayed("a", "!r:x", ours),
        delayed("b", "!other:x", ours),
        delayed("c", "!r:x", "_@me:x_E_m.call"),
        delayed("d", "!r:x", ours),
    ])));
    bed.expect("cancel a");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("cancel d");
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
}

#[test]
fn a_stale_membership_is_cleared_first() {
    let mut bed = Bed::new(true);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("leave");
    bed.answer(Ok(sent()));
    bed.expect("schedule 18");
}

#[test]
fn the_delayed_leave_is_restarted_every_five_seconds() {
    let mut bed = Bed::joined();
    for _ in 0..3 {
        bed.pass(Duration::from_millis(4_999));
        bed.expect("nothing");
        bed.pass(Duration::from_millis(1));
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
    }
}

#[test]
fn a_leave_that_the_homeserver_lost_is_scheduled_again() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("nothing");
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 2");
}

#[test]
fn a_failing_network_is_tried_again_after_a_second() {
    for error in [RequestError::Timeout, RequestError::Network, RequestError::Server(502)] {
        let mut bed = Bed::joined();
        bed.pass(RESTART_INTERVAL);
        bed.expect("restart 1");
        bed.answer(Err(error));
        bed.expect("nothing");
        bed.pass(Duration::from_secs(1));
        bed.expect("restart 1");
    }
}

#[test]
fn a_rate_limit_is_obeyed() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_millis(1_234)) }));
    bed.pass(Duration::from_millis(1_233));
    bed.expect("nothing");
    bed.pass(Duration::from_millis(1));
    bed.expect("list");
}

#[test]
fn when_the_delay_has_run_out_we_have_probably_left_until_a_restart_succeeds() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::Network));
    bed.pass(LEAVE_DELAY);
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(true)));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(false)));
}

#[test]
fn a_delay_that_is_too_long_is_shortened() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::MaxDelay(Some(Duration::from_secs(10)))));
    bed.expect("schedule 10");
}

#[test]
fn without_delayed_events_the_membership_is_short_and_often_renewed() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("join unguarded");
    bed.answer(Ok(sent()));
    bed.see(true);
    bed.expect("nothing");
    bed.pass(Duration::from_secs(595));
    bed.expect("renew 1200000");
}

#[test]
fn the_membership_is_renewed_each_hour_after_the_delayed_leave() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_secs(3_595));
    bed.event();
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.pass(Duration::ZERO);
    bed.expect("renew 28800000");
    bed.answer(Ok(sent()));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.pass(Duration::ZERO);
    bed.expect("nothing");
}

#[test]
fn a_membership_that_somebody_removed_is_renewed_once() {
    let mut bed = Bed::joined();
    bed.see(false);
    bed.expect("cancel 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    bed.expect("restart 2");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Joined));
    bed.see(true);

    bed.see(false);

    assert_eq!(bed.event(), Some(Event::Failed(Failure::Removed)));
    bed.expect("nothing");
}

#[test]
fn a_membership_that_is_not_allowed_is_given_up() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.answer(Err(RequestError::Forbidden));
    assert_eq!(bed.event(), Some(Event::Failed(Failure::Forbidden)));
    bed.expect("nothing");
    assert_eq!(bed.membership.poll_timeout(), None);
}

#[test]
fn leaving_sends_the_delayed_leave_now() {
    let mut bed = Bed::joined();
    bed.membership.leave();
    bed.expect("send 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Left));
}

#[test]
fn a_delayed_leave_that_is_gone_is_replaced_by_a_direct_one() {
    let mut bed = Bed::joined();
    bed.membership.leave();
    bed.expect("send 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("leave");
    bed.answer(Ok(sent()));
    assert_eq!(bed.event(), Some(Event::Left));
}

#[test]
fn leaving_waits_for_the_request_under_way() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.membership.leave();
    bed.expect("nothing");
    bed.answer(Ok(scheduled("1")));
    bed.expect("send 1");
}

#[test]
fn leaving_before_anything_was_sent_sends_nothing() {
    let mut bed = Bed::new(false);
    bed.membership.leave();
    bed.expect("nothing");
    assert_eq!(bed.event(), Some(Event::Left));
}
