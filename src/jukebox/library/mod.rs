//! The library: the files in the folders of the settings, found by what somebody types.
//!
//! An [`indexer`] reads the [`tags`] of all files into the store, and looks again when the [`watch`]
//! tells of a change. Of the [`index`] in memory it is asked what [`fit`]s. What is not indexed yet is
//! found by a [`walk`] over the names on the disk. Only files in the folders of the settings can be
//! found or opened: links in them are not followed, and a name is only compared, never used as a path.

mod album;
mod best;
mod error;
mod fit;
mod index;
mod indexer;
mod tags;
mod text;
mod walk;
mod watch;

use std::{
    fs::File,
    path::{Component, Path, PathBuf, absolute},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tracing::debug;

pub(crate) use album::Album;
pub(crate) use error::LibraryError;

use best::{Best, Candidate, item, name};
use fit::Query;
use index::Index;
use indexer::Effort;
use walk::{DEPTH_MAX, is_hidden, look_through};

use super::{Item, aside::Aside};
use crate::{
    command::Title,
    config,
    store::{FileId, Files, StoreError, Stored},
};

/// The longest list that is asked for at once.
const LIST_MAX: usize = 100;

/// A file of the library that was found and opened.
#[derive(Debug)]
pub(crate) struct Found {
    /// What it is to the queue.
    pub(crate) item: Item,
    /// The open file.
    pub(crate) file: File,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// What it is to the queue; its title is "Artist – Title", or the name of the file.
    pub(crate) item: Item,
    /// The album, where the tags say it.
    pub(crate) album: Option<Title>,
    /// Its path below the folder, which tells equal titles apart.
    pub(crate) below: Title,
}

/// The library. Clones share it; dropping the last one ends the indexing, and waits for the file that
/// is being read.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    shelf: Arc<Shelf>,
    _indexer: Arc<Aside>,
}

/// What searches need.
#[derive(Debug)]
struct Shelf {
    /// Absolute.
    folders: Vec<PathBuf>,
    files: Files,
    index: RwLock<Index>,
    /// Whether all folders have been looked through since the start.
    is_complete: AtomicBool,
}

impl Library {
    /// Begins to index the folders of the settings. Searches can be asked for at once.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(settings: &config::Library, files: Files) -> std::io::Result<Self> {
        Self::start_at(settings, files, Effort::new(settings.rescan))
    }

    fn start_at(settings: &config::Library, files: Files, effort: Effort) -> std::io::Result<Self> {
        let folders = settings.folders.iter().map(|folder| normal(folder)).collect();
        let shelf = Arc::new(Shelf {
            folders,
            files,
            index: RwLock::default(),
            is_complete: AtomicBool::new(false),
        });
        let indexer = Arc::new(indexer::start(Arc::clone(&shelf), effort)?);
        Ok(Self { shelf, _indexer: indexer })
    }

    /// Finds the one file that fits a name best, and opens it.
    ///
    /// The whole name counts first, then the name without its ending or the title, then the words in
    /// them. Milliseconds; up to some seconds while the folders have not been looked through, and
    /// where nothing fits. Cancel-safe; a search that has begun ends by itself.
    ///
    /// # Errors
    /// [`LibraryError`] says whether other words, or the operator, can help.
    pub(crate) async fn find(&self, name: &str) -> Result<Found, LibraryError> {
        let name = name.to_owned();
        self.run(move |shelf| shelf.find(&name)).await
    }

    /// Pieces with all these words in title, artist, album or path, at most `limit` and 100: first
    /// those that are called so, then those that begin so, then those with the words in the title.
    /// Milliseconds. Cancel-safe.
    ///
    /// # Errors
    /// [`LibraryError::NoFolders`], [`LibraryError::Index`]. Nothing that fits is an empty list.
    pub(crate) async fn search(&self, words: &str, limit: usize) -> Result<Vec<Hit>, LibraryError> {
        let query = Query::new(words);
        self.run(move |shelf| shelf.search(&query, limit)).await
    }

    /// The pieces of the album that fits a name best, in order, at most 2000. Without tags, the folder
    /// is the album. Milliseconds. Cancel-safe.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`]; [`LibraryError::Ambiguous`] with the albums and the first piece of
    /// each.
    pub(crate) async fn album(&self, name: &str) -> Result<Album, LibraryError> {
        let name = name.to_owned();
        self.run(move |shelf| shelf.album(&name)).await
    }

    /// Opens a file that was found earlier, perhaps under other settings: only if it is in a folder of
    /// the settings still, and neither hidden nor reached through a link. Cancel-safe.
    ///
    /// # Errors
    /// [`LibraryError::Outside`], [`LibraryError::Unopenable`].
    pub(crate) async fn open_file(&self, path: &Path) -> Result<File, LibraryError> {
        let path = path.to_owned();
        self.run(move |shelf| shelf.open_file(&path)).await
    }

    /// The file in the index whose number follows; a new file has a higher one than all others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn after(&self, last: FileId) -> Result<Option<(FileId, Stored)>, StoreError> {
        self.shelf.files.after(last)
    }

    /// Whether all folders have been looked through since the start. Until then, what is found by its
    /// tags may not be all there is.
    #[cfg(test)]
    pub(crate) fn is_complete(&self) -> bool {
        self.shelf.is_complete.load(Ordering::Acquire)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, LibraryError> + Send + 'static,
    ) -> Result<T, LibraryError> {
        let shelf = Arc::clone(&self.shelf);
        let done = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let done = work(&shelf);
            debug!(elapsed = ?begun.elapsed(), "looked into the library");
            done
        });
        done.await.map_err(LibraryError::Unfinished)?
    }
}

