//! Text as it is compared: without regard to case, accents and runs of space. Pure.

use std::path::Path;

use memchr::memrchr;
use unicode_normalization::UnicodeNormalization;

use crate::store::Tags;

/// The endings of files that words can find, the one to choose first where one piece is there in
/// several formats: Opus can be sent as it is, and lossless sounds best when encoded anew. Pictures
/// and texts lie beside music; they are found only by their whole name, and then refused for what
/// they hold.
const ENDINGS: &[&str] = &[
    "opus", "flac", "wav", "wave", "aif", "aiff", "aifc", "caf", "m4a", "m4b", "mp4", "aac", "ogg",
    "oga", "mp3", "mka", "mkv", "webm",
];

/// Text in which case does not count, nor an accent, nor how it is written: file names from macOS
/// have it apart. One line.
pub(super) fn folded(text: &str) -> String {
    if text.is_ascii() {
        return spaced(text.chars()).to_ascii_lowercase();
    }
    let bare = text.nfd().filter(|c| !is_accent(*c));
    spaced(bare.nfc().flat_map(char::to_lowercase)).chars().fold(
        String::with_capacity(text.len()),
        |mut folded, c| {
            match plain(c) {
                Some(letters) => folded.push_str(letters),
                None => folded.push(c),
            }
            folded
        },
    )
}

/// The same with each accent where it is, to choose between what folds to the same text.
pub(super) fn accented(text: &str) -> String {
    spaced(text.nfc().flat_map(char::to_lowercase))
}

/// With one space for each run of white space and control characters, and none around.
fn spaced(text: impl Iterator<Item = char>) -> String {
    let mut spaced = String::new();
    for c in text {
        if !c.is_whitespace() && !c.is_control() {
            spaced.push(c);
        } else if !spaced.is_empty() && !spaced.ends_with(' ') {
            spaced.push(' ');
        }
    }
    spaced.truncate(spaced.trim_end().len());
    spaced
}

/// The accents of Latin, Greek and Cyrillic letters. Those of other scripts are letters themselves.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// What people type for letters that are no others with an accent.
fn plain(c: char) -> Option<&'static str> {
    match c {
        'ς' => Some("σ"),
        'ß' => Some("ss"),
        'æ' => Some("ae"),
        'œ' => Some("oe"),
        'ø' => Some("o"),
        'đ' | 'ð' => Some("d"),
        'ł' => Some("l"),
        'þ' => Some("th"),
        'ı' => Some("i"),
        '’' | '‘' => Some("'"),
        _ => None,
    }
}

/// The words of a folded text.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// A path without the ending of its last name.
pub(super) fn without_ending(path: &str) -> &str {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name..].rfind('.') {
        Some(dot) if dot > 0 => &path[..name + dot],
        _ => path,
    }
}

/// Where a file's ending stands among those of music, the one to choose first in front.
pub(super) fn preference(path: &Path) -> Option<usize> {
    let ending = path.extension()?.to_str()?;
    ENDINGS.iter().position(|known| known.eq_ignore_ascii_case(ending))
}

/// All of a file that words can be found in: its path below the folder, title, artist and album,
/// folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// A line each: path without ending, title, artist, album, ending with its dot.
    lines: Box<str>,
    /// Where the lines after the first begin: all texts are looked at in each search.
    starts: [u32; 4],
}

impl Text {
    /// Of a file with these tags.
    pub(super) fn new(below: &Path, tags: &Tags) -> Self {
        let path = folded(&below.to_string_lossy());
        let stem = without_ending(&path);
        let [title, artist, album] = [&tags.title, &tags.artist, &tags.album]
            .map(|tag| folded(tag.as_deref().unwrap_or("")));
        let mut lines = String::with_capacity(path.len() + 64);
        lines.push_str(stem);
        let starts = [title.as_str(), &artist, &album, &path[stem.len()..]].map(|line| {
            lines.push('\n');
            let start = lines.len() as u32;
            lines.push_str(line);
            start
        });
        Self { lines: lines.into(), starts }
    }

    /// Of a file whose tags are not known.
    pub(super) fn of_path(below: &Path) -> Self {
        Self::new(below, &Tags::default())
    }

    /// All of it.
    pub(super) fn all(&self) -> &str {
        &self.lines
    }

    /// All but the ending.
    pub(super) fn without_ending(&self) -> &str {
        &self.lines[..self.starts[3] as usize - 1]
    }

    /// The path below the folder without the ending.
    pub(super) fn stem(&self) -> &str {
        self.line(0)
    }

    /// The file's name without the ending.
    pub(super) fn name(&self) -> &str {
        let stem = self.stem();
        let start = memrchr(b'/', stem.as_bytes()).map_or(0, |slash| slash + 1);
        &stem[start..]
    }

    /// The ending with its dot; empty without one.
    pub(super) fn ending(&self) -> &str {
        self.line(4)
    }

    fn line(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.starts[before]) as usize;
        let end = self.starts.get(number).map_or(self.lines.len(), |next| *next as usize - 1);
        &self.lines[start..end]
    }

    /// Where its ending stands among those of music, the one to choose first in front.
    pub(super) fn format(&self) -> Option<usize> {
        let ending = self.ending().strip_prefix('.')?;
        ENDINGS.iter().position(|known| *known == ending)
    }

    /// Title, artist and album; empty where the tags do not say them.
    pub(super) fn tags(&self) -> [&str; 3] {
        [1, 2, 3].map(|number| self.line(number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neither_case_nor_accents_nor_runs_of_space_count() {
        for (text, expected) in [
            ("Für  Elise", "fur elise"),
            ("Cafe\u{301}\tdel Mar ", "cafe del mar"),
            ("Sigur Rós – Sæglópur", "sigur ros – saeglopur"),
            ("STRAẞE Straße", "strasse strasse"),
            ("Łódź\r\n", "lodz"),
            ("夜に駆ける が", "夜に駆ける が"),
            ("Don’t", "don't"),
        ] {
            assert_eq!(folded(text), expected);
        }
        assert_eq!(accented("CAFE\u{301}"), "café");
    }

    #[test]
    fn a_dot_at_the_beginning_is_no_ending() {
        assert_eq!(without_ending("a.b/.c"), "a.b/.c");
        assert_eq!(without_ending("a.b/c"), "a.b/c");
        assert_eq!(without_ending("a.b/c.d.e"), "a.b/c.d");
    }

    #[test]
    fn a_text_is_taken_apart_as_it_was_put_together() {
        let tags = Tags {
            title: Some("The\nAir".to_owned()),
            album: Some("Suite".to_owned()),
            ..Tags::default()
        };
        let text = Text::new(Path::new("Bach/Air.MP3"), &tags);
        assert_eq!(text.all(), "bach/air\nthe air\n\nsuite\n.mp3");
        assert_eq!(text.without_ending(), "bach/air\nthe air\n\nsuite");
        assert_eq!((text.stem(), text.name(), text.ending()), ("bach/air", "air", ".mp3"));
        assert_eq!(text.tags(), ["the air", "", "suite"]);
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(text in any::<String>()) {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once.clone());
            prop_assert!(!once.contains('\n'));
        }
    }
}
