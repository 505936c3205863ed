//! From a decrypted timeline event to what somebody did.

use phonograph_call::matrixrtc::{EventId, RoomId, UserId};
use serde_json::Value;

use super::{
    Attachment, BODY_MAX, CONTENT_MAX, Incoming, KEY_MAX, MENTIONS_MAX, Message, NAME_MAX,
    Reaction, Redacted, Upgraded,
};
use crate::ids;

/// A file's message and a text with a structured command are small; more is no command.
const COMMAND_MAX: usize = 16 * 1024;

/// What an event says, not yet compared with those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    /// The event's own id.
    pub(crate) event: EventId,
    /// When it was sent, by its sender's homeserver: milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What it says.
    pub(crate) what: What,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Something that stands by itself.
    New(Incoming),
    /// A new text for an earlier message.
    Edit(Edit),
}

/// A new text for an earlier message (`m.replace`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The message.
    pub(crate) target: EventId,
    /// Who says so; nobody but its sender may.
    pub(crate) sender: UserId,
    /// The new text, at most 4096 bytes.
    pub(crate) body: String,
    /// Whether the new text names us.
    pub(crate) mentions_us: bool,
    /// Whom else it names.
    pub(crate) mentions: Vec<UserId>,
    /// The structured command in the new content.
    pub(crate) content_command: Option<Value>,
}

/// The file in a decrypted message, whenever it was sent and by whom.
pub(crate) fn file(event: &Value) -> Option<Attachment> {
    let content = event.get("content")?;
    let is_message = event.get("type")? == "m.room.message";
    let is_file = matches!(content.get("msgtype")?.as_str()?, "m.audio" | "m.video" | "m.file");
    (is_message && is_file).then(|| attachment(content))?.map(|(attachment, _)| attachment)
}

/// Reads a decrypted timeline event; `None` for all that nobody did to us.
pub(crate) fn read(room: &RoomId, event: &Value, me: &UserId, not_before_ms: u64) -> Option<Read> {
    let at_ms = event.get("origin_server_ts")?.as_u64()?;
    let sender = ids::user(&text(event, "sender")?);
    if at_ms < not_before_ms || sender == *me {
        return None;
    }
    let envelope = Envelope { room, event: ids::event(&text(event, "event_id")?), sender, me };
    let content = event.get("content")?;
    let what = match (event.get("type")?.as_str()?, event.get("state_key")) {
        ("m.room.message", None) => envelope.message(content)?,
        ("m.reaction", None) => What::New(Incoming::Reaction(envelope.reaction(content)?)),
        ("m.room.redaction", None) => What::New(Incoming::Redacted(envelope.redacted(event)?)),
        ("m.room.tombstone", Some(key)) if key == "" => {
            What::New(Incoming::Upgraded(envelope.upgraded(content)?))
        }
        _ => return None,
    };
    Some(Read { event: envelope.event, at_ms, what })
}

/// What every event has.
struct Envelope<'a> {
    room: &'a RoomId,
    event: EventId,
    sender: UserId,
    me: &'a UserId,
}

impl Envelope<'_> {
    fn message(&self, content: &Value) -> Option<What> {
        let relation = content.get("m.relates_to");
        let kind = relation.and_then(|relation| relation.get("rel_type")).and_then(Value::as_str);
        let related = relation.and_then(|relation| text(relation, "event_id"));
        if kind == Some("m.replace") {
            return self.edit(content.get("m.new_content")?, &related?);
        }
        let (body, attachment) = match content.get("msgtype")?.as_str()? {
            "m.text" => (text(content, "body")?, None),
            "m.audio" | "m.video" | "m.file" => {
                let (attachment, caption) = attachment(content)?;
                (caption, Some(attachment))
            }
            _ => return None,
        };
        let in_thread = kind == Some("m.thread");
        Some(What::New(Incoming::Message(Message {
            room: self.room.clone(),
            event: self.event.clone(),
            sender: self.sender.clone(),
            body: cut(body, BODY_MAX),
            mentions_us: mentions(content, self.me),
            mentions: mentioned(content, self.me),
            direct: false,
            thread: related.filter(|_| in_thread).map(|root| ids::event(&root)),
            reply_to: relation.and_then(|relation| reply_to(relation, in_thread)),
            attachment,
            content_command: command(content),
            edited: false,
        })))
    }

    fn edit(&self, content: &Value, target: &str) -> Option<What> {
        if content.get("msgtype")? != "m.text" {
            return None;
        }
        Some(What::Edit(Edit {
            target: ids::event(target),
            sender: self.sender.clone(),
            body: cut(text(content, "body")?, BODY_MAX),
            mentions_us: mentions(content, self.me),
            mentions: mentioned(content, self.me),
            content_command: command(content),
        }))
    }

    fn reaction(&self, content: &Value) -> Option<Reaction> {
        let relation = content.get("m.relates_to")?;
        let key = text(relation, "key").filter(|key| !key.is_empty() && key.len() <= KEY_MAX)?;
        if relation.get("rel_type")? != "m.annotation" {
            return None;
        }
        Some(Reaction {
            room: self.room.clone(),
            event: self.event.clone(),
            sender: self.sender.clone(),
            target: ids::event(&text(relation, "event_id")?),
            key,
        })
    }

    /// Room version 11 moved `redacts` into the content.
    fn redacted(&self, event: &Value) -> Option<Redacted> {
        let redacts = event.get("content").and_then(|content| text(content, "redacts"));
        let redacts = redacts.or_else(|| text(event, "redacts"))?;
        Some(Redacted {
            room: self.room.clone(),
            event: ids::event(&redacts),
            sender: self.sender.clone(),
        })
    }

    fn upgraded(&self, content: &Value) -> Option<Upgraded> {
        Some(Upgraded {
            old: self.room.clone(),
            new: ids::room(&text(content, "replacement_room")?),
            sender: Some(self.sender.clone()),
        })
    }
}

