//! Podcasts: which episode of a feed is meant, and where it is. Pure.
//!
//! RSS 2.0 with `enclosure`, the elements of Apple (`itunes:duration`, `itunes:episode`), and Atom's
//! `link rel="enclosure"` (RFC 4287 §4.2.7.2).

use std::{cmp::Reverse, time::Duration};

use chrono::{DateTime, FixedOffset};
use url::Url;

use super::{
    Item, Origin,
    xml::{self, Element, Step, attribute, walk},
};
use crate::command::{Episode, Title};

/// How much of a feed is read, in bytes; daily shows of many years have a few MiB.
pub(super) const BYTES_MAX: usize = 8 << 20;
/// The longest text of one element that is kept, in bytes; titles are cut shorter than that.
const TEXT_MAX: usize = 4096;

/// Why a feed does not give the episode.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodcastError {
    /// It is no feed. Its address may be another.
    #[error("what {host} sends is no feed")]
    NotAFeed {
        /// Where it was looked for.
        host: String,
    },
    /// No entry of it can be heard.
    #[error("the feed of {show} has no episodes with sound")]
    NoEpisodes {
        /// What it calls itself.
        show: Title,
    },
    /// None is meant by the number or the words. Others may help.
    #[error("the feed of {show} has no such episode")]
    NoSuchEpisode {
        /// What it calls itself.
        show: Title,
        /// What was looked for.
        wanted: Title,
    },
}

/// What a feed says.
#[derive(Debug, Default)]
struct Feed {
    title: String,
    entries: Vec<Entry>,
}

/// What is known of an episode.
#[derive(Debug, Default)]
struct Entry {
    title: String,
    url: Option<Url>,
    duration: Option<Duration>,
    number: Option<usize>,
    published: Option<DateTime<FixedOffset>>,
}

/// Finds an episode in a feed that was found at `base`.
///
/// # Errors
/// [`PodcastError`] says whether another feed or other words may help.
pub(super) fn episode(bytes: &[u8], base: &Url, which: &Episode) -> Result<Item, PodcastError> {
    let feed = read(&xml::text(bytes), base);
    let show = Title::new(&feed.title);
    let mut entries: Vec<_> = feed.entries.iter().filter(|entry| entry.url.is_some()).collect();
    if entries.is_empty() {
        let host = base.host_str().unwrap_or_default().to_owned();
        let is_feed = !feed.entries.is_empty() || !feed.title.is_empty();
        return Err(if is_feed {
            PodcastError::NoEpisodes { show }
        } else {
            PodcastError::NotAFeed { host }
        });
    }
    // Most feeds begin with the newest; where dates say otherwise, they know better.
    if entries.iter().all(|entry| entry.published.is_some()) {
        entries.sort_by_key(|entry| Reverse(entry.published));
    }
    let found = match which {
        Episode::Latest => entries.first().copied(),
        Episode::Number(number) => by_number(&entries, *number),
        Episode::Title(words) => by_title(&entries, words),
    };
    match found.and_then(|entry| Some((entry, entry.url.clone()?))) {
        Some((entry, url)) => Ok(Item {
            title: Title::new(&format!("{show} – {}", Title::new(&entry.title))),
            origin: Origin::Link(url),
            duration: entry.duration,
        }),
        None => Err(PodcastError::NoSuchEpisode { show, wanted: which.into() }),
    }
}

fn by_number<'a>(entries: &[&'a Entry], number: usize) -> Option<&'a Entry> {
    if entries.iter().any(|entry| entry.number.is_some()) {
        return entries.iter().copied().find(|entry| entry.number == Some(number));
    }
    entries.get(number.checked_sub(1)?).copied()
}

/// The newest whose title is these words, else the newest that has them all.
fn by_title<'a>(entries: &[&'a Entry], words: &str) -> Option<&'a Entry> {
    let wanted = words.trim().to_lowercase();
    let is = |entry: &&&Entry| entry.title.trim().to_lowercase() == wanted;
    let has = |entry: &&&Entry| {
        let title = entry.title.to_lowercase();
        wanted.split_whitespace().all(|word| title.contains(word))
    };
    entries.iter().find(is).or_else(|| entries.iter().find(has)).copied()
}

