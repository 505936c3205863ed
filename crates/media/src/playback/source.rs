//! The caller's bytes, watched.
//!
//! symphonia swallows some errors of its source while it probes, and has no limit on how much it
//! reads to find a packet. So the source is wrapped: errors are kept, bytes are counted and
//! rationed.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use symphonia::core::io::MediaSource;

use super::elementary;
use super::front::Front;
use super::mend::{self, Patch};
use super::mp4::Survey;

/// An ID3 tag up to this size is read for its title; a larger one holds pictures above all, and
/// is passed over unread.
const ID3_BYTES_MAX: u64 = 4 << 20;
/// How much of a source that cannot seek is read to get past a large tag.
const ID3_SKIP_MAX: u64 = 256 << 20;
/// `ID3v2` §3.1: identifier, version, flags and size.
const ID3_HEADER_LEN: usize = 10;

/// What a demuxer did to its source.
#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    /// How many bytes may still be read before reading fails.
    ration: u64,
    exhausted: bool,
    error: Option<io::Error>,
    length_was_asked: bool,
    pictures_are_hidden: bool,
}

/// The watcher's end: outlives the demuxer's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Seen>>);

impl Watch {
    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.seen().bytes
    }

    /// Lets so many more bytes be read.
    pub(crate) fn ration(&self, bytes: u64) {
        self.seen().ration = bytes;
    }

    /// Whether reading failed because the ration was used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.seen().exhausted
    }

    /// The first error of the source itself, once.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.seen().error.take()
    }

    /// From now on the source looks as if it had no pictures in it.
    pub(crate) fn hide_pictures(&self) {
        let mut seen = self.seen();
        seen.pictures_are_hidden = true;
        seen.length_was_asked = false;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A demuxer that panicked while it read left plain numbers behind, which still hold.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was found out before the demuxer begins.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// About MP4 files.
    pub(crate) mp4: Survey,
    /// How long an MP3 without a header plays, about.
    pub(crate) mp3_length: Option<Duration>,
    /// Whether it is a CAF file.
    pub(crate) is_caf: bool,
}

/// The demuxer's end.
pub(crate) struct Watched {
    inner: Front,
    watch: Watch,
    /// Behind a tag that was passed over.
    start: u64,
    /// Where an MP4 file ends by its own word.
    claimed_end: u64,
    /// Where the source stands, if it can seek.
    at: u64,
    patches: Vec<Patch>,
    /// More of them, once pictures are hidden.
    pictures: Vec<Patch>,
    /// Where a tag at the front ends; it is passed over once pictures are hidden.
    tag_end: u64,
    /// Whether the demuxer must not know how long the source is; the probe may.
    hides_length: bool,
    /// Bytes that were looked at and are still to be read by the demuxer.
    peeked: Vec<u8>,
    peeked_at: usize,
}

impl Watched {
    /// Wraps a source, passes over a large tag at its front, and looks at what the demuxer does
    /// not.
    pub(crate) fn new(inner: Box<dyn MediaSource>, watch: Watch) -> io::Result<(Self, Findings)> {
        let mut watched = Self {
            inner: Front::new(inner),
            watch,
            start: 0,
            claimed_end: 0,
            at: 0,
            patches: Vec::new(),
            pictures: Vec::new(),
            tag_end: 0,
            hides_length: false,
            peeked: Vec::new(),
            peeked_at: 0,
        };
        let head = watched.pass_large_tag()?;
        let mut findings = Findings { is_caf: head.starts_with(b"caff"), ..Findings::default() };
        if watched.inner.is_seekable() {
            let Self { inner, start, tag_end, .. } = &mut watched;
            findings.mp4 = Survey::of(inner, *start)?;
            findings.mp3_length = elementary::estimate(inner, *start)?;
            let mut patches = mend::wave(inner, *start)?;
            patches.extend(mend::cut_short(inner, *start)?);
            patches.extend(mend::matroska(inner, *start)?);
            patches.append(&mut findings.mp4.large_pictures);
            let mut pictures = std::mem::take(&mut findings.mp4.pictures);
            pictures.extend(mend::flac_pictures(inner, (*start).max(*tag_end))?);
            watched.claimed_end = findings.mp4.end;
            watched.hides_length = findings.mp3_length.is_some();
            watched.patches = patches;
            watched.pictures = pictures;
            watched.at = watched.inner.seek(SeekFrom::Start(watched.start))?;
        }
        Ok((watched, findings))
    }

