//! PLS: an INI file with `FileN`, `TitleN` and `LengthN`, as WinAmp and SHOUTcast write it.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::{List, seconds};

/// What the lines of one number say.
#[derive(Default)]
struct Numbered<'a> {
    file: Option<&'a str>,
    title: Option<&'a str>,
    duration: Option<Duration>,
}

pub(super) fn read(text: &str, base: &Url, list: &mut List) {
    let mut entries = BTreeMap::<u32, Numbered<'_>>::new();
    for line in list.lines(text) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim();
        let digits = key.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (name, number) = key.split_at(digits);
        let Ok(number) = number.parse() else { continue };
        let entry = entries.entry(number).or_default();
        match name.to_ascii_lowercase().as_str() {
            "file" => entry.file = Some(value),
            "title" => entry.title = Some(value),
            "length" => entry.duration = seconds(value),
            _ => {}
        }
    }
    for entry in entries.into_values() {
        if let Some(file) = entry.file {
            list.push(base, file, entry.title, entry.duration);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Form, read, tests::base};

    #[test]
    fn entries_are_ordered_by_their_number() {
        let text = "[playlist]\nNumberOfEntries=2\nFile10=http://b.example/\nfile2 = a.mp3\n\
                    Title2=First\nLength2=61\nLength10=-1\nTitle7=alone\nVersion=2\n";
        let list = read(Form::Pls, text.as_bytes(), &base());
        let links: Vec<_> = list.entries.iter().map(|entry| entry.url.as_str()).collect();
        assert_eq!(links, ["https://radio.example/lists/a.mp3", "http://b.example/"]);
        assert_eq!(list.entries[0].title.as_ref().unwrap().to_string(), "First");
        assert_eq!(list.entries[0].duration, Some(Duration::from_secs(61)));
        assert_eq!((list.entries[1].title.as_ref(), list.entries[1].duration), (None, None));
    }
}
