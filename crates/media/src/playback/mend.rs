//! What demuxers are shown in place of what stands in a file, so that they read it.
//!
//! symphonia knows neither RF64 (EBU Tech 3306), the WAV of more than 4 GiB, nor that programs
//! which cannot go back to the header leave zeros or ones there for its sizes. And it keeps every
//! picture that it comes across for as long as it reads; so once the cover is known, pictures are
//! made to look like padding.

use std::io::{self, Read, Seek, SeekFrom};

/// Chunks looked at before the samples; real files have a handful.
const CHUNKS_MAX: usize = 64;
/// What a size says that is not known.
const UNKNOWN: u32 = u32::MAX;

/// Bytes that are read in place of a file's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Where the first of them is, from the beginning of the file.
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Patch {
    /// Replaces what it covers of a piece of the file.
    pub(crate) fn apply(&self, at: u64, piece: &mut [u8]) {
        for (byte, place) in self.bytes.iter().zip(self.at..) {
            let index = place.checked_sub(at).and_then(|index| usize::try_from(index).ok());
            if let Some(target) = index.and_then(|index| piece.get_mut(index)) {
                *target = *byte;
            }
        }
    }
}

/// What to change in a WAV file; nothing if it is none, or a sound one.
pub(crate) fn wave<S: Read + Seek>(source: &mut S, start: u64) -> io::Result<Vec<Patch>> {
    let head = read_at(source, start, 12)?;
    let is_large = matches!(head.get(..4), Some(b"RF64" | b"BW64"));
    if !(is_large || head.starts_with(b"RIFF")) || head.get(8..12) != Some(b"WAVE") {
        return Ok(Vec::new());
    }
    let Some(data) = find_data(source, start + 12)? else { return Ok(Vec::new()) };
    let end = source.seek(SeekFrom::End(0))?;
    let there = u32::try_from(end.saturating_sub(data.body)).unwrap_or(UNKNOWN);
    let meant = match (data.size, data.large_size) {
        (UNKNOWN, Some(large)) if is_large => u32::try_from(large).unwrap_or(UNKNOWN).min(there),
        (UNKNOWN, _) => there,
        (0, _) if !data.is_followed_by_list => there,
        (size, _) => size,
    };
    let mut patches = Vec::new();
    if meant != data.size {
        patches.push(Patch { at: data.body - 4, bytes: meant.to_le_bytes().to_vec() });
    }
    let riff_size = u32_at(&head, 4).unwrap_or(0);
    if is_large || start + 8 + u64::from(riff_size) < data.body + u64::from(meant) {
        let bytes = [b"RIFF".as_slice(), &UNKNOWN.to_le_bytes()].concat();
        patches.push(Patch { at: start, bytes });
    }
    Ok(patches)
}

/// The chunk of the samples.
struct Data {
    body: u64,
    size: u32,
    /// Its size by the `ds64` chunk.
    large_size: Option<u64>,
    /// Whether there is another chunk where the samples would begin.
    is_followed_by_list: bool,
}

fn find_data<S: Read + Seek>(source: &mut S, mut at: u64) -> io::Result<Option<Data>> {
    let mut large_size = None;
    for _ in 0..CHUNKS_MAX {
        let head = read_at(source, at, 24)?;
        let (Some(id), Some(size)) = (head.get(..4), u32_at(&head, 4)) else { return Ok(None) };
        if id == b"data" {
            let is_followed_by_list = matches!(head.get(8..12), Some(b"LIST" | b"id3 " | b"ID3 "));
            return Ok(Some(Data { body: at + 8, size, large_size, is_followed_by_list }));
        }
        if id == b"ds64" {
            let size = head.get(16..24).and_then(|size| size.try_into().ok());
            large_size = size.map(u64::from_le_bytes);
        }
        // Chunks begin at even places.
        at += 8 + u64::from(size) + u64::from(size % 2);
    }
    Ok(None)
}

