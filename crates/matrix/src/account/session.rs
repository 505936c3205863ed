//! The session file: what a restart needs in order to be the same device.
//!
//! The SDK's store keeps keys and state but no access token, so this small file keeps it beside the
//! store, readable by its owner only. It also keeps the fingerprint of the device, by which a store
//! that was deleted or swapped is noticed: the device id would be the same and its keys others, and
//! nobody could send it a key.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use matrix_sdk::authentication::matrix::MatrixSession;
use serde::{Deserialize, Serialize};

/// The file's name inside the store folder.
const FILE: &str = "session.json";

/// What the file holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    /// User, device and tokens.
    pub(super) session: MatrixSession,
    /// Base64 of the device's Ed25519 key, once it is known.
    pub(super) fingerprint: Option<String>,
}

/// Reads the file; `None` if there is none.
pub(super) fn load(store: &Path) -> io::Result<Option<Saved>> {
    let text = match fs::read(path(store)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&text).map(Some).map_err(io::Error::other)
}

/// Writes the file so that a crash leaves either the old or the new one.
pub(super) fn save(store: &Path, saved: &Saved) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let fresh = store.join("session.json.new");
    let mut file = options.open(&fresh)?;
    file.write_all(&serde_json::to_vec(saved).map_err(io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(fresh, path(store))
}

/// Moves a store that no longer fits aside, so that a new device can begin; answers where to.
///
/// Nothing is deleted: it may hold the only copy of keys that somebody still wants.
pub(super) fn set_aside(store: &Path) -> io::Result<PathBuf> {
    let target = (1..=u16::MAX)
        .map(|n| store.with_extension(format!("lost-{n}")))
        .find(|path| !path.exists())
        .ok_or_else(|| io::Error::other("no free name for the old store"))?;
    fs::rename(store, &target)?;
    fs::create_dir_all(store)?;
    Ok(target)
}

fn path(store: &Path) -> PathBuf {
    store.join(FILE)
}

#[cfg(test)]
mod tests {
    use matrix_sdk::{SessionMeta, SessionTokens, ruma::device_id, ruma::user_id};

    use super::*;

    fn saved() -> Saved {
        Saved {
            session: MatrixSession {
                meta: SessionMeta {
                    user_id: user_id!("@bot:example.org").to_owned(),
                    device_id: device_id!("DEVICE").to_owned(),
                },
                tokens: SessionTokens { access_token: "secret".to_owned(), refresh_token: None },
            },
            fingerprint: Some("abc".to_owned()),
        }
    }

    #[test]
    fn a_saved_session_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &saved()).unwrap();

        let read = load(folder.path()).unwrap().unwrap();

        assert_eq!(read.session.meta.device_id, "DEVICE");
        assert_eq!(read.fingerprint.as_deref(), Some("abc"));
    }

    #[test]
    fn no_file_is_no_session() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &saved()).unwrap();

        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();

        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_store_that_is_set_aside_keeps_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        fs::create_dir(&store).unwrap();
        save(&store, &saved()).unwrap();

        let aside = set_aside(&store).unwrap();

        assert!(load(&store).unwrap().is_none());
        assert!(load(&aside).unwrap().is_some());
    }
}
