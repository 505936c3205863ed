//! What a call hears from its room: the state of the call, and media keys as they come.
//!
//! The state is read from the store after a sync, never from events as they fly by: a first sync
//! replays months of joins and leaves. Media keys are delivered once, inside the sync that brought
//! them, so those that come before a call is attached are held for it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use matrix_sdk::{
    Client, Room,
    deserialized_responses::RawAnySyncOrStrippedState,
    ruma::{
        self,
        events::{StateEventType, room::power_levels::UserPowerLevel},
    },
};
use phonograph_call::{
    matrix::{Power, RoomFeed, RoomState},
    matrixrtc::{KeyMessage, Member, RawStateEvent, RoomId, UserId, event},
};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::{debug, warn};

use crate::ids;

/// Keys that may wait between the sync and the call. A roll-out sends one per member and change;
/// when a call falls that far behind, the newest key is dropped and its sender's next one taken.
const KEYS_MAX: usize = 256;

/// Keys held for rooms without a call, and for how long: the time that a bot takes to be asked
/// into a call that runs already.
const HELD_MAX: usize = 256;
const HELD_FOR: Duration = Duration::from_mins(5);

/// Every attached room's feed.
#[derive(Debug)]
pub(crate) struct Feeds {
    client: Client,
    me: Member,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    attached: BTreeMap<RoomId, Senders>,
    held: VecDeque<(Instant, RoomId, KeyMessage)>,
}

#[derive(Debug)]
struct Senders {
    state: watch::Sender<RoomState>,
    keys: mpsc::Sender<KeyMessage>,
}

impl Feeds {
    pub(crate) fn new(client: Client, me: Member) -> Self {
        Self { client, me, inner: Mutex::default() }
    }

    /// Begins to follow a room; an earlier feed of the same room ends.
    pub(crate) async fn attach(&self, room: &RoomId) -> matrix_sdk::Result<Option<RoomFeed>> {
        let Some(target) = ids::find_room(&self.client, room) else { return Ok(None) };
        target.sync_members().await?;
        let (state, state_receiver) = watch::channel(read_state(&target, &self.me).await?);
        let (keys, keys_receiver) = mpsc::channel(KEYS_MAX);
        self.follow(room, Senders { state, keys });
        // A sync that came while the state was read has not seen that the room is followed.
        self.refresh(&BTreeSet::from([room.clone()])).await;
        Ok(Some(RoomFeed { state: state_receiver, keys: keys_receiver }))
    }

    /// Hands on what was held for a room, and what comes for it from now on.
    fn follow(&self, room: &RoomId, senders: Senders) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for message in take_held(&mut inner.held, room, Instant::now()) {
            if senders.keys.try_send(message).is_err() {
                break;
            }
        }
        inner.attached.insert(room.clone(), senders);
    }

    /// Reads the state of those rooms anew that a sync has touched and a call follows.
    pub(crate) async fn refresh(&self, touched: &BTreeSet<RoomId>) {
        for room in touched {
            if !self.is_followed(room) {
                continue;
            }
            let Some(target) = ids::find_room(&self.client, room) else { continue };
            match read_state(&target, &self.me).await {
                Ok(state) => self.publish(room, state),
                Err(error) => warn!(%room, %error, "could not read the state of the call"),
            }
        }
    }

    /// Hands a media key to its room's call, or holds it.
    pub(crate) fn deliver(&self, room: RoomId, message: KeyMessage) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(feed) = inner.attached.get(&room) else {
            return hold(&mut inner, room, message);
        };
        match feed.keys.try_send(message) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                warn!(%room, "a media key was dropped: the call does not keep up");
            }
            Err(mpsc::error::TrySendError::Closed(message)) => {
                inner.attached.remove(&room);
                hold(&mut inner, room, message);
            }
        }
    }

    /// Whether somebody still listens to that room's feed; forgets the feed if not.
    fn is_followed(&self, room: &RoomId) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = inner.attached.get(room).is_some_and(|feed| !feed.state.is_closed());
        if !followed {
            inner.attached.remove(room);
        }
        followed
    }

    fn publish(&self, room: &RoomId, state: RoomState) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = inner.attached.get(room) {
            feed.state.send_replace(state);
        }
    }
}

