//! The index of a segmented stream: which streams there are, and which segments each has. Pure.
//!
//! RFC 8216 §4 and §6.3, read leniently: what is not known is passed over. It is our own reader:
//! `m3u8-rs` 6.0.1 takes `METHOD=NONE` for an error and the clear segments after it for locked ones.

use std::{sync::Arc, time::Duration};

use url::Url;

/// How much of an index is read, in bytes; a day of segments has less.
pub(super) const BYTES_MAX: usize = 4 << 20;
/// How many segments of an index are taken: more than a day of them.
const SEGMENTS_MAX: usize = 40_000;
/// How many streams of an index are looked at.
const VARIANTS_MAX: usize = 200;
/// The fewest bits per second that a stream may have to be taken for its thrift.
const BANDWIDTH_MIN_BPS: u64 = 96_000;
/// Segments may be this long; no real ones are longer than a minute.
const DURATION_MAX: Duration = Duration::from_mins(10);

/// What an index lists.
#[derive(Debug)]
pub(super) enum Index {
    /// Streams of the same, to choose from.
    Master(Master),
    /// Segments of one stream.
    Media(Media),
}

/// Streams to choose from.
#[derive(Debug, Default)]
pub(super) struct Master {
    variants: Vec<Variant>,
    renditions: Vec<Rendition>,
}

/// A stream, as `EXT-X-STREAM-INF` tells of it.
#[derive(Debug)]
struct Variant {
    url: Url,
    bandwidth_bps: u64,
    codecs: Option<String>,
    /// The group of renditions that has its sound.
    audio: Option<String>,
    has_size: bool,
}

/// Sound of its own, as `EXT-X-MEDIA` tells of it.
#[derive(Debug)]
struct Rendition {
    group: String,
    url: Url,
    is_default: bool,
}

/// The segments of one stream.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// The longest segment, and how often the index may change.
    pub(super) target: Duration,
    /// The number of the first segment.
    pub(super) sequence: u64,
    /// In order.
    pub(super) segments: Vec<Segment>,
    /// Whether no more will come.
    pub(super) is_over: bool,
}

/// A piece of the stream.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// Where it is.
    pub(super) part: Part,
    /// What locks it.
    pub(super) key: Option<Arc<Key>>,
    /// What a decoder must know before it.
    pub(super) map: Option<Arc<Part>>,
}

/// A file, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The file.
    pub(super) url: Url,
    /// First byte and length of the part.
    pub(super) range: Option<(u64, u64)>,
}

/// What locks segments (RFC 8216 §4.3.2.4).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// AES-128 in CBC mode; without a vector of its own, a segment's number is it.
    Aes128 {
        /// Where the key is.
        url: Url,
        /// The initialisation vector.
        iv: Option<[u8; 16]>,
    },
    /// For rights management that we have no part in.
    Foreign,
}

/// Whether a list of links is an index of segments instead.
pub(in super::super) fn is_index(text: &str) -> bool {
    // `EXT-X-` is RFC 8216's; the `EXTINF` of plain lists is not enough.
    let marks = ["#EXT-X-STREAM-INF", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA", "#EXT-X-VERSION"];
    text.lines().any(|line| marks.iter().any(|mark| line.trim_start().starts_with(mark)))
}

/// Reads an index that was found at `base`.
pub(super) fn read(text: &str, base: &Url) -> Index {
    let mut lines = text.lines().map(str::trim);
    if lines.any(|line| line.starts_with("#EXT-X-STREAM-INF:")) {
        Index::Master(read_master(text, base))
    } else {
        Index::Media(read_media(text, base))
    }
}

fn read_master(text: &str, base: &Url) -> Master {
    let mut master = Master::default();
    let mut about = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(said) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            about = Some(said);
        } else if let Some(said) = line.strip_prefix("#EXT-X-MEDIA:") {
            let is_sound = attribute(said, "TYPE") == Some("AUDIO");
            let url = attribute(said, "URI").and_then(|link| base.join(link).ok());
            let (Some(url), true) = (url, is_sound) else { continue };
            if master.renditions.len() < VARIANTS_MAX {
                master.renditions.push(Rendition {
                    group: attribute(said, "GROUP-ID").unwrap_or_default().to_owned(),
                    url,
                    is_default: attribute(said, "DEFAULT") == Some("YES"),
                });
            }
        } else if !line.starts_with('#')
            && let (Some(said), Ok(url)) = (about.take(), base.join(line))
            && master.variants.len() < VARIANTS_MAX
        {
            let bandwidth = attribute(said, "BANDWIDTH").and_then(|bits| bits.parse().ok());
            master.variants.push(Variant {
                url,
                bandwidth_bps: bandwidth.unwrap_or_default(),
                codecs: attribute(said, "CODECS").map(str::to_lowercase),
                audio: attribute(said, "AUDIO").map(str::to_owned),
                has_size: attribute(said, "RESOLUTION").is_some(),
            });
        }
    }
    master
}