/// A file and its caption. Where there is a `filename` of another text, `body` is the caption
/// (Matrix 1.10, MSC2530), else it is the name.
fn attachment(content: &Value) -> Option<(Attachment, String)> {
    let has_source = content.get("url").is_some() || content.get("file").is_some();
    if !has_source || content.to_string().len() > CONTENT_MAX {
        return None;
    }
    let body = text(content, "body")?;
    let (name, caption) = match text(content, "filename") {
        Some(name) if name != body => (name, body),
        Some(_) | None => (body, String::new()),
    };
    let info = content.get("info");
    let attachment = Attachment {
        content: content.clone(),
        name: cut(name, NAME_MAX),
        size: info.and_then(|info| info.get("size")).and_then(Value::as_u64),
        mimetype: info.and_then(|info| text(info, "mimetype")).map(|kind| cut(kind, NAME_MAX)),
    };
    Some((attachment, caption))
}

/// The message that is answered. In a thread the relation may be there only for clients without
/// threads (Matrix 1.4).
fn reply_to(relation: &Value, in_thread: bool) -> Option<EventId> {
    let falls_back = relation.get("is_falling_back").and_then(Value::as_bool) == Some(true);
    if in_thread && falls_back {
        return None;
    }
    relation
        .get("m.in_reply_to")
        .and_then(|reply| text(reply, "event_id"))
        .map(|id| ids::event(&id))
}

fn mentions(content: &Value, me: &UserId) -> bool {
    let users = content.get("m.mentions").and_then(|mentions| mentions.get("user_ids"));
    let users = users.and_then(Value::as_array);
    users.is_some_and(|users| users.iter().any(|user| user == me.as_str()))
}

/// The people whom a message names (`m.mentions`), ourselves left out.
fn mentioned(content: &Value, me: &UserId) -> Vec<UserId> {
    let users = content.get("m.mentions").and_then(|mentions| mentions.get("user_ids"));
    let users = users.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    users.filter(|user| *user != me.as_str()).take(MENTIONS_MAX).map(ids::user).collect()
}

