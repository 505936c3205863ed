//! What people write to us: messages and invites, as small types of our own.
//!
//! Messages come out as they were decrypted. Our own ones, edits, notices (other bots) and those
//! from before our start are left out here, so that no bot loop and no replay of a backlog can
//! begin further in.

use phonograph_call::matrixrtc::{EventId, RoomId, UserId};
use serde_json::Value;

use crate::ids;

/// The longest message body that is handed on, in bytes. A command is a line; more is cut.
const BODY_MAX: usize = 4096;

/// Something that a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Somebody wrote in a room that we are in.
    Message(Message),
    /// Somebody invited us.
    Invite(Invite),
    /// We are no longer in that room: kicked, banned, or left by another session of ours.
    Gone(RoomId),
}

/// A text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub room: RoomId,
    /// Its id, for replies.
    pub event: EventId,
    /// Who; proven by the homeserver, and in encrypted rooms by the room key's owner.
    pub sender: UserId,
    /// What, at most 4096 bytes.
    pub body: String,
    /// Whether it names us (`m.mentions`, Matrix 1.7).
    pub mentions_us: bool,
    /// Whether the room is a direct chat with us.
    pub direct: bool,
    /// The first message of the thread that it is in.
    pub thread: Option<EventId>,
}

/// An invite into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Into which room.
    pub room: RoomId,
    /// By whom; `None` if the homeserver did not say.
    pub inviter: Option<UserId>,
}

/// Reads a decrypted timeline event; `None` for all that is no message to us.
pub(crate) fn message(
    room: &RoomId,
    event: &Value,
    me: &UserId,
    not_before_ms: u64,
) -> Option<Message> {
    let content = event.get("content")?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let sender = text(event, "sender")?;
    let is_message = event.get("type")? == "m.room.message"
        && event.get("state_key").is_none()
        && content.get("msgtype")? == "m.text";
    let is_new = event.get("origin_server_ts")?.as_u64()? >= not_before_ms;
    let relation = content.get("m.relates_to");
    let kind = relation.and_then(|relation| relation.get("rel_type")).and_then(Value::as_str);
    if !is_message || !is_new || sender == me.as_str() || kind == Some("m.replace") {
        return None;
    }
    let mut body = text(content, "body")?;
    body.truncate(body.floor_char_boundary(BODY_MAX));
    let mentions = content.get("m.mentions").and_then(|mentions| mentions.get("user_ids"));
    let mentions_us = mentions
        .and_then(Value::as_array)
        .is_some_and(|users| users.iter().any(|user| user == me.as_str()));
    let thread = (kind == Some("m.thread")).then(|| relation.and_then(|r| text(r, "event_id")));
    Some(Message {
        room: room.clone(),
        event: ids::event(&text(event, "event_id")?),
        sender: ids::user(&sender),
        body,
        mentions_us,
        direct: false,
        thread: thread.flatten().map(|root| ids::event(&root)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START_MS: u64 = 1_000;

    fn read(event: &Value) -> Option<Message> {
        message(&ids::room("!r:x"), event, &ids::user("@bot:x"), START_MS)
    }

    fn text(body: &str) -> Value {
        json!({
            "type": "m.room.message", "sender": "@ann:x", "event_id": "$1",
            "origin_server_ts": 2_000, "content": { "msgtype": "m.text", "body": body },
        })
    }

    #[test]
    fn a_text_message_is_handed_on() {
        let message = read(&text("!play tones")).unwrap();
        assert_eq!(message.body, "!play tones");
        assert_eq!(message.sender.as_str(), "@ann:x");
        assert!(!message.mentions_us);
    }

    #[test]
    fn our_own_messages_are_left_out() {
        let mut event = text("!ping");
        event["sender"] = "@bot:x".into();
        assert_eq!(read(&event), None);
    }

    #[test]
    fn notices_of_other_bots_are_left_out() {
        let mut event = text("!ping");
        event["content"]["msgtype"] = "m.notice".into();
        assert_eq!(read(&event), None);
    }

    #[test]
    fn messages_from_before_our_start_are_left_out() {
        let mut event = text("!ping");
        event["origin_server_ts"] = 999.into();
        assert_eq!(read(&event), None);
    }

    #[test]
    fn edits_are_left_out() {
        let mut event = text("!ping");
        event["content"]["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": "$0" });
        assert_eq!(read(&event), None);
    }

    #[test]
    fn a_mention_of_us_is_seen() {
        let mut event = text("play something");
        event["content"]["m.mentions"] = json!({ "user_ids": ["@bot:x"] });
        assert!(read(&event).unwrap().mentions_us);
    }

    #[test]
    fn the_thread_of_a_message_is_kept() {
        let mut event = text("!ping");
        event["content"]["m.relates_to"] = json!({ "rel_type": "m.thread", "event_id": "$root" });
        assert_eq!(read(&event).unwrap().thread, Some(ids::event("$root")));
    }

    #[test]
    fn a_body_beyond_the_limit_is_cut_between_characters() {
        let message = read(&text(&"ä".repeat(BODY_MAX))).unwrap();
        assert_eq!(message.body.len(), BODY_MAX);
    }

    #[test]
    fn malformed_events_are_left_out() {
        for event in [json!({}), json!(1), json!({ "type": "m.room.message", "content": [] })] {
            assert_eq!(read(&event), None);
        }
    }
}
