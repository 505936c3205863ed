//! A link as a source of bytes that can be read, and searched where the server helps.

use std::{
    io::{self, Read, Seek, SeekFrom},
    time::Instant,
};

use bytes::{Buf, Bytes, BytesMut};
use phonograph_media::playback::MediaSource;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue};
use tokio::{runtime::Handle, sync::watch, time::timeout};
use url::Url;

use super::{
    Backoff, Links, Rest, Watch,
    answer::{Answer, Body},
    error::LinkError,
    icy::Icy,
    pace::{Fault, Pace},
    sends_parts, version,
};
use crate::{
    command::Title,
    jukebox::content::{Kind, kind},
};

/// A jump forward of at most this many bytes is read through: on most lines that is sooner done than
/// another request.
const READ_THROUGH_MAX: u64 = 128 * 1024;

/// An open link. Reading blocks and must be done off the runtime's own threads, while the runtime
/// that opened it runs. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) links: Links,
    /// The link as it was given: stations move between servers.
    pub(super) asked: Url,
    /// Where the redirects ended.
    url: Url,
    title: Title,
    /// Its content type.
    pub(super) kind: String,
    pub(super) is_station: bool,
    pub(super) runtime: Handle,
    pub(super) watch: Watch,
    pub(super) pace: Pace,
    /// `None` until the first read after a jump.
    pub(super) body: Option<Body>,
    /// Since a station was lost, until it is well again.
    pub(super) backoff: Option<Backoff>,
    icy: Option<Icy>,
    titles: watch::Sender<Option<Title>>,
    /// What came with titles in it.
    mixed: Bytes,
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

impl Link {
    /// The link that this is the answer to. Has to be called within a runtime.
    pub(super) fn new(links: Links, asked: &Url, answer: Answer) -> Self {
        let len = answer.len;
        let mut this = Self {
            asked: asked.clone(),
            title: answer.title(),
            kind: answer.kind(),
            is_station: answer.is_station(),
            runtime: Handle::current(),
            watch: Watch::default(),
            pace: Pace::new(links.patience, Instant::now()),
            backoff: None,
            icy: None,
            titles: watch::Sender::new(None),
            mixed: Bytes::new(),
            piece: Bytes::new(),
            position: 0,
            wanted: 0,
            len,
            sends_parts: len.is_some() && sends_parts(&answer.headers),
            version: version(&answer.headers),
            body: None,
            url: answer.url.clone(),
            links,
        };
        this.take_titles(&answer);
        this.body = Some(answer.body);
        this
    }

    /// What the station calls itself, the file's name, or the host.
    pub(crate) fn title(&self) -> &Title {
        &self.title
    }

    /// What the station says it plays, as it is read.
    pub(crate) fn titles(&self) -> watch::Receiver<Option<Title>> {
        self.titles.subscribe()
    }

    /// Follows the link.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Whether no end was announced, as of a radio station.
    pub(crate) fn is_endless(&self) -> bool {
        self.len.is_none()
    }

    /// Where the redirects ended.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Looks at the first bytes, which are read again later. Cancel-safe.
    ///
    /// # Errors
    /// If none come, or not soon enough.
    pub(in super::super) async fn look(&mut self) -> Result<Kind, LinkError> {
        let mut head = BytesMut::new();
        let mut is_all = false;
        loop {
            if let Some(kind) = kind(&self.kind, self.url.path(), &head, is_all) {
                self.piece = head.freeze();
                return Ok(kind);
            }
            match self.next_piece().await? {
                Some(piece) => head.extend_from_slice(&piece),
                None => is_all = true,
            }
        }
    }

    /// Reads it to its end, or to so many bytes.
    ///
    /// # Errors
    /// If it breaks off or takes longer than three times `links.patience`.
    pub(crate) async fn read_up_to(mut self, bytes_max: usize) -> Result<Vec<u8>, LinkError> {
        let too_slow = LinkError::TooSlow { host: self.host() };
        // What is read like this is short, and its pace is judged as a whole.
        self.pace.opened();
        let limit = 3 * self.links.patience;
        let reading = async {
            let mut bytes = self.piece.to_vec();
            while bytes.len() < bytes_max {
                let Some(piece) = self.next_piece().await? else { break };
                bytes.extend_from_slice(&piece);
            }
            bytes.truncate(bytes_max);
            Ok(bytes)
        };
        timeout(limit, reading).await.unwrap_or(Err(too_slow))
    }

    /// Takes the titles of a station out of its sound from here on.
    pub(super) fn take_titles(&mut self, answer: &Answer) {
        let interval = answer.headers.get("icy-metaint").and_then(|value| value.to_str().ok());
        self.icy = interval.and_then(|value| value.parse().ok()).and_then(Icy::new);
        self.mixed = Bytes::new();
    }

    /// Fills an empty piece with what comes at the wanted position; it stays empty at the end.
    fn fill(&mut self) -> Result<(), LinkError> {
        if self.len.is_some_and(|len| self.wanted >= len) {
            return Ok(());
        }
        let skip = self.wanted.checked_sub(self.position);
        if self.body.is_none() || skip.is_none_or(|skip| skip > READ_THROUGH_MAX) {
            self.jump()?;
        }
        while self.piece.is_empty() {
            let runtime = self.runtime.clone();
            let piece = match runtime.block_on(self.next_piece()) {
                Ok(Some(piece)) => piece,
                Ok(None) if self.is_station && self.watch.is_known() => {
                    self.recover(LinkError::Ended { host: self.host() })?;
                    continue;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.recover(error)?;
                    continue;
                }
            };
            if self.backoff.as_mut().is_some_and(|backoff| backoff.is_over(piece.len())) {
                self.backoff = None;
            }
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
        self.body = None;
        let answer = self.runtime.block_on(self.links.request(&self.url, Some(&rest)))?;
        if !starts_at(&answer.headers, self.wanted) {
            return Err(LinkError::Changed { host: self.host() });
        }
        self.position = self.wanted;
        self.body = Some(answer.body);
        Ok(())
    }

    /// Waits for the next bytes of sound; `None` at the end. Cancel-safe.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            if let Some(icy) = &mut self.icy {
                let titles = &self.titles;
                let sound = icy.take(&mut self.mixed, |title| {
                    titles.send_if_modified(|last| {
                        let is_new = *last != title;
                        *last = title;
                        is_new
                    });
                });
                if !sound.is_empty() {
                    return Ok(Some(sound));
                }
            }
            let Some(piece) = self.next_chunk().await? else { return Ok(None) };
            if self.icy.is_none() {
                return Ok(Some(piece));
            }
            self.mixed = piece;
        }
    }

    /// Waits for the next bytes; `None` at the end. Cancel-safe.
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, LinkError> {
        if self.watch.is_known() {
            self.pace.opened();
        }
        let host = self.host();
        let Some(body) = &mut self.body else { return Ok(None) };
        let start = Instant::now();
        let limit = self.pace.limit(start);
        if limit.is_zero() {
            return Err(self.too_late(self.pace.fault()));
        }
        match timeout(limit, body.chunk(&host)).await {
            Err(_) => Err(self.too_late(self.pace.fault())),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) => {
                self.watch.end();
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

    pub(super) fn host(&self) -> String {
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
            self.body = None;
            return Err(io::Error::other(self.watch.fail(error)));
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
fn starts_at(headers: &HeaderMap, position: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    start.and_then(|start| start.parse().ok()) == Some(position)
}