fn read(text: &str, base: &Url) -> Feed {
    let mut feed = Feed::default();
    let mut entry: Option<(usize, Entry)> = None;
    let mut is_channel = false;
    let mut content = String::new();
    let mut element = String::new();
    walk(text, |step| match step {
        Step::Open { element: tag, name, depth } => {
            content.clear();
            element.clear();
            element.push_str(name);
            match &mut entry {
                None if matches!(name, "item" | "entry") => entry = Some((depth, Entry::default())),
                None if matches!(name, "channel" | "feed") => is_channel = true,
                None => {}
                Some((at, entry)) if *at + 1 == depth => entry.note_attributes(name, tag, base),
                Some(_) => {}
            }
        }
        Step::Text(text) if content.len() + text.len() <= TEXT_MAX => content.push_str(text),
        Step::Text(_) => {}
        Step::Close { depth } => {
            match &mut entry {
                // That of the picture and others come later, deeper or within entries.
                None if element == "title" && is_channel && feed.title.is_empty() => {
                    feed.title = std::mem::take(&mut content);
                }
                None => {}
                Some((at, _)) if *at == depth => {
                    feed.entries.extend(entry.take().map(|(_, entry)| entry));
                }
                Some((at, entry)) if *at + 1 == depth => entry.note(&element, content.trim()),
                Some(_) => {}
            }
            element.clear();
            content.clear();
        }
    });
    feed
}

impl Entry {
    fn note_attributes(&mut self, name: &str, element: &Element<'_>, base: &Url) {
        let (link, kind) = match name {
            "enclosure" | "media:content" => ("url", "type"),
            "link" if attribute(element, "rel").as_deref() == Some("enclosure") => ("href", "type"),
            _ => return,
        };
        let kind = attribute(element, kind).unwrap_or_default().to_ascii_lowercase();
        let url = attribute(element, link).and_then(|link| base.join(link.trim()).ok());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        if self.url.is_none() && (kind.starts_with("audio/") || kind.is_empty()) {
            self.url = url;
        }
    }

    fn note(&mut self, name: &str, said: &str) {
        match name {
            "title" => said.clone_into(&mut self.title),
            "itunes:duration" => self.duration = clock(said),
            "itunes:episode" => self.number = said.parse().ok(),
            "pubDate" => self.published = DateTime::parse_from_rfc2822(said).ok(),
            "published" => self.published = DateTime::parse_from_rfc3339(said).ok(),
            _ => {}
        }
    }
}

/// Seconds, `MM:SS` or `HH:MM:SS`, as `itunes:duration` has them.
fn clock(text: &str) -> Option<Duration> {
    let parts = text.split(':').map(|part| part.trim().parse::<u32>().ok());
    let parts = parts.collect::<Option<Vec<_>>>().filter(|parts| parts.len() <= 3)?;
    let seconds = parts.iter().fold(0_u64, |sum, part| sum * 60 + u64::from(*part));
    Some(Duration::from_secs(seconds)).filter(|duration| !duration.is_zero())
}