impl Master {
    /// The stream that gives the sound for the least besides it: one of sound only, else the sound
    /// of a group, else the smallest with a picture.
    pub(super) fn choose(&self) -> Option<&Url> {
        let sounding = || self.variants.iter().filter(|variant| variant.has_sound());
        let thrifty = |variants: &mut dyn Iterator<Item = &'_ Variant>| -> Option<Url> {
            let mut variants: Vec<_> = variants.collect();
            variants.sort_by_key(|variant| variant.bandwidth_bps);
            let enough = variants.iter().find(|one| one.bandwidth_bps >= BANDWIDTH_MIN_BPS);
            enough.or(variants.last()).map(|variant| variant.url.clone())
        };
        let only_sound = thrifty(&mut sounding().filter(|variant| !variant.has_picture()));
        let chosen = only_sound.or_else(|| self.of_group()).or_else(|| thrifty(&mut sounding()))?;
        let urls = self.variants.iter().map(|variant| &variant.url);
        urls.chain(self.renditions.iter().map(|one| &one.url)).find(|url| **url == chosen)
    }

    /// The sound that goes with the best picture.
    fn of_group(&self) -> Option<Url> {
        let groups = self.variants.iter().filter(|variant| variant.audio.is_some());
        let group = groups.max_by_key(|variant| variant.bandwidth_bps)?.audio.as_deref();
        let mut members = self.renditions.iter().filter(|one| Some(one.group.as_str()) == group);
        let first = members.clone().next();
        members.find(|one| one.is_default).or(first).map(|one| one.url.clone())
    }
}

impl Variant {
    fn codecs(&self) -> impl Iterator<Item = &str> {
        self.codecs.as_deref().unwrap_or_default().split(',').map(str::trim)
    }

    fn has_sound(&self) -> bool {
        let known = ["mp4a", "mp3", "opus", "flac", "ac-3", "ec-3"];
        let mut codecs = self.codecs();
        self.codecs.is_none() || codecs.any(|one| known.iter().any(|name| one.starts_with(name)))
    }

    fn has_picture(&self) -> bool {
        let known = ["avc", "hvc", "hev", "av01", "vp0", "vp8", "vp9", "dvh", "mp4v"];
        self.has_size || self.codecs().any(|one| known.iter().any(|name| one.starts_with(name)))
    }
}

fn read_media(text: &str, base: &Url) -> Media {
    let mut media = Media { target: Duration::from_secs(5), ..Media::default() };
    let (mut key, mut map) = (None, None);
    let (mut range, mut range_end) = (None, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(said) = line.strip_prefix("#EXT-X-KEY:") {
            key = read_key(said, base).map(Arc::new);
        } else if let Some(said) = line.strip_prefix("#EXT-X-MAP:") {
            let url = attribute(said, "URI").and_then(|link| base.join(link).ok());
            let range = attribute(said, "BYTERANGE").and_then(|said| read_range(said, 0));
            map = url.map(|url| Arc::new(Part { url, range }));
        } else if let Some(said) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = read_range(said, range_end);
        } else if let Some(said) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
            let seconds = said.parse().ok().and_then(|said| Duration::try_from_secs_f64(said).ok());
            media.target =
                seconds.unwrap_or(media.target).clamp(Duration::from_secs(1), DURATION_MAX);
        } else if let Some(said) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            media.sequence = said.parse().unwrap_or_default();
        } else if line == "#EXT-X-ENDLIST" {
            media.is_over = true;
        } else if !line.starts_with('#')
            && let Ok(url) = base.join(line)
            && media.segments.len() < SEGMENTS_MAX
        {
            let range = range.take();
            range_end = range.map_or(0, |(from, len): (u64, u64)| from.saturating_add(len));
            let part = Part { url, range };
            media.segments.push(Segment { part, key: key.clone(), map: map.clone() });
        }
    }
    media
}

fn read_key(said: &str, base: &Url) -> Option<Key> {
    let method = attribute(said, "METHOD").unwrap_or_default();
    let format = attribute(said, "KEYFORMAT").unwrap_or("identity");
    let url = attribute(said, "URI").and_then(|link| base.join(link).ok());
    match (method, url) {
        ("NONE", _) => None,
        ("AES-128", Some(url)) if format == "identity" => {
            let iv = attribute(said, "IV").and_then(|iv| {
                let digits = iv.strip_prefix("0x").or_else(|| iv.strip_prefix("0X"))?;
                Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes())
            });
            Some(Key::Aes128 { url, iv })
        }
        _ => Some(Key::Foreign),
    }
}

/// `LENGTH@START`, or `LENGTH` from where the last one ended.
fn read_range(said: &str, last_end: u64) -> Option<(u64, u64)> {
    let (len, from) = match said.split_once('@') {
        Some((len, from)) => (len, from.trim().parse().ok()?),
        None => (said, last_end),
    };
    Some((from, len.trim().parse().ok()?))
}

