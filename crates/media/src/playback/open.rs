//! Finding out what a source holds.

use std::io::{self, Seek, SeekFrom};

use symphonia::core::audio::Channels as Layout;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_OPUS};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use thiserror::Error;

use super::deck::Deck;
use super::encode::RATE_HZ;
use super::guard::guarded;
use super::info::Info;
use super::mp4::Survey;
use super::opus_head::OpusHead;
use super::queue::{TrackStart, Trim};
use super::reader::Reader;
use super::source::{Watch, Watched};

/// How much of a source is read to find its first packet. Covers are what takes the room: FLAC
/// allows 16 MiB for each.
const HEADER_BYTES_MAX: u64 = 64 << 20;

/// The same for CAF, whose table of packets takes 32 times as much memory as in the file: two
/// million packets are eleven hours.
const CAF_HEADER_BYTES_MAX: u64 = 2 << 20;

/// A source cannot be played.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is not one byte in it.
    #[error("the source is empty")]
    Empty,
    /// It is something else: a web page, a text, a picture. Another file may be meant.
    #[error("the source is no audio that we know")]
    NotAudio,
    /// A container that we know, without any sound in it.
    #[error("the source holds no audio track")]
    NoAudioTrack,
    /// The container is readable and its codec is not; another encoding of it would do.
    #[error("{0} cannot be decoded")]
    UnsupportedCodec(String),
    /// The container uses something that its reader does not know.
    #[error("the source uses a feature that is not supported: {0}")]
    UnsupportedFeature(&'static str),
    /// More channels than any loudspeaker layout has.
    #[error("{0} channels are too many")]
    TooManyChannels(usize),
    /// A sample rate that no music has.
    #[error("a sample rate of {0} Hz is not supported")]
    UnsupportedRate(u32),
    /// It ends before its first packet.
    #[error("the source ends within its header")]
    Truncated,
    /// It contradicts itself or its format. Nothing but a better copy helps.
    #[error("the source is malformed: {0}")]
    Malformed(&'static str),
    /// No packet came within what the largest real headers take: 64 MiB, and 2 MiB for CAF.
    #[error("the header is larger than any real one")]
    TooMuchHeader,
    /// The source itself failed; trying again may work.
    #[error("the source could not be read")]
    Io(#[source] io::Error),
}

impl OpenError {
    pub(crate) fn from_symphonia(error: SymphoniaError) -> Self {
        match error {
            SymphoniaError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Truncated
            }
            SymphoniaError::IoError(error) => Self::Io(error),
            SymphoniaError::DecodeError(what) | SymphoniaError::LimitError(what) => {
                Self::Malformed(what)
            }
            SymphoniaError::Unsupported(what) => Self::UnsupportedFeature(what),
            SymphoniaError::SeekError(_) => Self::Malformed("it points outside of itself"),
            // Of a new stream nothing can have been reset; the enum is symphonia's and open.
            _ => Self::Malformed("its parts do not belong together"),
        }
    }
}

/// Looks at what a source holds, and prepares to play its first audio track.
///
/// Blocks while the source does. Reads up to 64 MiB of headers, mostly a few kilobytes. Nothing is
/// decoded yet.
///
/// # Errors
///
/// Says what the source is instead of playable audio, or why its bytes could not be had.
pub fn open(source: Box<dyn MediaSource>) -> Result<(Reader, Deck), OpenError> {
    let Opened { reader, info, start } = look(source)?;
    let deck = Deck::new(info, start)?;
    Ok((reader, deck))
}

/// A source that was looked at.
pub(crate) struct Opened {
    pub(crate) reader: Reader,
    pub(crate) info: Info,
    pub(crate) start: TrackStart,
}

/// Looks at what a source holds, and nothing more.
pub(crate) fn look(source: Box<dyn MediaSource>) -> Result<Opened, OpenError> {
    let Found { format, track, start, info, watch, is_seekable } = find(source)?;
    let reader = Reader::new(format, (&track, start.clone()), is_seekable, watch);
    Ok(Opened { reader, info, start })
}

/// A source, demuxed as far as its first packet.
struct Found {
    format: Box<dyn FormatReader>,
    track: Track,
    start: TrackStart,
    info: Info,
    watch: Watch,
    is_seekable: bool,
}

fn find(source: Box<dyn MediaSource>) -> Result<Found, OpenError> {
    let watch = Watch::default();
    watch.ration(HEADER_BYTES_MAX);
    let (source, findings) = Watched::new(source, watch.clone()).map_err(OpenError::Io)?;
    if findings.is_caf {
        watch.ration(CAF_HEADER_BYTES_MAX);
    }
    let is_seekable = source.is_seekable();
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let mut format = probe(stream).map_err(|error| explain(error, &watch))?;
    let (track, start) = first_track(format.as_ref(), &findings.mp4)?;
    let mut info = Info::new(format.as_mut(), &track, &start.params, start.trim);
    if start.params.codec == CODEC_ID_MP3 {
        info.duration = findings.mp3_length.or(info.duration);
    }
    if info.has_cover() && is_seekable {
        watch.hide_pictures();
        watch.ration(HEADER_BYTES_MAX);
        format = probe_again(format).map_err(|error| explain(error, &watch))?;
    }
    Ok(Found { format, track, start, info, watch, is_seekable })
}

/// A demuxer keeps the tags that it reads: with the pictures hidden, it reads them without.
fn probe_again(format: Box<dyn FormatReader>) -> Result<Box<dyn FormatReader>, OpenError> {
    let mut stream = format.into_inner();
    stream.seek(SeekFrom::Start(0)).map_err(OpenError::Io)?;
    probe(stream)
}

fn probe(stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, OpenError> {
    let probe = symphonia::default::get_probe();
    guarded(|| {
        probe.probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
    })
    .map_err(|error| match error {
        // The probe's own error, as opposed to those of a demuxer that it chose.
        SymphoniaError::Unsupported(what) if what.starts_with("core (probe)") => {
            OpenError::NotAudio
        }
        error => OpenError::from_symphonia(error),
    })
}

/// What stood behind an error: the probe takes trouble with the source for the end of it.
fn explain(error: OpenError, watch: &Watch) -> OpenError {
    if let Some(error) = watch.take_error() {
        return OpenError::Io(error);
    }
    match error {
        _ if watch.is_exhausted() => OpenError::TooMuchHeader,
        OpenError::Io(error) => OpenError::Io(error),
        _ if watch.bytes() == 0 => OpenError::Empty,
        error => error,
    }
}

/// The track to play, and what its decoder must know.
pub(crate) fn first_track(
    format: &dyn FormatReader,
    survey: &Survey,
) -> Result<(Track, TrackStart), OpenError> {
    let track = format.default_track(TrackType::Audio).ok_or(OpenError::NoAudioTrack)?;
    // `default_track` answers with the type that it was asked for.
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(OpenError::NoAudioTrack);
    };
    let mut params = params.clone();
    let rate_hz = params.sample_rate.unwrap_or(RATE_HZ);
    let mut trim = survey.trim(track.id, rate_hz).unwrap_or_default();
    if format.format_info().short_name == "caf" {
        trim = caf_trim(track);
        if params.codec == CODEC_ID_OPUS {
            give_head(&mut params, trim);
        }
    }
    if let Some(head) = params.extra_data.as_deref().and_then(OpusHead::parse) {
        trim.delay = u64::from(head.pre_skip);
    }
    Ok((track.clone(), TrackStart { params, trim }))
}

/// What the packet table of a CAF file says, which symphonia reads and does not heed.
fn caf_trim(track: &Track) -> Trim {
    let delay = track.delay.map_or(0, u64::from);
    Trim { delay, length: track.num_frames.filter(|frames| *frames > 0) }
}

/// CAF has no place for the header of Opus; what it would say follows from the rest.
fn give_head(params: &mut AudioCodecParameters, trim: Trim) {
    let has_head = params.extra_data.as_deref().and_then(OpusHead::parse).is_some();
    let channels = params.channels.as_ref().map_or(0, Layout::count);
    if let (false, Ok(channels @ 1..=2)) = (has_head, u8::try_from(channels)) {
        let pre_skip = u16::try_from(trim.delay).unwrap_or(u16::MAX);
        params.extra_data = Some(OpusHead::plain(channels, pre_skip).into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const FLAC: &[u8] = include_bytes!("../../../../assets/trial/tones.flac");
    const MP3: &[u8] = include_bytes!("../../../../assets/trial/tones.mp3");
    const M4A: &[u8] = include_bytes!("../../../../assets/trial/tones.m4a");
    const PICTURE: [u8; 100] = {
        let mut picture = [7; 100];
        (picture[0], picture[1], picture[2], picture[3]) = (0x89, b'P', b'N', b'G');
        picture
    };

    fn flac() -> Vec<u8> {
        let mut block = vec![6, 0, 0, 32 + 9 + 100, 0, 0, 0, 3, 0, 0, 0, 9];
        block.extend(b"image/png");
        block.extend([0; 20]);
        block.extend([0, 0, 0, 100]);
        block.extend(PICTURE);
        [&FLAC[..42], &block, &FLAC[42..]].concat()
    }

    fn mp3() -> Vec<u8> {
        let frame = [b"APIC\0\0\0\x71\0\0\0image/jpg\0\x03\0".as_slice(), &PICTURE].concat();
        [b"ID3\x03\0\0\0\0\0\x7b", frame.as_slice(), MP3].concat()
    }

    /// Puts an atom into those around it, whose sizes grow, and moves the samples.
    fn m4a() -> Vec<u8> {
        let data = [b"\0\0\0\x74data\0\0\0\x0e\0\0\0\0".as_slice(), &PICTURE].concat();
        let covr = [b"\0\0\0\x7ccovr".as_slice(), &data].concat();
        let mut file = M4A.to_vec();
        let grow = |file: &mut [u8], at: usize| {
            let word: [u8; 4] = file[at..at + 4].try_into().expect("four bytes");
            let grown = u32::from_be_bytes(word) + covr.len() as u32;
            file[at..at + 4].copy_from_slice(&grown.to_be_bytes());
        };
        let find = |name: &[u8]| M4A.windows(4).position(|four| four == name).expect("an atom");
        for name in [b"moov", b"udta", b"meta", b"ilst"] {
            grow(&mut file, find(name) - 4);
        }
        let stco = find(b"stco") + 8;
        let count = u32::from_be_bytes(M4A[stco..stco + 4].try_into().expect("four bytes"));
        for n in 1..=count as usize {
            grow(&mut file, stco + 4 * n);
        }
        let at = find(b"ilst") + 4;
        file.splice(at..at, covr);
        file
    }

    #[test]
    fn a_cover_does_not_stay_with_the_demuxer() {
        for (name, file) in [("FLAC", flac()), ("MP3", mp3()), ("MP4", m4a())] {
            let mut found = find(Box::new(Cursor::new(file))).expect("a file that can be played");
            let cover = found.info.take_cover().expect("a cover");
            assert_eq!(cover.data[..], PICTURE, "{name}");
            assert_eq!(cover.media_type.as_deref(), Some("image/png"), "{name}");
            let metadata = found.format.metadata();
            let kept = metadata.current().map_or(0, |revision| revision.media.visuals.len());
            assert_eq!(kept, 0, "{name}");
            let packet = found.format.next_packet().expect("it reads on").expect("a packet");
            assert!(!packet.data.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_cover_is_found_where_the_source_cannot_seek() {
        let source = symphonia::core::io::ReadOnlySource::new(Cursor::new(flac()));
        let found = find(Box::new(source)).expect("a file that can be played");
        assert!(found.info.take_cover().is_some());
    }
}
