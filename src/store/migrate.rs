//! The versions of the file, and the way from each to the next.
//!
//! A step that has been published is never changed.

use rusqlite::Connection;

use super::StoreError;

/// From each version to the next.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: the last index of our media key in each room's call; the next run goes on after it.
    "CREATE TABLE calls (room TEXT PRIMARY KEY, key_index INTEGER NOT NULL) STRICT;",
    // 2: all that the next run has to know of each room's call, as JSON.
    "CREATE TABLE call_states (room TEXT PRIMARY KEY, saved TEXT NOT NULL) STRICT;
     INSERT INTO call_states SELECT room, json_object('last_key_index', key_index) FROM calls;
     DROP TABLE calls;",
    // 3: the jukebox of each room, as JSON; the files of the library by what their tags say, their
    // time of change in nanoseconds; how loud things were measured to be.
    "CREATE TABLE rooms (room TEXT PRIMARY KEY, queue TEXT, settings TEXT, panel TEXT,
         position TEXT) STRICT;
     CREATE TABLE files (
         id INTEGER PRIMARY KEY,
         path TEXT NOT NULL UNIQUE,
         size INTEGER NOT NULL,
         modified_ns INTEGER NOT NULL,
         is_music INTEGER NOT NULL,
         title TEXT,
         artist TEXT,
         album TEXT,
         album_artist TEXT,
         disc INTEGER,
         track INTEGER,
         duration_ms INTEGER
     ) STRICT;
     CREATE TABLE loudness (key TEXT PRIMARY KEY, lufs REAL NOT NULL, peak REAL NOT NULL) STRICT;",
];

/// Brings a file to the newest version, each step in a transaction of its own.
pub(super) fn migrate(connection: &Connection, migrations: &[&str]) -> Result<(), StoreError> {
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

    #[test]
    fn what_each_earlier_version_held_is_kept() {
        let filled = [
            (1, "INSERT INTO calls VALUES ('!r:x', 42)"),
            (2, r#"INSERT INTO call_states VALUES ('!r:x', '{"last_key_index":42}')"#),
        ];
        for (from, row) in filled {
            let connection = Connection::open_in_memory().unwrap();
            migrate(&connection, &MIGRATIONS[..from]).unwrap();
            connection.execute(row, []).unwrap();
            migrate(&connection, MIGRATIONS).unwrap();
            let sql = "SELECT saved FROM call_states WHERE room = '!r:x'";
            let saved: String = connection.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(saved, r#"{"last_key_index":42}"#, "from version {from}");
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let connection = Connection::open_in_memory().unwrap();
        let steps = [MIGRATIONS[0], "CREATE TABLE half (x); CREATE TABLE half (x);"];
        migrate(&connection, &steps).unwrap_err();
        connection.execute_batch("ROLLBACK").unwrap();
        let version: usize =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 1);
        assert!(connection.prepare("SELECT x FROM half").is_err());
    }
}
