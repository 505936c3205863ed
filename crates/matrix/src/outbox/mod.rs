//! What we write: notices, edits, reactions, redactions, pictures and read receipts, one queue per
//! room.
//!
//! A queue keeps the order of a room's messages and lets a slow room (rate limits, large member
//! lists) wait without holding up the others. The SDK obeys `retry_after_ms`. Of several edits of
//! one message that wait, only the newest is sent.

mod content;
mod edits;
mod picture;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use matrix_sdk::{
    Client, Room,
    ruma::{
        self, api::client::receipt::create_receipt::v3::ReceiptType, events::receipt::ReceiptThread,
    },
};
use phonograph_call::matrixrtc::{EventId, RoomId, UserId};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tracing::{debug, warn};

pub use picture::Picture;

use crate::{ids, image::Image};
use edits::Edits;

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
    /// The same as HTML, in the subset that Matrix allows (`org.matrix.custom.html`).
    pub html: Option<String>,
    /// A picture whose caption the text then is (`m.image`, which bots do not answer either).
    pub picture: Option<Picture>,
    /// The message that it answers; its sender is the only one mentioned (MSC4142).
    pub reply_to: Option<ReplyTo>,
}

/// A new content for a message of ours (`m.replace`). It mentions nobody.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Where.
    pub room: RoomId,
    /// The message.
    pub event: EventId,
    /// Its new plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// A picture, whose caption the text then is.
    pub picture: Option<Picture>,
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
    rooms: BTreeMap<RoomId, Queue>,
    tasks: JoinSet<()>,
}

/// One room's queue.
#[derive(Debug)]
struct Queue {
    jobs: mpsc::Sender<Job>,
    edits: Arc<Edits>,
}

#[derive(Debug)]
enum Job {
    Notice(Notice, oneshot::Sender<EventId>),
    /// The newest edit of that message: it is looked up when its turn comes.
    Edit(EventId),
    React {
        event: EventId,
        key: String,
        sent: oneshot::Sender<EventId>,
    },
    Redact {
        event: EventId,
        reason: Option<String>,
    },
    Upload(Image, oneshot::Sender<Picture>),
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
        self.send_for_id(notice).map(drop)
    }

    /// As [`Outbox::send`], and answers with the event's id once the homeserver took it. The
    /// receiver fails if it never does.
    ///
    /// # Errors
    /// [`Full`] when 32 messages wait in this room.
    pub fn send_for_id(&self, notice: Notice) -> Result<oneshot::Receiver<EventId>, Full> {
        let (sent, id) = oneshot::channel();
        let room = notice.room.clone();
        self.queue(&room, Job::Notice(notice, sent))?;
        Ok(id)
    }

    /// Queues an edit. It takes the place of an edit of the same message that still waits, and is
    /// sent when that one would have been.
    ///
    /// # Errors
    /// [`Full`] when 32 messages wait in this room.
    pub fn edit(&self, edit: Edit) -> Result<(), Full> {
        let mut queues = self.lock();
        let queue = queues.of(&edit.room, &self.client);
        let event = edit.event.clone();
        if !queue.edits.put(edit) {
            return Ok(());
        }
        queue.push(Job::Edit(event.clone())).inspect_err(|_full| drop(queue.edits.take(&event)))
    }

    /// Queues a reaction to a message; answers with its id once the homeserver took it.
    ///
    /// # Errors
    /// [`Full`] when 32 messages wait in this room.
    pub fn react(
        &self,
        room: &RoomId,
        event: EventId,
        key: String,
    ) -> Result<oneshot::Receiver<EventId>, Full> {
        let (sent, id) = oneshot::channel();
        self.queue(room, Job::React { event, key, sent })?;
        Ok(id)
    }

    /// Queues a redaction: of something of ours, or where we have the right to.
    ///
    /// # Errors
    /// [`Full`] when 32 messages wait in this room.
    pub fn redact(
        &self,
        room: &RoomId,
        event: EventId,
        reason: Option<String>,
    ) -> Result<(), Full> {
        self.queue(room, Job::Redact { event, reason })
    }

    /// Queues the upload of an image, encrypted where the room is. What comes back is good for any
    /// number of notices and edits of this room; the receiver fails if the upload does.
    ///
    /// # Errors
    /// [`Full`] when 32 messages wait in this room.
    pub fn upload(&self, room: &RoomId, image: Image) -> Result<oneshot::Receiver<Picture>, Full> {
        let (uploaded, picture) = oneshot::channel();
        self.queue(room, Job::Upload(image, uploaded))?;
        Ok(picture)
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
        let Queues { rooms, mut tasks } = std::mem::take(&mut *self.lock());
        drop(rooms);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, drained).await.is_err() {
            warn!(?limit, "some messages were not sent before the end");
        }
    }

    fn queue(&self, room: &RoomId, job: Job) -> Result<(), Full> {
        self.lock().of(room, &self.client).push(job)
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn of(&mut self, room: &RoomId, client: &Client) -> &Queue {
        let Self { rooms, tasks } = self;
        rooms.entry(room.clone()).or_insert_with(|| {
            let (jobs, receiver) = mpsc::channel(QUEUE_MAX);
            let edits = Arc::<Edits>::default();
            tasks.spawn(drain(client.clone(), room.clone(), receiver, Arc::clone(&edits)));
            Queue { jobs, edits }
        })
    }
}

