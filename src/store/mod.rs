//! What has to survive a restart, in one `SQLite` file beside the SDK's store.
//!
//! The file has a version (`PRAGMA user_version`), and [`migrate`] is the way from each to the next.
//! [`calls`] and [`rooms`] are small and precious: each write is on the disk when it returns. The
//! [`library`] is large and can be made anew, so it has a connection of its own that others do not
//! wait for, and readers have one that waits for no writer.

mod calls;
mod library;
mod loudness;
mod migrate;
mod rooms;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;

pub(crate) use library::{FileId, Files, Stamp, Stored, Tags, nanoseconds};
pub(crate) use loudness::{LoudnessKey, Measured};
pub(crate) use rooms::Field;

/// The file's name inside the store folder.
const FILE: &str = "phonograph.sqlite3";
/// How long a write may wait for another one, or for another process such as a backup.
const BUSY: Duration = Duration::from_secs(5);

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
    /// What was stored is none that we wrote.
    #[error("what is stored cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// A value that JSON has no form for, such as a path that is no text.
    #[error("this cannot be stored")]
    Unwritable(#[source] serde_json::Error),
    /// The work was given up because the bot ends.
    #[error("the store's work was not finished")]
    Unfinished(#[from] tokio::task::JoinError),
}

/// The store. Clones share it; its work is done on blocking threads.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    files: Files,
}

impl Store {
    /// Opens the file in that folder, or makes it, and brings it to the newest version. Blocking.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let writer = connect(&path)?;
        migrate::migrate(&writer, migrate::MIGRATIONS)?;
        let reader = connect(&path)?;
        reader.pragma_update(None, "query_only", true)?;
        let [writer, reader] = [writer, reader].map(|one| Arc::new(Mutex::new(one)));
        let files = Files::new(connect(&path)?, &reader)?;
        Ok(Self { writer, reader, files })
    }

    /// The files of the library.
    pub(crate) fn files(&self) -> Files {
        self.files.clone()
    }

    /// Works on what is small and precious.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        on(&self.writer, work).await
    }

    /// Reads, whoever writes meanwhile.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        on(&self.reader, work).await
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A process that is killed loses nothing; a machine that loses power the last moments.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

async fn on<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let connection = Arc::clone(connection);
    let done = tokio::task::spawn_blocking(move || {
        work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
    });
    Ok(done.await??)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use phonograph_call::matrixrtc::RoomId;

    use super::*;

    #[tokio::test]
    async fn a_key_index_of_the_first_version_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let old = Connection::open(folder.path().join(FILE)).unwrap();
        migrate::migrate(&old, &migrate::MIGRATIONS[..1]).unwrap();
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
    fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let text = "Dear diary, this is no database. ".repeat(100);
        fs::write(&path, &text).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Sqlite(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[tokio::test]
    async fn reading_waits_for_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let files = store.files();
        let other = Connection::open(folder.path().join(FILE)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let key = LoudnessKey::file(Path::new("/m/y"), 1, std::time::SystemTime::UNIX_EPOCH);
        assert_eq!(store.loudness(key).await.unwrap(), None);
        assert_eq!(files.get(&[1]).unwrap(), []);
    }
}
