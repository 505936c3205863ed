//! The thread that keeps the index as the disk is.
//!
//! ```text
//! load what was stored -> look through all folders -> wait -> look at what has changed -> wait
//!                                  ^---- every `rescan`, and when too much has changed ----'
//! ```
//!
//! It works at low priority, one file after the other, and writes a few hundred files at a time, so
//! that calls do not notice it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLockWriteGuard, atomic::Ordering},
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};
use walkdir::DirEntry;

use super::{
    Shelf,
    index::Index,
    is_shown, tags,
    text::{Text, preference},
    walk::Place,
    watch::{Changes, Watch},
};
use crate::{
    jukebox::aside::{Aside, Stop},
    store::{FileId, Stamp, StoreError, Stored, Tags, nanoseconds},
};

/// Files in the index. Further ones are not found by it, and the log says so: it takes about 200 MB
/// of memory at most.
const FILES_MAX: usize = 500_000;
/// Files written to the store at a time: about 5 ms, for which other writers wait.
const BATCH: usize = 250;

/// When to look again, and at how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Without any change.
    rescan: Duration,
    /// How often changes are asked for; when there were none for so long, those before are looked at.
    quiet: Duration,
    /// When they are looked at though they go on.
    patience: Duration,
    /// How many files are indexed.
    files_max: usize,
}

impl Effort {
    /// As quick as people notice.
    pub(super) fn new(rescan: Duration) -> Self {
        Self {
            rescan,
            quiet: Duration::from_secs(1),
            patience: Duration::from_secs(20),
            files_max: FILES_MAX,
        }
    }

    /// For tests that look at the disk as it changes.
    #[cfg(test)]
    pub(super) fn quick(rescan: Duration, files_max: usize) -> Self {
        let [quiet, patience] = [20, 200].map(Duration::from_millis);
        Self { rescan, quiet, patience, files_max }
    }
}

/// Begins; without folders there is nothing to do. Dropping it waits for the file that is being read.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(shelf: Arc<Shelf>, effort: Effort) -> io::Result<Aside> {
    Aside::start("library", move |stop| {
        Scanner { shelf, effort, watch: Watch::new(), stop, failing: false }.run();
    })
}

/// The thread's own.
struct Scanner {
    shelf: Arc<Shelf>,
    effort: Effort,
    watch: Watch,
    stop: Stop,
    /// Whether the store has failed, and it was logged.
    failing: bool,
}

/// What came of looking through.
#[derive(Debug, Default)]
struct Tally {
    read: usize,
    removed: usize,
    /// Beyond the limit.
    left_out: usize,
    /// With a path that is no text: no queue could be stored with it.
    unnamed: usize,
}

impl Scanner {
    fn run(mut self) {
        if self.shelf.folders.is_empty() {
            return;
        }
        let loaded = self.load();
        self.note(loaded);
        loop {
            self.scan_all();
            if self.stop.is_asked() || self.wait() {
                return;
            }
        }
    }

    /// Takes in what was stored, so that it is found before the folders have been looked through.
    fn load(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut elsewhere = Vec::new();
        let mut index = Index::default();
        self.shelf.files.each(|id, file| match self.shelf.below(&file.path) {
            Some(below) => index.put(id, Text::new(below, &file.tags), file.is_music),
            None => elsewhere.push(id),
        })?;
        let files = index.len();
        *self.index() = index;
        debug!(files, elapsed = ?begun.elapsed(), "what was stored of the library is known");
        self.shelf.files.remove(&elsewhere)
    }

    /// Waits until everything is to be looked through again, and looks meanwhile at what changes.
    /// Returns whether to end.
    fn wait(&mut self) -> bool {
        let effort = self.effort;
        let again = Instant::now() + effort.rescan;
        let mut pending: Option<(Instant, Changes)> = None;
        while Instant::now() < again {
            if self.stop.wait(effort.quiet) {
                return true;
            }
            let more = self.watch.changes();
            let is_quiet = more.is_empty();
            if !is_quiet {
                pending.get_or_insert_with(|| (Instant::now(), Changes::default())).1.add(more);
            }
            let is_due =
                |(since, _): &mut (Instant, _)| is_quiet || since.elapsed() > effort.patience;
            if let Some((_, changes)) = pending.take_if(is_due) {
                if changes.all {
                    return false;
                }
                self.scan_changes(&changes);
            }
        }
        false
    }

    /// Looks through all folders.
    fn scan_all(&mut self) {
        let begun = Instant::now();
        self.watch.tidy();
        let mut tally = Tally::default();
        let mut scanned = Ok(());
        for folder in self.shelf.folders.clone() {
            if let Err(error) = folder.read_dir() {
                warn!(folder = %folder.display(), %error, "cannot read a library folder");
            }
            let place = Place { folder: &folder, at: &folder };
            scanned = scanned.and_then(|()| self.scan(place, &mut tally));
        }
        if self.stop.is_asked() {
            return;
        }
        let is_done = scanned.is_ok();
        self.note(scanned);
        let (files, elapsed) = (self.index().len(), begun.elapsed());
        let Tally { read, removed, left_out, unnamed } = tally;
        if is_done && !self.shelf.is_complete.swap(true, Ordering::AcqRel) {
            info!(files, read, removed, ?elapsed, "the library is indexed");
        } else if read + removed > 0 {
            info!(files, read, removed, ?elapsed, "the library has changed");
        }
        if left_out + unnamed > 0 {
            warn!(
                left_out,
                unnamed,
                limit = self.effort.files_max,
                "files of the library are not indexed"
            );
        }
    }

