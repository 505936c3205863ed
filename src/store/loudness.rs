//! How loud things were measured to be, so that it is done once.

use std::{path::Path, time::SystemTime};

use rusqlite::{OptionalExtension, params};

use super::{
    Store, StoreError,
    library::{Stamp, nanoseconds},
};

/// Measurements that are kept; the oldest go first. A library of the largest size still fits, in about
/// 100 MB.
const KEPT_MAX: i64 = 600_000;

/// What was measured: a name that no other sound has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoudnessKey(String);

impl LoudnessKey {
    /// A file as it is now; one that was changed has another key.
    pub(crate) fn file(path: &Path, size: u64, modified: SystemTime) -> Self {
        Self::stamped(path, Stamp { size, modified_ns: nanoseconds(modified) })
    }

    /// A file as it was when it had this stamp.
    pub(crate) fn stamped(path: &Path, Stamp { size, modified_ns }: Stamp) -> Self {
        Self(format!("file:{size}:{modified_ns}:{}", path.display()))
    }
}

/// How loud something is as a whole. EBU R 128, ITU-R BS.1770-4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Integrated loudness in LUFS; that of silence is not stored.
    pub(crate) lufs: f32,
    /// True peak in dBTP.
    pub(crate) peak_dbtp: f32,
}

impl Store {
    /// What was measured of this.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn loudness(&self, key: LoudnessKey) -> Result<Option<Measured>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT lufs, peak FROM loudness WHERE key = ?1";
            connection
                .query_row(sql, [key.0], |row| {
                    Ok(Measured { lufs: row.get(0)?, peak_dbtp: row.get(1)? })
                })
                .optional()
        })
        .await
    }

    /// Remembers what was measured. Values that are no numbers are not remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn set_loudness(
        &self,
        key: LoudnessKey,
        measured: Measured,
    ) -> Result<(), StoreError> {
        let Measured { lufs, peak_dbtp } = measured;
        if !lufs.is_finite() || !peak_dbtp.is_finite() {
            return Ok(());
        }
        self.run(move |connection| {
            // A replaced row gets a new number, so the lowest numbers are the oldest.
            let sql = "INSERT OR REPLACE INTO loudness (key, lufs, peak) VALUES (?1, ?2, ?3)";
            connection.execute(sql, params![key.0, lufs, peak_dbtp])?;
            prune(connection, KEPT_MAX)
        })
        .await
    }
}

/// Drops the oldest beyond so many.
fn prune(connection: &rusqlite::Connection, kept: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM loudness WHERE rowid <= (SELECT max(rowid) FROM loudness) - ?1";
    connection.execute(sql, [kept]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(path: &str) -> LoudnessKey {
        LoudnessKey::file(Path::new(path), 7, SystemTime::UNIX_EPOCH)
    }

    const QUIET: Measured = Measured { lufs: -31.5, peak_dbtp: -9.25 };
    const LOUD: Measured = Measured { lufs: -7.5, peak_dbtp: 0.5 };

    #[tokio::test]
    async fn what_was_measured_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let key = key("/m/y");
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.loudness(key.clone()).await.unwrap(), None);
        store.set_loudness(key.clone(), QUIET).await.unwrap();
        store.set_loudness(key.clone(), LOUD).await.unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.loudness(key).await.unwrap(), Some(LOUD));
    }

    #[test]
    fn a_file_that_was_changed_has_another_key() {
        let path = Path::new("/music/a.mp3");
        let then = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let key = LoudnessKey::file(path, 10, then);
        assert_eq!(key, LoudnessKey::file(path, 10, then));
        assert_ne!(key, LoudnessKey::file(path, 11, then));
        assert_ne!(key, LoudnessKey::file(path, 10, then + Duration::from_millis(1)));
    }

    #[tokio::test]
    async fn silence_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = key("/m/z");
        let silence = Measured { lufs: f32::NEG_INFINITY, peak_dbtp: f32::NEG_INFINITY };
        store.set_loudness(key.clone(), silence).await.unwrap();
        assert_eq!(store.loudness(key).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_oldest_measurements_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let keys = ["a", "b", "c"].map(key);
        for key in keys.iter().chain([&keys[0]]) {
            store.set_loudness(key.clone(), QUIET).await.unwrap();
        }
        store.run(|connection| prune(connection, 2)).await.unwrap();
        let mut kept = Vec::new();
        for key in keys {
            kept.push(store.loudness(key).await.unwrap().is_some());
        }
        assert_eq!(kept, [true, false, true]);
    }
}
