//! Tells clients which commands there are (MSC4391), so that they can offer them.
//!
//! Each command is a state event of its own, which takes a power level that we mostly do not have, and
//! forty of them are a burst: so it is done only where the operator wants it, slowly, and once for each
//! version of the program.

use std::{sync::Arc, time::Duration};

use phonograph_call::matrixrtc::RoomId;
use tokio::time::sleep;
use tracing::{debug, info};

use super::{Room, Shared};
use crate::command::{DESCRIPTION_TYPE, descriptions};

/// The time between two events: below what homeservers let a user send.
const DESCRIBE_EVERY: Duration = Duration::from_secs(6);

impl Room {
    /// Begins to describe our commands, unless this version has done so.
    pub(super) fn describe_commands(&mut self) {
        let version = env!("CARGO_PKG_VERSION");
        let is_wanted = self.shared.config.describe_commands;
        if !is_wanted || self.kept.described.as_deref() == Some(version) {
            return;
        }
        self.kept.described = Some(version.to_owned());
        self.unsaved.settings = true;
        self.describing.spawn(describe(Arc::clone(&self.shared), self.id.clone()));
    }
}

async fn describe(shared: Arc<Shared>, room: RoomId) {
    for description in descriptions(&shared.me) {
        let state_key = description.state_key.as_str();
        let content = description.content.clone();
        let sent = shared.rooms.set_state(&room, DESCRIPTION_TYPE, state_key, content).await;
        if let Err(error) = sent {
            let error = phonograph_call::chain(&error);
            return debug!(error, "commands are not described here");
        }
        sleep(DESCRIBE_EVERY).await;
    }
    info!("described the commands");
}
