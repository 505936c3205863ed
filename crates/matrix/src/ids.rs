//! Between the ids of the call crates and ruma's.

use matrix_sdk::{Client, Room, ruma};
use phonograph_call::matrixrtc::{DeviceId, EventId, RoomId, UserId};

pub(crate) fn user(id: &str) -> UserId {
    UserId::from(id)
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::from(id)
}

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::from(id)
}

pub(crate) fn event(id: &str) -> EventId {
    EventId::from(id)
}

/// The SDK's room, if it knows one of that id.
pub(crate) fn find_room(client: &Client, room: &RoomId) -> Option<Room> {
    let id = ruma::RoomId::parse(room.as_str()).ok()?;
    client.get_room(&id)
}