/// What to change in a CAF or AIFF file that was cut short, or whose writer did not know how much
/// would come: its samples go to the end.
pub(crate) fn cut_short<S: Read + Seek>(source: &mut S, start: u64) -> io::Result<Vec<Patch>> {
    // Where chunks begin, how many bytes their size takes, and which one holds the samples.
    let (mut at, width, samples) = match read_at(source, start, 4)?.as_slice() {
        b"caff" => (start + 8, 8, b"data"),
        b"FORM" => (start + 12, 4, b"SSND"),
        _ => return Ok(Vec::new()),
    };
    for _ in 0..CHUNKS_MAX {
        let head = read_at(source, at, 4 + width)?;
        let Some((id, size)) = head.split_at_checked(4) else { break };
        if size.len() as u64 != width {
            break;
        }
        let size = size.iter().fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
        let body = at + 4 + width;
        if id == samples {
            // -1 stands for this in CAF too, and symphonia takes the samples for more chunks then.
            let end = source.seek(SeekFrom::End(0))?;
            if body.saturating_add(size) <= end {
                break;
            }
            let up_to_there = |from: u64| {
                let there = end.saturating_sub(from).to_be_bytes();
                Patch { at: from - width, bytes: there[8 - width as usize..].to_vec() }
            };
            // `FORM` is around all of it; CAF has nothing around its chunks.
            let outer = (width == 4).then(|| up_to_there(start + 8));
            return Ok(outer.into_iter().chain([up_to_there(body)]).collect());
        }
        let padding = if width == 4 { size % 2 } else { 0 };
        at = body.saturating_add(size).saturating_add(padding);
    }
    Ok(Vec::new())
}

/// What to change in a Matroska file that was cut short: how large its segment is, is not known.
pub(crate) fn matroska<S: Read + Seek>(source: &mut S, start: u64) -> io::Result<Option<Patch>> {
    let head = read_at(source, start, 12)?;
    let Some(header) = head.strip_prefix(b"\x1a\x45\xdf\xa3").and_then(vint) else {
        return Ok(None);
    };
    let at = start.saturating_add(4 + header.len as u64).saturating_add(header.value);
    let segment = read_at(source, at, 12)?;
    let Some(size) = segment.strip_prefix(b"\x18\x53\x80\x67").and_then(vint) else {
        return Ok(None);
    };
    let end = source.seek(SeekFrom::End(0))?;
    let body = at + 4 + size.len as u64;
    if size.is_unknown() || body.saturating_add(size.value) <= end {
        return Ok(None);
    }
    let mut bytes = vec![0xff; size.len];
    bytes[0] >>= size.len - 1;
    Ok(Some(Patch { at: at + 4, bytes }))
}

/// A number of EBML (RFC 8794 §4).
struct Vint {
    value: u64,
    len: usize,
}

impl Vint {
    fn is_unknown(&self) -> bool {
        self.value == (1 << (7 * self.len)) - 1
    }
}

fn vint(bytes: &[u8]) -> Option<Vint> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    let whole = bytes.get(..len)?.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    (len <= 8).then_some(Vint { value: whole & ((1 << (7 * len)) - 1), len })
}

/// The type bytes of the pictures in a FLAC file, made those of padding (RFC 9639 §8.1).
pub(crate) fn flac_pictures<S: Read + Seek>(source: &mut S, start: u64) -> io::Result<Vec<Patch>> {
    const PICTURE: u8 = 6;
    const PADDING: u8 = 1;
    const LAST: u8 = 0x80;
    let mut patches = Vec::new();
    if read_at(source, start, 4)? != b"fLaC" {
        return Ok(patches);
    }
    let mut at = start + 4;
    for _ in 0..CHUNKS_MAX {
        let head = read_at(source, at, 4)?;
        let &[kind, a, b, c] = head.as_slice() else { break };
        if kind & !LAST == PICTURE {
            patches.push(Patch { at, bytes: vec![kind & LAST | PADDING] });
        }
        if kind & LAST != 0 {
            break;
        }
        at += 4 + u64::from(u32::from_be_bytes([0, a, b, c]));
    }
    Ok(patches)
}

