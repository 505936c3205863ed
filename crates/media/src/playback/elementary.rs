//! MP3 without a container and without a header that says how long it is.
//!
//! symphonia takes the first 16 frames for all of them, and what lies behind the end that it works
//! out from that for padding: a file whose bit rate varies would end early. So it is kept from
//! knowing the file's length, and the frames of some more places tell how long it plays. That is
//! an estimate still, good to some percent; only decoding all of it tells more.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use super::mend::read_at;
use super::source::id3_len;

/// How far into a file the first frame is looked for.
const JUNK_BYTES_MAX: u64 = 64 << 10;
/// Where it mostly is.
const FRONT_BYTES: u64 = 8 << 10;
/// Where the frames are counted, and over how many bytes each time.
const PLACES: [f64; 8] = [0.0625, 0.5625, 0.1875, 0.3125, 0.4375, 0.6875, 0.8125, 0.9375];
const PLACE_BYTES: u64 = 16 << 10;
/// So many frames in a row are no coincidence.
const RUN_MIN: usize = 3;

/// How long such a file plays; none if it is something else, or has a header that says so.
pub(crate) fn estimate<S: Read + Seek>(source: &mut S, start: u64) -> io::Result<Option<Duration>> {
    let start = start + id3_len(&read_at(source, start, 10)?).unwrap_or(0);
    let mut front = read_at(source, start, FRONT_BYTES)?;
    if KNOWN.iter().any(|magic| front.starts_with(magic)) || front.get(4..8) == Some(b"ftyp") {
        return Ok(None);
    }
    if run(&front).is_none() {
        front = read_at(source, start, JUNK_BYTES_MAX)?;
    }
    let Some(first) = run(&front) else { return Ok(None) };
    let Some(frame) = Frame::parse(&front[first..]) else { return Ok(None) };
    let head = &front[first..front.len().min(first + frame.bytes)];
    if HEADERS.iter().any(|name| head.windows(4).any(|window| window == *name)) {
        return Ok(None);
    }
    let end = source.seek(SeekFrom::End(0))?;
    let audio = (end - start).saturating_sub(first as u64);
    let mut counted = Counted::default();
    for (n, place) in PLACES.into_iter().enumerate() {
        let at = start + first as u64 + (audio as f64 * place) as u64;
        let is_varying = counted.add(&read_at(source, at, PLACE_BYTES)?);
        // A second place like the first one: the rate is constant. For a link each is a request.
        if n == 1 && !is_varying {
            break;
        }
    }
    let whole = audio as f64 * counted.seconds / counted.bytes.max(1) as f64;
    Ok(Duration::try_from_secs_f64(whole).ok().filter(|whole| !whole.is_zero()))
}

/// Frames that were counted.
#[derive(Default)]
struct Counted {
    bytes: usize,
    seconds: f64,
    bitrate_bps: Option<u32>,
    is_varying: bool,
}

impl Counted {
    /// Counts the frames of a piece. True once there were two bit rates.
    fn add(&mut self, piece: &[u8]) -> bool {
        let mut rest = run(piece).map_or(&[][..], |from| &piece[from..]);
        while let Some(frame) = Frame::parse(rest) {
            self.bytes += frame.bytes;
            self.seconds += frame.seconds;
            let known = *self.bitrate_bps.get_or_insert(frame.bitrate_bps);
            self.is_varying |= known != frame.bitrate_bps;
            rest = rest.get(frame.bytes..).unwrap_or_default();
        }
        self.is_varying
    }
}

/// How other files begin.
const KNOWN: [&[u8]; 7] =
    [b"RIFF", b"OggS", b"fLaC", b"FORM", b"caff", b"RF64", b"\x1a\x45\xdf\xa3"];
/// The names of headers within the first frame: Xing's, LAME's and Fraunhofer's.
const HEADERS: [&[u8; 4]; 3] = [b"Xing", b"Info", b"VBRI"];

