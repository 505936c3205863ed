//! Files that are made here, byte by byte, and the tones of the trial.

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::*;

#[test]
fn the_tags_of_an_mp3_are_read() {
    let frames = [
        text("TIT2", "Air"),
        text("TPE1", "Bach"),
        text("TALB", "Third Suite"),
        text("TPE2", "Orchestra"),
        text("TRCK", "2/12"),
        text("TPOS", "1/2"),
    ];
    let (is_music, tags) = read_bytes("x", &[id3(&frames.concat()), untagged_mp3()].concat());
    assert!(is_music, "by its content");
    let expected = Tags {
        title: Some("Air".to_owned()),
        artist: Some("Bach".to_owned()),
        album: Some("Third Suite".to_owned()),
        album_artist: Some("Orchestra".to_owned()),
        disc: Some(1),
        track: Some(2),
        duration: tags.duration,
    };
    assert_eq!(tags, expected);
    assert!(tags.duration.is_some_and(|time| time.as_secs() == 60), "{:?}", tags.duration);
}

#[test]
fn the_tags_of_a_flac_are_read() {
    let comments = ["TITLE=Für Elise", "artist=Beethoven", "ALBUM=Klavier", "TRACKNUMBER=7"];
    let (_, tags) = read_bytes("x.flac", &flac_with(&comments));
    assert_eq!(
        (tags.title, tags.artist),
        (Some("Für Elise".to_owned()), Some("Beethoven".to_owned()))
    );
    assert_eq!((tags.album, tags.track), (Some("Klavier".to_owned()), Some(7)));
    assert!(tags.duration.is_some_and(|time| time.as_secs() == 40), "{:?}", tags.duration);
}

#[test]
fn the_duration_of_each_format_is_read() {
    let seconds = [
        ("wav", 2),
        ("aiff", 2),
        ("flac", 40),
        ("mp3", 60),
        ("m4a", 60),
        ("ogg", 10),
        ("opus", 60),
    ];
    for (ending, expected) in seconds {
        let (is_music, tags) = read_bytes("x", &tones(ending));
        assert!(is_music, "{ending}");
        let seconds = tags.duration.map(|time| time.as_millis() as f64 / 1000.0);
        assert!(
            (seconds.unwrap_or_default() - f64::from(expected)).abs() < 0.15,
            "{ending}: {seconds:?}"
        );
    }
}

#[test]
fn what_cannot_be_understood_goes_by_its_name() {
    for (name, bytes) in [
        ("x.mp3", &b""[..]),
        ("x.mp3", b"Dear diary, there is no music in here."),
        ("x.flac", b"fLaC\0\0\0\x22"),
        ("x.mka", b"\x1a\x45\xdf\xa3"),
    ] {
        assert_eq!(read_bytes(name, bytes), (true, Tags::default()), "{name}");
    }
    assert_eq!(read_bytes("notes.txt", b"Dear diary."), (false, Tags::default()));
}

#[test]
fn tags_are_cleaned_and_cut() {
    let frames = [
        text("TIT2", &"long ".repeat(100_000)),
        text("TPE1", "a\u{1b}[31m\r\n\u{202e}b"),
        text("TALB", "\u{200b} \u{202e}"),
        text("TPE2", "untitled"),
    ];
    let (_, tags) = read_bytes("x.mp3", &[id3(&frames.concat()), untagged_mp3()].concat());
    let title = tags.title.unwrap();
    assert!(title.starts_with("long long") && title.chars().count() < 130, "{title}");
    assert_eq!(tags.artist.as_deref(), Some("a[31m b"));
    assert_eq!(tags.album, None, "nothing to show is nothing");
    assert_eq!(tags.album_artist.as_deref(), Some("untitled"));
}

#[test]
fn a_title_of_ten_megabytes_is_cut() {
    let frames = [text("TIT2", &"x".repeat(5 << 20)), text("TPE1", "Bach")];
    let (_, tags) = read_bytes("x.mp3", &[id3(&frames.concat()), untagged_mp3()].concat());
    assert!(tags.title.unwrap().chars().count() < 130);
    assert_eq!(tags.artist, Some("Bach".to_owned()));
}

#[test]
fn a_file_with_more_tags_than_are_read_goes_by_its_name() {
    let cover = frame("APIC", &vec![0; usize::try_from(READ_MAX).unwrap()]);
    let frames = [cover, text("TIT2", "Air")].concat();
    let read = read_bytes("x.mp3", &[id3(&frames), untagged_mp3()].concat());
    assert_eq!(read, (true, Tags::default()));
}

