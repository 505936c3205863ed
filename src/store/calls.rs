//! What the next call of a room has to know of the last one.

use phonograph_call::matrixrtc::{RoomId, session::Saved};
use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

impl Store {
    /// What an earlier call of this room left behind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn call_state(&self, room: &RoomId) -> Result<Option<Saved>, StoreError> {
        let room = room.to_string();
        let found: Option<String> = self
            .run(move |connection| {
                let sql = "SELECT saved FROM call_states WHERE room = ?1";
                connection.query_row(sql, [room], |row| row.get(0)).optional()
            })
            .await?;
        found.map(|text| serde_json::from_str(&text)).transpose().map_err(StoreError::Unreadable)
    }

    /// Remembers what the next call of this room has to know.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn set_call_state(
        &self,
        room: &RoomId,
        saved: &Saved,
    ) -> Result<(), StoreError> {
        let room = room.to_string();
        let saved = serde_json::to_string(saved).map_err(StoreError::Unwritable)?;
        self.run(move |connection| {
            let sql = "INSERT INTO call_states (room, saved) VALUES (?1, ?2)
                ON CONFLICT (room) DO UPDATE SET saved = excluded.saved";
            connection.execute(sql, params![room, saved]).map(drop)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_call_left_behind_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let room = RoomId::from("!r:x");
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.call_state(&room).await.unwrap(), None);
        let first = Saved { last_key_index: Some(7), ..Saved::default() };
        let last = Saved { last_key_index: Some(254), joined: true, ..Saved::default() };
        store.set_call_state(&room, &first).await.unwrap();
        store.set_call_state(&room, &last).await.unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.call_state(&room).await.unwrap(), Some(last));
    }
}
