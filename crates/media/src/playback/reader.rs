//! The half that may block: demuxes ahead of what plays.

use std::fmt;
use std::io;
use std::time::Duration;

use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatReader, Track};
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;
use thiserror::Error;

use super::guard::guarded;
use super::mp4::Survey;
use super::open::{OpenError, first_track};
use super::queue::{Piece, Queue, TimedPacket};
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

/// Compressed packets on their way from a [`Reader`] to its [`Player`](super::Player).
#[derive(Default)]
pub struct Batch {
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
    pub(crate) fn new(format: Box<dyn FormatReader>, track: &Track, watch: Watch) -> Self {
        Self {
            format,
            track_id: track.id,
            time_base: track.time_base,
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
    /// The stream cannot be read to its end. What came before is whole, so tell the player with
    /// [`Player::end`](super::Player::end) and let it finish.
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

    fn read_piece(&mut self, batch: &mut Batch) -> Result<(), ReadError> {
        match guarded(|| self.format.next_packet()) {
            Ok(Some(packet)) if packet.track_id == self.track_id => {
                if packet.data.len() > PACKET_BYTES_MAX {
                    return Err(ReadError::Malformed("a packet is larger than any real one"));
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
                batch.queue.push(Piece::Track(Box::new(start)));
            }
            Err(error) => return self.end_with(error, batch),
        }
        Ok(())
    }

    /// The stream ends here; tells whether that is an error.
    fn end_with(&mut self, error: SymphoniaError, batch: &mut Batch) -> Result<(), ReadError> {
        if let Some(error) = self.watch.take_error() {
            return Err(ReadError::Io(error));
        }
        if self.watch.is_exhausted() {
            return Err(ReadError::Malformed("no packet within 64 MiB"));
        }
        match error {
            SymphoniaError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.ended = true;
                batch.truncated = true;
                Ok(())
            }
            SymphoniaError::IoError(error) => Err(ReadError::Io(error)),
            SymphoniaError::DecodeError(what)
            | SymphoniaError::LimitError(what)
            | SymphoniaError::Unsupported(what) => Err(ReadError::Malformed(what)),
            // Nothing seeks here, and a reset is seen to before; the enum is symphonia's and open.
            _ => Err(ReadError::Malformed("its parts do not belong together")),
        }
    }

    fn duration(&self, packet: &Packet) -> Duration {
        let time = self.time_base.and_then(|base| base.calc_duration(packet.dur));
        time.and_then(|time| Duration::try_from_secs_f64(time.as_secs_f64()).ok())
            .unwrap_or_default()
    }
}
