//! The jukebox of each room: values that their owners make JSON of.

use phonograph_call::matrixrtc::RoomId;
use rusqlite::{OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{Store, StoreError};

/// One value of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// What plays, what is to play and what has played.
    Queue,
    /// What the people of the room have set.
    Settings,
    /// The message that shows what plays.
    Panel,
    /// How far the current entry of the queue has played.
    Position,
}

impl Field {
    /// Its column.
    fn column(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Settings => "settings",
            Self::Panel => "panel",
            Self::Position => "position",
        }
    }
}

impl Store {
    /// A value of this room, if one was stored.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is not such a value; it stays stored until another is.
    pub(crate) async fn room_value<T: DeserializeOwned>(
        &self,
        room: &RoomId,
        field: Field,
    ) -> Result<Option<T>, StoreError> {
        let room = room.to_string();
        let sql = format!("SELECT {} FROM rooms WHERE room = ?1", field.column());
        let found: Option<Option<String>> = self
            .run(move |connection| connection.query_row(&sql, [room], |row| row.get(0)).optional())
            .await?;
        let text = found.flatten();
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(StoreError::Unreadable)
    }

    /// Stores a value of this room; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; what was stored before is still there.
    pub(crate) async fn set_room_value<T: Serialize + Sync>(
        &self,
        room: &RoomId,
        field: Field,
        value: &T,
    ) -> Result<(), StoreError> {
        let room = room.to_string();
        let value = serde_json::to_string(value).map_err(StoreError::Unwritable)?;
        let column = field.column();
        let sql = format!(
            "INSERT INTO rooms (room, {column}) VALUES (?1, ?2)
             ON CONFLICT (room) DO UPDATE SET {column} = excluded.{column}"
        );
        self.run(move |connection| connection.execute(&sql, params![room, value]).map(drop)).await
    }

    /// The rooms of which anything is stored, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn rooms_with_state(&self) -> Result<Vec<RoomId>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare("SELECT room FROM rooms ORDER BY room")?;
            let rooms = statement.query_map([], |row| row.get::<_, String>(0))?;
            rooms.map(|room| room.map(RoomId::from)).collect()
        })
        .await
    }

    /// Gives all values of a room to the one that takes its place, unless that has its own already.
    /// The panel stays behind: it is a message of the old one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn move_room(&self, old: &RoomId, new: &RoomId) -> Result<(), StoreError> {
        let (old, new) = (old.to_string(), new.to_string());
        self.run(move |connection| {
            let sql = "UPDATE OR IGNORE rooms SET room = ?2, panel = NULL WHERE room = ?1";
            connection.execute(sql, [old, new]).map(drop)
        })
        .await
    }

    /// Forgets all values of a room that we are no longer in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn forget_room(&self, room: &RoomId) -> Result<(), StoreError> {
        let room = room.to_string();
        self.run(move |connection| {
            connection.execute("DELETE FROM rooms WHERE room = ?1", [room]).map(drop)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_values_of_a_room_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let room = RoomId::from("!r:x");
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.room_value::<Vec<u8>>(&room, Field::Queue).await.unwrap(), None);
        store.set_room_value(&room, Field::Queue, &vec![1]).await.unwrap();
        store.set_room_value(&room, Field::Queue, &vec![1, 2]).await.unwrap();
        store.set_room_value(&room, Field::Settings, &"loud").await.unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.room_value(&room, Field::Queue).await.unwrap(), Some(vec![1, 2]));
        assert_eq!(
            store.room_value(&room, Field::Settings).await.unwrap(),
            Some("loud".to_owned())
        );
        assert_eq!(store.room_value::<String>(&room, Field::Panel).await.unwrap(), None);
    }

    #[tokio::test]
    async fn rooms_are_listed_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let [first, second] = ["!a:x", "!b:x"].map(RoomId::from);
        store.set_room_value(&second, Field::Panel, &2).await.unwrap();
        store.set_room_value(&first, Field::Queue, &1).await.unwrap();
        assert_eq!(store.rooms_with_state().await.unwrap(), [first.clone(), second.clone()]);
        store.forget_room(&first).await.unwrap();
        assert_eq!(store.rooms_with_state().await.unwrap(), [second]);
        assert_eq!(store.room_value::<i32>(&first, Field::Queue).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_value_of_another_kind_is_unreadable_and_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let room = RoomId::from("!r:x");
        store.set_room_value(&room, Field::Queue, &"text").await.unwrap();
        let read = store.room_value::<Vec<u8>>(&room, Field::Queue).await;
        assert!(matches!(read, Err(StoreError::Unreadable(_))));
        store.set_room_value(&room, Field::Queue, &vec![1]).await.unwrap();
        assert_eq!(store.room_value(&room, Field::Queue).await.unwrap(), Some(vec![1]));
    }
}