    /// Answers with the first bytes of the source.
    fn pass_large_tag(&mut self) -> io::Result<[u8; ID3_HEADER_LEN]> {
        let mut header = Vec::with_capacity(ID3_HEADER_LEN);
        self.inner.by_ref().take(ID3_HEADER_LEN as u64).read_to_end(&mut header)?;
        self.watch.seen().bytes += header.len() as u64;
        let mut head = [0; ID3_HEADER_LEN];
        head[..header.len()].copy_from_slice(&header);
        let tag = id3_len(&header);
        self.tag_end = tag.unwrap_or(0);
        let tag = tag.filter(|len| *len > ID3_BYTES_MAX);
        match tag {
            Some(len) if self.inner.is_seekable() => {
                self.start = len;
            }
            Some(len) => {
                let rest = len - header.len() as u64;
                io::copy(&mut self.inner.by_ref().take(rest.min(ID3_SKIP_MAX)), &mut io::sink())?;
            }
            // It is read again from the start.
            None if self.inner.is_seekable() => {}
            None => self.peeked = header,
        }
        Ok(head)
    }

    /// Where the demuxer's first byte is.
    fn first(&self) -> u64 {
        let hides = self.inner.is_seekable() && self.watch.seen().pictures_are_hidden;
        if hides { self.start.max(self.tag_end) } else { self.start }
    }

    fn show(&self, piece: &mut [u8]) {
        let hidden = self.watch.seen().pictures_are_hidden.then_some(&self.pictures);
        for patch in self.patches.iter().chain(hidden.into_iter().flatten()) {
            patch.apply(self.at, piece);
        }
    }

    fn note(&self, error: io::Error) -> io::Error {
        // A call that was interrupted is repeated by whoever made it, and to be sent outside of a
        // file is the file's fault.
        if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::InvalidInput) {
            return error;
        }
        let stand_in = io::Error::from(error.kind());
        self.watch.seen().error.get_or_insert(error);
        stand_in
    }
}

/// How long the `ID3v2` tag is that these bytes begin, header and footer included.
pub(crate) fn id3_len(header: &[u8]) -> Option<u64> {
    let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = header else { return None };
    if [a, b, c, d].iter().any(|byte| *byte > 0x7f) {
        return None;
    }
    let size = [a, b, c, d].iter().fold(0_u64, |size, byte| size << 7 | u64::from(*byte));
    let footer = if flags & 0x10 == 0 { 0 } else { ID3_HEADER_LEN as u64 };
    Some(size + ID3_HEADER_LEN as u64 + footer)
}

impl Read for Watched {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.peeked_at < self.peeked.len() {
            let len = (&self.peeked[self.peeked_at..]).read(buf)?;
            self.peeked_at += len;
            return Ok(len);
        }
        let ration = self.watch.seen().ration;
        if ration == 0 && !buf.is_empty() {
            self.watch.seen().exhausted = true;
            return Err(io::Error::other("read further than any real file needs"));
        }
        let wanted = buf.len().min(usize::try_from(ration).unwrap_or(usize::MAX));
        let len = self.inner.read(&mut buf[..wanted]).map_err(|error| self.note(error))?;
        self.show(&mut buf[..len]);
        self.at += len as u64;
        let mut seen = self.watch.seen();
        seen.bytes += len as u64;
        seen.ration = seen.ration.saturating_sub(len as u64);
        Ok(len)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(at.saturating_add(self.first())),
            SeekFrom::End(_) | SeekFrom::Current(_) => to,
        };
        let at = self.inner.seek(to).map_err(|error| self.note(error))?;
        self.at = at;
        let at = at.checked_sub(self.first()).ok_or(io::ErrorKind::InvalidInput)?;
        // This is how symphonia asks for the length of an MP4 file before it reads it.
        Ok(if to == SeekFrom::End(0) { at.max(self.claimed_end) } else { at })
    }
}

impl MediaSource for Watched {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        // The probe asks first, to look for tags at the end.
        if std::mem::replace(&mut self.watch.seen().length_was_asked, true) && self.hides_length {
            return None;
        }
        self.inner.byte_len().map(|len| len.saturating_sub(self.first()))
    }
}