impl Shelf {
    fn find(&self, name: &str) -> Result<Found, LibraryError> {
        self.has_folders()?;
        let query = Query::new(name);
        let mut best = self.best(&query)?;
        let is_complete = self.is_complete.load(Ordering::Acquire);
        if !is_complete || best.is_empty() {
            best.forget_more();
            let looked = look_through(&self.folders, &query, &mut best);
            if best.is_empty() {
                looked?;
            }
        }
        let Candidate { item, path, .. } = best.only(name)?;
        let file = self.open_file(&path)?;
        Ok(Found { item, file })
    }

    /// What fits best of what is indexed.
    fn best(&self, query: &Query) -> Result<Best, LibraryError> {
        let matches = self.index(|index| index.best(query));
        let mut best = Best::default();
        if let Some(fit) = matches.fit {
            for file in self.stored(&matches.ids)? {
                best.offer(fit, self.candidate(file));
            }
            best.count_more(matches.more);
        }
        Ok(best)
    }

    fn search(&self, query: &Query, limit: usize) -> Result<Vec<Hit>, LibraryError> {
        self.has_folders()?;
        let ids = self.index(|index| index.list(query, limit.min(LIST_MAX)));
        let hits = self.stored(&ids)?.into_iter().map(|file| {
            let below = self.below(&file.path).unwrap_or(&file.path);
            let below = Title::new(&below.to_string_lossy());
            let album = file.tags.album.as_deref().map(Title::new);
            Hit { item: item(file.path, &file.tags), album, below }
        });
        Ok(hits.collect())
    }

    fn album(&self, name: &str) -> Result<Album, LibraryError> {
        self.has_folders()?;
        let query = Query::new(name);
        let ids = self.index(|index| index.album(&query));
        album::only(self.stored(&ids)?, name)
    }

    fn open_file(&self, path: &Path) -> Result<File, LibraryError> {
        let outside = || LibraryError::Outside { title: name(path), path: path.to_owned() };
        let below = self.below(path).filter(|below| is_shown(below)).ok_or_else(outside)?;
        let folder = path.ancestors().nth(below.components().count()).ok_or_else(outside)?;
        let open = || {
            // Where the folder is itself may be given by links; from there on there are none.
            let real = folder.canonicalize()?.join(below);
            let is_link = real.canonicalize()? != real || !real.symlink_metadata()?.is_file();
            if is_link { Ok(None) } else { File::open(real).map(Some) }
        };
        match open() {
            Ok(file) => file.ok_or_else(outside),
            Err(source) => {
                let (title, path) = (name(path), path.to_owned());
                Err(LibraryError::Unopenable { title, path, source })
            }
        }
    }

    fn has_folders(&self) -> Result<(), LibraryError> {
        if self.folders.is_empty() { Err(LibraryError::NoFolders) } else { Ok(()) }
    }

    fn stored(&self, ids: &[FileId]) -> Result<Vec<Stored>, LibraryError> {
        let files = self.files.get(ids).map_err(LibraryError::Index)?;
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }

    fn candidate(&self, file: Stored) -> Candidate {
        let below = self.below(&file.path).unwrap_or(&file.path).to_owned();
        let item = item(file.path.clone(), &file.tags);
        Candidate { below, path: file.path, item }
    }

    /// A path below the folder of the settings that it is in, if it is in one.
    fn below<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        self.folders.iter().find_map(|folder| path.strip_prefix(folder).ok())
    }

    fn index<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A path as it is written in the index: absolute, without a slash at its end.
fn normal(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().collect()
}

/// Whether a path below a folder leads down only, to nothing hidden, and not too deep.
fn is_shown(below: &Path) -> bool {
    let is_down = |part| matches!(part, Component::Normal(name) if !is_hidden(name));
    let depth = below.components().count();
    (1..=DEPTH_MAX).contains(&depth) && below.components().all(is_down)
}

#[cfg(test)]
mod tests;
