//! Titles as they may be shown: they come from tags and file names, which anybody can write.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest title shown, in characters. Longer ones end in an ellipsis.
const LEN_MAX: usize = 120;

/// A title without anything that could disturb the text around it: no line breaks or other control
/// characters, no marks that turn the direction of writing, and of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Title(String);

impl Title {
    /// Cleans a text; what is left may be empty, and is then `untitled`.
    pub(crate) fn new(text: &str) -> Self {
        let readable = |c: &char| !c.is_control() && !is_direction(*c) && !is_invisible(*c);
        // Any kind of white space, line breaks too, becomes one space.
        let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
        let mut clean = String::new();
        let mut shown = 0;
        for c in spaced.filter(readable) {
            if c == ' ' && (clean.is_empty() || clean.ends_with(' ')) {
                continue;
            }
            if shown == LEN_MAX {
                clean.truncate(clean.trim_end().len());
                clean.push('…');
                return Self(clean);
            }
            clean.push(c);
            shown += 1;
        }
        clean.truncate(clean.trim_end().len());
        if clean.is_empty() { Self("untitled".to_owned()) } else { Self(clean) }
    }
}

impl From<String> for Title {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Title> for String {
    fn from(title: Title) -> Self {
        title.0
    }
}

/// Embeddings, overrides, isolates and marks of the bidirectional algorithm (UAX #9 §2).
fn is_direction(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// What takes no space and can hide in a name. Joiners stay: Persian, Hindi and emoji need them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{200b}'
            | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn titles_keep_what_people_write() {
        for title in ["Für Elise", "夜に駆ける", "می‌خواهم", "👩‍🎤 live", "a <b> & \"c\""]
        {
            assert_eq!(Title::new(title).0, title);
        }
    }

    #[test]
    fn line_breaks_and_runs_of_space_become_one_space() {
        assert_eq!(Title::new(" a\r\n\n b\t\u{2028}c ").0, "a b c");
    }

    #[test]
    fn control_characters_and_direction_overrides_are_taken_out() {
        assert_eq!(Title::new("a\u{1b}[31m\0b\u{7f}").0, "a[31mb");
        assert_eq!(Title::new("song\u{202e}3pm.exe\u{202c}").0, "song3pm.exe");
        assert_eq!(Title::new("\u{2067}x\u{2069}\u{feff}").0, "x");
    }

    #[test]
    fn a_title_of_nothing_has_a_name() {
        for nothing in ["", " \n", "\u{202e}\u{200b}"] {
            assert_eq!(Title::new(nothing).0, "untitled");
        }
    }

    #[test]
    fn a_long_title_is_cut_between_characters() {
        let title = Title::new(&"ä".repeat(1000));
        assert_eq!(title.0.chars().count(), LEN_MAX + 1);
        assert!(title.0.ends_with("ä…"));
    }

    proptest! {
        #[test]
        fn a_title_is_one_bounded_line_and_already_clean(text in any::<String>()) {
            let title = Title::new(&text);
            prop_assert!(title.0.chars().count() <= LEN_MAX + 1);
            prop_assert!(!title.0.contains(|c: char| c.is_control()));
            if title.0.chars().count() <= LEN_MAX {
                prop_assert_eq!(Title::new(&title.0), title);
            }
        }
    }
}
