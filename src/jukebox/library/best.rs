//! The files that fit a name best, until one remains or a person has to choose.

use std::path::{Path, PathBuf};

use super::{
    LibraryError,
    fit::Fit,
    text::{accented, preference, without_ending},
};
use crate::{
    command::{CHOICES_MAX, Title},
    jukebox::{Item, Origin},
    store::Tags,
};

/// A file that fits.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its path below the folder.
    pub(super) below: PathBuf,
    /// Its whole path.
    pub(super) path: PathBuf,
    /// What it is to the queue.
    pub(super) item: Item,
}

/// A file as the queue knows it: "Artist – Title" as far as the tags say them, else its name.
pub(super) fn item(path: PathBuf, tags: &Tags) -> Item {
    let title = match (&tags.artist, &tags.title) {
        (Some(artist), Some(title)) => Title::new(&format!("{artist} – {title}")),
        (None, Some(title)) => Title::new(title),
        (_, None) => name(&path),
    };
    Item { title, origin: Origin::File(path), duration: tags.duration }
}

/// The file's name without its ending.
pub(super) fn name(path: &Path) -> Title {
    Title::new(&path.file_stem().unwrap_or_default().to_string_lossy())
}

/// The files that fit best so far.
#[derive(Debug, Default)]
pub(super) struct Best {
    fit: Option<Fit>,
    candidates: Vec<Candidate>,
    /// How many more there are that fit as well.
    more: usize,
}

impl Best {
    /// Takes a file in if it fits as well as those before; a better one takes their place.
    pub(super) fn offer(&mut self, fit: Fit, candidate: Candidate) {
        match self.fit {
            Some(best) if best < fit => return,
            Some(best) if best == fit => {}
            _ => {
                self.candidates.clear();
                self.more = 0;
            }
        }
        self.fit = Some(fit);
        self.candidates.push(candidate);
    }

    /// Counts files that fit as well and are not shown.
    pub(super) fn count_more(&mut self, more: usize) {
        self.more += more;
    }

    /// Forgets how many more there are: all are about to be offered.
    pub(super) fn forget_more(&mut self) {
        self.more = 0;
    }

    /// Whether nothing has been offered.
    pub(super) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Of files that differ in nothing but their ending, keeps the one to choose: they are one piece.
    /// So is what lies at the same place in two folders.
    fn keep_one_format(&mut self) {
        self.candidates.sort_by_cached_key(|found| {
            (found.below.with_extension(""), preference(&found.below).unwrap_or(usize::MAX))
        });
        self.candidates.dedup_by_key(|found| found.below.with_extension(""));
    }

    /// Of several, keeps those that have the accents that were typed, if there are any.
    fn keep_accents(&mut self, name: &str) {
        let typed = accented(name);
        let is_same = |found: &Candidate| {
            let path = accented(&found.below.to_string_lossy());
            let below = [path.as_str(), path.rsplit('/').next().unwrap_or(&path)];
            below.iter().any(|text| *text == typed || without_ending(text) == typed)
        };
        if self.candidates.iter().any(is_same) {
            self.candidates.retain(is_same);
            self.more = 0;
        }
    }

    /// The one that fits best.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`] or [`LibraryError::Ambiguous`].
    pub(super) fn only(mut self, name: &str) -> Result<Candidate, LibraryError> {
        self.keep_one_format();
        if self.candidates.len() > 1 {
            self.keep_accents(name);
        }
        let count = self.candidates.len() + self.more;
        let name = name.to_owned();
        match count {
            0 => Err(LibraryError::NotFound { name }),
            1 => Ok(self.candidates.swap_remove(0)),
            _ => {
                let shown = || self.candidates.iter().take(CHOICES_MAX);
                let titles = shown().map(|found| Title::new(&found.below.to_string_lossy()));
                let items = shown().map(|found| found.item.clone()).collect();
                Err(LibraryError::Ambiguous { name, titles: titles.collect(), items, count })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accents_that_were_typed_decide_between_what_else_is_the_same() {
        let only = |name: &str| {
            let mut best = Best::default();
            for path in ["a/Cafe.mp3", "a/Café.mp3"].map(PathBuf::from) {
                let item = item(path.clone(), &Tags::default());
                best.offer(Fit::Stem, Candidate { below: path.clone(), path, item });
            }
            best.only(name).unwrap().below
        };
        assert_eq!(only("café"), Path::new("a/Café.mp3"));
        assert_eq!(only("cafe"), Path::new("a/Cafe.mp3"));
        assert_eq!(only("a/CAFE\u{301}"), Path::new("a/Café.mp3"));
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut best = Best::default();
        let item = item(PathBuf::from("/m/a.mp3"), &Tags::default());
        let [below, path] = ["a.mp3", "/m/a.mp3"].map(PathBuf::from);
        best.offer(Fit::Words, Candidate { below, path, item });
        best.count_more(7);
        let error = best.only("a").unwrap_err();
        assert!(matches!(error, LibraryError::Ambiguous { count: 8, .. }), "{error}");
    }

    #[test]
    fn a_file_is_called_by_its_tags_or_by_its_name() {
        let called = |artist: Option<&str>, title: Option<&str>| {
            let [artist, title] = [artist, title].map(|tag| tag.map(str::to_owned));
            let tags = Tags { title, artist, ..Tags::default() };
            item(PathBuf::from("/m/track 07.mp3"), &tags).title.to_string()
        };
        assert_eq!(called(Some("Bach"), Some("Air")), "Bach – Air");
        assert_eq!(called(None, Some("Air")), "Air");
        assert_eq!(called(Some("Bach"), None), "track 07");
    }
}
