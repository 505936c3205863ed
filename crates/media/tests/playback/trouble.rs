//! Sources that are broken, cut short, or no audio at all.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::time::Duration;

use phonograph_media::playback::{
    Config, DecodeError, MediaSource, Mixer, OpenError, ReadError, ReadOnlySource,
};

use crate::assets::{FLAC, M4A, MP3, OPUS, VORBIS};
use crate::listen::{Pulled, assert_tones, open_bytes, open_source, play, play_on};
use crate::{ogg, wav};

fn refusal(bytes: impl Into<Vec<u8>>) -> OpenError {
    open_bytes(bytes).map(|_| ()).expect_err("it cannot be played")
}

#[test]
fn nothing_is_called_empty() {
    assert!(matches!(refusal([]), OpenError::Empty));
    let nothing = ReadOnlySource::new(io::empty());
    let refused = open_source(Box::new(nothing)).map(|_| ());
    assert!(matches!(refused, Err(OpenError::Empty)));
}

#[test]
fn what_is_no_audio_is_called_so() {
    let page = "<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>";
    let picture = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 5000]].concat();
    for bytes in [b"a".to_vec(), b"Dear diary,\n".repeat(3000), page.into(), picture, vec![0; 9999]]
    {
        let error = refusal(bytes.clone());
        assert!(matches!(error, OpenError::NotAudio), "{:?}: {error:?}", &bytes[..1]);
    }
}

#[test]
fn truncated_files_play_to_where_they_are_cut() {
    for (bytes, whole) in [(FLAC, 40), (MP3, 60), (OPUS, 60), (M4A, 60), (VORBIS, 10)] {
        let played = play(&bytes[..bytes.len() / 2]);
        let half = Duration::from_secs(whole / 2);
        let codec = &played.info.codec;
        assert!(
            played.position.abs_diff(half).as_secs_f64() < 2.5,
            "{codec} {:?}",
            played.position
        );
        assert_tones(&played.heard(), 1.0, 0.3);
        assert!(played.player.faults().truncated || codec == "mp3", "{codec}");
    }
}

#[test]
fn a_header_without_an_end_is_called_truncated_or_malformed() {
    for bytes in [FLAC, OPUS, M4A, VORBIS] {
        let error = refusal(&bytes[..60]);
        let is_named = matches!(
            error,
            OpenError::Truncated | OpenError::Malformed(_) | OpenError::UnsupportedFeature(_)
        );
        assert!(is_named, "{error:?}");
    }
}

#[test]
fn damaged_packets_are_left_out_and_counted() {
    let mut packets = ogg::packets(OPUS)[..300].to_vec();
    for packet in packets.iter_mut().skip(100).step_by(7).take(10) {
        // Two frames of unequal lengths, the first of which is longer than the packet.
        *packet = vec![0xfe, 0xfb, 0xff, 0x00];
    }
    // A gain makes it decode.
    let mut head = ogg::head(OPUS);
    head[16] = 1;
    let played = play(ogg::file(&head, &packets));
    assert_eq!(played.player.faults().packets_skipped, 10);
    assert_tones(&played.heard(), 0.5, 0.3);
    assert_tones(&played.heard(), 4.5, 0.3);
}

#[test]
fn rubbish_without_end_is_given_up() {
    let mut packets = ogg::packets(OPUS)[..150].to_vec();
    packets.extend(std::iter::repeat_n(vec![0xfe, 0xfb, 0xff, 0x00], 1000));
    packets.extend_from_slice(&ogg::packets(OPUS)[..150]);
    let mut head = ogg::head(OPUS);
    head[16] = 1;
    let played = play(ogg::file(&head, &packets));
    let gave_up = &played.player.faults().gave_up;
    assert!(matches!(gave_up, Some(DecodeError::TooManyBadPackets(100))), "{gave_up:?}");
    assert!(played.position < Duration::from_millis(3_001), "{:?}", played.position);
    assert_tones(&played.heard(), 1.5, 0.3);
}

#[test]
fn a_large_tag_is_passed_over_unread() {
    let size = 20 << 20;
    let mut bytes = b"ID3\x04\0\0".to_vec();
    bytes.extend([21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8));
    bytes.resize(bytes.len() + size, 0xff);
    bytes.extend(&MP3[..200_000]);
    let source = Counting { inner: Cursor::new(bytes), read: 0, limit: 2 << 20 };
    let (reader, player) = open_source(Box::new(source)).expect("an MP3");
    assert_tones(&play_on(reader, player).heard(), 0.5, 0.3);
}

