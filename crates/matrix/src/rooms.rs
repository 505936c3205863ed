//! What is known of our rooms and the people in them, and what we set there.
//!
//! Questions are answered from the store that the sync keeps: they cost no request, and a room that
//! we are not in has no answers.

use std::time::Duration;

use matrix_sdk::{
    Client, Room,
    config::RequestConfig,
    ruma::{self, OwnedServerName, RoomOrAliasId, events::room::power_levels::UserPowerLevel},
};
use phonograph_call::matrixrtc::{EventId, RoomId, UserId};
use serde_json::Value;
use tracing::{debug, warn};

use crate::{
    chat::{self, Attachment, Upgraded},
    ids,
    requests::read_state,
};

/// How long the homeserver may take for a message that somebody answers.
const ATTACHMENT_WITHIN: Duration = Duration::from_secs(5);

/// Why something could not be done in a room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// We never heard of that room: the invite was taken back.
    #[error("the room is not known")]
    Unknown,
    /// The homeserver said no, or did not answer; its answer is the source.
    #[error("the homeserver refused")]
    Refused(#[source] Box<matrix_sdk::Error>),
    /// The room that is said to take another's place does not say so itself: we left it again.
    #[error("the new room does not name the old one as its predecessor")]
    NotItsSuccessor,
}

impl RoomError {
    pub(crate) fn refused(error: matrix_sdk::Error) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// Our rooms. Clones ask the same account.
#[derive(Debug, Clone)]
pub struct Rooms {
    client: Client,
}

impl Rooms {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// A user's power level in a room: `i64::MAX` for its creator from room version 12 on, 0 in a
    /// room that we do not know, since nobody may do anything then.
    pub async fn power(&self, room: &RoomId, user: &UserId) -> i64 {
        let (Some(room), Ok(user)) =
            (ids::find_room(&self.client, room), ruma::UserId::parse(user.as_str()))
        else {
            return 0;
        };
        match room.get_user_power_level(&user).await {
            Ok(UserPowerLevel::Infinite) => i64::MAX,
            Ok(UserPowerLevel::Int(level)) => level.into(),
            Ok(_) => 0,
            Err(error) => {
                warn!(room = %room.room_id(), %error, "could not read the power levels");
                0
            }
        }
    }

    /// The name that a user has in a room, as they wrote it; `None` where they have none. It may
    /// hold anything.
    pub async fn display_name(&self, room: &RoomId, user: &UserId) -> Option<String> {
        let room = ids::find_room(&self.client, room)?;
        let user = ruma::UserId::parse(user.as_str()).ok()?;
        let member = room.get_member_no_sync(&user).await.ok().flatten()?;
        member.display_name().map(str::to_owned)
    }

    /// Whether a user may take back what others sent in a room.
    pub async fn may_redact(&self, room: &RoomId, user: &UserId) -> bool {
        let (Some(room), Ok(user)) =
            (ids::find_room(&self.client, room), ruma::UserId::parse(user.as_str()))
        else {
            return false;
        };
        room.power_levels().await.is_ok_and(|levels| levels.user_can_redact_event_of_other(&user))
    }

    /// The file in a message of a room, which is asked of the homeserver; `None` if it has none, or
    /// cannot be had or decrypted within some seconds.
    pub async fn attachment(&self, room: &RoomId, event: &EventId) -> Option<Attachment> {
        let room = ids::find_room(&self.client, room)?;
        let event = ruma::EventId::parse(event.as_str()).ok()?;
        let config = RequestConfig::short_retry().timeout(ATTACHMENT_WITHIN);
        let found = room.event(&event, Some(config)).await;
        let found = found.inspect_err(|error| debug!(%error, "an answered message was not had"));
        chat::file(&found.ok()?.raw().deserialize_as_unchecked::<Value>().ok()?)
    }

    /// Whether the room is a direct chat with us.
    pub async fn is_direct(&self, room: &RoomId) -> bool {
        match ids::find_room(&self.client, room) {
            Some(room) => room.is_direct().await.unwrap_or(false),
            None => false,
        }
    }

