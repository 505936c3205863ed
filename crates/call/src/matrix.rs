//! All that a call asks of Matrix.
//!
//! `phonograph-matrix` answers it with matrix-sdk; a bot on another SDK implements this trait.

use std::{collections::BTreeSet, fmt};

use async_trait::async_trait;
use phonograph_matrixrtc::{
    KeyMessage, Member, OpenIdToken, RawStateEvent, Request, RequestError, Response, RoomId,
    ServiceUrl, UserId,
};
use tokio::sync::{mpsc, watch};

/// The Matrix side of calls: one logged-in device.
///
/// Requests are made once and their failures reported, except where a method says otherwise: the
/// call owns the retries. All methods are cancel-safe in that a dropped future sends nothing more.
#[async_trait]
pub trait Matrix: fmt::Debug + Send + Sync + 'static {
    /// Our user and device.
    fn me(&self) -> Member;

    /// Begins to follow a room. An earlier feed of the same room may end.
    ///
    /// # Errors
    /// [`MatrixError`] if we are not in the room or its state cannot be read.
    async fn attach(&self, room: &RoomId) -> Result<RoomFeed, MatrixError>;

    /// The transports that our homeserver announces, first choice first; empty if it announces
    /// none. May retry for a few seconds.
    ///
    /// # Errors
    /// [`MatrixError`] if the homeserver cannot be asked.
    async fn transports(&self) -> Result<Vec<ServiceUrl>, MatrixError>;

    /// A new token by which our homeserver vouches for us.
    ///
    /// # Errors
    /// [`MatrixError`] if the homeserver gives none.
    async fn openid_token(&self) -> Result<OpenIdToken, MatrixError>;

    /// Does what the call's session asks for, in that room.
    ///
    /// # Errors
    /// What the session can act on. It must come within a few seconds: the delayed leave that is
    /// restarted this way fires after 18.
    async fn perform(&self, room: &RoomId, request: Request) -> Result<Response, RequestError>;
}

/// What a room says while it is followed. Dropping it ends the following.
#[derive(Debug)]
pub struct RoomFeed {
    /// The room's state, anew after each sync that changed it; what was missed in between does not
    /// matter.
    pub state: watch::Receiver<RoomState>,
    /// Media keys in the order of their arrival, those from before the room was followed included.
    pub keys: mpsc::Receiver<KeyMessage>,
}

/// What a call needs to know of its room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomState {
    /// All membership events.
    pub memberships: Vec<RawStateEvent>,
    /// Those of their senders that are in the room.
    pub joined: BTreeSet<UserId>,
    /// Whether the room is encrypted; media then is too, or is not sent.
    pub encrypted: bool,
    /// The room's version, by which state keys differ.
    pub version: String,
    /// Whether we may send our membership.
    pub power: Power,
}

/// Our power level, and the one that our membership event needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power {
    /// Ours; `i64::MAX` for a creator since room version 12.
    pub have: i64,
    /// The one needed: 50 in ordinary rooms, 0 in rooms made for calls.
    pub need: i64,
}

impl Power {
    /// Not known yet: the homeserver is left to decide.
    pub const UNKNOWN: Self = Self { have: 0, need: 0 };

    /// Whether it is enough.
    pub const fn suffices(self) -> bool {
        self.have >= self.need
    }
}

/// Why Matrix did not give what a call needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// We are not in that room; an invite helps.
    #[error("not in that room")]
    NotInRoom,
    /// The homeserver did not answer, or refused; trying again later may help. The source says
    /// more, for the log.
    #[error("the homeserver did not give it")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl MatrixError {
    /// Wraps the error of whatever asked the homeserver.
    pub fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}
