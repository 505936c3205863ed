//! What a person does in a room's chat, and reads there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::client::{DONE_WITHIN, Person};
use super::message::Message;

/// A file goes to the page as text.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The messages of a room after something changed.
#[derive(Deserialize)]
struct Changed {
    changes: i64,
    messages: Vec<Message>,
}

impl Person {
    /// Types a message and sends it, encrypted where the room is. Returns the event's id.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn say(&self, room: &str, text: &str) -> Result<String> {
        self.page
            .call("(room, text) => host.say(room, text)", (room, text), DONE_WITHIN)
            .await
            .context("saying something")
    }

    /// Answers a message with a text; as clients do, it mentions who wrote that one. Returns the
    /// event's id.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn reply(&self, room: &str, event_id: &str, text: &str) -> Result<String> {
        let reply = "(room, event, text) => host.reply(room, event, text)";
        self.page.call(reply, (room, event_id, text), DONE_WITHIN).await.context("answering")
    }

    /// Gives a message of this person another text. Returns the edit's id.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn edit(&self, room: &str, event_id: &str, text: &str) -> Result<String> {
        let edit = "(room, event, text) => host.edit(room, event, text)";
        self.page.call(edit, (room, event_id, text), DONE_WITHIN).await.context("editing")
    }

    /// Puts a reaction on a message. Returns the reaction's id.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn react(&self, room: &str, event_id: &str, key: &str) -> Result<String> {
        let react = "(room, event, key) => host.react(room, event, key)";
        self.page.call(react, (room, event_id, key), DONE_WITHIN).await.context("reacting")
    }

    /// Takes a message or a reaction back. Returns the redaction's id.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn redact(&self, room: &str, event_id: &str) -> Result<String> {
        let redact = "(room, event) => host.redact(room, event)";
        self.page.call(redact, (room, event_id), DONE_WITHIN).await.context("taking back")
    }

    /// Sends a file of at most 16 MiB, encrypted where the room is, by the name that it has. Its
    /// caption is the text that goes with it. Returns the event's id.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or is larger, or the homeserver refuses.
    pub async fn send_file(
        &self,
        room: &str,
        path: &Path,
        caption: Option<&str>,
    ) -> Result<String> {
        let bytes =
            tokio::fs::read(path).await.with_context(|| format!("reading {}", path.display()))?;
        ensure!(bytes.len() <= FILE_BYTES_MAX, "{} is larger than 16 MiB", path.display());
        let name = path.file_name().context("a file has a name")?.to_string_lossy();
        let file = json!({
            "name": name, "type": media_type(path), "base64": STANDARD.encode(bytes),
            "caption": caption,
        });
        let send = "(room, file) => host.sendFile(room, file)";
        self.page.call(send, (room, file), DONE_WITHIN).await.context("sending a file")
    }

    /// The messages of a room as this person's client shows them now, in the order of their arrival,
    /// this person's own among them: with their newest text and their reactions. Those that cannot be
    /// read or were taken back are left out.
    ///
    /// # Errors
    ///
    /// Where the page has gone.
    pub async fn messages(&self, room: &str) -> Result<Vec<Message>> {
        self.page
            .call("(room) => host.messages(room)", (room,), DONE_WITHIN)
            .await
            .context("reading messages")
    }

    /// Waits for a message of a room, one that is here already or one that comes; an edit is one of
    /// its own ([`Message::replaces`]). To be sure that it is an answer to what was just said, compare
    /// [`Message::reply_to`].
    ///
    /// # Errors
    ///
    /// Where none comes `within` that time; the error quotes those that came.
    pub async fn wait_for_message(
        &self,
        room: &str,
        wanted: impl Fn(&Message) -> bool,
        within: Duration,
    ) -> Result<Message> {
        let until = Instant::now() + within;
        let mut seen = Vec::<String>::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let next = "(room, from) => host.messagesAfter(room, from)";
            let came: Vec<Message> =
                self.page.call(next, (room, seen.len()), left).await.with_context(|| {
                    format!("waiting {within:?} for a message; these came: {seen:#?}")
                })?;
            seen.extend(came.iter().map(|message| format!("{}: {}", message.sender, message.body)));
            if let Some(found) = came.into_iter().find(&wanted) {
                return Ok(found);
            }
        }
    }

    /// Waits for the answer to a message: one that replies to the event with this id.
    ///
    /// # Errors
    ///
    /// As [`Person::wait_for_message`].
    pub async fn wait_for_answer(
        &self,
        room: &str,
        event_id: &str,
        within: Duration,
    ) -> Result<Message> {
        self.wait_for_message(room, |message| message.reply_to.as_deref() == Some(event_id), within)
            .await
    }

    /// Waits until one of a room's messages, as [`Person::messages`] has them, is as `wanted`.
    ///
    /// # Errors
    ///
    /// Where none is `within` that time; the error quotes them.
    pub async fn wait_until_shown(
        &self,
        room: &str,
        wanted: impl Fn(&Message) -> bool,
        within: Duration,
    ) -> Result<Message> {
        let until = Instant::now() + within;
        let (mut known, mut shown) = (-1, Vec::<String>::new());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let next = "(room, known) => host.messagesChanged(room, known)";
            let changed: Changed =
                self.page.call(next, (room, known), left).await.with_context(|| {
                    format!("waiting {within:?} for a message; these are there: {shown:#?}")
                })?;
            known = changed.changes;
            let quote = |message: &Message| format!("{}: {}", message.sender, message.body);
            shown = changed.messages.iter().map(quote).collect();
            if let Some(found) = changed.messages.into_iter().find(&wanted) {
                return Ok(found);
            }
        }
    }
}

/// What a client says of a file, by its name.
fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ogg" | "opus" | "oga") => "audio/ogg",
        Some("mp3") => "audio/mpeg",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("m4a") => "audio/mp4",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        _ => "application/octet-stream",
    }
}
