//! A segmented stream as a source of bytes.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use bytes::{Buf, Bytes};
use phonograph_media::playback::MediaSource;
use tokio::{runtime::Handle, time::sleep};
use tracing::debug;
use url::Url;

use super::{
    HlsError,
    container::Container,
    index::{self, Index, Key, Media, Part, Segment},
    window::Window,
};
use crate::{
    command::Title,
    jukebox::link::{Backoff, LinkError, Links, Watch},
};

/// The largest segment, in bytes: ten seconds of the best picture around the sound.
const SEGMENT_BYTES_MAX: usize = 32 << 20;
/// An AES-128 key has this many bytes; so has what locks a header of MP4, which is small.
const KEY_LEN: usize = 16;
/// The largest header of fragments, in bytes.
const MAP_BYTES_MAX: usize = 1 << 20;
/// How often a segment is asked for before it is passed over, or the stream is given up.
const ATTEMPTS_MAX: u32 = 3;
/// How many segments in a row may hold nothing.
const EMPTY_MAX: u32 = 16;
/// How long an index may stay as it is before the stream is taken for dead.
const STALE_MAX: Duration = Duration::from_mins(2);
/// How long is waited before it is looked again whether anybody still listens.
const NAP_MAX: Duration = Duration::from_millis(500);

/// An open stream. Reading blocks and must be done off the runtime's own threads, while the runtime
/// that opened it runs. It cannot be searched.
#[derive(Debug)]
pub(crate) struct Hls {
    links: Links,
    index: Url,
    title: Title,
    runtime: Handle,
    watch: Watch,
    window: Window,
    /// When the index is read again.
    reload_at: Instant,
    /// When the index last had news.
    news_at: Instant,
    attempts: u32,
    empty: u32,
    backoff: Option<Backoff>,
    key: Option<(Url, [u8; KEY_LEN])>,
    map: Option<Arc<Part>>,
    container: Option<Container>,
    /// What came and was not read yet.
    piece: Bytes,
    read: u64,
}

/// What an attempt to go on came to.
enum Step {
    /// There is something to read, or another attempt to make.
    On,
    /// Nothing follows.
    Over,
}

impl Hls {
    /// Chooses a stream of an index that was found at a link, and opens it. Has to be called within a
    /// runtime. Cancel-safe.
    ///
    /// # Errors
    /// If there is no stream with sound, or its own index cannot be had.
    pub(crate) async fn open(
        links: Links,
        text: &str,
        at: &Url,
        title: Title,
    ) -> Result<Self, LinkError> {
        let failed = |source| LinkError::Stream { host: host(at), source };
        let (index, media) = match index::read(text, at) {
            Index::Media(media) => (at.clone(), media),
            Index::Master(master) => {
                let chosen = master.choose().ok_or(failed(HlsError::NoStream))?;
                let media = read_index(&links, chosen).await?;
                (chosen.clone(), media.ok_or(failed(HlsError::NoStream))?)
            }
        };
        if media.segments.is_empty() {
            return Err(failed(HlsError::NoSegments));
        }
        let now = Instant::now();
        let mut window = Window::default();
        window.update(media);
        Ok(Self {
            reload_at: now + window.pause(true),
            news_at: now,
            links,
            index,
            title,
            runtime: Handle::current(),
            watch: Watch::default(),
            window,
            attempts: 0,
            empty: 0,
            backoff: None,
            key: None,
            map: None,
            container: None,
            piece: Bytes::new(),
            read: 0,
        })
    }

    /// What the link is called.
    pub(crate) fn title(&self) -> &Title {
        &self.title
    }

    /// Follows the stream.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Whether it is live.
    pub(crate) fn is_endless(&self) -> bool {
        !self.window.is_over()
    }

    /// Fills an empty piece; it stays empty at the end.
    fn fill(&mut self) -> Result<(), LinkError> {
        let runtime = self.runtime.clone();
        while self.piece.is_empty() {
            match runtime.block_on(self.advance()) {
                Ok(Step::On) => {}
                Ok(Step::Over) => {
                    self.watch.end();
                    return Ok(());
                }
                Err(error) => runtime.block_on(self.recover(error))?,
            }
        }
        Ok(())
    }

    /// Gets the next segment, or looks whether there is one.
    async fn advance(&mut self) -> Result<Step, LinkError> {
        if let Some((number, segment)) = self.window.front().cloned() {
            let sound = self.sound(number, &segment).await?;
            self.window.pass();
            self.attempts = 0;
            self.empty = if sound.is_empty() { self.empty + 1 } else { 0 };
            if self.empty > EMPTY_MAX {
                return Err(self.failed(HlsError::Empty));
            }
            if self.backoff.as_mut().is_some_and(|backoff| backoff.is_over(sound.len())) {
                self.backoff = None;
            }
            self.piece = sound.into();
            return Ok(Step::On);
        }
        if self.window.is_over() {
            return Ok(Step::Over);
        }
        let pause = self.reload_at.saturating_duration_since(Instant::now());
        if !self.rest(pause).await {
            return Ok(Step::Over);
        }
        let media = read_index(&self.links, &self.index).await?;
        let media = media.ok_or(self.failed(HlsError::NoStream))?;
        let had_news = self.window.update(media);
        let now = Instant::now();
        if had_news {
            self.news_at = now;
        }
        self.reload_at = now + self.window.pause(had_news);
        if now > self.news_at + STALE_MAX && !self.window.is_over() {
            let source = Box::new(LinkError::Ended { host: host(&self.index) });
            return Err(LinkError::Gone { host: host(&self.index), source });
        }
        Ok(Step::On)
    }

