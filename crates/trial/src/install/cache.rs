//! The cache folder: one entry per thing and version, a lock beside it while it is made, and a
//! marker once it is whole.

use std::{
    env, fs,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use super::{error::Cause, progress::Step};

/// An entry of the cache, there or not.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    root: PathBuf,
    name: String,
}

/// Held while an entry is made; the system gives it back when we end, however we end.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Entry {
    /// The entry called `name`, which ends in a version.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { root: root(), name: name.into() }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Whether it was made to the end, once.
    pub(crate) fn is_whole(&self) -> bool {
        self.marker().exists()
    }

    /// Waits until nobody else makes this entry, and keeps others from it.
    pub(crate) async fn lock(&self) -> Result<Lock, Cause> {
        self.lock_or(|| ()).await
    }

    /// The same, and says on the step's line that it waits.
    pub(super) async fn lock_for(&self, step: &Step) -> Result<Lock, Cause> {
        self.lock_or(|| step.doing("waiting for another trial that installs it")).await
    }

    async fn lock_or(&self, waiting: impl FnOnce()) -> Result<Lock, Cause> {
        fs::create_dir_all(&self.root)
            .map_err(Cause::io(format!("could not make {}", self.root.display())))?;
        let path = self.root.join(format!("{}.lock", self.name));
        let broken = format!("could not lock {}", path.display());
        let file = File::create(&path).map_err(Cause::io(broken.clone()))?;
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => waiting(),
            Err(TryLockError::Error(error)) => return Err(Cause::io(broken)(error)),
        }
        tokio::task::spawn_blocking(move || file.lock().map(|()| Lock { _file: file }))
            .await
            .map_err(std::io::Error::other)
            .and_then(|locked| locked)
            .map_err(Cause::io(broken))
    }

    /// An empty folder to make the entry in: what a run that was cut off left is deleted.
    pub(crate) fn clear(&self) -> Result<PathBuf, Cause> {
        let folder = self.folder();
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .map_err(Cause::io(format!("could not delete {}", folder.display())))?;
        }
        fs::create_dir_all(&folder)
            .map_err(Cause::io(format!("could not make {}", folder.display())))?;
        Ok(folder)
    }

    /// Marks the entry as whole.
    pub(crate) fn finish(&self) -> Result<(), Cause> {
        let marker = self.marker();
        fs::write(&marker, b"").map_err(Cause::io(format!("could not write {}", marker.display())))
    }

    fn marker(&self) -> PathBuf {
        self.root.join(format!("{}.done", self.name))
    }
}

/// `$XDG_CACHE_HOME/phonograph-trial`, `~/.cache/phonograph-trial`, or a folder among the
/// temporary ones for those who have no home.
fn root() -> PathBuf {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("phonograph-trial")
}

/// The first program of this name on the search path.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