fn hold(inner: &mut Inner, room: RoomId, message: KeyMessage) {
    debug!(%room, "holding a media key until a call is attached");
    if inner.held.len() == HELD_MAX {
        inner.held.pop_front();
    }
    inner.held.push_back((Instant::now(), room, message));
}

/// Takes a room's held keys, oldest first, and drops what is too old for any room.
fn take_held(
    held: &mut VecDeque<(Instant, RoomId, KeyMessage)>,
    room: &RoomId,
    now: Instant,
) -> Vec<KeyMessage> {
    let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
    for (at, owner, message) in held.drain(..) {
        if now.duration_since(at) > HELD_FOR {
            continue;
        }
        if owner == *room {
            taken.push(message);
        } else {
            kept.push_back((at, owner, message));
        }
    }
    *held = kept;
    taken
}

/// Reads from the store what a call needs to know of its room.
pub(crate) async fn read_state(room: &Room, me: &Member) -> matrix_sdk::Result<RoomState> {
    let mut memberships = Vec::new();
    for raw in room.get_state_events(StateEventType::from(event::CALL_MEMBER)).await? {
        let RawAnySyncOrStrippedState::Sync(raw) = raw else { continue };
        if let Ok(value) = raw.deserialize_as_unchecked::<Value>() {
            memberships.push(RawStateEvent::from(value));
        }
    }
    Ok(RoomState {
        joined: joined_senders(room, &memberships).await,
        memberships,
        encrypted: room.latest_encryption_state().await?.is_encrypted(),
        version: room.version().map(|version| version.to_string()).unwrap_or_default(),
        power: power(room, me).await,
    })
}

/// The state keys under which memberships of ours stand in a room, as far as the store knows.
pub(crate) async fn own_memberships(room: &Room, me: &Member) -> Vec<String> {
    let events = room.get_state_events(StateEventType::from(event::CALL_MEMBER)).await;
    let states = events.unwrap_or_default().into_iter().filter_map(|raw| match raw {
        RawAnySyncOrStrippedState::Sync(raw) => raw.deserialize_as_unchecked::<Value>().ok(),
        RawAnySyncOrStrippedState::Stripped(_) => None,
    });
    let ours = states.filter(|state| {
        state["sender"] == me.user.as_str() && state["content"]["device_id"] == me.device.as_str()
    });
    ours.filter_map(|state| state["state_key"].as_str().map(str::to_owned)).collect()
}

/// Which senders of memberships are in the room; for the others the room has no `join`.
async fn joined_senders(room: &Room, memberships: &[RawStateEvent]) -> BTreeSet<UserId> {
    let mut joined = BTreeSet::new();
    for sender in memberships.iter().filter_map(RawStateEvent::sender) {
        let Ok(user) = ruma::UserId::parse(sender) else { continue };
        let member = room.get_member_no_sync(&user).await.ok().flatten();
        let state = member.map(|member| member.membership().clone());
        if state == Some(ruma::events::room::member::MembershipState::Join) {
            joined.insert(ids::user(sender));
        }
    }
    joined
}

/// Our power level and the one that the membership event needs. Until the state has come (the sync
/// after a join brings it) the homeserver is left to decide.
async fn power(room: &Room, me: &Member) -> Power {
    let Ok(levels) = room.power_levels().await else { return Power::UNKNOWN };
    let Ok(user) = ruma::UserId::parse(me.user.as_str()) else { return Power::UNKNOWN };
    let have = match levels.for_user(&user) {
        UserPowerLevel::Infinite => i64::MAX,
        UserPowerLevel::Int(level) => level.into(),
        _ => return Power::UNKNOWN,
    };
    let kind = event::CALL_MEMBER.into();
    let need = levels.events.get(&kind).copied().unwrap_or(levels.state_default);
    Power { have, need: need.into() }
}
