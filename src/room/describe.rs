//! Tells clients which commands there are (MSC4391), so that they can offer them.
//!
//! Each command is a state event of its own, which takes a power level that we mostly do not have, and
//! forty of them are a burst: so it is done only where the operator wants it, slowly, and once for each
//! version of the program. What was not done to the end is tried again by the next run.

use std::{sync::Arc, time::Duration};

use phonograph_call::matrixrtc::RoomId;
use tokio::{task::JoinError, time::sleep};
use tracing::{debug, info};

use super::{Room, Shared};
use crate::command::{DESCRIPTION_TYPE, descriptions};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The time between two events: below what homeservers let a user send.
const DESCRIBE_EVERY: Duration = Duration::from_secs(6);

impl Room {
    /// Begins to describe our commands, unless this version has done so or this run has tried.
    pub(super) fn describe_commands(&mut self) {
        let is_wanted = self.shared.config.describe_commands;
        let is_done = self.kept.described.as_deref() == Some(VERSION);
        if is_wanted && !is_done && !std::mem::replace(&mut self.has_described, true) {
            self.describing.spawn(describe(Arc::clone(&self.shared), self.id.clone()));
        }
    }

    /// Remembers that all of them are described.
    pub(super) fn described(&mut self, done: Result<bool, JoinError>) {
        if done.unwrap_or(false) {
            info!("described the commands");
            self.kept.described = Some(VERSION.to_owned());
            self.unsaved.settings = true;
        }
    }
}

/// Whether all were described.
async fn describe(shared: Arc<Shared>, room: RoomId) -> bool {
    for description in descriptions(&shared.me) {
        let state_key = description.state_key.as_str();
        let content = description.content.clone();
        let sent = shared.rooms.set_state(&room, DESCRIPTION_TYPE, state_key, content).await;
        if let Err(error) = sent {
            let error = phonograph_call::chain(&error);
            debug!(error, "commands are not described here");
            return false;
        }
        sleep(DESCRIBE_EVERY).await;
    }
    true
}
