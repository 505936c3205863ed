//! One test per edge of the module's picture.

mod delegation;
mod entering;
mod leaving;
mod staying;

use std::time::{Duration, Instant};

use serde_json::json;

use super::{fuse::RESTART_INTERVAL, *};
use crate::{
    DelayId, DeviceId, EventId, Intent, Member, MemberInfo, Now, Request, RequestError, Response,
    RoomId, ServiceUrl, Timestamp, UserId, event, request::DelayedEvent, roster::Selection,
};

/// A homeserver and a clock in the test's hands.
struct Bed {
    membership: Membership,
    now: Now,
    /// Of the request polled last.
    lane: Lane,
    /// The event that the room's state shows.
    shown: String,
}

fn me() -> Member {
    Member { user: UserId::from("@me:x"), device: DeviceId::from("D") }
}

fn url() -> ServiceUrl {
    ServiceUrl::from("https://x/jwt")
}

impl Bed {
    fn new(stale: bool) -> Self {
        Self::after(stale, &[], false)
    }

    /// After an earlier run that may have left these behind.
    fn after(stale: bool, known: &[&str], delegate: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let instant = Instant::now(); // the beginning of virtual time
        let now = Now { instant, wall: Timestamp::from_millis(1_000_000) };
        let config = Config {
            me: me(),
            room: RoomId::from("!r:x"),
            room_version: "12".to_owned(),
            intent: Intent::Audio,
            selection: Selection::Own,
            delegate,
        };
        let known: Vec<DelayId> = known.iter().map(|id| DelayId::from(*id)).collect();
        let mut membership = Membership::new(config, &known);
        membership.join(url(), stale);
        Self { membership, now, lane: Lane::Own, shown: "$1".to_owned() }
    }

    /// In the call, and seen there.
    fn joined() -> Self {
        let mut bed = Self::visible_soon(false);
        bed.see(true);
        bed
    }

    /// In the call, but not seen there yet.
    fn visible_soon(delegate: bool) -> Self {
        let mut bed = Self::after(false, &[], delegate);
        bed.expect("list");
        bed.answer(Ok(Response::DelayedEvents(Vec::new())));
        bed.expect("schedule 18");
        bed.answer(Ok(scheduled("1")));
        bed.expect("join");
        bed.answer(Ok(sent()));
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
        assert_eq!(bed.event(), Some(Event::Joined));
        bed
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall = self.now.wall.plus(time);
        self.membership.handle_timeout(self.now);
    }

    fn answer(&mut self, answer: Result<Response, RequestError>) {
        self.membership.handle_response(self.lane, answer, self.now);
    }

    fn see(&mut self, there: bool) {
        let info = MemberInfo {
            member: me(),
            created: Timestamp::from_millis(1_000_000),
            expires_at: Timestamp::from_millis(u64::MAX),
            selection: Some(Selection::Own),
            preferred: Some(url()),
            intent: None,
            event: EventId::from(self.shown.as_str()),
        };
        self.membership.handle_own(there.then_some(&info), self.now);
    }

    fn event(&mut self) -> Option<Event> {
        self.membership.poll_event()
    }

    /// The next request in short.
    fn next(&mut self) -> String {
        let polled = self.membership.poll_request(self.now);
        if let Some((lane, _)) = &polled {
            self.lane = *lane;
        }
        match polled.map(|(_, request)| request) {
            None => "nothing".to_owned(),
            Some(Request::ReadMembership { .. }) => "read".to_owned(),
            Some(Request::DelegateLeave { delay_id, .. }) => format!("delegate {delay_id}"),
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
                None if content["expires"] == 14_400_001 => "join anew".to_owned(),
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
    Response::Sent(EventId::from("$1"))
}

fn delayed(id: &str, room: &str, key: &str) -> DelayedEvent {
    DelayedEvent {
        delay_id: DelayId::from(id),
        room_id: RoomId::from(room),
        event_type: event::CALL_MEMBER.to_owned(),
        state_key: Some(key.to_owned()),
    }
}

/// What reading our membership answers while it stands.
fn standing() -> Response {
    Response::Membership(json!({ "application": "m.call", "device_id": "D" }))
}