impl From<&Episode> for Title {
    fn from(episode: &Episode) -> Self {
        match episode {
            Episode::Latest => Self::new("latest"),
            Episode::Number(number) => Self::new(&number.to_string()),
            Episode::Title(words) => Self::new(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>
        <title>The &amp; Show</title><image><title>picture</title></image>
        <item><title>Old one</title><pubDate>Mon, 05 Jan 2026 10:00:00 +0000</pubDate>
          <enclosure url="https://cdn.example/1.mp3?a=1&amp;b=2" type="audio/mpeg" length="9"/>
          <itunes:duration>1:02:03</itunes:duration></item>
        <item><title>Only to read</title><pubDate>Fri, 09 Jan 2026 10:00:00 GMT</pubDate></item>
        <item><title>Video</title><pubDate>Fri, 09 Jan 2026 10:00:00 GMT</pubDate>
          <enclosure url="https://cdn.example/v.mp4" type="video/mp4"/></item>
        <item><title><![CDATA[New & better]]></title>
          <pubDate>Tue, 06 Jan 2026 10:00:00 +0100</pubDate><itunes:duration>61</itunes:duration>
          <enclosure url="/2.ogg" type="audio/ogg"/></item>
        </channel></rss>"#;

    #[test]
    fn the_latest_is_the_one_of_the_latest_date_that_can_be_heard() {
        let item = find(FEED, &Episode::Latest).unwrap();
        assert_eq!(item.title.to_string(), "The & Show – New & better");
        assert_eq!(link(&item), "https://show.example/2.ogg");
        assert_eq!(item.duration, Some(Duration::from_secs(61)));
    }

    #[test]
    fn numbers_count_from_the_newest_where_the_feed_has_none() {
        let item = find(FEED, &Episode::Number(2)).unwrap();
        assert_eq!(link(&item), "https://cdn.example/1.mp3?a=1&b=2");
        assert_eq!(item.duration, Some(Duration::from_secs(3723)));
        for number in [0, 3] {
            let error = find(FEED, &Episode::Number(number)).unwrap_err();
            assert!(matches!(error, PodcastError::NoSuchEpisode { .. }), "{error}");
        }
    }

    #[test]
    fn numbers_of_the_feed_go_first() {
        let numbered =
            FEED.replace("<title>Old one", "<itunes:episode>17</itunes:episode><title>Old");
        let item = find(&numbered, &Episode::Number(17)).unwrap();
        assert_eq!(item.title.to_string(), "The & Show – Old");
        assert!(find(&numbered, &Episode::Number(1)).is_err());
    }

    #[test]
    fn words_find_the_newest_title_that_has_them_all() {
        for words in ["better new", "NEW & BETTER"] {
            let item = find(FEED, &Episode::Title(words.to_owned())).unwrap();
            assert_eq!(link(&item), "https://show.example/2.ogg", "{words}");
        }
        let error = find(FEED, &Episode::Title("old new".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "the feed of The & Show has no such episode");
    }

    #[test]
    fn atom_has_its_enclosures_in_links() {
        let atom = r#"<feed xmlns="http://www.w3.org/2005/Atom"><title>Atomic</title>
            <entry><title>One</title><link href="https://a.example/page"/>
            <link rel="enclosure" type="audio/mpeg" href="https://a.example/1.mp3"/></entry></feed>"#;
        let item = find(atom, &Episode::Latest).unwrap();
        assert_eq!(link(&item), "https://a.example/1.mp3");
        assert_eq!(item.title.to_string(), "Atomic – One");
    }

    #[test]
    fn what_is_no_podcast_is_told_apart_from_one_without_sound() {
        let error = find("<svg/>", &Episode::Latest).unwrap_err();
        assert!(matches!(error, PodcastError::NotAFeed { host } if host == "show.example"));
        let silent = FEED.replace("audio/", "text/");
        assert!(matches!(find(&silent, &Episode::Latest), Err(PodcastError::NoEpisodes { .. })));
        let local =
            FEED.replace("https://cdn.example", "file:///etc").replace("\"/2", "\"ftp://a/2");
        assert!(matches!(find(&local, &Episode::Latest), Err(PodcastError::NoEpisodes { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_feed_or_none(bytes: Vec<u8>, text: String) {
            drop(episode(&bytes, &base(), &Episode::Latest));
            drop(find(&FEED.replace("Old one", &text), &Episode::Title(text)));
        }
    }

    fn find(feed: &str, which: &Episode) -> Result<Item, PodcastError> {
        episode(feed.as_bytes(), &base(), which)
    }

    fn base() -> Url {
        "https://show.example/feed.xml".parse().unwrap()
    }

    fn link(item: &Item) -> &str {
        match &item.origin {
            Origin::Link(url) => url.as_str(),
            Origin::File(_) | Origin::Upload(_) => panic!("{item:?}"),
        }
    }
}
