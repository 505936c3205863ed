//! What we write: notices and read receipts, one queue per room.
//!
//! A queue keeps the order of a room's messages and lets a slow room (rate limits, large member
//! lists) wait without holding up the others. The SDK obeys `retry_after_ms`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use matrix_sdk::{
    Client,
    ruma::{
        self, api::client::receipt::create_receipt::v3::ReceiptType, events::receipt::ReceiptThread,
    },
};
use phonograph_call::matrixrtc::{EventId, RoomId, UserId};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{debug, warn};

use crate::ids;

/// Messages that may wait per room. More than this means that the homeserver takes none; a further
/// one is refused, and the caller logs it.
const QUEUE_MAX: usize = 32;

/// A notice to be sent (`m.notice`: bots do not answer it).
#[derive(Debug, Clone)]
pub struct Notice {
    /// Where.
    pub room: RoomId,
    /// What, as plain text.
    pub text: String,
    /// The message that it answers; its sender is the only one mentioned (MSC4142).
    pub reply_to: Option<ReplyTo>,
}

/// The message that a notice answers.
#[derive(Debug, Clone)]
pub struct ReplyTo {
    /// Its id.
    pub event: EventId,
    /// Its sender.
    pub sender: UserId,
    /// The root of its thread, in which the answer then stays.
    pub thread: Option<EventId>,
}

/// The room's queue is full: the homeserver takes nothing at the moment, and the notice is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{QUEUE_MAX} messages wait in this room already")]
pub struct Full;

/// Sends chat. Clones share the queues. What is queued when the last clone is dropped is still
/// sent, unless the runtime ends first: [`Outbox::flush`] waits for it.
#[derive(Debug, Clone)]
pub struct Outbox {
    client: Client,
    queues: Arc<Mutex<Queues>>,
}

#[derive(Debug, Default)]
struct Queues {
    senders: BTreeMap<RoomId, mpsc::Sender<Job>>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
enum Job {
    Notice(Notice),
    Receipt(EventId),
    Typing(bool),
}

impl Outbox {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, queues: Arc::default() }
    }

    /// Queues a notice; it is encrypted where the room is.
    ///
    /// # Errors
    /// [`Full`] when 32 messages wait in this room.
    pub fn send(&self, notice: Notice) -> Result<(), Full> {
        let room = notice.room.clone();
        self.queue(&room, Job::Notice(notice))
    }

    /// Marks a message as read. Lost without a word when the room's queue is full.
    pub fn read(&self, room: &RoomId, event: EventId) {
        if self.queue(room, Job::Receipt(event)).is_err() {
            debug!(%room, "no room for a read receipt");
        }
    }

    /// Shows or ends "is typing" in a room. Lost without a word when the room's queue is full.
    pub fn typing(&self, room: &RoomId, on: bool) {
        if self.queue(room, Job::Typing(on)).is_err() {
            debug!(%room, "no room for a typing notice");
        }
    }

    /// Closes the queues and waits until they are empty, at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        let Queues { senders, mut tasks } =
            std::mem::take(&mut *self.queues.lock().unwrap_or_else(PoisonError::into_inner));
        drop(senders);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, drained).await.is_err() {
            warn!(?limit, "some messages were not sent before the end");
        }
    }

    fn queue(&self, room: &RoomId, job: Job) -> Result<(), Full> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let Queues { senders, tasks } = &mut *queues;
        let sender = senders.entry(room.clone()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            tasks.spawn(drain(self.client.clone(), room.clone(), receiver));
            sender
        });
        sender.try_send(job).map_err(|_full| Full)
    }
}

/// Sends one room's jobs in order, until its queue is closed.
async fn drain(client: Client, room: RoomId, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        let Some(target) = ids::find_room(&client, &room) else {
            debug!(%room, "not in that room any more");
            continue;
        };
        let sent = match job {
            Job::Notice(notice) => {
                target.send_raw("m.room.message", content(&notice)).await.map(drop)
            }
            Job::Receipt(event) => send_receipt(&target, &event).await,
            Job::Typing(on) => target.typing_notice(on).await,
        };
        if let Err(error) = sent {
            warn!(%room, %error, "could not send into the room");
        }
    }
}

async fn send_receipt(room: &matrix_sdk::Room, event: &EventId) -> matrix_sdk::Result<()> {
    let Ok(event) = ruma::EventId::parse(event.as_str()) else { return Ok(()) };
    room.send_single_receipt(ReceiptType::Read, ReceiptThread::Unthreaded, event).await
}

/// The event content of a notice: `m.mentions` is always there (Matrix 1.7), and a thread is kept.
fn content(notice: &Notice) -> Value {
    let mut content = json!({ "msgtype": "m.notice", "body": notice.text, "m.mentions": {} });
    if let Some(reply) = &notice.reply_to {
        content["m.mentions"] = json!({ "user_ids": [reply.sender.as_str()] });
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": reply.event.as_str() } });
        if let Some(root) = &reply.thread {
            content["m.relates_to"]["rel_type"] = "m.thread".into();
            content["m.relates_to"]["event_id"] = root.as_str().into();
            content["m.relates_to"]["is_falling_back"] = false.into();
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(reply_to: Option<ReplyTo>) -> Notice {
        Notice { room: ids::room("!r:x"), text: "pong".to_owned(), reply_to }
    }

    fn reply(thread: Option<&str>) -> ReplyTo {
        ReplyTo {
            event: ids::event("$1"),
            sender: ids::user("@ann:x"),
            thread: thread.map(ids::event),
        }
    }

    #[test]
    fn a_notice_states_that_it_mentions_nobody() {
        let content = content(&notice(None));
        assert_eq!(content["msgtype"], "m.notice");
        assert_eq!(content["m.mentions"], json!({}));
    }

    #[test]
    fn an_answer_mentions_only_who_asked() {
        let content = content(&notice(Some(reply(None))));
        assert_eq!(content["m.mentions"]["user_ids"], json!(["@ann:x"]));
        assert_eq!(content["m.relates_to"]["m.in_reply_to"]["event_id"], "$1");
        assert_eq!(content["m.relates_to"].get("rel_type"), None);
    }

    #[test]
    fn an_answer_stays_in_the_thread() {
        let content = content(&notice(Some(reply(Some("$root")))));
        assert_eq!(content["m.relates_to"]["rel_type"], "m.thread");
        assert_eq!(content["m.relates_to"]["event_id"], "$root");
    }
}
