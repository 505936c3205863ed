//! Delayed leaves (MSC4140) that clients have handed over: kept from firing while their participant
//! is at the SFU, and fired when it has left.
//!
//! ```text
//! handed over ──> waiting ──participant is there──> keeping ──participant left──> fired
//!                    │                                 │ restarts at once, and each 80 % of the delay
//!                    └──an hour, or the delay──> over <┴──the homeserver knows no such delayed event
//! ```

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use livekit_api::services::room::RoomClient;
use reqwest::StatusCode;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// How long a participant is waited for at most.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// How often it is looked for, and how soon a request that failed is made again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often a homeserver is asked to fire: then the delay itself has to end.
const ATTEMPTS: usize = 5;

/// A delayed leave as it is handed over.
#[derive(Debug, Clone)]
pub(super) struct DelayedLeave {
    /// The homeserver's client API.
    pub(super) client_api: Url,
    /// Its name there.
    pub(super) id: String,
    /// How long it was delayed when it was scheduled.
    pub(super) delay: Duration,
}

/// Somebody at the SFU: the room's name and the identity.
pub(super) type Participant = (String, String);

/// All leaves that were handed over. Dropping it leaves them to their homeservers.
#[derive(Debug)]
pub(super) struct Delegation {
    rooms: Arc<RoomClient>,
    homeservers: reqwest::Client,
    jobs: Mutex<HashMap<Participant, Job>>,
}

/// What the SFU says of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Joined,
    Left,
}

#[derive(Debug)]
struct Job {
    said: Arc<Said>,
    task: AbortOnDropHandle<()>,
}

/// What the SFU has said and a job has not heard yet.
#[derive(Debug, Default)]
struct Said {
    joined: Notify,
    left: Notify,
}

impl Delegation {
    pub(super) fn new(rooms: Arc<RoomClient>, homeservers: reqwest::Client) -> Self {
        Self { rooms, homeservers, jobs: Mutex::default() }
    }

    /// Takes a leave over. There is one for each participant: a former one is left to itself.
    pub(super) fn take(&self, participant: Participant, leave: DelayedLeave) {
        let said = Arc::<Said>::default();
        let work = Work {
            rooms: Arc::clone(&self.rooms),
            homeservers: self.homeservers.clone(),
            said: Arc::clone(&said),
            leave,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(work.carry_out(participant.clone())));
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|_, job| !job.task.is_finished());
        jobs.insert(participant, Job { said, task });
    }

    /// Hears what the SFU says of a participant.
    pub(super) fn hear(&self, change: Change, participant: &Participant) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(job) = jobs.get(participant) else { return };
        match change {
            Change::Joined => job.said.joined.notify_one(),
            Change::Left => job.said.left.notify_one(),
        }
    }
}

/// What one leave takes.
struct Work {
    rooms: Arc<RoomClient>,
    homeservers: reqwest::Client,
    said: Arc<Said>,
    leave: DelayedLeave,
}

/// What a homeserver made of a request.
enum Answer {
    Done,
    /// The event has fired, or was cancelled.
    Unknown,
    /// No answer, or another error.
    Failed,
}

impl Work {
    async fn carry_out(self, (room, identity): Participant) {
        let wait = WAIT_MAX.min(self.leave.delay);
        if timeout(wait, self.arrival(&room, &identity)).await.is_err() {
            tracing::debug!(identity, "nobody came whose leave was handed over");
            return;
        }
        if self.keep(&room, &identity).await {
            self.fire().await;
        }
    }

    /// Also that of somebody who has left again already. The SFU does not speak of a participant
    /// without media, so it is asked as well.
    async fn arrival(&self, room: &str, identity: &str) {
        while !self.is_there(room, identity).await {
            if timeout(LOOK_AGAIN, self.said.joined.notified()).await.is_ok() {
                return;
            }
        }
    }

    async fn is_there(&self, room: &str, identity: &str) -> bool {
        self.rooms.get_participant(room, identity).await.is_ok()
    }

    /// Restarts it until its participant has left; false where there is nothing to fire any more.
    async fn keep(&self, room: &str, identity: &str) -> bool {
        loop {
            let next = match self.ask("restart").await {
                Answer::Done => self.leave.delay * 4 / 5,
                Answer::Unknown => return false,
                Answer::Failed => LOOK_AGAIN,
            };
            let left = timeout(next, self.said.left.notified()).await.is_ok();
            // Who has come back is there, although an earlier connection of theirs has left.
            if left && !self.is_there(room, identity).await {
                return true;
            }
        }
    }

    async fn fire(&self) {
        let began = Instant::now();
        for _ in 0..ATTEMPTS {
            match self.ask("send").await {
                Answer::Done | Answer::Unknown => return,
                Answer::Failed => sleep(LOOK_AGAIN).await,
            }
        }
        tracing::warn!(waited = ?began.elapsed(), "a delayed leave could not be fired");
    }

    /// Without an access token, which nobody has given us. Homeservers of the newest MSC4140 refuse
    /// that.
    async fn ask(&self, action: &str) -> Answer {
        const EVENTS: [&str; 5] =
            ["_matrix", "client", "unstable", "org.matrix.msc4140", "delayed_events"];
        let mut url = self.leave.client_api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(EVENTS).push(&self.leave.id).push(action);
        }
        match self.homeservers.post(url).json(&serde_json::json!({})).send().await {
            Ok(answer) if answer.status().is_success() => Answer::Done,
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND => Answer::Unknown,
            Ok(answer) => {
                tracing::warn!(status = %answer.status(), action, "a delayed leave was refused");
                Answer::Failed
            }
            Err(error) => {
                tracing::warn!(error = %error.without_url(), action, "a delayed leave failed");
                Answer::Failed
            }
        }
    }
}
