//! The sync loop, and what becomes of a response.
//!
//! It is our own loop over `sync_once` because the SDK's loops rest for a second between quick
//! syncs (0.18): a media key would come a second late. A response is read as a whole when the SDK
//! has processed it, instead of in event handlers, so that state is evaluated once per sync.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use matrix_sdk::{
    Client,
    config::{SyncSettings, SyncToken},
    deserialized_responses::{
        ProcessedToDeviceEvent, TimelineEvent, VerificationLevel, VerificationState,
    },
    ruma::{
        api::{
            client::{
                filter::{Filter, FilterDefinition, RoomEventFilter},
                sync::sync_events,
            },
            error::ErrorKind,
        },
        events::room::encrypted::OriginalSyncRoomEncryptedEvent,
        serde::Raw,
    },
    sync::{State, SyncResponse},
};
use phonograph_call::matrixrtc::{KeyMessage, Member, RoomId, event};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::{
    chat::{self, Incoming, Invite, Recent},
    feeds::Feeds,
    ids,
};

/// How long the homeserver may hold a request while there is nothing new.
const LONG_POLL: Duration = Duration::from_secs(30);

/// The pauses after failed syncs: quick at first, since most restarts of a homeserver take seconds.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The events of a room in one response. What lies before them is never seen (homeservers send ten
/// if they are not asked for more): what somebody asked while others talk, or while the homeserver
/// was away, would be lost.
const TIMELINE_MAX: u32 = 100;

/// Messages whose room key has not come yet: how many are kept, and for how many syncs.
const UNREADABLE_MAX: usize = 64;
const UNREADABLE_TRIES: u8 = 8;

/// Our session is over: the homeserver no longer knows the access token. Nothing but a new log-in
/// helps.
#[derive(Debug, thiserror::Error)]
#[error("the homeserver ended our session")]
pub struct SyncEnded;

