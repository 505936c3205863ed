//! The half that may block: demuxes ahead of what plays.

use std::fmt;
use std::io;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::errors::{Error as SymphoniaError, SeekErrorKind};
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo, Track};
use symphonia::core::packet::Packet;
use symphonia::core::units::{TimeBase, Timestamp};
use thiserror::Error;

use super::decode::Decoder;
use super::encode::RATE_HZ;
use super::guard::guarded;
use super::mp4::Survey;
use super::open::{OpenError, first_track};
use super::queue::{Jump, Piece, Queue, TimedPacket, TrackStart};
use super::source::Watch;

/// How much sound a batch holds. Two of them are the five seconds that are read ahead at most.
pub(crate) const BATCH_TIME: Duration = Duration::from_millis(2500);
/// The first batch is short, so that a slow source is heard early.
const FIRST_BATCH_TIME: Duration = Duration::from_millis(400);
/// How many compressed bytes a batch holds: 2.5 s of 24-bit stereo at 48 kHz are 0.7 MiB.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
/// How many packets a batch holds, for those that tell no time: 2.5 s of 2.5 ms packets are 1000.
pub(crate) const BATCH_PIECES_MAX: usize = 4096;
/// The largest packet: a FLAC frame of 65 535 samples, 8 channels and 32 bits is 2 MiB.
const PACKET_BYTES_MAX: usize = 4 << 20;
/// How much may be read for one batch. Beyond a batch's own packets that is video between them.
const READ_BYTES_MAX: u64 = 64 << 20;
/// Where a batch is handed over although it is not full, so that a job of the caller ends.
const READ_BYTES_SOFT: u64 = 16 << 20;

/// How much may be read to reach another place: 6 h of MP3 at 320 kbit/s, which have no index.
const SEEK_BYTES_MAX: u64 = 1 << 30;
/// How much earlier a decoder of Opus begins, so that it has settled: three times what RFC 7845 §4.6
/// asks for, as the error of music in CELT frames only halves with each of them.
const OPUS_PREROLL: Duration = Duration::from_millis(240);
/// Likewise for others: two frames of AAC or Vorbis overlap, and the bits of an MP3 frame may be in
/// frames up to 511 bytes before it, two of them at 128 kbit/s.
const PREROLL: Duration = Duration::from_millis(120);

