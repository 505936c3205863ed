//! Finds a file in the library by what somebody typed.
//!
//! The whole name counts first, then the name without its ending, then the words in it; case never
//! does. Only files in the folders of the settings can be found: links in them are not followed, and
//! a name is only compared, never used as a path.

mod fit;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use tracing::debug;
use walkdir::{DirEntry, WalkDir};

use fit::{Fit, Query, preference};

use crate::command::{CHOICES_MAX, Title};

/// How deep folders are searched; music is sorted by artist, album and disc.
const DEPTH_MAX: usize = 16;

/// How many entries are looked at in one search: about a second on a disk that is not cached. What
/// lies beyond is not found.
const ENTRIES_MAX: usize = 100_000;

/// A file of the library.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its name without the ending.
    pub(crate) title: Title,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The open file.
    pub(crate) file: File,
}

/// Why there is no file to play.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The settings name no folder. The operator has to.
    #[error("the setting `library.folders` is empty")]
    NoFolders,
    /// Nothing fits. Other words may.
    #[error("nothing in the library is called {name:?}")]
    NotFound {
        /// What was looked for.
        name: String,
    },
    /// Several files fit equally well. More words help.
    #[error("{count} files are called {name:?}")]
    Ambiguous {
        /// What was looked for.
        name: String,
        /// The first few of them, in order.
        titles: Vec<Title>,
        /// All of them.
        count: usize,
    },
    /// The file was found and cannot be opened: gone since, or not ours to read.
    #[error("cannot open {}", .path.display())]
    Unopenable {
        /// Its title.
        title: Title,
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No folder of the library can be read. The operator has to look at it.
    #[error("cannot read the library folder {}", .path.display())]
    Unreadable {
        /// The first such folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Finds a file and opens it. Blocking: it reads folders.
///
/// # Errors
/// [`LibraryError`] says whether other words, or the operator, can help.
pub(crate) fn find(folders: &[PathBuf], name: &str) -> Result<Found, LibraryError> {
    if folders.is_empty() {
        return Err(LibraryError::NoFolders);
    }
    let query = Query::new(name);
    let mut best = Best::default();
    let mut unreadable = Vec::new();
    let mut budget = ENTRIES_MAX;
    for folder in folders {
        if let Err(source) = folder.read_dir() {
            debug!(folder = %folder.display(), error = %source, "cannot read a library folder");
            unreadable.push(LibraryError::Unreadable { path: folder.clone(), source });
            continue;
        }
        for file in files(folder, &mut budget) {
            let below = file.strip_prefix(folder).unwrap_or(&file);
            if let Some(fit) = query.fit(below) {
                best.offer(fit, Candidate { below: below.to_owned(), path: file });
            }
        }
    }
    if unreadable.len() == folders.len() {
        return Err(unreadable.swap_remove(0));
    }
    open(best.only(name)?)
}

/// The files in a folder and the folders in it, as far as the budget of entries reaches. Hidden ones
/// and links are left out.
fn files(folder: &Path, budget: &mut usize) -> impl Iterator<Item = PathBuf> {
    let is_shown = |entry: &DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    WalkDir::new(folder)
        .max_depth(DEPTH_MAX)
        .follow_links(false)
        .into_iter()
        .filter_entry(is_shown)
        .take_while(move |_| {
            let is_within = *budget > 0;
            *budget = budget.saturating_sub(1);
            is_within
        })
        .filter_map(|entry| match entry {
            Ok(entry) => entry.file_type().is_file().then(|| entry.into_path()),
            Err(error) => {
                debug!(%error, "passing over a part of the library");
                None
            }
        })
}

fn open(found: Candidate) -> Result<Found, LibraryError> {
    let title = found.title();
    match File::open(&found.path) {
        Ok(file) => Ok(Found { title, path: found.path, file }),
        Err(source) => Err(LibraryError::Unopenable { title, path: found.path, source }),
    }
}

/// A file that fits.
#[derive(Debug)]
struct Candidate {
    below: PathBuf,
    path: PathBuf,
}

impl Candidate {
    /// The file's name without its ending.
    fn title(&self) -> Title {
        Title::new(&self.below.file_stem().unwrap_or_default().to_string_lossy())
    }
}

/// The files that fit best so far.
#[derive(Debug, Default)]
struct Best {
    fit: Option<Fit>,
    candidates: Vec<Candidate>,
}

impl Best {
    fn offer(&mut self, fit: Fit, candidate: Candidate) {
        match self.fit {
            Some(best) if best < fit => return,
            Some(best) if best == fit => {}
            _ => self.candidates.clear(),
        }
        self.fit = Some(fit);
        self.candidates.push(candidate);
    }

    /// Of files that differ in nothing but their ending, keeps the one to choose: they are one piece.
    fn keep_one_format(&mut self) {
        self.candidates.sort_by_cached_key(|found| {
            (found.path.with_extension(""), preference(&found.path).unwrap_or(usize::MAX))
        });
        self.candidates.dedup_by_key(|found| found.path.with_extension(""));
    }

    /// The one that fits best.
    fn only(mut self, name: &str) -> Result<Candidate, LibraryError> {
        let name = name.to_owned();
        self.keep_one_format();
        match self.candidates.len() {
            0 => Err(LibraryError::NotFound { name }),
            1 => Ok(self.candidates.swap_remove(0)),
            count => {
                let shown = self.candidates.iter().take(CHOICES_MAX);
                let titles = shown.map(|found| Title::new(&found.below.to_string_lossy()));
                Err(LibraryError::Ambiguous { name, titles: titles.collect(), count })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read};

    use tempfile::TempDir;

    use super::*;

    const FILES: &[&str] = &[
        "Tones.flac",
        "notes.txt",
        "Bach/Toccata in D minor.ogg",
        "Bach/Air.mp3",
        "Bach/cover.jpg",
        "Others/AIR.opus",
        "Others/Cafe\u{301} del Mar.m4a",
        "Others/cover.flac",
        ".hidden/secret.mp3",
    ];

    #[test]
    fn a_name_is_found_without_regard_to_case_or_ending() {
        for name in ["Tones.flac", "tones", "TONES.FLAC", " tones "] {
            assert_eq!(found(FILES, name).unwrap(), "Tones.flac", "{name}");
        }
    }

    #[test]
    fn a_path_below_the_folder_tells_equal_names_apart() {
        assert_eq!(found(FILES, "bach/air").unwrap(), "Bach/Air.mp3");
        assert_eq!(found(FILES, "air.opus").unwrap(), "Others/AIR.opus");
    }

    #[test]
    fn words_suffice_in_any_order() {
        for name in ["toccata", "minor toccata", "bach tocc", "Toccata, in D-minor"] {
            assert_eq!(found(FILES, name).unwrap(), "Bach/Toccata in D minor.ogg", "{name}");
        }
    }

    #[test]
    fn an_accent_is_the_same_however_it_is_written() {
        assert_eq!(found(FILES, "café").unwrap(), "Others/Cafe\u{301} del Mar.m4a");
    }

    #[test]
    fn music_goes_before_its_cover() {
        assert_eq!(found(FILES, "cover").unwrap(), "Others/cover.flac");
        assert_eq!(found(FILES, "cover.jpg").unwrap(), "Bach/cover.jpg");
        assert_eq!(found(FILES, "notes").unwrap(), "notes.txt");
    }

    #[test]
    fn a_piece_in_several_formats_is_one_piece() {
        let files = ["a/tones.mp3", "a/tones.FLAC", "a/tones.wav"];
        assert_eq!(found(&files, "tones").unwrap(), "a/tones.FLAC");
        assert_eq!(found(&files, "tones.mp3").unwrap(), "a/tones.mp3");
    }

    #[test]
    fn several_that_fit_are_listed() {
        let error = found(FILES, "air").unwrap_err();
        let LibraryError::Ambiguous { titles, count, .. } = error else { panic!("{error}") };
        assert_eq!(titles, ["Bach/Air.mp3", "Others/AIR.opus"].map(Title::new));
        assert_eq!(count, 2);
    }

    #[test]
    fn of_very_many_that_fit_five_are_listed() {
        let names: Vec<_> = (0..20).map(|n| format!("song {n:02}.mp3")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let error = found(&names, "song").unwrap_err();
        let LibraryError::Ambiguous { titles, count, .. } = error else { panic!("{error}") };
        assert_eq!((titles.len(), count), (5, 20));
    }

    #[test]
    fn nothing_outside_the_folder_is_found() {
        let outside = library(&["secret.mp3"]);
        let inside = library(FILES);
        let secret = outside.path().join("secret.mp3");
        std::os::unix::fs::symlink(&secret, inside.path().join("link.mp3")).unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("folder")).unwrap();
        let folders = [inside.path().to_owned()];
        let up = format!("../{}/secret.mp3", outside.path().file_name().unwrap().display());
        for name in
            ["secret", "link", "link.mp3", "folder/secret.mp3", &up, secret.to_str().unwrap()]
        {
            let result = find(&folders, name);
            assert!(matches!(result, Err(LibraryError::NotFound { .. })), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_found() {
        for name in ["bach", "nothing", "", ".", "..", "/", "*"] {
            let result = found(&["Bach/x.mp3", "y.mp3"], name);
            let expected_words = matches!(name, "bach");
            assert_eq!(result.is_ok(), expected_words, "{name:?}");
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_told_from_one_without_the_file() {
        let missing = PathBuf::from("/nonexistent/music");
        let result = find(std::slice::from_ref(&missing), "x");
        assert!(matches!(result, Err(LibraryError::Unreadable { path, .. }) if path == missing));
        let there = library(FILES);
        let result = find(&[missing, there.path().to_owned()], "tones");
        assert!(result.is_ok());
        assert!(matches!(find(&[], "x"), Err(LibraryError::NoFolders)));
    }

    #[test]
    fn the_walk_ends_with_its_budget() {
        let folder = library(FILES);
        let mut budget = 3;
        assert!(files(folder.path(), &mut budget).count() <= 3);
        assert_eq!(budget, 0);
    }

    fn library(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    /// What is in the file that was found: its own path.
    fn found(files: &[&str], name: &str) -> Result<String, LibraryError> {
        let folder = library(files);
        find(&[folder.path().to_owned()], name).map(|found| text(found.file))
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }
}