    /// Sets a state event, such as the description of our commands (MSC4391). It is not encrypted.
    ///
    /// # Errors
    /// What the homeserver said: mostly that our power level is too low.
    pub async fn set_state(
        &self,
        room: &RoomId,
        event_type: &str,
        state_key: &str,
        content: Value,
    ) -> Result<(), RoomError> {
        let room = ids::find_room(&self.client, room).ok_or(RoomError::Unknown)?;
        let sent = room.send_state_event_raw(event_type, state_key, content).await;
        sent.map(drop).map_err(RoomError::refused)
    }

    /// The rooms that were replaced while we were away and that we have not followed.
    pub fn upgraded(&self) -> Vec<Upgraded> {
        let joined = self.client.joined_rooms();
        let upgraded = joined.iter().filter_map(|room| {
            let new = room.successor_room()?.room_id;
            let followed = self.client.get_room(&new).is_some_and(|new| is_joined(&new));
            (!followed).then(|| Upgraded {
                old: ids::room(room.room_id().as_str()),
                new: ids::room(new.as_str()),
                sender: None,
            })
        });
        upgraded.collect()
    }

    /// Joins the room that took another's place, by the servers of those who are in the old one.
    /// The old one is not left.
    ///
    /// # Errors
    /// [`RoomError::NotItsSuccessor`] where the new room does not agree, so that nobody sends us into
    /// a room of strangers; else what the homeserver said. Not cancel-safe: we may be in the new room
    /// without having looked at it.
    pub async fn follow(&self, upgraded: &Upgraded) -> Result<(), RoomError> {
        let old = ids::find_room(&self.client, &upgraded.old).ok_or(RoomError::Unknown)?;
        let new = RoomOrAliasId::parse(upgraded.new.as_str()).map_err(|_bad| RoomError::Unknown)?;
        let mut servers = old.route().await.unwrap_or_default();
        servers.extend(server_of(upgraded.sender.as_ref()));
        let joined = self.client.join_room_by_id_or_alias(&new, &servers).await;
        let joined = joined.map_err(RoomError::refused)?;
        if succeeds(&joined, &upgraded.old).await {
            return Ok(());
        }
        joined.leave().await.map_err(RoomError::refused)?;
        Err(RoomError::NotItsSuccessor)
    }
}

fn is_joined(room: &Room) -> bool {
    room.state() == matrix_sdk::RoomState::Joined
}

fn server_of(user: Option<&UserId>) -> Option<OwnedServerName> {
    let user = ruma::UserId::parse(user?.as_str()).ok()?;
    Some(user.server_name().to_owned())
}

/// Whether a room says that it took that one's place. The homeserver is asked: the sync that brings
/// the room may take a while.
async fn succeeds(room: &Room, old: &RoomId) -> bool {
    let request = read_state::Request {
        room_id: room.room_id().to_string(),
        event_type: "m.room.create".to_owned(),
        state_key: String::new(),
    };
    match room.client().send(request).await {
        Ok(answer) => names_predecessor(&answer.body, old),
        Err(error) => {
            warn!(room = %room.room_id(), %error, "could not read who made the room");
            false
        }
    }
}

fn names_predecessor(create: &Value, old: &RoomId) -> bool {
    create["predecessor"]["room_id"] == old.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_room_succeeds_only_the_one_that_it_names() {
        let old = ids::room("!old:x");
        assert!(names_predecessor(&json!({ "predecessor": { "room_id": "!old:x" } }), &old));
        for other in [json!({ "predecessor": { "room_id": "!other:x" } }), json!({}), json!(1)] {
            assert!(!names_predecessor(&other, &old));
        }
    }

    #[test]
    fn the_server_of_whoever_ended_a_room_is_one_to_join_by() {
        let server = server_of(Some(&ids::user("@ann:x.org:8448")));
        assert_eq!(server.unwrap().as_str(), "x.org:8448");
        assert_eq!(server_of(Some(&ids::user("nobody"))), None);
    }
}
