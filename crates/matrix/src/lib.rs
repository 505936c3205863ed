//! The Matrix side of a phonograph, on matrix-sdk: the account, its sync, chat, and what a call
//! asks of Matrix.
//!
//! This is the only crate that names matrix-sdk: whatever links it takes half a minute to rebuild,
//! so the rest of the house sees the small types here and the
//! [`Matrix`](phonograph_call::matrix::Matrix) trait.
//!
//! Sources: Matrix client-server API 1.11 and later; MSC4140, MSC4143 and MSC3401 in the forms that
//! Synapse 1.163.2 and Element Call 0.26.1 use.

// The SDK's sync future nests deeper than the default limit lets rustc look (E0275).
#![recursion_limit = "256"]

mod account;
mod calls;
mod chat;
mod feeds;
mod ids;
mod image;
mod media;
mod outbox;
mod requests;
mod rooms;
mod sync;

/// What of the SDK's log to leave out, as `tracing` directives. It calls each request that fails an
/// error, also where waiting helps, and we log those; and it warns of each media key, and of a key
/// backup that nobody asked for, at every sync.
pub const LOG_FILTER: &str = "matrix_sdk::http_client=off,matrix_sdk_crypto=error";

pub use account::{Account, Credentials, Settings, StartError};
pub use calls::Calls;
pub use chat::{Attachment, Incoming, Invite, Message, Reaction, Redacted, Upgraded};
pub use image::{Image, ImageError, Thumbnail};
pub use media::{Media, MediaError};
pub use outbox::{Edit, Full, Notice, Outbox, Picture, ReplyTo};
pub use rooms::{RoomError, Rooms};
pub use sync::SyncEnded;
