//! What symphonia's MP4 reader leaves out: edit lists, and files that are cut short.
//!
//! An AAC encoder starts with 1024 or more samples that are no music; an edit list (ISO/IEC
//! 14496-12 §8.6.6) says where the music begins and how long it is. And a file whose last atom
//! reaches beyond its end, as a broken download has it, is one that symphonia does not read at all,
//! unless it is told that the file were longer.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek};
use std::ops::Range;

use super::info::COVER_BYTES_MAX;
use super::mend::{Patch, read_at};
use super::queue::Trim;

/// Atoms looked at on the top level; fragmented files have thousands behind the ones that matter.
const ATOMS_MAX: usize = 64;
/// The largest index that is read, tags aside: 24 h of AAC take 16 MiB.
const MOOV_BYTES_MAX: u64 = 32 << 20;

/// Tags looked at to find the pictures among them.
const TAGS_MAX: usize = 256;
/// Where the pictures are, within `moov`.
const COVERS: [[u8; 4]; 4] = [*b"udta", *b"meta", *b"ilst", *b"covr"];

/// What was found out about an MP4 file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    edits: BTreeMap<u32, Edit>,
    /// The name of the atom with the pictures, made one that is passed over.
    pub(crate) pictures: Vec<Patch>,
    /// The same for pictures that are too large to be kept even for a moment.
    pub(crate) large_pictures: Vec<Patch>,
    /// Where the last atom ends by its own word.
    pub(crate) end: u64,
}

/// The one edit of a track, in units of its own and of the movie's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edit {
    media_time: u64,
    media_scale: u32,
    duration: u64,
    movie_scale: u32,
}

impl Survey {
    /// Reads what is to be known, and leaves the source where it stands after that. A source that
    /// is no MP4 file has no edits and no end.
    pub(crate) fn of<S: Read + Seek>(source: &mut S, start: u64) -> io::Result<Self> {
        let mut survey = Self::default();
        let mut at = start;
        let mut has_moov = false;
        for n in 0..ATOMS_MAX {
            let Some(atom) = AtomHeader::parse(&read_at(source, at, 16)?) else { break };
            if n == 0 && &atom.kind != b"ftyp" {
                break;
            }
            let Some(size) = atom.size else { break };
            survey.end = at.saturating_add(size).saturating_sub(start);
            if &atom.kind == b"moov" {
                survey.read_moov(source, at + atom.header_len as u64..at.saturating_add(size))?;
                has_moov = true;
            }
            // Behind the samples is nothing more to learn, and to seek there may cost a request.
            if &atom.kind == b"mdat" && has_moov {
                break;
            }
            at = at.saturating_add(size);
        }
        Ok(survey)
    }

    fn read_moov<S: Read + Seek>(&mut self, source: &mut S, body: Range<u64>) -> io::Result<()> {
        let covers = if body.end - body.start <= MOOV_BYTES_MAX {
            let moov = read_at(source, body.start, body.end - body.start)?;
            self.edits = edits(&moov);
            let covers = find(&mut Cursor::new(&moov), 0..moov.len() as u64, &COVERS)?;
            covers.map(|covers| covers.start + body.start..covers.end + body.start)
        } else {
            self.edits = edits(&without_tags(source, body.clone())?);
            find(source, body, &COVERS)?
        };
        if let Some(covers) = covers {
            let is_large = covers.end - covers.start > COVER_BYTES_MAX as u64;
            let patch = Patch { at: covers.start + 4, bytes: b"free".to_vec() };
            if is_large { self.large_pictures.push(patch) } else { self.pictures.push(patch) }
        }
        Ok(())
    }

    /// What to cut from a track, in samples at its rate.
    pub(crate) fn trim(&self, track_id: u32, rate_hz: u32) -> Option<Trim> {
        let edit = self.edits.get(&track_id)?;
        let samples = |units: u64, scale: u32| {
            let samples = u128::from(units) * u128::from(rate_hz) / u128::from(scale.max(1));
            u64::try_from(samples).unwrap_or(u64::MAX)
        };
        Some(Trim {
            delay: samples(edit.media_time, edit.media_scale),
            length: (edit.duration > 0).then(|| samples(edit.duration, edit.movie_scale)),
        })
    }
}

/// The front of an atom (ISO/IEC 14496-12 §4.2).
struct AtomHeader {
    kind: [u8; 4],
    /// The header included; none if it reaches to the end of the file.
    size: Option<u64>,
    header_len: usize,
}