/// MSC4391 in its unstable form.
fn command(content: &Value) -> Option<Value> {
    let command =
        content.get("org.matrix.msc4391.command").filter(|command| command.is_object())?;
    (command.to_string().len() <= COMMAND_MAX).then(|| command.clone())
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START_MS: u64 = 1_000;

    fn read_new(event: &Value) -> Option<Incoming> {
        match read(&ids::room("!r:x"), event, &ids::user("@bot:x"), START_MS)?.what {
            What::New(incoming) => Some(incoming),
            What::Edit(_) => None,
        }
    }

    fn read_message(event: &Value) -> Option<Message> {
        match read_new(event)? {
            Incoming::Message(message) => Some(message),
            other => panic!("no message: {other:?}"),
        }
    }

    fn event(kind: &str, content: &Value) -> Value {
        json!({
            "type": kind, "sender": "@ann:x", "event_id": "$1", "origin_server_ts": 2_000,
            "content": content,
        })
    }

    fn message(body: &str) -> Value {
        event("m.room.message", &json!({ "msgtype": "m.text", "body": body }))
    }

    fn audio(content: &Value) -> Value {
        let mut whole = json!({ "msgtype": "m.audio", "url": "mxc://x/1", "body": "a.ogg" });
        for (key, value) in content.as_object().unwrap() {
            whole[key] = value.clone();
        }
        event("m.room.message", &whole)
    }

    fn reaction(key: &str) -> Value {
        let relation = json!({ "rel_type": "m.annotation", "event_id": "$panel", "key": key });
        event("m.reaction", &json!({ "m.relates_to": relation }))
    }

    #[test]
    fn a_text_message_is_handed_on() {
        let message = read_message(&message("!play tones")).unwrap();
        assert_eq!(message.body, "!play tones");
        assert_eq!(message.sender.as_str(), "@ann:x");
        assert!(!message.mentions_us && !message.edited);
        assert_eq!((message.reply_to, message.attachment), (None, None));
    }

    #[test]
    fn what_we_do_ourselves_is_left_out() {
        for mut event in [message("!ping"), reaction("⏭")] {
            event["sender"] = "@bot:x".into();
            assert_eq!(read_new(&event), None);
        }
    }

    #[test]
    fn notices_of_other_bots_are_left_out() {
        let mut event = message("!ping");
        event["content"]["msgtype"] = "m.notice".into();
        assert_eq!(read_new(&event), None);
    }

    #[test]
    fn what_was_done_before_our_start_is_left_out() {
        for mut event in [message("!ping"), reaction("⏭")] {
            event["origin_server_ts"] = 999.into();
            assert_eq!(read_new(&event), None);
        }
    }

    #[test]
    fn an_edit_is_read_from_its_new_content() {
        let mut event = message("* !ping");
        event["content"]["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": "$0" });
        event["content"]["m.new_content"] = json!({
            "msgtype": "m.text", "body": "!ping", "m.mentions": { "user_ids": ["@bot:x"] },
        });
        let read = read(&ids::room("!r:x"), &event, &ids::user("@bot:x"), START_MS).unwrap();
        let What::Edit(edit) = read.what else { panic!("no edit: {read:?}") };
        assert_eq!((edit.target.as_str(), edit.body.as_str()), ("$0", "!ping"));
        assert!(edit.mentions_us);
    }

    #[test]
    fn an_edit_without_new_content_is_left_out() {
        let mut event = message("!ping");
        event["content"]["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": "$0" });
        assert_eq!(read(&ids::room("!r:x"), &event, &ids::user("@bot:x"), START_MS), None);
    }

    #[test]
    fn a_mention_of_us_is_seen() {
        let mut event = message("play something");
        event["content"]["m.mentions"] = json!({ "user_ids": ["@bot:x"] });
        assert!(read_message(&event).unwrap().mentions_us);
    }

    #[test]
    fn the_thread_of_a_message_is_kept() {
        let mut event = message("!ping");
        event["content"]["m.relates_to"] = json!({
            "rel_type": "m.thread", "event_id": "$root", "is_falling_back": true,
            "m.in_reply_to": { "event_id": "$newest" },
        });
        let message = read_message(&event).unwrap();
        assert_eq!(message.thread, Some(ids::event("$root")));
        assert_eq!(message.reply_to, None);
    }

    #[test]
    fn an_answer_names_what_it_answers() {
        for relation in [
            json!({ "m.in_reply_to": { "event_id": "$file" } }),
            json!({ "rel_type": "m.thread", "event_id": "$root", "is_falling_back": false,
                    "m.in_reply_to": { "event_id": "$file" } }),
        ] {
            let mut event = message("!play");
            event["content"]["m.relates_to"] = relation;
            assert_eq!(read_message(&event).unwrap().reply_to, Some(ids::event("$file")));
        }
    }

    #[test]
    fn a_body_beyond_the_limit_is_cut_between_characters() {
        let message = read_message(&message(&"ä".repeat(BODY_MAX))).unwrap();
        assert_eq!(message.body.len(), BODY_MAX);
    }

    #[test]
    fn a_file_comes_with_its_name_and_what_its_sender_says_of_it() {
        let content = json!({ "info": { "size": 1234, "mimetype": "audio/ogg" } });
        let message = read_message(&audio(&content)).unwrap();
        assert_eq!(message.body, "");
        let attachment = message.attachment.unwrap();
        assert_eq!(attachment.name, "a.ogg");
        assert_eq!(attachment.size, Some(1234));
        assert_eq!(attachment.mimetype.as_deref(), Some("audio/ogg"));
        assert_eq!(attachment.content["url"], "mxc://x/1");
    }

    #[test]
    fn the_text_beside_a_file_name_is_a_caption() {
        let message =
            read_message(&audio(&json!({ "filename": "b.ogg", "body": "!play this" }))).unwrap();
        assert_eq!(message.body, "!play this");
        assert_eq!(message.attachment.unwrap().name, "b.ogg");
    }

    #[test]
    fn a_file_name_that_is_written_twice_is_no_caption() {
        let message = read_message(&audio(&json!({ "filename": "a.ogg" }))).unwrap();
        assert_eq!(message.body, "");
    }

    #[test]
    fn a_file_that_is_nowhere_is_left_out() {
        let content = json!({ "msgtype": "m.file", "body": "a.ogg" });
        assert_eq!(read_new(&event("m.room.message", &content)), None);
    }

    #[test]
    fn a_file_whose_content_is_beyond_the_limit_is_left_out() {
        assert_eq!(read_new(&audio(&json!({ "x": "y".repeat(CONTENT_MAX) }))), None);
    }

    #[test]
    fn a_file_name_beyond_the_limit_is_cut() {
        let message = read_message(&audio(&json!({ "body": "n".repeat(1_000) }))).unwrap();
        assert_eq!(message.attachment.unwrap().name.len(), NAME_MAX);
    }

    #[test]
    fn the_key_of_a_file_does_not_print() {
        let content = json!({ "file": { "url": "mxc://x/1", "key": { "k": "secret" } } });
        let message = read_message(&audio(&content)).unwrap();
        assert!(!format!("{message:?}").contains("secret"));
    }

    #[test]
    fn a_structured_command_is_handed_on_as_it_came() {
        let command = json!({ "command": "play", "arguments": { "what": "tones" } });
        let mut event = message("!play tones");
        event["content"]["org.matrix.msc4391.command"] = command.clone();
        assert_eq!(read_message(&event).unwrap().content_command, Some(command));
    }

    #[test]
    fn a_structured_command_beyond_the_limit_is_not() {
        let mut event = message("!play");
        event["content"]["org.matrix.msc4391.command"] = json!({ "x": "y".repeat(COMMAND_MAX) });
        assert_eq!(read_message(&event).unwrap().content_command, None);
    }

    #[test]
    fn a_reaction_names_its_message_and_its_key() {
        let Some(Incoming::Reaction(reaction)) = read_new(&reaction("⏭️")) else {
            panic!("no reaction")
        };
        assert_eq!((reaction.target.as_str(), reaction.key.as_str()), ("$panel", "⏭️"));
        assert_eq!(reaction.event.as_str(), "$1");
    }

    #[test]
    fn a_reaction_beyond_the_limit_or_without_key_is_left_out() {
        for key in [&"x".repeat(KEY_MAX + 1), ""] {
            assert_eq!(read_new(&reaction(key)), None);
        }
    }

    #[test]
    fn a_redaction_is_read_in_its_old_and_its_new_form() {
        let new = event("m.room.redaction", &json!({ "redacts": "$7" }));
        let mut old = event("m.room.redaction", &json!({}));
        old["redacts"] = "$7".into();
        for event in [new, old] {
            let Some(Incoming::Redacted(redacted)) = read_new(&event) else {
                panic!("no redaction")
            };
            assert_eq!(redacted.event.as_str(), "$7");
        }
    }

    #[test]
    fn a_tombstone_names_the_room_that_takes_its_place() {
        let content = json!({ "body": "moved", "replacement_room": "!new:x" });
        let mut tombstone = event("m.room.tombstone", &content);
        assert_eq!(read_new(&tombstone), None, "without a state key it is none");
        tombstone["state_key"] = "".into();
        let Some(Incoming::Upgraded(upgraded)) = read_new(&tombstone) else {
            panic!("no tombstone")
        };
        assert_eq!((upgraded.old.as_str(), upgraded.new.as_str()), ("!r:x", "!new:x"));
    }

    #[test]
    fn malformed_events_are_left_out() {
        let whole = message("!ping");
        for key in ["type", "sender", "event_id", "origin_server_ts", "content"] {
            for wrong in [Value::Null, json!(-1), json!([])] {
                let mut event = whole.clone();
                event[key] = wrong;
                assert_eq!(read_new(&event), None, "{key}");
            }
        }
        assert_eq!(read_new(&json!(1)), None);
    }
}