/// A value of an attribute list (RFC 8216 §4.2), without its quotes.
fn attribute<'a>(list: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"').unwrap_or((quoted, ""));
                (value, next.trim_start().trim_start_matches(','))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if name.trim() == wanted {
            return Some(value);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_thriftiest_stream_of_sound_only_is_chosen() {
        let variants = [
            stream("BANDWIDTH=2000000,RESOLUTION=640x360,CODECS=\"avc1.4d,mp4a.40.2\"", "video"),
            stream("BANDWIDTH=256000,CODECS=\"mp4a.40.2\"", "high"),
            stream("BANDWIDTH=64000,CODECS=\"mp4a.40.5\"", "low"),
            stream("BANDWIDTH=128000,CODECS=\"mp4a.40.2\"", "middle"),
        ];
        assert_eq!(choose(&variants.concat()), "https://s.example/live/middle");
        assert_eq!(choose(&variants[0..1].concat()), "https://s.example/live/video");
        assert_eq!(
            choose(&[&variants[2][..], &variants[0][..]].concat()),
            "https://s.example/live/low"
        );
    }

    #[test]
    fn the_sound_of_a_group_is_taken_before_any_picture() {
        let group = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x, y\",URI=\"fr.m3u8\"\n\
                     #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",DEFAULT=YES,URI=\"en.m3u8\"\n\
                     #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"a\",DEFAULT=YES,URI=\"sub.m3u8\"\n";
        let video = stream("BANDWIDTH=500000,RESOLUTION=1x1,AUDIO=\"a\"", "video");
        assert_eq!(choose(&format!("{group}{video}")), "https://s.example/live/en.m3u8");
    }

    #[test]
    fn a_stream_without_sound_is_not_chosen() {
        let silent = stream("BANDWIDTH=100000,RESOLUTION=1x1,CODECS=\"avc1.4d\"", "silent");
        let Index::Master(master) = read(&silent, &base()) else { panic!() };
        assert_eq!(master.choose(), None);
    }

    #[test]
    fn segments_are_read_with_what_they_need() {
        let media = media(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6.0\n#EXT-X-MEDIA-SEQUENCE:17\n\
             #EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"100@20\"\n#EXTINF:6,\n1.m4s\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"k?a=1,2\",IV=0x000000000000000000000000000000FF\n\
             #EXT-X-BYTERANGE:50@10\n#EXTINF:6,\nall.m4s\n#EXT-X-BYTERANGE:40\n#EXTINF:6,\nall.m4s\n\
             #EXT-X-KEY:METHOD=NONE\n#EXTINF:6,\n4.m4s\n#EXT-X-ENDLIST\n",
        );
        assert_eq!((media.target, media.sequence), (Duration::from_secs(6), 17));
        assert!(media.is_over);
        let ranges: Vec<_> = media.segments.iter().map(|segment| segment.part.range).collect();
        assert_eq!(ranges, [None, Some((10, 50)), Some((60, 40)), None]);
        let locked: Vec<_> = media.segments.iter().map(|segment| segment.key.is_some()).collect();
        assert_eq!(locked, [false, true, true, false]);
        let url = base().join("k?a=1,2").unwrap();
        let key = Key::Aes128 { url, iv: Some(255_u128.to_be_bytes()) };
        assert_eq!(media.segments[1].key.as_deref(), Some(&key));
        let map = media.segments[3].map.as_deref().unwrap();
        assert_eq!((map.url.path(), map.range), ("/live/init.mp4", Some((20, 100))));
    }

    #[test]
    fn other_locks_are_known_as_such() {
        for lock in
            ["METHOD=SAMPLE-AES,URI=\"skd://x\"", "METHOD=AES-128,URI=\"k\",KEYFORMAT=\"x\""]
        {
            let media = media(&format!("#EXT-X-KEY:{lock}\n1.ts\n"));
            assert_eq!(media.segments[0].key.as_deref(), Some(&Key::Foreign));
        }
    }

    #[test]
    fn an_index_is_told_from_a_list_of_links() {
        assert!(is_index("#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n"));
        assert!(is_index("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n"));
        assert!(!is_index("#EXTM3U\n#EXTINF:123,Song\n#PLAYLIST:x\nhttp://a/\n"));
    }

    #[test]
    fn an_index_without_end_is_cut() {
        assert_eq!(media(&"x.ts\n".repeat(100_000)).segments.len(), SEGMENTS_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String, tags in "(#EXT-X-[A-Z-]{3,15}:[A-Z0-9=\",@.x-]{0,40}\n|.{0,9}\n){0,20}") {
            for text in [text, tags] {
                let _ = is_index(&text);
                if let Index::Master(master) = read(&text, &base()) {
                    drop(master.choose().cloned());
                }
            }
        }
    }

    fn stream(about: &str, link: &str) -> String {
        format!("#EXT-X-STREAM-INF:{about}\n{link}\n")
    }

    fn choose(text: &str) -> String {
        let Index::Master(master) = read(text, &base()) else { panic!("{text}") };
        master.choose().unwrap().to_string()
    }

    fn media(text: &str) -> Media {
        match read(text, &base()) {
            Index::Media(media) => media,
            Index::Master(master) => panic!("{master:?}"),
        }
    }

    fn base() -> Url {
        "https://s.example/live/index.m3u8".parse().unwrap()
    }
}