    /// What to do about trouble: another attempt after a pause, or nothing.
    async fn recover(&mut self, trouble: LinkError) -> Result<(), LinkError> {
        self.attempts += 1;
        let is_vod = self.window.is_over();
        if !trouble.may_pass()
            || !self.watch.is_known()
            || (is_vod && self.attempts >= ATTEMPTS_MAX)
        {
            return Err(trouble);
        }
        debug!(error = phonograph_call::chain(&trouble), "a part of a stream did not come");
        if self.attempts >= ATTEMPTS_MAX {
            // It has slid out of the window, or nobody will ever get it.
            self.window.pass();
            self.attempts = 0;
        }
        let backoff = self.backoff.get_or_insert_with(|| Backoff::new(Instant::now()));
        let Some(pause) = backoff.pause(Instant::now(), rand::random()) else {
            return Err(LinkError::Gone { host: host(&self.index), source: Box::new(trouble) });
        };
        if self.rest(pause).await { Ok(()) } else { Err(trouble) }
    }

    /// Waits; false as soon as nobody listens any more.
    async fn rest(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while !self.watch.is_alone() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            sleep(left.min(NAP_MAX)).await;
        }
        false
    }

    /// Gets a segment and what belongs before it, unlocks it and takes its sound out.
    async fn sound(&mut self, number: u64, segment: &Segment) -> Result<Vec<u8>, LinkError> {
        let Part { url, range } = &segment.part;
        let mut bytes = self.links.get(url, *range, SEGMENT_BYTES_MAX).await?;
        if let Some(key) = &segment.key {
            self.unlock(number, key, &mut bytes).await?;
        }
        let has_map = segment.map.is_some();
        let head = self.head(segment.map.as_ref()).await?;
        let container = self.container.get_or_insert_with(|| Container::of(&bytes, has_map));
        if !container.fits(&bytes, has_map) {
            return Err(LinkError::OtherFormat {
                host: host(&self.index),
                kind: "other segments".to_owned(),
            });
        }
        let sound = container.unpack(bytes).map_err(|source| self.failed(source))?;
        Ok([head, sound].concat())
    }

    /// What has to be read before a segment, once.
    async fn head(&mut self, map: Option<&Arc<Part>>) -> Result<Vec<u8>, LinkError> {
        let Some(map) = map.filter(|map| self.map.as_ref() != Some(*map)) else {
            return Ok(Vec::new());
        };
        if self.map.is_some() {
            return Err(LinkError::OtherFormat {
                host: host(&self.index),
                kind: "another header".to_owned(),
            });
        }
        let head = self.links.get(&map.url, map.range, MAP_BYTES_MAX).await?;
        self.map = Some(Arc::clone(map));
        Ok(head)
    }

    /// Unlocks a segment in its place (RFC 8216 §5.2).
    async fn unlock(
        &mut self,
        number: u64,
        key: &Key,
        bytes: &mut Vec<u8>,
    ) -> Result<(), LinkError> {
        let Key::Aes128 { url, iv } = key else { return Err(self.failed(HlsError::Locked)) };
        let wrong = |_| LinkError::Stream { host: host(url), source: HlsError::WrongKey };
        let key = match &self.key {
            Some((known, key)) if known == url => *key,
            _ => {
                let key = self.links.get(url, None, KEY_LEN).await?;
                let key =
                    <[u8; KEY_LEN]>::try_from(key).map_err(|_| self.failed(HlsError::WrongKey))?;
                self.key = Some((url.clone(), key));
                key
            }
        };
        let iv = FixedLength::from(iv.unwrap_or(u128::from(number).to_be_bytes()));
        let key = UnboundCipherKey::new(&AES_128, &key).map_err(wrong)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(wrong)?;
        let len = key.decrypt(bytes, DecryptionContext::Iv128(iv)).map_err(wrong)?.len();
        bytes.truncate(len);
        Ok(())
    }

    fn failed(&self, source: HlsError) -> LinkError {
        LinkError::Stream { host: host(&self.index), source }
    }
}

/// The segments of an index; `None` if it lists streams again.
async fn read_index(links: &Links, url: &Url) -> Result<Option<Media>, LinkError> {
    let bytes = links.get(url, None, index::BYTES_MAX).await?;
    match index::read(&String::from_utf8_lossy(&bytes), url) {
        Index::Media(media) => Ok(Some(media)),
        Index::Master(_) => Ok(None),
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

impl Read for Hls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = self.watch.failure() {
            return Err(io::Error::other(failure));
        }
        if self.piece.is_empty()
            && let Err(error) = self.fill()
        {
            return Err(io::Error::other(self.watch.fail(error)));
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.read += count as u64;
        Ok(count)
    }
}

impl Seek for Hls {
    /// Only says where it is.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Current(0) => Ok(self.read),
            SeekFrom::Start(at) if at == self.read => Ok(at),
            SeekFrom::Start(_) | SeekFrom::Current(_) | SeekFrom::End(_) => {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }
}

impl MediaSource for Hls {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}
