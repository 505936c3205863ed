//! A homeserver that agrees to everything at once, so that only the library is measured.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use phonograph_call::matrix::{Matrix, MatrixError, Power, RoomFeed, RoomState};
use phonograph_matrixrtc::{
    DelayId, DeviceId, EventId, KeyMessage, Member, OpenIdToken, RawStateEvent, Request,
    RequestError, Response, RoomId, ServiceUrl, UserId,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::bench::now_ms;

/// What one user sees of it: encrypted rooms in which nobody else is.
#[derive(Debug)]
pub(super) struct Homeserver {
    me: Member,
    service: ServiceUrl,
    room: Mutex<Option<Room>>,
}

/// The other ends of a feed.
#[derive(Debug)]
struct Room {
    state: watch::Sender<RoomState>,
    _keys: mpsc::Sender<KeyMessage>,
}

impl Homeserver {
    /// For the user of that name, on a token service.
    pub(super) fn new(name: &str, service: &str) -> Self {
        let user = UserId::from(format!("@{name}:figures"));
        let me = Member { user, device: DeviceId::from("DEVICE") };
        Self { me, service: ServiceUrl::from(service), room: Mutex::new(None) }
    }

    /// Shows a membership that was sent, or its end.
    fn show(&self, event_type: &str, state_key: &str, content: &Value) {
        let event = RawStateEvent::from(json!({
            "type": event_type, "sender": self.me.user, "state_key": state_key,
            "event_id": "$membership", "origin_server_ts": now_ms(), "content": content,
        }));
        let room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = &*room {
            room.state.send_modify(|state| state.memberships = vec![event]);
        }
    }
}

#[async_trait]
impl Matrix for Homeserver {
    fn me(&self) -> Member {
        self.me.clone()
    }

    async fn attach(&self, _room: &RoomId) -> Result<RoomFeed, MatrixError> {
        let (state_sender, state) = watch::channel(RoomState {
            memberships: Vec::new(),
            joined: BTreeSet::from([self.me.user.clone()]),
            encrypted: true,
            version: "11".to_owned(),
            power: Power::UNKNOWN,
        });
        let (key_sender, keys) = mpsc::channel(1);
        let room = Room { state: state_sender, _keys: key_sender };
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
        Ok(RoomFeed { state, keys })
    }

    async fn transports(&self) -> Result<Vec<ServiceUrl>, MatrixError> {
        Ok(vec![self.service.clone()])
    }

    /// Its token is the user's name.
    async fn openid_token(&self) -> Result<OpenIdToken, MatrixError> {
        Ok(OpenIdToken {
            access_token: self.me.user.to_string(),
            token_type: "Bearer".to_owned(),
            matrix_server_name: "figures".to_owned(),
            expires_in: 3600,
        })
    }

    async fn perform(&self, _room: &RoomId, request: Request) -> Result<Response, RequestError> {
        match request {
            Request::ListDelayedEvents => Ok(Response::DelayedEvents(Vec::new())),
            Request::ScheduleLeave { .. } => Ok(Response::Scheduled(DelayId::from("leave"))),
            Request::SendMembership { event_type, state_key, content } => {
                self.show(event_type, &state_key, &content);
                Ok(Response::Sent(EventId::from("$membership")))
            }
            Request::SendKey { .. } => Ok(Response::KeySent { unserved: Vec::new() }),
            Request::RestartLeave(_)
            | Request::CancelLeave(_)
            | Request::SendLeaveNow(_)
            | Request::DelegateLeave { .. } => Ok(Response::Done),
            Request::ReadMembership { .. } => Err(RequestError::NotFound),
        }
    }
}