/// Reading ahead failed. What was read before is whole; the stream cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source itself failed, such as a connection that broke.
    #[error("the source could not be read further")]
    Io(#[source] io::Error),
    /// What follows is not of the format that it began with.
    #[error("the stream is malformed: {0}")]
    Malformed(&'static str),
    /// The stream went on with something that has no audio track to play.
    #[error("the stream changed to something that cannot be played")]
    Track(#[source] OpenError),
}

/// Another place in a source was not reached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeekError {
    /// The source is a stream, or does not say where in time its packets are. It plays on as if
    /// nothing had been asked.
    #[error("the source cannot be read from another place")]
    Unseekable,
    /// The source failed or is malformed on the way there; nothing can be read any more.
    #[error("the place could not be read")]
    Read(#[source] ReadError),
}

/// Compressed packets on their way from a [`Reader`] to its [`Deck`](super::Deck).
#[derive(Default)]
pub struct Batch {
    /// Where the packets are, unless they follow those before.
    pub(crate) jump: Option<Box<Jump>>,
    pub(crate) queue: Queue,
    pub(crate) ended: bool,
    pub(crate) truncated: bool,
}

impl Batch {
    /// Whether the stream ends with this batch.
    pub fn is_last(&self) -> bool {
        self.ended
    }

    /// How long its packets sound, as far as they tell.
    pub fn duration(&self) -> Duration {
        self.queue.duration()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("pieces", &self.queue.len())
            .field("duration", &self.queue.duration())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// The blocking half of a source: reads and demuxes, decodes nothing.
///
/// Dropping it closes the source.
pub struct Reader {
    format: Box<dyn FormatReader>,
    track_id: u32,
    time_base: Option<TimeBase>,
    start: TrackStart,
    /// The time stamp of the first sample that the decoder gives; known with the first packet.
    first: Option<i64>,
    is_seekable: bool,
    watch: Watch,
    is_first_batch: bool,
    /// Set once nothing more can be read.
    ended: bool,
    /// An error that came while there were still packets to hand over.
    held: Option<ReadError>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("format", &self.format.format_info().short_name)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new(
        format: Box<dyn FormatReader>,
        (track, start): (&Track, TrackStart),
        is_seekable: bool,
        watch: Watch,
    ) -> Self {
        Self {
            format,
            track_id: track.id,
            time_base: track.time_base,
            start,
            first: None,
            is_seekable,
            watch,
            is_first_batch: true,
            ended: false,
            held: None,
        }
    }

    /// Reads the next packets: about 2.5 s of them, the first time less, and never more than
    /// 1 MiB and one packet.
    ///
    /// Blocks while the source does. A source that ends in the middle of a packet ends there,
    /// without an error. After the last batch, and after an error, all that comes is empty and
    /// last.
    ///
    /// # Errors
    ///
    /// The stream cannot be read to its end. What came before is whole, so tell the deck with
    /// [`Deck::end`](super::Deck::end) and let it finish.
    pub fn read_ahead(&mut self) -> Result<Batch, ReadError> {
        if let Some(error) = self.held.take() {
            return Err(error);
        }
        let time = if self.is_first_batch { FIRST_BATCH_TIME } else { BATCH_TIME };
        self.is_first_batch = false;
        self.watch.ration(READ_BYTES_MAX);
        let soft_end = self.watch.bytes() + READ_BYTES_SOFT;

        let mut batch = Batch::default();
        while !self.ended && !batch.queue.holds(time, BATCH_BYTES_MAX, BATCH_PIECES_MAX) {
            if let Err(error) = self.read_piece(&mut batch) {
                self.ended = true;
                if batch.queue.len() == 0 {
                    return Err(error);
                }
                self.held = Some(error);
                return Ok(batch);
            }
            if self.watch.bytes() > soft_end {
                break;
            }
        }
        batch.ended = self.ended;
        Ok(batch)
    }

    /// Goes to another place of the music, to the sample, and reads the first packets there.
    ///
    /// Blocks while the source does. What the deck gets begins some packets earlier, since decoders
    /// have to settle, and says what is not to be heard of it. Behind the end is nothing but the end.
    /// MP3 files have no index, so all of it up to there is read.
    ///
    /// # Errors
    ///
    /// The source cannot seek, or failed on the way.
    pub fn seek(&mut self, to: Duration) -> Result<Batch, SeekError> {
        let time_base = self.time_base.filter(|_| self.is_seekable).ok_or(SeekError::Unseekable)?;
        self.watch.ration(SEEK_BYTES_MAX);
        let first = self.first_time_stamp().map_err(|error| self.give_up(error))?;
        let rate_hz = self.start.params.sample_rate.unwrap_or(RATE_HZ);
        let delay = Duration::from_secs_f64(self.start.trim.delay as f64 / f64::from(rate_hz));
        let target = first.saturating_add(ticks(to.saturating_add(delay), time_base));
        let decoder = Decoder::new(&self.start.params)
            .map_err(|error| self.give_up(ReadError::Track(error)))?;
        let mut start = self.start.clone();
        start.trim.length = start.trim.length.map(|length| {
            let gone = to.as_secs_f64() * f64::from(rate_hz);
            length.saturating_sub(gone.round() as u64)
        });

        self.ended = !self.land(target, time_base).map_err(|error| self.give_up(error))?;
        self.held = None;
        self.is_first_batch = true;
        let mut batch = match self.read_ahead() {
            Ok(batch) => batch,
            Err(error) => return Err(self.give_up(error)),
        };
        batch.jump = Some(Box::new(Jump { decoder, start, target, time_base, position: to }));
        Ok(batch)
    }

    /// Brings the demuxer to a packet from which a decoder is settled at that time stamp. False if that
    /// is behind the end.
    fn land(&mut self, target: i64, time_base: TimeBase) -> Result<bool, ReadError> {
        let is_opus = self.start.params.codec == CODEC_ID_OPUS;
        let before = ticks(if is_opus { OPUS_PREROLL } else { PREROLL }, time_base);
        let track = self.format.tracks().iter().find(|track| track.id == self.track_id);
        let earliest = track.map_or(0, |track| track.start_ts.get());
        let ts = Timestamp::new(target.saturating_sub(before).max(earliest));
        let to = SeekTo::Timestamp { ts, track_id: self.track_id };
        match guarded(|| self.format.seek(SeekMode::Accurate, to)) {
            Ok(_) => Ok(true),
            Err(SymphoniaError::SeekError(SeekErrorKind::OutOfRange)) => Ok(false),
            Err(SymphoniaError::IoError(error))
                if error.kind() == io::ErrorKind::UnexpectedEof && !self.watch.is_exhausted() =>
            {
                Ok(false)
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Reads a packet if none was read yet; it is read again after the seek.
    fn first_time_stamp(&mut self) -> Result<i64, ReadError> {
        let mut batch = Batch::default();
        while self.first.is_none() && !self.ended {
            self.read_piece(&mut batch)?;
        }
        Ok(self.first.unwrap_or(0))
    }

    fn give_up(&mut self, error: ReadError) -> SeekError {
        self.ended = true;
        self.held = None;
        SeekError::Read(error)
    }

    fn read_piece(&mut self, batch: &mut Batch) -> Result<(), ReadError> {
        match guarded(|| self.format.next_packet()) {
            Ok(Some(packet)) if packet.track_id == self.track_id => {
                if packet.data.len() > PACKET_BYTES_MAX {
                    return Err(ReadError::Malformed("a packet is larger than any real one"));
                }
                if self.first.is_none() {
                    let is_opus = self.start.params.codec == CODEC_ID_OPUS;
                    let trimmed = if is_opus { 0 } else { packet.trim_start.get() };
                    self.first = Some(packet.pts.get().saturating_add_unsigned(trimmed));
                }
                let duration = self.duration(&packet);
                batch.queue.push(Piece::Packet(TimedPacket { packet, duration }));
            }
            // Another track's: a video, another language.
            Ok(Some(_)) => {}
            Ok(None) => self.ended = true,
            Err(SymphoniaError::ResetRequired) => {
                let (track, start) = first_track(self.format.as_ref(), &Survey::default())
                    .map_err(ReadError::Track)?;
                self.track_id = track.id;
                self.time_base = track.time_base;
                self.start = start.clone();
                self.first = None;
                batch.queue.push(Piece::Track(Box::new(start)));
            }
            Err(error) => return self.end_with(error, batch),
        }
        Ok(())
    }

    /// The stream ends here; tells whether that is an error.
    fn end_with(&mut self, error: SymphoniaError, batch: &mut Batch) -> Result<(), ReadError> {
        match error {
            SymphoniaError::IoError(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && !self.watch.is_exhausted() =>
            {
                match self.watch.take_error() {
                    Some(error) => return Err(ReadError::Io(error)),
                    None => self.ended = true,
                }
                batch.truncated = true;
                Ok(())
            }
            error => Err(self.explain(error)),
        }
    }

    /// What stood behind a demuxer's error.
    fn explain(&self, error: SymphoniaError) -> ReadError {
        if let Some(error) = self.watch.take_error() {
            return ReadError::Io(error);
        }
        if self.watch.is_exhausted() {
            return ReadError::Malformed("no packet within 64 MiB");
        }
        match error {
            SymphoniaError::IoError(error) => ReadError::Io(error),
            SymphoniaError::DecodeError(what)
            | SymphoniaError::LimitError(what)
            | SymphoniaError::Unsupported(what) => ReadError::Malformed(what),
            // The enum is symphonia's and open; a reset is seen to before.
            _ => ReadError::Malformed("its parts do not belong together"),
        }
    }

    fn duration(&self, packet: &Packet) -> Duration {
        let time = self.time_base.and_then(|base| base.calc_duration(packet.dur));
        time.and_then(|time| Duration::try_from_secs_f64(time.as_secs_f64()).ok())
            .unwrap_or_default()
    }
}

/// A time in units of a time base.
fn ticks(time: Duration, time_base: TimeBase) -> i64 {
    let numer = time.as_nanos().saturating_mul(u128::from(time_base.denom.get()));
    let denom = u128::from(time_base.numer.get()) * 1_000_000_000;
    // To the nearest, so that a time that was made from ticks leads back to them.
    i64::try_from(numer.saturating_add(denom / 2) / denom).unwrap_or(i64::MAX)
}
