//! Media keys: how they travel, and when our own changes.

mod message;
mod rollout;

pub use message::{KeyMessage, KeyRefused, MemberKey, content};
pub use rollout::{Action, Rollout, USE_DELAY};
