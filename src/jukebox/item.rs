//! What can be played, as the queue and the store know it: how it is shown and how to find it again.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::command::Title;

/// Something that can be played, now or after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// As it is shown.
    pub(crate) title: Title,
    /// Where it is.
    pub(crate) origin: Origin,
    /// How long it plays, where that is known; none for stations.
    pub(crate) duration: Option<Duration>,
}

/// Where something is. Opening it finds out what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// A file of the library, by its absolute path.
    File(PathBuf),
    /// A file, a station or a segmented stream (HLS) on the web.
    Link(Url),
    /// A file that somebody sent into the room.
    Upload(Upload),
}

/// A file in the homeserver's media repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    /// The content of the message that brought it (`m.audio`, `m.file` or `m.video`), with `url` or,
    /// in encrypted rooms, `file`.
    pub(crate) content: serde_json::Value,
    /// Its size as announced, in bytes.
    pub(crate) size: Option<u64>,
}
