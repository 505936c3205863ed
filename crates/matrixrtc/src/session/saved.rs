//! What has to survive a restart of the process.

use serde::{Deserialize, Serialize};

use crate::DelayId;

/// What the next run of the same device in the same room has to know. Worth storing at each
/// [`Event::Saved`](super::Event::Saved), and given back by [`Config`](super::Config).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Saved {
    /// Leaves that the homeserver may still hold for us; one of an earlier run would end the
    /// membership of the next. At most a few.
    #[serde(default)]
    pub delay_ids: Vec<DelayId>,
    /// The index of the last media key made.
    #[serde(default)]
    pub last_key_index: Option<u8>,
    /// Whether a membership of ours may stand in the room.
    #[serde(default)]
    pub joined: bool,
}
