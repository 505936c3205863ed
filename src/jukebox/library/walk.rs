//! Finds a file by the names on the disk, where the index does not know them yet.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use tracing::debug;
use walkdir::{DirEntry, WalkDir};

use super::{
    LibraryError,
    best::{Best, Candidate, item},
    fit::Query,
    text::{Text, preference},
};
use crate::store::Tags;

/// How deep folders are searched; music is sorted by artist, album and disc.
pub(super) const DEPTH_MAX: usize = 16;

/// How many entries are looked at in one search: about a second on a disk that is not cached. What
/// lies beyond is found once it is in the index.
const ENTRIES_MAX: usize = 100_000;

/// A place that is looked through: a folder of the settings, or something in one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The folder of the settings.
    pub(super) folder: &'a Path,
    /// What is looked through.
    pub(super) at: &'a Path,
}

impl Place<'_> {
    /// What is there and below it, parts that cannot be read as errors. Hidden ones are left out, links
    /// are not followed; only a folder of the settings may be one.
    pub(super) fn entries(self) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
        let Self { folder, at } = self;
        let depth = at.strip_prefix(folder).map_or(0, |below| below.components().count());
        let is_shown = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry.file_name());
        WalkDir::new(at)
            .max_depth(DEPTH_MAX.saturating_sub(depth))
            .follow_links(false)
            .follow_root_links(at == folder)
            .into_iter()
            .filter_entry(is_shown)
    }
}

/// Whether a file or folder is hidden by its name.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Looks through the folders for what fits. Blocking.
///
/// # Errors
/// [`LibraryError::Unreadable`] if none of the folders can be read.
pub(super) fn look_through(
    folders: &[PathBuf],
    query: &Query,
    best: &mut Best,
) -> Result<(), LibraryError> {
    let mut unreadable = Vec::new();
    let mut budget = ENTRIES_MAX;
    for folder in folders {
        if let Err(source) = folder.read_dir() {
            debug!(folder = %folder.display(), error = %source, "cannot read a library folder");
            unreadable.push(LibraryError::Unreadable { path: folder.clone(), source });
            continue;
        }
        for path in files(folder, &mut budget) {
            let below = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            let text = Text::of_path(&below);
            if let Some(fit) = query.fit(&text, preference(&below).is_some()) {
                let item = item(path.clone(), &Tags::default());
                best.offer(fit, Candidate { below, path, item });
            }
        }
    }
    if unreadable.len() == folders.len() { Err(unreadable.swap_remove(0)) } else { Ok(()) }
}

/// The files in a folder and the folders in it, as far as the budget of entries reaches.
fn files(folder: &Path, budget: &mut usize) -> impl Iterator<Item = PathBuf> {
    Place { folder, at: folder }
        .entries()
        .take_while(move |_| {
            let is_within = *budget > 0;
            *budget = budget.saturating_sub(1);
            is_within
        })
        .filter_map(|entry| match entry {
            // Other paths could not be stored.
            Ok(entry) if entry.path().to_str().is_none() => None,
            Ok(entry) => entry.file_type().is_file().then(|| entry.into_path()),
            Err(error) => {
                debug!(%error, "passing over a part of the library");
                None
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jukebox::library::tests::{FILES, library};

    #[test]
    fn the_walk_ends_with_its_budget() {
        let folder = library(FILES);
        let mut budget = 3;
        assert!(files(folder.path(), &mut budget).count() <= 3);
        assert_eq!(budget, 0);
    }

    #[test]
    fn folders_are_looked_through_to_their_depth() {
        let deep = |depth: usize| format!("{}x.mp3", "d/".repeat(depth - 1));
        let folder = library(&[&deep(DEPTH_MAX), &deep(DEPTH_MAX + 1)]);
        let found: Vec<_> = files(folder.path(), &mut ENTRIES_MAX.clone()).collect();
        assert_eq!(found, [folder.path().join(deep(DEPTH_MAX))]);
        let at = folder.path().join("d/d");
        let from_within = Place { folder: folder.path(), at: &at }.entries().flatten();
        assert_eq!(from_within.filter(|entry| entry.file_type().is_file()).count(), 1);
    }
}