    /// Looks at what has changed.
    fn scan_changes(&mut self, changes: &Changes) {
        let begun = Instant::now();
        let mut tally = Tally::default();
        let folders = self.shelf.folders.clone();
        for at in &changes.paths {
            let folder = folders.iter().find(|folder| at.strip_prefix(folder).is_ok_and(is_shown));
            let Some(folder) = folder else { continue };
            let scanned = self.scan(Place { folder, at }, &mut tally);
            self.note(scanned);
        }
        let (files, elapsed) = (self.index().len(), begun.elapsed());
        let Tally { read, removed, .. } = tally;
        if read + removed > 0 {
            info!(files, read, removed, ?elapsed, "the library has changed");
        }
    }

    /// Makes the index as the disk is in one place. Ends early if it is told to stop.
    fn scan(&mut self, place: Place<'_>, tally: &mut Tally) -> Result<(), StoreError> {
        let mut known = self.shelf.files.stamps(place.at)?;
        let mut unread = Vec::new();
        let mut batch = Vec::new();
        for entry in place.entries() {
            if self.stop.is_asked() {
                return Ok(());
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    debug!(%error, "passing over a part of the library");
                    unread.extend(unreadable(place, &error));
                    continue;
                }
            };
            if entry.file_type().is_dir() {
                self.watch.add(entry.path());
            } else if entry.file_type().is_file() {
                let old = known.remove(entry.path());
                batch.extend(self.examine(&entry, old, batch.len(), tally));
            }
            if batch.len() == BATCH {
                self.put(place.folder, &std::mem::take(&mut batch), tally)?;
            }
        }
        self.put(place.folder, &batch, tally)?;
        let is_gone = |path: &Path| !unread.iter().any(|part| path.starts_with(part));
        let gone = known.into_iter().filter(|(path, _)| is_gone(path)).map(|(_, (id, _))| id);
        self.remove(&gone.collect::<Vec<_>>(), tally)
    }

    /// What a file is, if that is not in the index yet.
    fn examine(
        &self,
        entry: &DirEntry,
        old: Option<(FileId, Stamp)>,
        waiting: usize,
        tally: &mut Tally,
    ) -> Option<Stored> {
        if entry.path().to_str().is_none() {
            tally.unnamed += 1;
            return None;
        }
        let metadata = entry.metadata().ok()?;
        let modified_ns = metadata.modified().map_or(0, nanoseconds);
        let stamp = Stamp { size: metadata.len(), modified_ns };
        if old.is_some_and(|(_, old)| old == stamp) {
            return None;
        }
        if old.is_none() && self.shelf.index(Index::len) + waiting >= self.effort.files_max {
            tally.left_out += 1;
            return None;
        }
        let path = entry.path().to_owned();
        let (is_music, tags) = tags::read(&path).unwrap_or_else(|error| {
            debug!(path = %path.display(), %error, "a file of the library cannot be read");
            (preference(&path).is_some(), Tags::default())
        });
        Some(Stored { path, stamp, is_music, tags })
    }

    fn put(&self, folder: &Path, batch: &[Stored], tally: &mut Tally) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let ids = self.shelf.files.put(batch)?;
        let mut index = self.index();
        for (id, file) in ids.into_iter().zip(batch) {
            let below = file.path.strip_prefix(folder).unwrap_or(&file.path);
            index.put(id, Text::new(below, &file.tags), file.is_music);
        }
        tally.read += batch.len();
        Ok(())
    }

    fn remove(&self, gone: &[FileId], tally: &mut Tally) -> Result<(), StoreError> {
        for gone in gone.chunks(BATCH) {
            self.shelf.files.remove(gone)?;
            let mut index = self.index();
            for id in gone {
                index.remove(*id);
            }
        }
        tally.removed += gone.len();
        Ok(())
    }

    /// Logs that the store fails, once until it works again.
    fn note(&mut self, done: Result<(), StoreError>) {
        match done {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                let error = phonograph_call::chain(&error);
                warn!(error, "the index of the library cannot be kept");
            }
            Err(_) => {}
        }
    }

    fn index(&self) -> RwLockWriteGuard<'_, Index> {
        self.shelf.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a place of which nothing is known because it cannot be read. What is not there is known
/// to be gone, but for a folder of the settings: its disk may be absent.
fn unreadable(place: Place<'_>, error: &walkdir::Error) -> Option<PathBuf> {
    let path = error.path().unwrap_or(place.at);
    let is_missing = error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    (!is_missing || path == place.folder).then(|| path.to_owned())
}
