//! A link as a source of bytes that can be read, and searched where the server helps.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::{Buf, Bytes};
use percent_encoding::percent_decode_str;
use phonograph_media::playback::MediaSource;
use reqwest::{
    Response,
    header::{CONTENT_RANGE, HeaderValue},
};
use tokio::{runtime::Handle, time::timeout};
use url::Url;

use super::{
    Links, Rest,
    error::LinkError,
    pace::{Fault, Pace},
    sends_parts, version,
};
use crate::command::Title;

/// A jump forward of at most this many bytes is read through: on most lines that is sooner done than
/// another request.
const READ_THROUGH_MAX: u64 = 128 * 1024;

/// An open link. Reading blocks and must be done off the runtime's own threads, while the runtime
/// that opened it runs. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Link {
    links: Links,
    /// Where the redirects ended.
    url: Url,
    title: Title,
    runtime: Handle,
    watch: Watch,
    pace: Pace,
    /// `None` until the first read after a jump.
    response: Option<Response>,
    /// What came and was not read yet.
    piece: Bytes,
    /// Of the next byte that comes.
    position: u64,
    /// Where the reader wants to go on.
    wanted: u64,
    len: Option<u64>,
    sends_parts: bool,
    version: Option<HeaderValue>,
}

/// Follows a link after whoever reads it has taken it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    is_music: AtomicBool,
    has_ended: AtomicBool,
    failure: OnceLock<Arc<LinkError>>,
}

impl Watch {
    /// Says that the link has turned out to be music: it may take its time from now on.
    pub(crate) fn is_music(&self) {
        self.0.is_music.store(true, Ordering::Relaxed);
    }

    /// Whether the link has given all its bytes once.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Relaxed)
    }

    /// Why the link gives no more bytes, if it failed. Decoders tell less about it, or nothing.
    pub(crate) fn failure(&self) -> Option<Arc<LinkError>> {
        self.0.failure.get().cloned()
    }
}

impl Link {
    /// The link that this is the answer to. Has to be called within a runtime.
    pub(super) fn new(links: Links, response: Response) -> Self {
        let url = response.url().clone();
        let len = response.content_length();
        Self {
            title: title(&response),
            runtime: Handle::current(),
            watch: Watch::default(),
            pace: Pace::new(links.patience, Instant::now()),
            piece: Bytes::new(),
            position: 0,
            wanted: 0,
            len,
            sends_parts: len.is_some() && sends_parts(&response),
            version: version(&response),
            response: Some(response),
            url,
            links,
        }
    }

    /// What the station calls itself, the file's name, or the host.
    pub(crate) fn title(&self) -> &Title {
        &self.title
    }

    /// Follows the link.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Whether no end was announced, as of a radio station.
    pub(crate) fn is_endless(&self) -> bool {
        self.len.is_none()
    }

    /// Fills an empty piece with what comes at the wanted position; it stays empty at the end.
    fn fill(&mut self) -> Result<(), LinkError> {
        if self.len.is_some_and(|len| self.wanted >= len) {
            return Ok(());
        }
        let skip = self.wanted.checked_sub(self.position);
        if self.response.is_none() || skip.is_none_or(|skip| skip > READ_THROUGH_MAX) {
            self.jump()?;
        }
        while self.piece.is_empty() {
            let Some(piece) = self.next_piece()? else { return Ok(()) };
            self.piece = piece;
            let skip = (self.wanted - self.position).min(self.piece.len() as u64);
            self.piece.advance(skip as usize);
            self.position += skip;
        }
        Ok(())
    }

    /// Asks the server to go on at the wanted position.
    fn jump(&mut self) -> Result<(), LinkError> {
        let rest = Rest { from: self.wanted, version: self.version.clone() };
        self.response = None;
        let response = self.runtime.block_on(self.links.request(&self.url, Some(&rest)))?;
        if !starts_at(&response, self.wanted) {
            return Err(LinkError::Changed { host: self.host() });
        }
        self.position = self.wanted;
        self.response = Some(response);
        Ok(())
    }

    /// Waits for the next bytes; `None` at the end.
    fn next_piece(&mut self) -> Result<Option<Bytes>, LinkError> {
        if self.watch.0.is_music.load(Ordering::Relaxed) {
            self.pace.opened();
        }
        let Some(response) = &mut self.response else { return Ok(None) };
        let start = Instant::now();
        let limit = self.pace.limit(start);
        if limit.is_zero() {
            return Err(self.too_late(self.pace.fault()));
        }
        match self.runtime.block_on(async { timeout(limit, response.chunk()).await }) {
            Err(_) => Err(self.too_late(self.pace.fault())),
            Ok(Err(error)) => {
                Err(LinkError::Broken { host: self.host(), source: error.without_url() })
            }
            Ok(Ok(None)) => {
                self.watch.0.has_ended.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Ok(Ok(Some(piece))) => match self.pace.received(piece.len(), start.elapsed()) {
                Ok(()) => Ok(Some(piece)),
                Err(fault) => Err(self.too_late(fault)),
            },
        }
    }

    fn too_late(&self, fault: Fault) -> LinkError {
        let host = self.host();
        match fault {
            Fault::TooSlow => LinkError::TooSlow { host },
            Fault::Endless => LinkError::Endless { host },
        }
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = self.watch.failure() {
            return Err(io::Error::other(failure));
        }
        if self.piece.is_empty()
            && let Err(error) = self.fill()
        {
            self.response = None;
            let failure = Arc::new(error);
            // Only this reader sets it, and it was not set a moment ago.
            drop(self.watch.0.failure.set(Arc::clone(&failure)));
            return Err(io::Error::other(failure));
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.position += count as u64;
        self.wanted += count as u64;
        Ok(count)
    }
}

impl Seek for Link {
    /// Only notes where to go on, so that several jumps in a row cost one request.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let unsupported = || io::Error::from(io::ErrorKind::Unsupported);
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.wanted.checked_add_signed(by),
            SeekFrom::End(by) => self.len.ok_or_else(unsupported)?.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        if target != self.wanted && !self.sends_parts {
            return Err(unsupported());
        }
        let within = target.checked_sub(self.position).filter(|by| *by < self.piece.len() as u64);
        if let Some(by) = within {
            self.piece.advance(by as usize);
            self.position = target;
        } else {
            // The next byte that comes lies behind what is left of the piece.
            self.position += self.piece.len() as u64;
            self.piece.clear();
        }
        self.wanted = target;
        Ok(target)
    }
}

impl MediaSource for Link {
    fn is_seekable(&self) -> bool {
        self.sends_parts
    }

    fn byte_len(&self) -> Option<u64> {
        self.len
    }
}

/// Whether a part begins where it was asked to (`bytes 500-999/1000`).
fn starts_at(response: &Response, position: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    start.and_then(|start| start.parse().ok()) == Some(position)
}

/// What to call an answer: the station's name for itself, the file's name, or the host.
pub(super) fn title(response: &Response) -> Title {
    let url = response.url();
    let station = response.headers().get("icy-name").map(HeaderValue::as_bytes);
    let station = station.map(|name| String::from_utf8_lossy(name).into_owned());
    let name = url.path_segments().and_then(|mut parts| parts.next_back());
    let name = name.map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned());
    let stem = name.map(|name| match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name,
    });
    let said = station.into_iter().chain(stem).find(|name| !name.trim().is_empty());
    Title::new(&said.unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned()))
}