/// So many bytes from there, or as many as there are.
pub(crate) fn read_at<S: Read + Seek>(source: &mut S, at: u64, len: u64) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    source.by_ref().take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunk(id: [u8; 4], size: u32, body: &[u8]) -> Vec<u8> {
        [&id, size.to_le_bytes().as_slice(), body].concat()
    }

    fn mended(file: &[u8]) -> Vec<u8> {
        let mut shown = file.to_vec();
        for patch in wave(&mut Cursor::new(file), 0).expect("memory can be read") {
            patch.apply(0, &mut shown);
        }
        shown
    }

    fn wav(riff: [u8; 4], riff_size: u32, data_size: u32) -> Vec<u8> {
        let format = chunk(*b"fmt ", 3, &[1, 2, 3, 0]);
        let data = chunk(*b"data", data_size, &[7; 100]);
        [&chunk(riff, riff_size, b"WAVE")[..], &format, &data].concat()
    }

    #[test]
    fn sizes_that_are_not_known_become_those_of_the_file() {
        for size in [0, UNKNOWN] {
            assert_eq!(mended(&wav(*b"RIFF", UNKNOWN, size)), wav(*b"RIFF", UNKNOWN, 100));
        }
        assert_eq!(mended(&wav(*b"RIFF", 0, 100)), wav(*b"RIFF", UNKNOWN, 100));
    }

    #[test]
    fn a_sound_file_and_one_cut_short_are_shown_as_they_are() {
        for file in [wav(*b"RIFF", 124, 100), wav(*b"RIFF", 1024, 1000), b"OggS".repeat(9)] {
            assert_eq!(mended(&file), file);
        }
        let empty = [&wav(*b"RIFF", 24, 0)[..32], b"LIST\x04\0\0\0INFO"].concat();
        assert_eq!(mended(&empty), empty, "no samples, and tags behind them");
    }

    #[test]
    fn rf64_looks_like_riff() {
        let sizes = [500_u64.to_le_bytes(), 90_u64.to_le_bytes()].concat();
        let ds64 = chunk(*b"ds64", 16, &sizes);
        let with = |riff, size| {
            let plain = wav(riff, UNKNOWN, size);
            [&plain[..12], &ds64, &plain[12..]].concat()
        };
        assert_eq!(mended(&with(*b"RF64", UNKNOWN)), with(*b"RIFF", 90));
    }

    #[test]
    fn samples_of_caf_and_aiff_that_are_cut_go_to_the_end() {
        let caf = |size: u64| {
            let desc = b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x03abc";
            [desc.as_slice(), b"data", &size.to_be_bytes(), &[7; 50]].concat()
        };
        let aiff = |size: u64| {
            let comm = b"FORM\0\0\0\0AIFFCOMM\0\0\0\x03abc\0";
            [comm.as_slice(), b"SSND", &(size as u32).to_be_bytes(), &[7; 50]].concat()
        };
        let patch = |file| cut_short(&mut Cursor::new(file), 0).expect("memory can be read");
        assert_eq!((patch(caf(50)), patch(aiff(50))), (vec![], vec![]));
        for size in [51, 5_000, u64::MAX] {
            let bytes = vec![0, 0, 0, 0, 0, 0, 0, 50];
            assert_eq!(patch(caf(size)), [Patch { at: 27, bytes }], "{size}");
            let form = Patch { at: 4, bytes: vec![0, 0, 0, 74] };
            let sound = Patch { at: 28, bytes: vec![0, 0, 0, 50] };
            assert_eq!(patch(aiff(size)), [form, sound], "{size}");
        }
    }

    #[test]
    fn a_matroska_segment_that_is_cut_has_no_known_size() {
        let file = |size: &[u8]| {
            [b"\x1a\x45\xdf\xa3\x83abc\x18\x53\x80\x67".as_slice(), size, &[7; 50]].concat()
        };
        let patch = |size| matroska(&mut Cursor::new(file(size)), 0).expect("memory can be read");
        assert_eq!(patch(&[0x80 + 50]), None);
        assert_eq!(patch(&[0xff]), None, "it is unknown already");
        assert_eq!(patch(&[0x80 + 51]), Some(Patch { at: 12, bytes: vec![0xff] }));
        let long = [1, 0, 0, 0, 0, 0, 1, 0];
        let unknown = vec![1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(patch(&long), Some(Patch { at: 12, bytes: unknown }));
        assert_eq!(patch(&[0, 0, 0]), None, "no number");
    }

    #[test]
    fn a_patch_covers_reads_that_begin_anywhere() {
        let patch = Patch { at: 3, bytes: vec![1, 2, 3] };
        for at in 0..8 {
            let mut piece = [0; 4];
            patch.apply(at, &mut piece);
            let whole = [0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0];
            assert_eq!(piece, whole[at as usize..at as usize + 4], "from {at}");
        }
    }

    #[test]
    fn pictures_in_flac_become_padding() {
        let block = |kind: u8, body: &[u8]| [&[kind, 0, 0, body.len() as u8], body].concat();
        let parts = [b"fLaC".to_vec(), block(0, &[9; 34]), block(6, &[9; 5]), block(0x86, &[9; 6])];
        let file = parts.concat();
        let patches = flac_pictures(&mut Cursor::new(&file), 0).expect("memory can be read");
        let second = 4 + 4 + 34;
        let last = second + 4 + 5;
        assert_eq!(
            patches,
            [Patch { at: second, bytes: vec![1] }, Patch { at: last, bytes: vec![0x81] },]
        );
    }
}
