//! Media keys: how they travel, and when our own changes.

mod message;

pub use message::{KeyMessage, KeyRefused, MemberKey, content};
