//! How well a file fits what somebody typed. Pure: paths are compared as text.

use std::path::Path;

use memchr::memmem::Finder;

use super::text::{Text, folded, preference, without_ending, words};

/// How well a file fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Its path below the folder, or its name, with the ending.
    Whole,
    /// The same without the ending, its title, or its artist and title; and it looks like music.
    Stem,
    /// Its path or name without the ending, and it looks like something else.
    OtherStem,
    /// All words are in its path or its tags, and it looks like music.
    Words,
}

/// How far in front a file is listed among those with all words, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// What was typed is its title, its artist and title, or its name.
    Exact,
    /// Its title or name begins like that.
    Beginning,
    /// All words are in its title or name.
    InTitle,
    /// All words are in its path or its tags.
    Anywhere,
}

/// What somebody typed, ready to be compared.
pub(super) struct Query {
    whole: String,
    /// Without an ending of music: who types one may have another format in mind.
    stem: String,
    words: Vec<Finder<'static>>,
    /// All words with one space between, to compare with artist and title.
    joined: String,
}

impl Query {
    /// Reads what was typed.
    pub(super) fn new(name: &str) -> Self {
        let whole = folded(name);
        let is_music = preference(Path::new(&whole)).is_some();
        let stem = if is_music { without_ending(&whole) } else { &whole }.to_owned();
        let joined = words(&stem).collect::<Vec<_>>().join(" ");
        let words = words(&stem).map(|word| Finder::new(word).into_owned()).collect();
        Self { whole, stem, words, joined }
    }

    /// How well a file fits.
    pub(super) fn fit(&self, text: &Text, is_music: bool) -> Option<Fit> {
        if !self.are_words_in(text.all()) {
            return None;
        }
        let (stem, name, ending) = (text.stem(), text.name(), text.ending());
        if [stem, name].iter().any(|name| self.whole.strip_prefix(name) == Some(ending)) {
            return Some(Fit::Whole);
        }
        if [stem, name].contains(&self.stem.as_str()) {
            return Some(if is_music { Fit::Stem } else { Fit::OtherStem });
        }
        if !is_music {
            return None;
        }
        if self.is_title(text) {
            return Some(Fit::Stem);
        }
        let has_all = !self.words.is_empty() && self.are_words_in(text.without_ending());
        has_all.then_some(Fit::Words)
    }

    /// Where a piece of music is listed, if it is.
    pub(super) fn rank(&self, text: &Text) -> Option<Rank> {
        if self.whole.is_empty() || !self.are_words_in(text.without_ending()) {
            return None;
        }
        let ([title, ..], name) = (text.tags(), text.name());
        if [name, text.stem()].contains(&self.stem.as_str()) || self.is_title(text) {
            return Some(Rank::Exact);
        }
        if [title, name].iter().any(|text| text.starts_with(&self.stem)) {
            return Some(Rank::Beginning);
        }
        if self.words.is_empty() {
            return None;
        }
        let in_title = [title, name].iter().any(|text| self.are_words_in(text));
        Some(if in_title { Rank::InTitle } else { Rank::Anywhere })
    }

    /// How well a file's album fits: [`Fit::Whole`] by its name, [`Fit::Words`] by words in it and its
    /// artist; without tags, the folder that the file is in counts.
    pub(super) fn fit_album(&self, text: &Text) -> Option<Fit> {
        if self.words.is_empty() || !self.are_words_in(text.without_ending()) {
            return None;
        }
        let [_, artist, album] = text.tags();
        let folder = text.stem().rsplit('/').nth(1).unwrap_or_default();
        let name = if album.is_empty() { folder } else { album };
        if name == self.whole {
            return Some(Fit::Whole);
        }
        let of = |text: &str, finder: &Finder<'_>| finder.find(text.as_bytes()).is_some();
        let has_all = self.words.iter().all(|word| of(name, word) || of(artist, word));
        let names_album = self.words.iter().any(|word| of(name, word));
        (has_all && names_album).then_some(Fit::Words)
    }

    fn are_words_in(&self, text: &str) -> bool {
        self.words.iter().all(|word| word.find(text.as_bytes()).is_some())
    }