impl AtomHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let kind = bytes.get(4..8)?.try_into().ok()?;
        let (size, header_len) = match u32_at(bytes, 0)? {
            0 => (None, 8),
            1 => (Some(u64_at(bytes, 8)?), 16),
            size => (Some(u64::from(size)), 8),
        };
        let is_sound = size.is_none_or(|size| size >= header_len as u64);
        is_sound.then_some(Self { kind, size, header_len })
    }
}

/// The atoms within one, as far as they are whole.
fn children(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let atom = AtomHeader::parse(bytes)?;
        let size = atom.size.map_or(Some(bytes.len()), |size| usize::try_from(size).ok())?;
        let body = bytes.get(atom.header_len..size)?;
        bytes = &bytes[size..];
        Some((atom.kind, body))
    })
}

fn child<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| {
        children(bytes).find(|(found, _)| found == *kind).map(|(_, body)| body)
    })
}

/// The atom at the end of a path, header included.
fn find<S: Read + Seek>(
    source: &mut S,
    within: Range<u64>,
    path: &[[u8; 4]],
) -> io::Result<Option<Range<u64>>> {
    let Some((wanted, rest)) = path.split_first() else { return Ok(Some(within)) };
    let mut at = within.start;
    for _ in 0..TAGS_MAX {
        let Some(atom) = AtomHeader::parse(&read_at(source, at, 16)?) else { break };
        let end = atom.size.map_or(within.end, |size| at.saturating_add(size)).min(within.end);
        if atom.kind == *wanted {
            let mut body = at + atom.header_len as u64;
            // An atom with version and flags, but not so in files of QuickTime.
            if wanted == b"meta" && read_at(source, body, 8)?.get(4..8) != Some(b"hdlr") {
                body += 4;
            }
            return if rest.is_empty() { Ok(Some(at..end)) } else { find(source, body..end, rest) };
        }
        if end >= within.end {
            break;
        }
        at = end;
    }
    Ok(None)
}

/// The index of a file whose tags are larger than the rest of it.
fn without_tags<S: Read + Seek>(source: &mut S, within: Range<u64>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut at = within.start;
    for _ in 0..ATOMS_MAX {
        let Some(atom) = AtomHeader::parse(&read_at(source, at, 16)?) else { break };
        let Some(size) = atom.size.filter(|size| at.saturating_add(*size) <= within.end) else {
            break;
        };
        if &atom.kind != b"udta" && kept.len() as u64 + size <= MOOV_BYTES_MAX {
            kept.extend(read_at(source, at, size)?);
        }
        at += size;
    }
    Ok(kept)
}

fn edits(moov: &[u8]) -> BTreeMap<u32, Edit> {
    let movie_scale = child(moov, &[b"mvhd"]).and_then(|mvhd| u32_at(mvhd, dates_len(mvhd)));
    children(moov)
        .filter(|(kind, _)| kind == b"trak")
        .filter_map(|(_, trak)| {
            let tkhd = child(trak, &[b"tkhd"])?;
            let mdhd = child(trak, &[b"mdia", b"mdhd"])?;
            let (media_time, duration) = only_edit(child(trak, &[b"edts", b"elst"])?)?;
            let edit = Edit {
                media_time,
                media_scale: u32_at(mdhd, dates_len(mdhd))?,
                duration,
                movie_scale: movie_scale?,
            };
            Some((u32_at(tkhd, dates_len(tkhd))?, edit))
        })
        .collect()
}

/// Bytes before what follows the two dates in `mvhd`, `tkhd` and `mdhd`: version, flags, dates.
fn dates_len(body: &[u8]) -> usize {
    if body.first() == Some(&1) { 4 + 16 } else { 4 + 8 }
}

