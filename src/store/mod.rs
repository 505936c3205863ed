//! What has to survive a restart, in one `SQLite` file beside the SDK's store.
//!
//! Its schema has a version (`PRAGMA user_version`), and each version is reached from the one before
//! by one step of [`MIGRATIONS`]; a step that has been published is never changed.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use phonograph_call::matrixrtc::{RoomId, session::Saved};
use rusqlite::{Connection, OptionalExtension, params};

/// The file's name inside the store folder.
const FILE: &str = "phonograph.sqlite3";
/// How long a write may wait for another process that reads the file, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// From each version to the next.
const MIGRATIONS: &[&str] = &[
    // 1: the last index of our media key in each room's call; the next run goes on after it.
    "CREATE TABLE calls (room TEXT PRIMARY KEY, key_index INTEGER NOT NULL) STRICT;",
    // 2: all that the next run has to know of each room's call, as JSON.
    "CREATE TABLE call_states (room TEXT PRIMARY KEY, saved TEXT NOT NULL) STRICT;
     INSERT INTO call_states SELECT room, json_object('last_key_index', key_index) FROM calls;
     DROP TABLE calls;",
];

/// The store cannot be used. The operator has to look at the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Its own words are the source.
    #[error("the store cannot be read or written")]
    Sqlite(#[from] rusqlite::Error),
    /// A newer version of the bot has written it.
    #[error("the store has version {found}, and this program knows up to {known}")]
    Newer {
        /// Its version.
        found: usize,
        /// The newest we know.
        known: usize,
    },
    /// What was stored of a call is none that we wrote.
    #[error("what is stored of a call cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The work was given up because the bot ends.
    #[error("the store's work was not finished")]
    Unfinished(#[from] tokio::task::JoinError),
}

/// The store. Clones share it; its work is done on blocking threads.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    connection: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens the file in that folder, or makes it, and brings it to the newest version. Blocking.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(folder.join(FILE))?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        migrate(&connection, MIGRATIONS)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

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
        let saved = serde_json::to_string(saved).map_err(StoreError::Unreadable)?;
        self.run(move |connection| {
            let sql = "INSERT INTO call_states (room, saved) VALUES (?1, ?2)
                ON CONFLICT (room) DO UPDATE SET saved = excluded.saved";
            connection.execute(sql, params![room, saved]).map(drop)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Ok(done.await??)
    }
}

fn migrate(connection: &Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrations.len();
    let steps = migrations.get(found..).ok_or(StoreError::Newer { found, known })?;
    for (step, version) in steps.iter().zip(found + 1..) {
        connection
            .execute_batch(&format!("BEGIN; {step} PRAGMA user_version = {version}; COMMIT;"))?;
    }
    Ok(())
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

    #[tokio::test]
    async fn a_key_index_of_the_first_version_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let old = Connection::open(folder.path().join(FILE)).unwrap();
        migrate(&old, &MIGRATIONS[..1]).unwrap();
        old.execute("INSERT INTO calls VALUES ('!r:x', 42)", []).unwrap();
        drop(old);
        let store = Store::open(folder.path()).unwrap();
        let saved = store.call_state(&RoomId::from("!r:x")).await.unwrap().unwrap();
        assert_eq!(saved.last_key_index, Some(42));
    }

    #[test]
    fn a_store_of_a_newer_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let connection = Connection::open(folder.path().join(FILE)).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    }

    #[test]
    fn each_version_is_reached_from_every_earlier_one() {
        for from in 0..=MIGRATIONS.len() {
            let connection = Connection::open_in_memory().unwrap();
            migrate(&connection, &MIGRATIONS[..from]).unwrap();
            migrate(&connection, MIGRATIONS).unwrap();
            let version: usize =
                connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, MIGRATIONS.len());
        }
    }
}
