//! M3U: a link a line, with `#EXTINF:SECONDS,TITLE` before it. Nobody specified it; this is what
//! players write.

use url::Url;

use super::{List, seconds};

pub(super) fn read(text: &str, base: &Url, list: &mut List) {
    let mut about = None;
    for line in list.lines(text) {
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            about = Some(info);
        } else if let Some(name) = line.strip_prefix("#PLAYLIST:") {
            list.call(name);
        } else if !line.starts_with('#') {
            let (duration, title) = about.take().map(info).unwrap_or_default();
            list.push(base, line, title, seconds(duration));
        }
    }
}

/// Duration and title; attributes of television (`tvg-id="…"`) may stand between them, with commas
/// in their quotes.
fn info(text: &str) -> (&str, Option<&str>) {
    let mut is_quoted = false;
    let comma = text.find(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    let (before, title) = match comma {
        Some(comma) => (&text[..comma], Some(&text[comma + 1..])),
        None => (text, None),
    };
    (before.split_whitespace().next().unwrap_or_default(), title)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Form, read, tests::base};

    #[test]
    fn titles_and_durations_are_read_and_relative_links_resolved() {
        let text = "#EXTM3U\r\n#PLAYLIST:Evening\r\n#EXTINF:123,Bach - Air\r\n../a b.mp3\r\n\
                    #EXTINF:-1 tvg-id=\"x,y\" group-title=\"z\",Radio Z\r\nhttp://z.example/\r\n\
                    # a comment\r\nplain.mp3\r\n";
        let list = read(Form::M3u, text.as_bytes(), &base());
        assert_eq!(list.title.unwrap().to_string(), "Evening");
        let entries: Vec<_> = list
            .entries
            .iter()
            .map(|entry| {
                let title = entry.title.as_ref().map(ToString::to_string).unwrap_or_default();
                (entry.url.as_str(), title, entry.duration)
            })
            .collect();
        let seconds = Some(Duration::from_secs(123));
        assert_eq!(
            entries,
            [
                ("https://radio.example/a%20b.mp3", "Bach - Air".to_owned(), seconds),
                ("http://z.example/", "Radio Z".to_owned(), None),
                ("https://radio.example/lists/plain.mp3", String::new(), None),
            ]
        );
        assert!(!list.is_cut);
    }

    #[test]
    fn bare_carriage_returns_end_lines_too() {
        let list = read(Form::M3u, b"http://a.example/1\rhttp://a.example/2", &base());
        assert_eq!(list.entries.len(), 2);
    }
}
