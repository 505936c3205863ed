//! The files of the library, as their tags describe them.
//!
//! It can be made anew from the files at any time, so a power cut may cost the last of what was
//! written (`synchronous = NORMAL`).

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;

/// The number of a file in the index. It stays while the file is there.
pub(crate) type FileId = i64;

/// What the tags of a file say, fit to be shown; what they do not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// The title of the piece.
    pub(crate) title: Option<String>,
    /// Who plays or sings it.
    pub(crate) artist: Option<String>,
    /// The album that it belongs to.
    pub(crate) album: Option<String>,
    /// Whose album it is, where that is said apart from the artist.
    pub(crate) album_artist: Option<String>,
    /// The number of the disc in the album.
    pub(crate) disc: Option<u32>,
    /// The number of the piece on the disc.
    pub(crate) track: Option<u32>,
    /// How long it plays.
    pub(crate) duration: Option<Duration>,
}

/// A file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Where it is, absolute.
    pub(crate) path: PathBuf,
    /// What it was when its tags were read.
    pub(crate) stamp: Stamp,
    /// Whether it looks like music, by its content or its name.
    pub(crate) is_music: bool,
    /// What its tags say.
    pub(crate) tags: Tags,
}

/// A time as it is stored; times before 1970 are negative, and absurd ones cut.
pub(crate) fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// What tells whether a file has changed since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was changed, in nanoseconds since 1970.
    pub(crate) modified_ns: i64,
}