impl Queue {
    fn push(&self, job: Job) -> Result<(), Full> {
        self.jobs.try_send(job).map_err(|_full| Full)
    }
}

/// Sends one room's jobs in order, until its queue is closed.
async fn drain(client: Client, room: RoomId, mut jobs: mpsc::Receiver<Job>, edits: Arc<Edits>) {
    while let Some(job) = jobs.recv().await {
        let Some(target) = ids::find_room(&client, &room) else {
            debug!(%room, "not in that room any more");
            if let Job::Edit(event) = job {
                edits.take(&event);
            }
            continue;
        };
        if let Err(error) = carry_out(&target, job, &edits).await {
            warn!(%room, %error, "could not send into the room");
        }
    }
}

async fn carry_out(room: &Room, job: Job, edits: &Edits) -> matrix_sdk::Result<()> {
    match job {
        Job::Notice(notice, sent) => {
            send(room, "m.room.message", content::notice(&notice), Some(sent)).await
        }
        Job::Edit(event) => match edits.take(&event) {
            Some(edit) => send(room, "m.room.message", content::edit(&edit), None).await,
            None => Ok(()),
        },
        Job::React { event, key, sent } => {
            send(room, "m.reaction", content::reaction(&event, &key), Some(sent)).await
        }
        Job::Redact { event, reason } => redact(room, &event, reason.as_deref()).await,
        Job::Upload(image, uploaded) => {
            let picture = picture::upload(room, image).await?;
            answer(uploaded, picture);
            Ok(())
        }
        Job::Receipt(event) => send_receipt(room, &event).await,
        Job::Typing(on) => room.typing_notice(on).await,
    }
}

async fn send(
    room: &Room,
    event_type: &str,
    content: Value,
    sent: Option<oneshot::Sender<EventId>>,
) -> matrix_sdk::Result<()> {
    let result = room.send_raw(event_type, content).await?;
    if let Some(sent) = sent {
        answer(sent, ids::event(result.response.event_id.as_str()));
    }
    Ok(())
}

/// Whoever asked may have lost interest.
fn answer<T>(sender: oneshot::Sender<T>, value: T) {
    drop(sender.send(value));
}

async fn redact(room: &Room, event: &EventId, reason: Option<&str>) -> matrix_sdk::Result<()> {
    let Ok(event) = ruma::EventId::parse(event.as_str()) else { return Ok(()) };
    room.redact(&event, reason, None).await?;
    Ok(())
}

async fn send_receipt(room: &Room, event: &EventId) -> matrix_sdk::Result<()> {
    let Ok(event) = ruma::EventId::parse(event.as_str()) else { return Ok(()) };
    room.send_single_receipt(ReceiptType::Read, ReceiptThread::Unthreaded, event).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing of it is sent: the queues' tasks get no turn before a test ends.
    async fn outbox() -> Outbox {
        // Another test may have been first.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = Client::builder().homeserver_url("http://127.0.0.1:1").build().await;
        Outbox::new(client.unwrap())
    }

    fn fill(outbox: &Outbox, room: &RoomId) {
        for n in 0..QUEUE_MAX {
            outbox.redact(room, ids::event(&format!("${n}")), None).unwrap();
        }
    }

    fn edit(room: &RoomId, text: &str) -> Edit {
        let event = ids::event("$panel");
        Edit { room: room.clone(), event, text: text.to_owned(), html: None, picture: None }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_another_rooms_takes() {
        let (outbox, room) = (outbox().await, ids::room("!r:x"));
        fill(&outbox, &room);
        assert_eq!(outbox.redact(&room, ids::event("$more"), None), Err(Full));
        assert_eq!(outbox.redact(&ids::room("!other:x"), ids::event("$1"), None), Ok(()));
    }

    #[tokio::test]
    async fn edits_of_one_message_take_one_place() {
        let (outbox, room) = (outbox().await, ids::room("!r:x"));
        for n in 0..2 * QUEUE_MAX {
            assert_eq!(outbox.edit(edit(&room, &n.to_string())), Ok(()));
        }
    }

    #[tokio::test]
    async fn an_edit_that_was_refused_does_not_wait() {
        let (outbox, room) = (outbox().await, ids::room("!r:x"));
        fill(&outbox, &room);
        assert_eq!(outbox.edit(edit(&room, "a")), Err(Full));
        assert_eq!(outbox.edit(edit(&room, "b")), Err(Full), "else it would never be sent");
    }
}