/// Media time and duration of the edit, if there is one only; a film that was really cut is played
/// uncut. Empty edits before it delay a track against others, of which a call has none.
fn only_edit(elst: &[u8]) -> Option<(u64, u64)> {
    let count = u32_at(elst, 4)? as usize;
    let is_long = elst.first() == Some(&1);
    let mut entries = elst.get(8..)?.chunks_exact(if is_long { 20 } else { 12 }).take(count.min(8));
    let mut edit = None;
    for entry in entries.by_ref() {
        let (duration, media_time) = if is_long {
            (u64_at(entry, 0)?, u64_at(entry, 8)?.cast_signed())
        } else {
            (u64::from(u32_at(entry, 0)?), i64::from(u32_at(entry, 4)?.cast_signed()))
        };
        let Ok(media_time) = u64::try_from(media_time) else { continue };
        if edit.replace((media_time, duration)).is_some() {
            return None;
        }
    }
    edit
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        [(body.len() as u32 + 8).to_be_bytes().as_slice(), &kind, body].concat()
    }

    /// Version 0 headers: flags, two dates, then the value.
    fn dated(kind: [u8; 4], value: u32) -> Vec<u8> {
        atom(kind, &[&[0; 12], value.to_be_bytes().as_slice(), &[0; 8]].concat())
    }

    fn moov(elst: &[u32]) -> Vec<u8> {
        let elst: Vec<u8> = elst.iter().flat_map(|word| word.to_be_bytes()).collect();
        let edts = atom(*b"edts", &atom(*b"elst", &elst));
        let mdia = atom(*b"mdia", &dated(*b"mdhd", 44_100));
        let trak = atom(*b"trak", &[dated(*b"tkhd", 7), edts, mdia].concat());
        atom(*b"moov", &[dated(*b"mvhd", 1_000), trak].concat())
    }

    fn survey(parts: &[Vec<u8>]) -> Survey {
        Survey::of(&mut Cursor::new(parts.concat()), 0).expect("memory can be read")
    }

    #[test]
    fn an_edit_says_where_the_music_begins_and_ends() {
        // Half a second of nothing, then two seconds from sample 1024 on.
        let moov = moov(&[0, 2, 500, u32::MAX, 1 << 16, 2_000, 1024, 1 << 16]);
        let survey = survey(&[atom(*b"ftyp", b"M4A "), moov]);
        assert_eq!(survey.trim(7, 44_100), Some(Trim { delay: 1024, length: Some(88_200) }));
        assert_eq!(survey.trim(7, 22_050), Some(Trim { delay: 512, length: Some(44_100) }));
        assert_eq!(survey.trim(8, 44_100), None);
    }

    #[test]
    fn a_film_with_cuts_is_left_uncut() {
        let moov = moov(&[0, 2, 500, 0, 1 << 16, 2_000, 9_999, 1 << 16]);
        assert_eq!(survey(&[atom(*b"ftyp", b"M4A "), moov]).trim(7, 44_100), None);
    }

    #[test]
    fn the_covers_are_found_by_name() {
        for flags in [&[0; 4][..], &[]] {
            let covr = atom(*b"covr", &atom(*b"data", &[7; 50]));
            let ilst = atom(*b"ilst", &[atom(*b"free", &[1; 9]), covr].concat());
            let meta = atom(*b"meta", &[flags, &atom(*b"hdlr", &[0; 24]), &ilst].concat());
            let moov = atom(*b"moov", &[dated(*b"mvhd", 1), atom(*b"udta", &meta)].concat());
            let file = [atom(*b"ftyp", b"M4A "), moov];
            let at =
                file.concat().windows(4).position(|four| four == b"covr").expect("it is there");
            let expected = Patch { at: at as u64, bytes: b"free".to_vec() };
            assert_eq!(survey(&file).pictures, [expected]);
        }
    }

    #[test]
    fn an_index_with_a_cover_of_50_mib_is_read_without_it() {
        let covr = atom(*b"covr", &atom(*b"data", &vec![7; 50 << 20]));
        let meta = atom(*b"meta", &[vec![0; 4], atom(*b"ilst", &covr)].concat());
        let whole = moov(&[0, 1, 2_000, 1024, 1 << 16]);
        let moov = atom(*b"moov", &[&whole[8..], &atom(*b"udta", &meta)].concat());
        let survey = survey(&[atom(*b"ftyp", b"M4A "), moov]);
        assert_eq!(survey.trim(7, 44_100), Some(Trim { delay: 1024, length: Some(88_200) }));
        assert_eq!((survey.pictures.len(), survey.large_pictures.len()), (0, 1));
    }

    #[test]
    fn the_end_is_where_the_last_atom_says() {
        let mut file = [atom(*b"ftyp", b"M4A "), moov(&[0, 0]), atom(*b"mdat", &[0; 500])];
        let whole = file.concat().len() as u64;
        file[2].truncate(20);
        assert_eq!(survey(&file).end, whole);
        assert_eq!(survey(&[b"OggS and so on and on".to_vec()]), Survey::default());
    }
}