/// Runs until our session ends.
pub(crate) async fn run(
    client: &Client,
    feeds: &Feeds,
    me: &Member,
    incoming: &mpsc::Sender<Incoming>,
) -> SyncEnded {
    let mut reader = Reader {
        client,
        feeds,
        me,
        incoming,
        since_ms: now_ms(),
        recent: Recent::default(),
        unreadable: VecDeque::new(),
    };
    let mut settings = SyncSettings::default()
        .timeout(LONG_POLL)
        .token(SyncToken::ReusePrevious)
        .filter(sync_events::v3::Filter::FilterDefinition(what_we_read()));
    let mut pause = RETRY_FIRST;
    let mut is_first = true;
    loop {
        match client.sync_once(settings.clone()).await {
            Ok(response) => {
                if pause != RETRY_FIRST {
                    info!("syncing again");
                }
                pause = RETRY_FIRST;
                settings = settings.token(response.next_batch.clone());
                reader.read(response).await;
                if std::mem::take(&mut is_first) {
                    reader.hand_on(Incoming::Synced);
                }
            }
            Err(error) if is_session_over(&error) => return SyncEnded,
            Err(error) => {
                warn!(%error, ?pause, "the sync failed, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Nothing of who is online, types or has read what.
fn what_we_read() -> FilterDefinition {
    let mut definition = FilterDefinition::default();
    definition.presence = Filter::ignore_all();
    definition.room.ephemeral = RoomEventFilter::ignore_all();
    definition.room.timeline.limit = Some(TIMELINE_MAX.into());
    definition
}

fn is_session_over(error: &matrix_sdk::Error) -> bool {
    matches!(error.client_api_error_kind(), Some(ErrorKind::UnknownToken(_)))
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a device is signed by its owner, whatever we think of the owner.
fn is_signed(state: &VerificationState) -> bool {
    match state {
        VerificationState::Verified => true,
        VerificationState::Unverified(level) => match level {
            VerificationLevel::UnverifiedIdentity | VerificationLevel::VerificationViolation => {
                true
            }
            VerificationLevel::UnsignedDevice
            | VerificationLevel::None(_)
            | VerificationLevel::MismatchedSender => false,
        },
    }
}

/// Takes responses apart.
struct Reader<'a> {
    client: &'a Client,
    feeds: &'a Feeds,
    me: &'a Member,
    incoming: &'a mpsc::Sender<Incoming>,
    /// Messages from before are history.
    since_ms: u64,
    recent: Recent,
    unreadable: VecDeque<Unreadable>,
}

/// An encrypted message whose room key is not here yet.
struct Unreadable {
    room: RoomId,
    event: Raw<OriginalSyncRoomEncryptedEvent>,
    tries_left: u8,
}

impl Reader<'_> {
    async fn read(&mut self, response: SyncResponse) {
        for event in &response.to_device {
            self.read_to_device(event);
        }
        let mut touched = BTreeSet::new();
        for (room, update) in response.rooms.joined {
            let room = ids::room(room.as_str());
            if changes_state(&update.state) || !update.timeline.events.is_empty() {
                touched.insert(room.clone());
            }
            for event in update.timeline.events {
                self.read_timeline(&room, &event).await;
            }
        }
        self.retry_unreadable().await;
        for (room, update) in response.rooms.invited {
            let events = update.invite_state.events.iter();
            let states = events.filter_map(|raw| raw.deserialize_as_unchecked::<Value>().ok());
            let inviter = states
                .filter(|state| state["type"] == "m.room.member")
                .find(|state| state["state_key"] == self.me.user.as_str())
                .and_then(|state| state["sender"].as_str().map(ids::user));
            self.hand_on(Incoming::Invite(Invite { room: ids::room(room.as_str()), inviter }));
        }
        for room in response.rooms.left.keys() {
            self.hand_on(Incoming::Gone(ids::room(room.as_str())));
        }
        self.feeds.refresh(&touched).await;
    }

    /// Picks out media keys. One that came in clear keeps no sender device, and is refused further
    /// on: whoever runs a homeserver could have written it.
    fn read_to_device(&self, event: &ProcessedToDeviceEvent) {
        let (sender_device, signed) = match event {
            ProcessedToDeviceEvent::Decrypted { encryption_info, .. } => (
                encryption_info.sender_device.as_ref().map(|device| ids::device(device.as_str())),
                is_signed(&encryption_info.verification_state),
            ),
            ProcessedToDeviceEvent::PlainText(_) => (None, false),
            ProcessedToDeviceEvent::UnableToDecrypt { .. } | ProcessedToDeviceEvent::Invalid(_) => {
                return;
            }
        };
        let Ok(mut value) = event.as_raw().deserialize_as_unchecked::<Value>() else { return };
        if value["type"] != event::ENCRYPTION_KEYS {
            return;
        }
        let content = value["content"].take();
        let (Some(room), Some(sender)) = (content["room_id"].as_str(), value["sender"].as_str())
        else {
            debug!("a media key without a room or a sender");
            return;
        };
        let room = ids::room(room);
        let message = KeyMessage { sender: ids::user(sender), sender_device, signed, content };
        self.feeds.deliver(room, message);
    }

    async fn read_timeline(&mut self, room: &RoomId, event: &TimelineEvent) {
        if event.kind.is_utd() {
            if self.unreadable.len() == UNREADABLE_MAX {
                self.unreadable.pop_front();
            }
            self.unreadable.push_back(Unreadable {
                room: room.clone(),
                event: event.raw().clone().cast_unchecked(),
                tries_left: UNREADABLE_TRIES,
            });
            return;
        }
        if let Ok(value) = event.raw().deserialize_as_unchecked::<Value>() {
            self.read_event(room, &value).await;
        }
    }

    async fn read_event(&mut self, room: &RoomId, event: &Value) {
        let read = chat::read(room, event, &self.me.user, self.since_ms);
        let Some(mut incoming) = read.and_then(|read| self.recent.admit(read)) else { return };
        if let Incoming::Message(message) = &mut incoming
            && let Some(target) = ids::find_room(self.client, room)
        {
            message.direct = target.is_direct().await.unwrap_or(false);
        }
        self.hand_on(incoming);
    }

    /// Tries again to read what could not be decrypted: a room key sometimes comes one sync after
    /// the message that needs it.
    async fn retry_unreadable(&mut self) {
        for mut waiting in std::mem::take(&mut self.unreadable) {
            let Some(target) = ids::find_room(self.client, &waiting.room) else { continue };
            match target.decrypt_event(&waiting.event, None).await {
                Ok(event) if !event.kind.is_utd() => {
                    if let Ok(value) = event.raw().deserialize_as_unchecked::<Value>() {
                        self.read_event(&waiting.room, &value).await;
                    }
                }
                _ if waiting.tries_left > 0 => {
                    waiting.tries_left -= 1;
                    self.unreadable.push_back(waiting);
                }
                _ => debug!(room = %waiting.room, "the room key of a message never came"),
            }
        }
    }

    fn hand_on(&self, incoming: Incoming) {
        if let Err(error) = self.incoming.try_send(incoming) {
            warn!(%error, "chat was dropped: the bot does not keep up");
        }
    }
}

fn changes_state(state: &State) -> bool {
    match state {
        State::Before(events) | State::After(events) => !events.is_empty(),
    }
}
