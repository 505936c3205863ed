//! What of a room survives a restart.

use phonograph_call::matrixrtc::{EventId, RoomId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;

use super::Room;
use crate::{
    command::RoomSettings,
    jukebox::queue::{EntryId, Limits, Lists, Queue, Share},
    store::{Field, Store},
};

/// What people have set, and whether we are in the call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    pub(super) settings: RoomSettings,
    /// Whether we were in the call, and want to be again.
    pub(super) in_call: bool,
    /// The version of the program that has described its commands here.
    pub(super) described: Option<String>,
}

impl Kept {
    /// What the room allows in its queue.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            length_max: self.settings.track_length_max,
            per_person_max: self.settings.per_person_max,
            entries_max: self.settings.queue_max,
        }
    }

    /// The share of the call whose votes skip.
    pub(super) fn share(&self) -> Share {
        self.settings.vote_skip.and_then(|share| Share::try_from(share).ok()).unwrap_or_default()
    }
}

/// Everything that is stored of a room.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) kept: Kept,
    pub(super) queue: Queue,
    pub(super) lists: Lists,
    pub(super) panel: Option<EventId>,
}

/// The queue with what belongs to it.
#[derive(Debug, Serialize)]
struct QueueRef<'a> {
    queue: &'a Queue,
    lists: &'a Lists,
}

/// The same, as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct QueueOwned {
    queue: Queue,
    lists: Lists,
}

/// How far an entry has played. Written once a second, so it stands by itself.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    entry: EntryId,
    ms: u64,
}

/// Reads what is stored of a room; what cannot be read is as if it was never stored, and logged.
pub(super) async fn load(store: &Store, room: &RoomId) -> Stored {
    let settings: Kept = read(store, room, Field::Settings).await.unwrap_or_default();
    let stored: Option<QueueOwned> = read(store, room, Field::Queue).await;
    let QueueOwned { mut queue, lists } = stored.unwrap_or_else(|| QueueOwned {
        queue: Queue::new(rand::random()),
        lists: Lists::default(),
    });
    if let Some(Position { entry, ms }) = read(store, room, Field::Position).await {
        queue.note_position(entry, ms);
    }
    let panel: Option<String> = read(store, room, Field::Panel).await;
    Stored { kept: settings, queue, lists, panel: panel.map(EventId::from) }
}

async fn read<T: DeserializeOwned>(store: &Store, room: &RoomId, field: Field) -> Option<T> {
    store.room_value(room, field).await.unwrap_or_else(|error| {
        warn!(?field, error = phonograph_call::chain(&error), "what was stored is not known");
        None
    })
}

impl Room {
    /// Stores what has changed.
    pub(super) async fn save(&mut self) {
        let store = &self.shared.store;
        if std::mem::take(&mut self.unsaved.queue) {
            let value = QueueRef { queue: &self.queue, lists: &self.lists };
            if let Err(error) = store.set_room_value(&self.id, Field::Queue, &value).await {
                warn!(error = phonograph_call::chain(&error), "the queue was not stored");
            }
        }
        if std::mem::take(&mut self.unsaved.settings)
            && let Err(error) = store.set_room_value(&self.id, Field::Settings, &self.kept).await
        {
            warn!(error = phonograph_call::chain(&error), "the settings were not stored");
        }
    }

    /// Stores how far the current entry has played.
    /// One that is not stored yet is not waited for: the next one follows within a second.
    pub(super) fn save_position(&mut self) {
        while self.saving.try_join_next().is_some() {}
        let Some(current) = self.queue.current().filter(|_| self.saving.is_empty()) else { return };
        let position = Position { entry: current.entry.id, ms: current.position_ms };
        let (store, room) = (self.shared.store.clone(), self.id.clone());
        self.saving.spawn(async move {
            if let Err(error) = store.set_room_value(&room, Field::Position, &position).await {
                warn!(error = phonograph_call::chain(&error), "the position was not stored");
            }
        });
    }

    /// Stores which message is the panel.
    pub(super) async fn save_panel(&self, event: &EventId) {
        let event = event.as_str().to_owned();
        if let Err(error) = self.shared.store.set_room_value(&self.id, Field::Panel, &event).await {
            warn!(error = phonograph_call::chain(&error), "the panel was not stored");
        }
    }
}
