//! How well a file fits what somebody typed. Pure: paths are compared as text.

use std::path::Path;

use unicode_normalization::UnicodeNormalization;

/// The endings of files that words can find, the one to choose first where one piece is there in
/// several formats: Opus can be sent as it is, and lossless sounds best when encoded anew. Pictures
/// and texts lie beside music; they are found only by their whole name, and then refused for what
/// they hold.
const ENDINGS: &[&str] = &[
    "opus", "flac", "wav", "wave", "aif", "aiff", "aifc", "caf", "m4a", "m4b", "mp4", "aac", "ogg",
    "oga", "mp3", "mka", "mkv", "webm",
];

/// How well a file fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Its path below the folder, or its name, with the ending.
    Whole,
    /// The same without the ending, and it looks like music.
    Stem,
    /// The same, and it looks like something else.
    OtherStem,
    /// All words are in its path, and it looks like music.
    Words,
}

/// What somebody typed, ready to be compared.
pub(super) struct Query {
    whole: String,
    /// Without an ending of music: who types one may have another format in mind.
    stem: String,
    words: Vec<String>,
}

impl Query {
    /// Reads what was typed.
    pub(super) fn new(name: &str) -> Self {
        let whole = folded(name.trim());
        let is_music = preference(Path::new(&whole)).is_some();
        let stem = if is_music { without_ending(&whole) } else { &whole }.to_owned();
        let words = words(&stem).map(str::to_owned).collect();
        Self { whole, stem, words }
    }

    /// How well a file fits, by its path below the library folder.
    pub(super) fn fit(&self, below: &Path) -> Option<Fit> {
        let path = folded(&below.to_string_lossy());
        let name = path.rsplit('/').next().unwrap_or(&path);
        if [path.as_str(), name].contains(&self.whole.as_str()) {
            return Some(Fit::Whole);
        }
        let is_music = preference(below).is_some();
        if [without_ending(&path), without_ending(name)].contains(&self.stem.as_str()) {
            return Some(if is_music { Fit::Stem } else { Fit::OtherStem });
        }
        let has_all = || {
            let there: Vec<_> = words(without_ending(&path)).collect();
            self.words.iter().all(|word| there.iter().any(|there| there.contains(word.as_str())))
        };
        (is_music && !self.words.is_empty() && has_all()).then_some(Fit::Words)
    }
}

/// Text in which case does not count, nor whether an accent is a character of its own: file names
/// from macOS have them apart.
fn folded(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

/// Where a file's ending stands among those of music, the one to choose first in front.
pub(super) fn preference(path: &Path) -> Option<usize> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    ENDINGS.iter().position(|known| *known == ending)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn without_ending(path: &str) -> &str {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name..].rfind('.') {
        Some(dot) if dot > 0 => &path[..name + dot],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_better_fit_comes_first() {
        let fits = ["Air.mp3", "bach/air", "air", "bach"].map(|name| fit(name, "Bach/Air.mp3"));
        assert_eq!(fits, [Fit::Whole, Fit::Stem, Fit::Stem, Fit::Words].map(Some));
        assert_eq!(fit("air.flac", "Bach/Air.mp3"), Some(Fit::Stem));
        assert_eq!(fit("cover", "Bach/cover.jpg"), Some(Fit::OtherStem));
        assert_eq!(fit("cover.jpg", "Bach/cover.flac"), None);
        assert!(
            Fit::Whole < Fit::Stem && Fit::Stem < Fit::OtherStem && Fit::OtherStem < Fit::Words
        );
    }

    #[test]
    fn a_dot_at_the_beginning_is_no_ending() {
        assert_eq!(without_ending("a.b/.c"), "a.b/.c");
        assert_eq!(without_ending("a.b/c"), "a.b/c");
        assert_eq!(without_ending("a.b/c.d.e"), "a.b/c.d");
    }

    proptest! {
        #[test]
        fn any_name_is_compared_without_panic(name in any::<String>(), path in any::<String>()) {
            fit(&name, &path);
        }

        #[test]
        fn a_file_is_found_by_its_path(path in "[a-zA-Zäß]{1,8}(/[a-z.é]{1,8}){0,2}\\.mp3") {
            prop_assert_eq!(fit(&path, &path), Some(Fit::Whole));
        }
    }

    fn fit(name: &str, path: &str) -> Option<Fit> {
        Query::new(name).fit(Path::new(path))
    }
}
