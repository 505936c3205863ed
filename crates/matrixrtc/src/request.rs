//! What the machines ask of the homeserver, and how it can answer.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{DelayId, EventId, Member, RoomId};

/// Names a request, so that its answer finds its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// Something to be done at the homeserver, in the call's room. Nothing is retried by whoever does
/// it: the machines own every retry.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// List our delayed events (MSC4140).
    ListDelayedEvents,
    /// Have the homeserver send this state event later (MSC4140).
    ScheduleLeave {
        /// Its type.
        event_type: &'static str,
        /// Its state key.
        state_key: String,
        /// How much later.
        delay: Duration,
        /// Its content.
        content: Value,
    },
    /// Let a delayed event's time begin anew. Its time runs, so an answer is worth 2 s of waiting
    /// and no more (matrix-js-sdk 43).
    RestartLeave(DelayId),
    /// Drop a delayed event.
    CancelLeave(DelayId),
    /// Send a delayed event now.
    SendLeaveNow(DelayId),
    /// Send a state event.
    SendMembership {
        /// Its type.
        event_type: &'static str,
        /// Its state key.
        state_key: String,
        /// Its content.
        content: Value,
    },
    /// Read the state event that is our membership, from the homeserver and not from a store.
    ReadMembership {
        /// Its type.
        event_type: &'static str,
        /// Its state key.
        state_key: String,
    },
    /// Have the token service of the transport that we publish on send this delayed event as soon
    /// as the SFU has lost us: ask it for a token with `delay_id` and `delay_timeout` (MSC4195).
    /// It is granted by [`Response::Done`]; a service that refuses those fields refuses this. An
    /// answer may take half a minute: nothing else waits for it.
    DelegateLeave {
        /// The delayed event.
        delay_id: DelayId,
        /// Its delay.
        delay: Duration,
    },
    /// Send a to-device message, encrypted, to each of these devices and no other.
    SendKey {
        /// The devices.
        targets: Vec<Member>,
        /// Its type.
        event_type: &'static str,
        /// Its content; it holds a secret.
        content: Value,
        /// Whether devices that their owner has not signed are to be left out, as unserved.
        signed_only: bool,
    },
}

impl Request {
    /// A word for it, for logs: the content may hold a secret.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ListDelayedEvents => "list delayed events",
            Self::ScheduleLeave { .. } => "schedule leave",
            Self::RestartLeave(_) => "restart leave",
            Self::CancelLeave(_) => "cancel leave",
            Self::SendLeaveNow(_) => "send leave now",
            Self::SendMembership { .. } => "send membership",
            Self::ReadMembership { .. } => "read membership",
            Self::DelegateLeave { .. } => "delegate leave",
            Self::SendKey { .. } => "send key",
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// Our delayed events, of all rooms.
    DelayedEvents(Vec<DelayedEvent>),
    /// The event is scheduled under this id.
    Scheduled(DelayId),
    /// The event was sent.
    Sent(EventId),
    /// It is done.
    Done,
    /// The content of the state event that was read; [`RequestError::NotFound`] if there is none.
    Membership(Value),
    /// The key was sent to all but these.
    KeySent {
        /// Devices that are unknown or could not be encrypted for.
        unserved: Vec<Member>,
    },
}

/// One entry of the list of delayed events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DelayedEvent {
    /// Its id.
    pub delay_id: DelayId,
    /// The room it is for.
    pub room_id: RoomId,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its state key, if it is a state event.
    pub state_key: Option<String>,
}

/// Why a request failed, as far as the machines act on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no such thing: a delayed event that was sent or dropped already.
    #[error("the homeserver does not know it")]
    NotFound,
    /// Too many requests; ours to slow down.
    #[error("too many requests")]
    RateLimited {
        /// How long to wait, if the homeserver says so.
        retry_after: Option<Duration>,
    },
    /// We may not do that.
    #[error("the homeserver does not allow it")]
    Forbidden,
    /// The homeserver cannot do that (no MSC4140).
    #[error("the homeserver cannot do it")]
    Unsupported,
    /// The delay is longer than the homeserver allows.
    #[error("the delay is too long for the homeserver")]
    MaxDelay(Option<Duration>),
    /// There was no answer in time; it may have been done all the same.
    #[error("no answer in time")]
    Timeout,
    /// The homeserver could not be reached.
    #[error("the homeserver cannot be reached")]
    Network,
    /// The homeserver is not well; the status of its answer.
    #[error("the homeserver answered {0}")]
    Server(u16),
    /// Anything else, in the words of whoever sent the request, for the log.
    #[error("{0}")]
    Other(String),
}

impl RequestError {
    /// How long to wait before the same request is worth another try, after so many failures in
    /// a row before this one; `None` if it is not.
    pub fn retry_after(&self, failures: u32) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => {
                Some(retry_after.unwrap_or(RATE_LIMIT_PAUSE).min(RATE_LIMIT_PAUSE_MAX))
            }
            Self::Timeout | Self::Network | Self::Server(_) => {
                Some(NETWORK_PAUSE * (1 << failures.min(NETWORK_DOUBLINGS)))
            }
            Self::NotFound
            | Self::Forbidden
            | Self::Unsupported
            | Self::MaxDelay(_)
            | Self::Other(_) => None,
        }
    }
}

/// The pause after 429 without a time in it (matrix-js-sdk 43).
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a homeserver can ask for: an absurd one must not end the call.
const RATE_LIMIT_PAUSE_MAX: Duration = Duration::from_mins(5);
/// The pause after the first failure of the network (Element Call 0.24).
const NETWORK_PAUSE: Duration = Duration::from_secs(1);
/// How often it doubles, to 4 s: we are to be back within 5 s when the homeserver is.
const NETWORK_DOUBLINGS: u32 = 2;