#[test]
fn what_a_source_reports_is_handed_on() {
    let broken = || Broken { bytes: Cursor::new(FLAC.to_vec()), left: 0 };
    match open_source(Box::new(ReadOnlySource::new(broken()))).map(|_| ()) {
        Err(OpenError::Io(error)) => assert_eq!(error.to_string(), "the line is cut"),
        other => panic!("{other:?}"),
    }

    let later = Broken { left: 400_000, ..broken() };
    let source = Box::new(ReadOnlySource::new(later));
    let (mut reader, mut player) = open_source(source).expect("a FLAC");
    let error = loop {
        match reader.read_ahead() {
            Ok(batch) => player.feed(batch),
            Err(error) => break error,
        }
    };
    match error {
        ReadError::Io(error) => assert_eq!(error.to_string(), "the line is cut"),
        other => panic!("{other:?}"),
    }
    // What came before is whole, and is played.
    player.end();
    let played = play_on(reader, player);
    assert!(played.position > Duration::from_secs(10), "{:?}", played.position);
}

#[test]
fn channel_counts_of_no_music_are_refused() {
    let mut bytes = wav::pcm16(48_000, 2, &[0; 4000]);
    // symphonia 0.6 panics over the last, where overflow is checked.
    for channels in [0_u16, 33, 1_000, 40_000] {
        bytes[22..24].copy_from_slice(&channels.to_le_bytes());
        let error = refusal(bytes.clone());
        let is_named = matches!(error, OpenError::TooManyChannels(_) | OpenError::Malformed(_));
        assert!(is_named, "{channels}: {error:?}");
    }
}

#[test]
fn rates_of_no_music_are_refused() {
    for rate_hz in [1, 1_999, 1_000_000] {
        let error = refusal(wav::pcm16(rate_hz, 2, &[0; 4000]));
        assert!(matches!(error, OpenError::UnsupportedRate(_)), "{error:?}");
    }
}

#[test]
fn settings_that_opus_does_not_have_are_refused() {
    let config = Config { complexity: 11, ..Config::default() };
    assert!(Mixer::new(&config).is_err());
    let mut mixer = Mixer::new(&Config::default()).expect("the usual settings");
    assert!(mixer.set_encoding(&config).is_err());
}

#[test]
fn what_is_read_ahead_is_bounded_and_a_starved_player_waits() {
    let (mut reader, mut player) = open_bytes(OPUS).expect("an Opus file");
    let mut frame = Vec::new();
    assert_eq!(player.pull(&mut frame), Pulled::Starved);
    assert!(frame.is_empty());

    let first = reader.read_ahead().expect("packets");
    assert!(first.duration() < Duration::from_secs(1), "the first batch comes early");
    player.feed(first);
    while player.wants_packets() {
        let batch = reader.read_ahead().expect("packets");
        assert!(batch.duration() < Duration::from_millis(2_600), "{batch:?}");
        player.feed(batch);
    }
    let buffered = std::iter::from_fn(|| (player.pull(&mut frame) == Pulled::Frame).then_some(()));
    assert!((125..=260).contains(&buffered.count()));
    assert_eq!(player.pull(&mut frame), Pulled::Starved);
    player.feed(reader.read_ahead().expect("packets"));
    assert_eq!(player.pull(&mut frame), Pulled::Frame);
}

/// Fails the test if more is read than a header and some packets.
struct Counting {
    inner: Cursor<Vec<u8>>,
    read: usize,
    limit: usize,
}

impl Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buf)?;
        self.read += len;
        assert!(self.read < self.limit, "the tag was read");
        Ok(len)
    }
}

impl Seek for Counting {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl MediaSource for Counting {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.inner.get_ref().len() as u64)
    }
}

/// A source that fails after so many bytes.
struct Broken {
    bytes: Cursor<Vec<u8>>,
    left: u64,
}

impl Read for Broken {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the line is cut"));
        }
        let len = self.bytes.by_ref().take(self.left).read(buf)?;
        self.left -= len as u64;
        Ok(len)
    }
}
