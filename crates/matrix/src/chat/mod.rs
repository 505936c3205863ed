//! What people do in our rooms, as small types of our own: messages, reactions, redactions, invites.
//!
//! Messages come out as they were decrypted. Our own, notices (other bots) and all from before our
//! start are left out here, so that no bot loop and no replay of a backlog can begin further in. An
//! event is handed on once, however often it comes.
//!
//! Sources: Matrix 1.11 and later (`m.room.message`, `m.annotation`, `m.replace`, `m.in_reply_to`,
//! `m.room.redaction`, `m.room.tombstone`), MSC4391.

mod read;
mod recent;

use std::fmt;

use phonograph_call::matrixrtc::{EventId, RoomId, UserId};
use serde_json::Value;

pub(crate) use read::{Read, file, read};
pub(crate) use recent::Recent;

/// The longest message body that is handed on, in bytes. A command is a line; more is cut.
const BODY_MAX: usize = 4096;
/// People that a message may name; more is a flood.
const MENTIONS_MAX: usize = 50;
/// The longest file name, in bytes: what file systems take.
const NAME_MAX: usize = 255;
/// The longest key of a reaction, in bytes: an emoji of several code points is 35, a shortcode more.
const KEY_MAX: usize = 128;
/// The largest content of a file's event that is handed on, in bytes of JSON. No homeserver takes
/// more in an event.
const CONTENT_MAX: usize = 64 * 1024;

/// Something that a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Somebody wrote in a room that we are in.
    Message(Message),
    /// Somebody put a reaction on a message.
    Reaction(Reaction),
    /// Somebody took something back: a message, or a reaction.
    Redacted(Redacted),
    /// The first sync is done: what is known of the rooms is no older than this run.
    Synced,
    /// Somebody invited us.
    Invite(Invite),
    /// We are no longer in that room: kicked, banned, or left by another session of ours.
    Gone(RoomId),
    /// A room that we are in was replaced by another one.
    Upgraded(Upgraded),
}

/// A text message, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub room: RoomId,
    /// Its id, for replies; that of the original where it was edited.
    pub event: EventId,
    /// Who; proven by the homeserver, and in encrypted rooms by the room key's owner.
    pub sender: UserId,
    /// What, at most 4096 bytes; the caption of a file, empty if it has none.
    pub body: String,
    /// Whether it names us (`m.mentions`, Matrix 1.7).
    pub mentions_us: bool,
    /// Whom else it names, at most 50.
    pub mentions: Vec<UserId>,
    /// Whether the room is a direct chat with us.
    pub direct: bool,
    /// The first message of the thread that it is in.
    pub thread: Option<EventId>,
    /// The message that it answers; not the one that a thread only falls back to.
    pub reply_to: Option<EventId>,
    /// The file that came with it.
    pub attachment: Option<Attachment>,
    /// The structured command in it (`org.matrix.msc4391.command`), as it came.
    pub content_command: Option<Value>,
    /// Whether its sender changed the text within 10 s, and this is the new one. The old one was
    /// handed on before. A further edit is not handed on.
    pub edited: bool,
}

/// A file in a message (`m.audio`, `m.video`, `m.file`). Its content prints as `***`, since it may
/// hold the file's key.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The message's content, at most 64 KiB of JSON: what [`Media::download`](crate::Media::download)
    /// needs. In encrypted rooms it holds the file's key.
    pub content: Value,
    /// The file's name as its sender wrote it, at most 255 bytes. It may hold anything.
    pub name: String,
    /// Its size in bytes, as its sender says.
    pub size: Option<u64>,
    /// Its media type, as its sender says.
    pub mimetype: Option<String>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("content", &"***")
            .field("name", &self.name)
            .field("size", &self.size)
            .field("mimetype", &self.mimetype)
            .finish()
    }
}

/// A reaction (`m.reaction`). They come in clear in encrypted rooms too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Where.
    pub room: RoomId,
    /// Its id; taking it back is a [`Redacted`] of it.
    pub event: EventId,
    /// Who.
    pub sender: UserId,
    /// The message that it is on.
    pub target: EventId,
    /// The emoji, at most 128 bytes; with or without a variation selector, as the client writes it.
    pub key: String,
}

/// Something taken back (`m.room.redaction`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Where.
    pub room: RoomId,
    /// What was taken back.
    pub event: EventId,
    /// By whom.
    pub sender: UserId,
}

/// An invite into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Into which room.
    pub room: RoomId,
    /// By whom; `None` if the homeserver did not say.
    pub inviter: Option<UserId>,
}

/// A room that was replaced by another (`m.room.tombstone`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The room that ended.
    pub old: RoomId,
    /// The room that takes its place. Whoever may end a room names it; whether the new room agrees
    /// is found out by [`Rooms::follow`](crate::Rooms::follow).
    pub new: RoomId,
    /// Who ended it. Their server is one to join by.
    pub sender: Option<UserId>,
}
