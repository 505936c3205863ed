//! The index in memory: for each file the text that words are found in, and nothing else. The rest is
//! in the store, and looked up for the few that are shown.
//!
//! All texts are looked at in each search: some milliseconds for 100 000 files, whatever is looked
//! for. An index of words would be quicker for rare words, but slower for the beginnings and middles
//! of words that people type, and larger. About 200 bytes a file.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::{
    fit::{Fit, Query},
    text::Text,
};
use crate::store::FileId;

/// Files that are shown of those that fit equally well; the others are counted.
const SHOWN_MAX: usize = 64;
/// Files of an album, and of albums of the same name.
const TRACKS_MAX: usize = 2_000;
/// Formats in which a piece may be there without taking the place of another in a list.
const FORMATS_MAX: usize = 3;

/// The files that words can find.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<FileId, Entry>,
}

#[derive(Debug)]
struct Entry {
    text: Text,
    is_music: bool,
    /// Its ending among those of music, the one to choose first in front.
    format: usize,
}

/// What fits best.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// How well; none if nothing does.
    pub(super) fit: Option<Fit>,
    /// The first of them, in the order of their paths.
    pub(super) ids: Vec<FileId>,
    /// How many there are beyond.
    pub(super) more: usize,
}

impl Index {
    /// Takes a file in, or changes what is known of it.
    pub(super) fn put(&mut self, id: FileId, text: Text, is_music: bool) {
        let format = text.format().unwrap_or(usize::MAX);
        self.files.insert(id, Entry { text, is_music, format });
    }

    /// Forgets a file.
    pub(super) fn remove(&mut self, id: FileId) {
        self.files.remove(&id);
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// What fits a name best, each piece in the format to choose.
    pub(super) fn best(&self, query: &Query) -> Matches {
        let mut best = None;
        let mut pieces: HashMap<&str, (usize, FileId)> = HashMap::new();
        for (id, file) in &self.files {
            let Some(fit) = query.fit(&file.text, file.is_music) else { continue };
            if best.is_some_and(|best| best < fit) {
                continue;
            }
            if best != Some(fit) {
                best = Some(fit);
                pieces.clear();
            }
            let this = (file.format, *id);
            let piece = pieces.entry(file.text.stem()).or_insert(this);
            *piece = this.min(*piece);
        }
        let count = pieces.len();
        let mut first = BinaryHeap::new();
        for (stem, (_, id)) in pieces {
            keep_least(&mut first, (stem, id), SHOWN_MAX);
        }
        let ids: Vec<_> = first.into_sorted_vec().into_iter().map(|(_, id)| id).collect();
        Matches { fit: best, more: count - ids.len(), ids }
    }

    /// So many pieces of music with all words, the best first, then in the order of their paths.
    pub(super) fn list(&self, query: &Query, limit: usize) -> Vec<FileId> {
        let mut first = BinaryHeap::new();
        for (id, file) in self.files.iter().filter(|(_, file)| file.is_music) {
            if let Some(rank) = query.rank(&file.text) {
                let key = (rank, file.text.stem(), file.format, *id);
                keep_least(&mut first, key, limit.saturating_mul(FORMATS_MAX));
            }
        }
        let mut first = first.into_sorted_vec();
        first.dedup_by_key(|(_, stem, ..)| *stem);
        first.into_iter().take(limit).map(|(.., id)| id).collect()
    }

    /// The files of the albums that fit a name best, each piece in the format to choose.
    pub(super) fn album(&self, query: &Query) -> Vec<FileId> {
        let mut best = None;
        let mut tracks = Vec::new();
        for (id, file) in self.files.iter().filter(|(_, file)| file.is_music) {
            let Some(fit) = query.fit_album(&file.text) else { continue };
            if best.is_none_or(|best| fit < best) {
                best = Some(fit);
                tracks.clear();
            }
            if best == Some(fit) && tracks.len() < TRACKS_MAX {
                tracks.push((file.text.stem(), file.format, *id));
            }
        }
        tracks.sort_unstable();
        tracks.dedup_by_key(|(stem, ..)| *stem);
        tracks.into_iter().map(|(.., id)| id).collect()
    }
}

/// Puts one in, and the greatest out if there are more than so many.
fn keep_least<T: Ord>(heap: &mut BinaryHeap<T>, one: T, limit: usize) {
    if heap.len() < limit {
        heap.push(one);
    } else if let Some(mut greatest) = heap.peek_mut()
        && one < *greatest
    {
        *greatest = one;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn of_what_fits_equally_the_first_are_shown_and_the_rest_counted() {
        let index = index((0..100).rev().map(|n| format!("song {n:03}.mp3")));
        let matches = index.best(&Query::new("song"));
        assert_eq!((matches.fit, matches.more), (Some(Fit::Words), 36));
        let first: Vec<_> = (36..100).rev().collect();
        assert_eq!(matches.ids, first);
    }

    #[test]
    fn a_better_fit_takes_the_place_of_all_others() {
        let index = index(["b/air x.mp3", "b/air.mp3", "b/x air.mp3"]);
        let matches = index.best(&Query::new("air"));
        assert_eq!(matches, Matches { fit: Some(Fit::Stem), ids: vec![1], more: 0 });
        assert_eq!(index.best(&Query::new("fire")), Matches::default());
    }

    #[test]
    fn a_list_has_the_best_first_and_each_piece_once() {
        let index = index([
            "z/air.mp3",
            "a/hot air.mp3",
            "air/x.mp3",
            "b/air x.mp3",
            "z/air.flac",
            "air.jpg",
        ]);
        let list = |limit| index.list(&Query::new("air"), limit);
        assert_eq!(list(10), [4, 3, 1, 2]);
        assert_eq!(list(2), [4, 3]);
        assert!(list(0).is_empty());
    }

    #[test]
    fn a_file_that_was_removed_is_not_found() {
        let mut index = index(["air.mp3"]);
        index.remove(0);
        assert_eq!(index.best(&Query::new("air")), Matches::default());
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn an_album_has_so_many_files_at_most() {
        let index = index((0..=TRACKS_MAX).map(|n| format!("suite/{n}.mp3")));
        assert_eq!(index.album(&Query::new("suite")).len(), TRACKS_MAX);
    }

    fn index(paths: impl IntoIterator<Item = impl AsRef<str>>) -> Index {
        let mut index = Index::default();
        for (id, path) in paths.into_iter().enumerate() {
            let text = Text::of_path(Path::new(path.as_ref()));
            let is_music = text.format().is_some();
            index.put(i64::try_from(id).unwrap(), text, is_music);
        }
        index
    }
}
