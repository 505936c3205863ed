//! Tells what has changed in the folders, where the system can tell it: Linux, local disks.
//!
//! inotify(7). The kernel keeps up to 16 384 changes for us; when there were more, everything counts
//! as changed.

#[cfg(target_os = "linux")]
pub(super) use linux::Watch;
#[cfg(not(target_os = "linux"))]
pub(super) use none::Watch;

use std::{collections::BTreeSet, path::PathBuf};

/// More changed paths than these are not looked at one by one.
const PATHS_MAX: usize = 1_000;

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Files and folders that were made, written, moved or removed.
    pub(super) paths: BTreeSet<PathBuf>,
    /// Whether there were too many to tell.
    pub(super) all: bool,
}

impl Changes {
    /// Whether nothing has changed.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.all
    }

    /// Takes further ones in.
    pub(super) fn add(&mut self, more: Self) {
        self.all |= more.all;
        for path in more.paths {
            self.changed(path);
        }
    }

    fn changed(&mut self, path: PathBuf) {
        if self.paths.len() < PATHS_MAX {
            self.paths.insert(path);
        } else {
            self.all = true;
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{collections::HashMap, io, path::Path, path::PathBuf};

    use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
    use tracing::{debug, warn};

    use super::{super::walk::is_hidden, Changes};

    /// As much as is read of the kernel at once.
    const BUFFER: usize = 1 << 16;

    /// Watches over folders.
    #[derive(Debug)]
    pub(in super::super) struct Watch {
        /// None where the system gives none.
        inotify: Option<Inotify>,
        folders: HashMap<WatchDescriptor, PathBuf>,
        /// Whether the system gave no watch for some folder.
        is_short: bool,
    }

    impl Watch {
        /// Watches over nothing yet.
        pub(in super::super) fn new() -> Self {
            let inotify = Inotify::init();
            if let Err(error) = &inotify {
                warn!(%error, "changes in the library are not noticed before it is looked through");
            }
            Self { inotify: inotify.ok(), folders: HashMap::new(), is_short: false }
        }

        /// Watches over what is in a folder, not over what is in folders in it.
        pub(in super::super) fn add(&mut self, folder: &Path) {
            let Some(inotify) = self.inotify.as_mut().filter(|_| !self.is_short) else { return };
            let what = WatchMask::ATTRIB
                | WatchMask::CLOSE_WRITE
                | WatchMask::CREATE
                | WatchMask::DELETE
                | WatchMask::MOVE
                | WatchMask::ONLYDIR;
            match inotify.watches().add(folder, what) {
                Ok(watch) => drop(self.folders.insert(watch, folder.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    self.is_short = true;
                    let folders = self.folders.len();
                    warn!(
                        folders,
                        "the system has no watches left (fs.inotify.max_user_watches): changes in \
                         other folders of the library are not noticed before it is looked through"
                    );
                }
                Err(error) => debug!(folder = %folder.display(), %error, "cannot watch a folder"),
            }
        }

        /// Gives up the watches over folders that are no longer there, and tries again to have them for
        /// all that will be added.
        pub(in super::super) fn tidy(&mut self) {
            self.is_short = false;
            let Some(inotify) = &mut self.inotify else { return };
            self.folders.retain(|watch, folder| {
                let is_there = folder.is_dir();
                if !is_there && let Err(error) = inotify.watches().remove(watch.clone()) {
                    debug!(folder = %folder.display(), %error, "a watch has ended before");
                }
                is_there
            });
        }

        /// What has changed since it was asked last. Does not wait.
        pub(in super::super) fn changes(&mut self) -> Changes {
            let mut changes = Changes::default();
            let Some(inotify) = &mut self.inotify else { return changes };
            let mut buffer = vec![0; BUFFER];
            loop {
                let events = match inotify.read_events(&mut buffer) {
                    Ok(events) => events,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return changes,
                    Err(error) => {
                        warn!(%error, "changes in the library cannot be told");
                        changes.all = true;
                        return changes;
                    }
                };
                for event in events {
                    if event.mask.contains(EventMask::Q_OVERFLOW) {
                        changes.all = true;
                    } else if event.mask.contains(EventMask::IGNORED) {
                        self.folders.remove(&event.wd);
                    } else if let (Some(folder), Some(name)) =
                        (self.folders.get(&event.wd), event.name.filter(|name| !is_hidden(name)))
                    {
                        changes.changed(folder.join(name));
                    }
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::path::Path;

    use super::Changes;

    /// No watches: changes are noticed when the folders are looked through.
    #[derive(Debug)]
    pub(in super::super) struct Watch;

    impl Watch {
        pub(in super::super) fn new() -> Self {
            Self
        }

        pub(in super::super) fn add(&mut self, _folder: &Path) {}

        pub(in super::super) fn tidy(&mut self) {}

        pub(in super::super) fn changes(&mut self) -> Changes {
            Changes::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_changes_are_everything() {
        let mut changes = Changes::default();
        assert!(changes.is_empty());
        for n in 0..PATHS_MAX {
            changes.changed(PathBuf::from(n.to_string()));
        }
        assert!(!changes.all);
        let more = BTreeSet::from([PathBuf::from("one more")]);
        changes.add(Changes { paths: more, all: false });
        assert!(changes.all);
        assert_eq!(changes.paths.len(), PATHS_MAX);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_made_moved_and_removed_is_told_once() {
        use std::fs;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut watch = Watch::new();
        watch.add(folder.path());
        fs::write(at("a"), "x").unwrap();
        fs::write(at(".hidden"), "x").unwrap();
        fs::rename(at("a"), at("b")).unwrap();
        fs::create_dir(at("c")).unwrap();
        let changes = watch.changes();
        assert_eq!(changes.paths, BTreeSet::from(["a", "b", "c"].map(at)));
        assert!(!changes.all);
        assert!(watch.changes().is_empty());
        fs::read(at("b")).unwrap();
        assert!(watch.changes().is_empty(), "reading is no change");
    }
}
