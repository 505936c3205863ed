//! What Matrix says about a call, without a homeserver: who is in it, on which SFU, under which
//! media keys, and how we come to be one of them.
//!
//! The crate is pure: events and time come in, requests go out as data. It speaks the dialect
//! that Element Call calls `compatibility` (MSC3401 state events, several SFUs, media keys by
//! to-device message); what belongs to a dialect stands in [`event`], [`roster`] and [`identity`].
//!
//! Sources: MSC3401 and MSC4143 as deployed by Element Call 0.26.1 and matrix-js-sdk 43; MSC4140
//! (delayed events); MSC4195 (LiveKit transport).

pub mod event;
pub mod identity;
mod ids;
pub mod keys;
pub mod membership;
mod request;
pub mod roster;
pub mod session;
mod time;
pub mod transport;

pub use ids::{DelayId, DeviceId, EventId, Identity, Member, RoomId, ServiceUrl, UserId};
pub use keys::{KeyMessage, MemberKey};
pub use request::{DelayedEvent, Request, RequestError, RequestId, Response};
pub use roster::{Intent, MemberInfo, RawStateEvent, Roster};
pub use session::Session;
pub use time::{Now, Timestamp};
pub use transport::OpenIdToken;