#[test]
fn a_cover_of_fifty_megabytes_hides_no_title() {
    let cover = frame("APIC", &vec![0; 50 << 20]);
    let frames = [cover, text("TIT2", "Air")].concat();
    let (_, tags) = read_bytes("x.mp3", &[id3(&frames), untagged_mp3()].concat());
    assert_eq!(tags.title, Some("Air".to_owned()));
}

#[test]
fn a_duration_of_years_is_not_believed() {
    let day = Duration::from_hours(24);
    assert_eq!(believable(day), Some(day));
    assert_eq!([Duration::ZERO, day * 31].map(believable), [None; 2]);
}

#[test]
fn no_more_is_read_than_the_limits_say() {
    let bounded = |left, reads| Bounded { inner: io::repeat(0), left, reads };
    let mut out = [0; 100];
    let mut few = bounded(150, 10);
    assert!(few.read(&mut out).is_ok() && few.read(&mut out).is_ok());
    assert!(few.read(&mut out).is_err());
    let mut often = bounded(1_000_000, 2);
    assert!(often.read(&mut out).is_ok() && often.read(&mut out).is_ok());
    assert!(often.read(&mut out).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_file_ends_nothing(
        ending in prop::sample::select(vec!["flac", "mp3", "m4a", "ogg", "opus", "wav"]),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((0..4096_usize, any::<u8>()), 0..8),
    ) {
        let mut bytes = tones(ending);
        bytes.truncate(cut.index(bytes.len()));
        for (at, byte) in flips {
            if let Some(there) = bytes.get_mut(at) {
                *there ^= byte;
            }
        }
        let (is_music, _) = read_bytes("x.mp3", &bytes);
        prop_assert!(is_music);
    }
}

fn read_bytes(name: &str, bytes: &[u8]) -> (bool, Tags) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    read(&path).unwrap()
}

fn tones(ending: &str) -> Vec<u8> {
    fs::read(asset(ending)).unwrap()
}

fn asset(ending: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial");
    folder.join(format!("tones.{ending}"))
}

/// The tones without the tag in front of them.
fn untagged_mp3() -> Vec<u8> {
    let file = tones("mp3");
    let len = file[6..10].iter().fold(0, |len, byte| len << 7 | usize::from(*byte));
    file[10 + len..].to_vec()
}

/// An ID3v2.3 tag. <https://id3.org/id3v2.3.0> §3.1.
fn id3(frames: &[u8]) -> Vec<u8> {
    let len = u32::try_from(frames.len()).unwrap();
    let synchsafe = [21, 14, 7, 0].map(|shift| u8::try_from(len >> shift & 0x7f).unwrap());
    [&b"ID3\x03\0\0"[..], &synchsafe, frames].concat()
}

/// One frame of it, §3.3.
fn frame(id: &str, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap().to_be_bytes();
    [id.as_bytes(), &len, &[0, 0], content].concat()
}

/// A text frame in UTF-16 with a byte order mark, §4.2.
fn text(id: &str, text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    frame(id, &[1, 0xff, 0xfe].into_iter().chain(units).collect::<Vec<_>>())
}

/// The tones with these comments in the place of theirs: the block after the first. RFC 9639 §8.6.
fn flac_with(comments: &[&str]) -> Vec<u8> {
    let file = tones("flac");
    let first = 4 + 4 + 34;
    let mut block =
        [&0_u32.to_le_bytes()[..], &u32::try_from(comments.len()).unwrap().to_le_bytes()].concat();
    for comment in comments {
        block.extend(u32::try_from(comment.len()).unwrap().to_le_bytes());
        block.extend(comment.as_bytes());
    }
    let head = 4 << 24 | u32::try_from(block.len()).unwrap();
    let blocks_end = {
        let mut at = first;
        loop {
            let len = u32::from_be_bytes([0, file[at + 1], file[at + 2], file[at + 3]]) as usize;
            let is_last = file[at] & 0x80 != 0;
            at += 4 + len;
            if is_last {
                break at;
            }
        }
    };
    let padding = [0x81, 0, 0, 0];
    [&file[..first], &head.to_be_bytes(), &block, &padding, &file[blocks_end..]].concat()
}