/// What a frame's header says (ISO/IEC 11172-3 §2.4.2.3, 13818-3 §2.4.2.3).
struct Frame {
    bytes: usize,
    seconds: f64,
    bitrate_bps: u32,
    /// What does not change from frame to frame.
    kind: [u8; 2],
}

impl Frame {
    /// None if it is no frame of layer III.
    fn parse(bytes: &[u8]) -> Option<Self> {
        const HIGH_KBPS: [u32; 15] =
            [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const LOW_KBPS: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let &[0xff, second, third, ..] = bytes else { return None };
        let version = second >> 3 & 3;
        let is_layer_3 = second & 0xe6 == 0xe2;
        if !is_layer_3 || version == 1 || bytes.len() < 4 {
            return None;
        }
        let is_mpeg_1 = version == 3;
        let kbps = if is_mpeg_1 { HIGH_KBPS } else { LOW_KBPS };
        let bitrate_bps = 1000 * *kbps.get(usize::from(third >> 4)).filter(|kbps| **kbps > 0)?;
        let rate_hz = *[44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?
            >> [2, 0, 1, 0][usize::from(version)];
        let samples = if is_mpeg_1 { 1152 } else { 576 };
        let padding = u32::from(third >> 1 & 1);
        let bytes = (samples / 8 * bitrate_bps / rate_hz + padding) as usize;
        let seconds = f64::from(samples) / f64::from(rate_hz);
        Some(Self { bytes, seconds, bitrate_bps, kind: [second & 0xfe, third & 0x0c] })
    }
}

/// Where the first frames are that follow each other, or end with the bytes.
fn run(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len().saturating_sub(3)).find(|from| {
        let Some(first) = Frame::parse(&bytes[*from..]) else { return false };
        let mut at = from + first.bytes;
        (1..RUN_MIN).all(|_| {
            let Some(rest) = bytes.get(at..) else { return false };
            let next = Frame::parse(rest).filter(|next| next.kind == first.kind);
            at += next.as_ref().map_or(0, |next| next.bytes);
            next.is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// An empty frame of MPEG-1 at 44.1 kHz: 32 to 320 kbit/s.
    fn frame(rate_index: u8) -> Vec<u8> {
        let mut frame = vec![0xff, 0xfb, rate_index << 4, 0];
        let bytes = Frame::parse(&frame).expect("a frame").bytes;
        frame.resize(bytes, 0);
        frame
    }

    fn estimated(file: &[u8]) -> Option<f64> {
        let estimate = estimate(&mut Cursor::new(file), 0).expect("memory can be read");
        estimate.map(|estimate| estimate.as_secs_f64())
    }

    #[test]
    fn a_file_that_begins_quietly_is_not_taken_for_longer_than_it_is() {
        let file = [frame(1).repeat(200), frame(9).repeat(1000), frame(14).repeat(400)].concat();
        let whole = 1600.0 * 1152.0 / 44_100.0;
        let estimated = estimated(&file).expect("an estimate");
        assert!((estimated / whole - 1.0).abs() < 0.2, "{estimated} s of {whole} s");
    }

    #[test]
    fn frames_of_one_size_give_the_very_length() {
        let file = [&[0x55; 3000], &frame(9).repeat(500)[..]].concat();
        let estimated = estimated(&file).expect("an estimate");
        assert!((estimated - 500.0 * 1152.0 / 44_100.0).abs() < 0.05, "{estimated}");
    }

    #[test]
    fn a_file_that_says_how_long_it_is_needs_no_estimate() {
        let mut first = frame(9);
        first[36..40].copy_from_slice(b"Xing");
        assert_eq!(estimated(&[first, frame(9).repeat(50)].concat()), None);
    }

    #[test]
    fn other_files_are_none_of_these() {
        assert_eq!(estimated(&[b"OggS".as_slice(), &frame(9).repeat(50)].concat()), None);
        assert_eq!(estimated(&[0; 5000]), None);
        assert_eq!(estimated(&[0xff; 5000]), None);
        assert_eq!(estimated(&[]), None);
    }
}
