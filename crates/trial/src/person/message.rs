//! A message as somebody's client shows it.

use serde::Deserialize;

/// A message of a room, in clear whether or not it was encrypted.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Message {
    /// Its event's id.
    pub event_id: String,
    /// Who sent it.
    pub sender: String,
    /// `m.text`, `m.notice` …
    pub msgtype: String,
    /// Its plain text; that of an edit is the new text.
    pub body: String,
    /// The same as HTML (`org.matrix.custom.html`).
    pub html: Option<String>,
    /// The users whom it mentions (`m.mentions`).
    pub mentions: Vec<String>,
    /// The event that it answers.
    pub reply_to: Option<String>,
    /// The event that it edits.
    pub replaces: Option<String>,
    /// How often it was edited, where it stands for itself.
    pub edits: u32,
    /// The reactions on it, where it stands for itself; in the order of their arrival.
    pub reactions: Vec<Reaction>,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// When it was sent, by its sender's homeserver: milliseconds since 1970.
    #[serde(rename = "ts")]
    pub sent_ms: u64,
}

/// A reaction to a message.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Reaction {
    /// Its event's id.
    pub event_id: String,
    /// Who reacted.
    pub sender: String,
    /// The emoji, mostly.
    pub key: String,
}
