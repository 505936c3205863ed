//! Who joins where, and what becomes of it.

use crate::{Intent, Member, RoomId, roster::Selection};

/// Who joins where.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our user and device.
    pub me: Member,
    /// The room.
    pub room: RoomId,
    /// Its version, by which state keys differ.
    pub room_version: String,
    /// What we mean to send.
    pub intent: Intent,
    /// How we say that we choose our SFU.
    pub selection: Selection,
    /// Whether the token service is asked to end our membership as soon as the SFU has lost us.
    /// Others see a crash no sooner by it (after 21 s instead of at most 18), and every lost
    /// connection to the SFU is a leave; so it is not the default anywhere.
    pub delegate: bool,
}

/// What became of our membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The homeserver has our membership.
    Joined,
    /// Whether the homeserver has probably made us leave, because it could not be reached in time.
    ProbablyLeft(bool),
    /// We are out.
    Left,
    /// We are not in, and will not be without somebody's help.
    Failed(Failure),
}

/// Why we cannot be a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The room does not let us send the membership; a moderator can.
    #[error("the room does not let us send our membership")]
    Forbidden,
    /// Somebody removed our membership twice; they mean it.
    #[error("somebody removed us from the call")]
    Removed,
    /// The homeserver refuses it; its words are for the log.
    #[error("the homeserver refuses our membership: {0}")]
    Refused(String),
}