    /// Whether it is the title, or artist and title in words.
    fn is_title(&self, text: &Text) -> bool {
        let [title, artist, _] = text.tags();
        if title.is_empty() {
            return false;
        }
        let is_joined = || {
            words(title).eq(words(&self.joined))
                || words(artist).chain(words(title)).eq(words(&self.joined))
        };
        title == self.whole || (!self.joined.is_empty() && is_joined())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Tags;

    #[test]
    fn the_better_fit_comes_first() {
        let fits = ["Air.mp3", "bach/air", "air", "bach"].map(|name| fit(name, "Bach/Air.mp3"));
        assert_eq!(fits, [Fit::Whole, Fit::Stem, Fit::Stem, Fit::Words].map(Some));
        assert_eq!(fit("air.flac", "Bach/Air.mp3"), Some(Fit::Stem));
        assert_eq!(fit("cover", "Bach/cover.jpg"), Some(Fit::OtherStem));
        assert_eq!(fit("cover.jpg", "Bach/cover.jpg"), Some(Fit::Whole));
        assert_eq!(fit("cover.jpg", "Bach/cover.flac"), None);
        assert!(
            Fit::Whole < Fit::Stem && Fit::Stem < Fit::OtherStem && Fit::OtherStem < Fit::Words
        );
    }

    #[test]
    fn tags_find_a_file_that_is_called_otherwise() {
        let text = tagged("x/07.mp3", "Für Elise", "Beethoven", "Klavierstücke");
        let fits = ["für elise", "FUR ELISE", "Beethoven – Für Elise", "elise klavier", "mozart"]
            .map(|name| Query::new(name).fit(&text, true));
        let [stem, words] = [Fit::Stem, Fit::Words].map(Some);
        assert_eq!(fits, [stem, stem, stem, words, None]);
    }

    #[test]
    fn what_begins_like_it_is_listed_before_what_only_has_it() {
        let ranks = [
            tagged("a/1.mp3", "Air", "Bach", ""),
            tagged("a/air on a string.mp3", "", "", ""),
            tagged("a/2.mp3", "Hot Air", "", ""),
            tagged("a/3.mp3", "Toccata", "Air", ""),
            tagged("a/4.mp3", "Toccata", "Bach", ""),
        ]
        .map(|text| Query::new("air").rank(&text));
        let expected = [Rank::Exact, Rank::Beginning, Rank::InTitle, Rank::Anywhere].map(Some);
        assert_eq!(ranks[..4], expected);
        assert_eq!(ranks[4], None);
        assert!(expected.is_sorted());
    }

    #[test]
    fn a_piece_of_signs_alone_can_be_found_by_them() {
        let text = tagged("a/1.mp3", "???", "", "");
        assert_eq!(Query::new("???").fit(&text, true), Some(Fit::Stem));
        assert_eq!(Query::new("???").rank(&text), Some(Rank::Exact));
        assert_eq!(Query::new("!").fit(&text, true), None);
        assert_eq!(Query::new("").rank(&text), None);
    }

    #[test]
    fn an_album_is_found_by_its_name_or_by_words_of_it_and_its_artist() {
        let text = tagged("x/1.mp3", "Air", "Bach", "Third Suite");
        let album = |name: &str| Query::new(name).fit_album(&text);
        assert_eq!(album("third suite"), Some(Fit::Whole));
        assert_eq!(album("bach suite"), Some(Fit::Words));
        assert_eq!(["bach", "air", "x", ""].map(album), [None; 4]);
        let untagged = Text::of_path(Path::new("Bach/Third Suite/1.mp3"));
        assert_eq!(Query::new("Third Suite").fit_album(&untagged), Some(Fit::Whole));
    }

    proptest! {
        #[test]
        fn any_name_is_compared_without_panic(name in any::<String>(), path in any::<String>()) {
            let (query, text) = (Query::new(&name), Text::of_path(Path::new(&path)));
            query.fit(&text, true);
            query.rank(&text);
            query.fit_album(&text);
        }

        #[test]
        fn a_file_is_found_by_its_path(path in "[a-zA-Zäß]{1,8}(/[a-z.é]{1,8}){0,2}\\.mp3") {
            prop_assert_eq!(fit(&path, &path), Some(Fit::Whole));
        }
    }

    fn fit(name: &str, path: &str) -> Option<Fit> {
        let path = Path::new(path);
        Query::new(name).fit(&Text::of_path(path), preference(path).is_some())
    }

    fn tagged(path: &str, title: &str, artist: &str, album: &str) -> Text {
        let [title, artist, album] =
            [title, artist, album].map(|tag| (!tag.is_empty()).then(|| tag.to_owned()));
        Text::new(Path::new(path), &Tags { title, artist, album, ..Tags::default() })
    }
}