/// The table of files. Clones share its connections; all is blocking.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl Files {
    pub(super) fn new(
        writer: Connection,
        reader: &Arc<Mutex<Connection>>,
    ) -> Result<Self, StoreError> {
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), reader: Arc::clone(reader) })
    }

    /// Shows each file, in the order of their paths.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn each(&self, mut show: impl FnMut(FileId, &Stored)) -> Result<(), StoreError> {
        let connection = lock(&self.writer);
        let mut statement = connection.prepare(&select("ORDER BY path"))?;
        for file in statement.query_map([], stored)? {
            let (id, file) = file?;
            show(id, &file);
        }
        Ok(())
    }

    /// The stamps of a file and of all below it, if it is a folder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn stamps(
        &self,
        at: &Path,
    ) -> Result<HashMap<PathBuf, (FileId, Stamp)>, StoreError> {
        let connection = lock(&self.writer);
        // Whatever begins with the path and a slash comes before what begins with a zero.
        let sql = "SELECT id, path, size, modified_ns FROM files
            WHERE path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0')";
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_map([at.to_string_lossy()], |row| {
            let stamp = Stamp { size: row.get(2)?, modified_ns: row.get(3)? };
            Ok((PathBuf::from(row.get::<_, String>(1)?), (row.get(0)?, stamp)))
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// These files, in this order; those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn get(&self, ids: &[FileId]) -> Result<Vec<(FileId, Stored)>, StoreError> {
        let connection = lock(&self.reader);
        let mut statement = connection.prepare_cached(&select("WHERE id = ?1"))?;
        let mut files = Vec::with_capacity(ids.len());
        for id in ids {
            files.extend(statement.query_row([id], stored).optional()?);
        }
        Ok(files)
    }

    /// The file whose number follows; those that are put in from now on have higher ones, unless the
    /// last one was removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn after(&self, last: FileId) -> Result<Option<(FileId, Stored)>, StoreError> {
        let connection = lock(&self.reader);
        let mut statement =
            connection.prepare_cached(&select("WHERE id > ?1 ORDER BY id LIMIT 1"))?;
        Ok(statement.query_row([last], stored).optional()?)
    }

    /// Puts files in, or in the place of those with the same paths: all of them or none. Returns
    /// their numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn put(&self, files: &[Stored]) -> Result<Vec<FileId>, StoreError> {
        let mut connection = lock(&self.writer);
        let transaction = connection.transaction()?;
        let mut ids = Vec::with_capacity(files.len());
        {
            let mut statement = transaction.prepare_cached(PUT)?;
            for Stored { path, stamp, is_music, tags } in files {
                let id = statement.query_row(
                    params![
                        path.to_string_lossy(),
                        i64::try_from(stamp.size).unwrap_or(i64::MAX),
                        stamp.modified_ns,
                        is_music,
                        tags.title,
                        tags.artist,
                        tags.album,
                        tags.album_artist,
                        tags.disc,
                        tags.track,
                        tags.duration.and_then(|time| i64::try_from(time.as_millis()).ok()),
                    ],
                    |row| row.get(0),
                )?;
                ids.push(id);
            }
        }
        transaction.commit()?;
        Ok(ids)
    }

    /// Forgets these files: all of them or none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn remove(&self, ids: &[FileId]) -> Result<(), StoreError> {
        let mut connection = lock(&self.writer);
        let transaction = connection.transaction()?;
        for id in ids {
            transaction.prepare_cached("DELETE FROM files WHERE id = ?1")?.execute([id])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

const PUT: &str = "
    INSERT INTO files (path, size, modified_ns, is_music, title, artist, album, album_artist, disc,
        track, duration_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (path) DO UPDATE SET size = excluded.size, modified_ns = excluded.modified_ns,
        is_music = excluded.is_music, title = excluded.title, artist = excluded.artist,
        album = excluded.album, album_artist = excluded.album_artist, disc = excluded.disc,
        track = excluded.track, duration_ms = excluded.duration_ms
    RETURNING id";

fn select(which: &str) -> String {
    format!(
        "SELECT id, path, size, modified_ns, is_music, title, artist, album, album_artist, disc,
             track, duration_ms
         FROM files {which}"
    )
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(FileId, Stored)> {
    let path: String = row.get(1)?;
    let duration: Option<u64> = row.get(11)?;
    let tags = Tags {
        title: row.get(5)?,
        artist: row.get(6)?,
        album: row.get(7)?,
        album_artist: row.get(8)?,
        disc: row.get(9)?,
        track: row.get(10)?,
        duration: duration.map(Duration::from_millis),
    };
    let stored = Stored {
        path: Path::new(&path).to_owned(),
        stamp: Stamp { size: row.get(2)?, modified_ns: row.get(3)? },
        is_music: row.get(4)?,
        tags,
    };
    Ok((row.get(0)?, stored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn files_survive_a_restart_and_keep_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let files = Store::open(folder.path()).unwrap().files();
        let ids = files.put(&[file("/m/b.mp3", 1), file("/m/a.mp3", 2)]).unwrap();
        let again = files.put(&[file("/m/b.mp3", 3)]).unwrap();
        assert_eq!(again, ids[..1]);
        drop(files);
        let files = Store::open(folder.path()).unwrap().files();
        let expected = [(ids[1], file("/m/a.mp3", 2)), (ids[0], file("/m/b.mp3", 3))];
        assert_eq!(all(&files), expected);
        let [first, second] = [&expected[1], &expected[0]];
        assert_eq!(files.get(&[ids[0], 999, ids[1]]).unwrap(), [first.clone(), second.clone()]);
    }

    #[test]
    fn what_is_removed_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let files = Store::open(folder.path()).unwrap().files();
        let ids = files.put(&[file("/m/a.mp3", 1), file("/m/b.mp3", 2)]).unwrap();
        files.remove(&ids[..1]).unwrap();
        assert_eq!(all(&files), [(ids[1], file("/m/b.mp3", 2))]);
    }

    #[test]
    fn one_file_follows_the_other_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let files = Store::open(folder.path()).unwrap().files();
        let ids = files.put(&[file("/m/b", 1), file("/m/a", 2)]).unwrap();
        let (first, _) = files.after(0).unwrap().unwrap();
        let (second, last) = files.after(first).unwrap().unwrap();
        assert_eq!([first, second], ids[..]);
        assert_eq!((last, files.after(second).unwrap()), (file("/m/a", 2), None));
    }

    #[test]
    fn stamps_are_those_of_the_file_or_of_all_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = Store::open(folder.path()).unwrap().files();
        let paths = ["/m", "/m/a", "/m/ä/b", "/m.mp3", "/m0/c", "/n/d"];
        files.put(&paths.map(|path| file(path, 1))).unwrap();
        let below = |at: &str| {
            let mut below: Vec<_> = files.stamps(Path::new(at)).unwrap().into_keys().collect();
            below.sort();
            below
        };
        assert_eq!(below("/m"), ["/m", "/m/a", "/m/ä/b"].map(PathBuf::from));
        assert_eq!(below("/m.mp3"), ["/m.mp3"].map(PathBuf::from));
        assert!(below("/x").is_empty());
    }

    #[test]
    fn a_time_before_1970_is_negative() {
        let second = Duration::from_secs(1);
        assert_eq!(nanoseconds(SystemTime::UNIX_EPOCH + second), 1_000_000_000);
        assert_eq!(nanoseconds(SystemTime::UNIX_EPOCH - second), -1_000_000_000);
    }

    fn all(files: &Files) -> Vec<(FileId, Stored)> {
        let mut all = Vec::new();
        files.each(|id, file| all.push((id, file.clone()))).unwrap();
        all
    }

    fn file(path: &str, size: u64) -> Stored {
        let tags = Tags {
            title: Some("Air".to_owned()),
            track: Some(3),
            duration: Some(Duration::from_millis(1234)),
            ..Tags::default()
        };
        let stamp = Stamp { size, modified_ns: -5 };
        Stored { path: PathBuf::from(path), stamp, is_music: true, tags }
    }
}
