//! Answers, in the room's own prefix.

use phonograph_matrix::{Notice, ReplyTo};
use tracing::warn;

use super::Room;
use crate::command::{Defaults, Prefix, Reply};

impl Room {
    /// What commands begin with here.
    pub(super) fn prefix(&self) -> Prefix {
        let set = self.kept.settings.prefix.as_ref();
        set.unwrap_or(&self.shared.config.prefix).clone()
    }

    /// What the operator has set for rooms that have not.
    pub(super) fn defaults(&self) -> Defaults {
        let config = &self.shared.config;
        Defaults {
            prefix: config.prefix.clone(),
            bitrate_kbps: config.audio.bitrate_bps / 1000,
            leave_when_alone: config.call.leave_when_alone,
        }
    }

    /// Says something, as an answer to somebody if there is one.
    pub(super) fn say(&self, reply: &Reply, to: Option<ReplyTo>) {
        let text = reply.text(&self.prefix());
        let notice =
            Notice { room: self.id.clone(), text, html: None, picture: None, reply_to: to };
        if let Err(error) = self.shared.outbox.send(notice) {
            warn!(%error, "an answer was lost");
        }
    }

    /// Says that something was done, where the room wants to hear that.
    pub(super) fn confirm(&self, reply: &Reply, to: ReplyTo) {
        if !(self.kept.settings.quiet && reply.is_confirmation()) {
            self.say(reply, Some(to));
        }
    }
}
