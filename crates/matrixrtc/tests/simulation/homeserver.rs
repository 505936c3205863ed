//! A homeserver with one room, that holds delayed events.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use phonograph_matrixrtc::{
    DelayId, EventId, RawStateEvent, Request, RequestError, Response, RoomId, Timestamp, UserId,
};
use serde_json::{Value, json};

const ROOM: &str = "!r:x";

#[derive(Clone)]
struct Delayed {
    owner: UserId,
    key: String,
    content: Value,
    delay: Duration,
    /// Grows with each restart; a timer of an earlier one is void.
    generation: u32,
    /// Whether the token service restarts it.
    delegated: bool,
}

pub(crate) struct Homeserver {
    state: BTreeMap<String, Value>,
    delayed: BTreeMap<String, Delayed>,
    timers: Vec<(String, u32, Duration)>,
    count: u32,
    changed: bool,
    /// Whether it lists delayed events.
    lists: bool,
    /// Whether it holds them for an hour.
    patient: bool,
}

impl Homeserver {
    pub(crate) fn new(lists: bool, patient: bool) -> Self {
        Self {
            state: BTreeMap::new(),
            delayed: BTreeMap::new(),
            timers: Vec::new(),
            count: 0,
            changed: false,
            lists,
            patient,
        }
    }

    pub(crate) fn handle(
        &mut self,
        user: &UserId,
        request: Request,
        now: Timestamp,
    ) -> Result<Response, RequestError> {
        match request {
            Request::ListDelayedEvents if self.lists => Ok(self.list(user)),
            Request::ListDelayedEvents => Err(RequestError::Unsupported),
            Request::ScheduleLeave { delay, .. }
                if delay > Duration::from_mins(1) && !self.patient =>
            {
                Err(RequestError::Forbidden)
            }
            Request::ScheduleLeave { state_key, delay, content, .. } => {
                let id = self.next("delay");
                let (owner, key) = (user.clone(), state_key);
                let delayed =
                    Delayed { owner, key, content, delay, generation: 0, delegated: false };
                self.delayed.insert(id.clone(), delayed);
                self.timers.push((id.clone(), 0, delay));
                Ok(Response::Scheduled(DelayId::from(id)))
            }
            Request::RestartLeave(id) => {
                let delayed = self.delayed.get_mut(id.as_str()).ok_or(RequestError::NotFound)?;
                delayed.generation += 1;
                self.timers.push((id.to_string(), delayed.generation, delayed.delay));
                Ok(Response::Done)
            }
            Request::CancelLeave(id) => {
                self.delayed.remove(id.as_str()).ok_or(RequestError::NotFound)?;
                Ok(Response::Done)
            }
            Request::SendLeaveNow(id) => {
                let delayed = self.delayed.remove(id.as_str()).ok_or(RequestError::NotFound)?;
                self.set(&delayed.owner, &delayed.key, &delayed.content, now);
                Ok(Response::Done)
            }
            Request::SendMembership { state_key, content, .. } => {
                Ok(Response::Sent(self.set(user, &state_key, &content, now)))
            }
            Request::ReadMembership { state_key, .. } => {
                let event = self.state.get(&state_key).ok_or(RequestError::NotFound)?;
                Ok(Response::Membership(event["content"].clone()))
            }
            other => panic!("not for a homeserver: {other:?}"),
        }
    }

    /// An equal content makes no new event, as in Synapse.
    fn set(&mut self, user: &UserId, key: &str, content: &Value, now: Timestamp) -> EventId {
        if let Some(event) = self.state.get(key)
            && event["content"] == *content
        {
            return EventId::from(event["event_id"].as_str().unwrap());
        }
        let id = self.next("event");
        let event = json!({
            "sender": user, "event_id": id, "state_key": key, "content": content,
            "origin_server_ts": now.as_millis(),
        });
        self.state.insert(key.to_owned(), event);
        self.changed = true;
        EventId::from(id)
    }

    fn next(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    fn list(&self, user: &UserId) -> Response {
        let ours = self.delayed.iter().filter(|(_, delayed)| delayed.owner == *user);
        let list = ours.map(|(id, delayed)| {
            json!({
                "delay_id": id, "room_id": RoomId::from(ROOM),
                "type": "org.matrix.msc3401.call.member", "state_key": delayed.key,
            })
        });
        Response::DelayedEvents(list.map(|event| serde_json::from_value(event).unwrap()).collect())
    }

    /// Sends a delayed event, unless it was restarted since or is no longer there.
    pub(crate) fn fire(&mut self, id: &str, generation: u32, now: Timestamp) {
        if self.delayed.get(id).is_some_and(|delayed| delayed.generation == generation) {
            let delayed = self.delayed.remove(id).unwrap();
            self.set(&delayed.owner, &delayed.key, &delayed.content, now);
        }
    }

    /// Somebody else ends that user's membership, and with it what is held for it (Synapse since
    /// 1.127).
    pub(crate) fn remove(&mut self, user: &UserId, now: Timestamp) {
        let key = format!("_{user}_D_m.call");
        if self.state.contains_key(&key) {
            self.delayed.retain(|_, delayed| delayed.key != key);
            self.set(&UserId::from("@moderator:x"), &key, &json!({}), now);
        }
    }

    /// The token service restarts it from now on, and no timer of ours ends it.
    pub(crate) fn delegate(&mut self, id: &str) {
        if let Some(delayed) = self.delayed.get_mut(id) {
            delayed.generation += 1;
            delayed.delegated = true;
        }
    }

    pub(crate) fn generation(&self, id: &str) -> u32 {
        self.delayed.get(id).map_or(0, |delayed| delayed.generation)
    }

    pub(crate) fn take_timers(&mut self) -> Vec<(String, u32, Duration)> {
        std::mem::take(&mut self.timers)
    }

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn state(&self) -> Vec<RawStateEvent> {
        self.state.values().cloned().map(RawStateEvent::from).collect()
    }

    /// Who has a membership.
    pub(crate) fn present(&self) -> BTreeSet<UserId> {
        let present = self.state.values().filter(|event| event["content"] != json!({}));
        present.map(|event| UserId::from(event["sender"].as_str().unwrap())).collect()
    }

    /// How many leaves are held for somebody.
    pub(crate) fn held_for(&self, user: &UserId) -> usize {
        self.delayed.values().filter(|delayed| delayed.owner == *user).count()
    }
}
