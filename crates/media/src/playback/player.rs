//! The half that plays: one frame each tick, without ever waiting.
//!
//! ```text
//!             a packet is not of 20 ms, or a track that needs decoding
//!   Passing ----------------------------------------------------------> Transcoding
//!      |                                                                     |
//!      | last packet                                               last frame of the tail
//!      v                       last frame of the tail                        v
//!    Tail ------------------------------------------------------------->   Ended
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::packet::Packet;
use tracing::debug;

use super::decode::DecodeError;
use super::encode::{Config, FRAME_SAMPLES, PACKET_BYTES_MAX, RATE_HZ, SILENCE};
use super::info::Info;
use super::open::OpenError;
use super::opus_head::OpusHead;
use super::queue::{Piece, Queue, TrackStart, Trim};
use super::reader::{BATCH_BYTES_MAX, BATCH_PIECES_MAX, BATCH_TIME, Batch};
use super::transcode::{Step, TAIL_FRAMES, Transcoder};

/// How many sent packets are kept to take over from: decoders settle within 80 ms (RFC 7845 §4.6).
const SENT_KEPT: usize = 4;

/// What one pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// One Opus frame of 20 ms.
    Frame,
    /// Nothing: the reader has not kept up. Send [`SILENCE`], and pull again at the next tick.
    Starved,
    /// Nothing, and nothing will come any more.
    Ended,
}

/// What went wrong while playing, for the log and for the person who asked.
#[derive(Debug, Default)]
pub struct Faults {
    /// Packets that could not be decoded and were left out.
    pub packets_skipped: u64,
    /// Whether the source ended in the middle of a packet.
    pub truncated: bool,
    /// Why playing ended before the source did.
    pub gave_up: Option<DecodeError>,
}

/// The tick half of a source.
///
/// Holds compressed packets, at most about five seconds of them, and a decoder and an encoder
/// where they are needed. None of its methods blocks.
pub struct Player {
    info: Info,
    config: Config,
    queue: Queue,
    /// Whether all packets there will ever be are in the queue.
    all_fed: bool,
    stage: Stage,
    /// Samples played at 48 kHz; below zero while the pre-skip is sent.
    played: i64,
    faults: Faults,
}

enum Stage {
    Passing(Passing),
    Transcoding(Box<Transcoder>),
    /// So many frames of silence are left.
    Tail(u8),
    Ended,
}

/// Packets go out as they came in.
struct Passing {
    start: Box<TrackStart>,
    /// The last packets that were sent.
    sent: VecDeque<Packet>,
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("info", &self.info)
            .field("position", &self.position())
            .field("buffered", &self.queue.duration())
            .finish_non_exhaustive()
    }
}

impl Player {
    pub(crate) fn new(
        mut info: Info,
        start: TrackStart,
        config: &Config,
    ) -> Result<Self, OpenError> {
        // Made where packets pass as well: what cannot be decoded should not begin to play.
        let transcoder = Transcoder::new(&start, config)?;
        let mut played = 0;
        let stage = if let Some(head) = passable(&start.params) {
            info.passes_through = true;
            played = -i64::from(head.pre_skip);
            Stage::Passing(Passing { start: Box::new(start), sent: VecDeque::new() })
        } else {
            Stage::Transcoding(Box::new(transcoder))
        };
        Ok(Self {
            info,
            config: config.clone(),
            queue: Queue::default(),
            all_fed: false,
            stage,
            played,
            faults: Faults::default(),
        })
    }

    /// What the source says about itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// How much of the source has been played.
    pub fn position(&self) -> Duration {
        let samples = u64::try_from(self.played).unwrap_or(0);
        Duration::from_micros(samples.saturating_mul(1_000_000) / u64::from(RATE_HZ))
    }

    /// What went wrong so far.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Whether less than about 2.5 s is buffered and more may come: time to call
    /// [`Reader::read_ahead`](super::Reader::read_ahead), on a thread that may block.
    pub fn wants_packets(&self) -> bool {
        !self.all_fed && !self.queue.holds(BATCH_TIME, BATCH_BYTES_MAX, BATCH_PIECES_MAX)
    }

    /// Takes what the reader read. Batches of this player's reader only, in order.
    pub fn feed(&mut self, batch: Batch) {
        if self.all_fed {
            return;
        }
        self.all_fed = batch.ended;
        self.faults.truncated |= batch.truncated;
        self.queue.append(batch.queue);
    }

    /// No more batches will come, as when the reader failed: what is buffered is played to its end.
    pub fn end(&mut self) {
        self.all_fed = true;
    }

    /// Makes the next 20 ms. Call it once per tick; `out` holds the frame, or is left empty.
    ///
    /// After the music come five silent frames, so that the far end hears the last of it without a
    /// click; they do not move the position.
    pub fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        out.clear();
        loop {
            match &mut self.stage {
                Stage::Passing(_) => {
                    if let Some(pulled) = self.pass(out) {
                        return pulled;
                    }
                }
                Stage::Transcoding(_) => {
                    if let Some(pulled) = self.transcode(out) {
                        return pulled;
                    }
                }
                Stage::Tail(0) => self.stage = Stage::Ended,
                Stage::Tail(left) => {
                    *left -= 1;
                    out.extend_from_slice(&SILENCE);
                    return Pulled::Frame;
                }
                Stage::Ended => return Pulled::Ended,
            }
        }
    }

    /// None if the stage changed.
    fn pass(&mut self, out: &mut Vec<u8>) -> Option<Pulled> {
        let Stage::Passing(passing) = &mut self.stage else { return None };
        let can_pass = match self.queue.front() {
            Some(Piece::Packet(timed)) => is_one_frame(&timed.packet.data),
            Some(Piece::Track(start)) => passable(&start.params).is_some(),
            None if self.all_fed => {
                self.stage = Stage::Tail(TAIL_FRAMES);
                return None;
            }
            None => return Some(Pulled::Starved),
        };
        if !can_pass {
            self.take_over();
            return None;
        }
        match self.queue.pop()? {
            Piece::Packet(timed) => {
                out.extend_from_slice(&timed.packet.data);
                if passing.sent.len() == SENT_KEPT {
                    passing.sent.pop_front();
                }
                passing.sent.push_back(timed.packet);
                self.played += i64::from(FRAME_SAMPLES);
                Some(Pulled::Frame)
            }
            Piece::Track(start) => {
                passing.start = start;
                None
            }
        }
    }

    /// From packets as they are to decoding and encoding, at the same sample.
    fn take_over(&mut self) {
        let Stage::Passing(passing) = &mut self.stage else { return };
        debug!(position = ?self.played, "packets can be passed no longer, decoding from here on");
        // What was sent contained the pre-skip, or as much of it as there was.
        let pre_skip = u64::try_from(-self.played).unwrap_or(0);
        passing.start.trim = Trim { delay: pre_skip, length: None };
        self.info.passes_through = false;
        match Transcoder::take_over(&passing.start, &passing.sent, &self.config) {
            Ok(transcoder) => self.stage = Stage::Transcoding(Box::new(transcoder)),
            Err(error) => self.give_up(DecodeError::Track(error)),
        }
    }

    /// None if there is to be another try.
    fn transcode(&mut self, out: &mut Vec<u8>) -> Option<Pulled> {
        let Stage::Transcoding(transcoder) = &mut self.stage else { return None };
        match transcoder.pull(&mut self.queue, self.all_fed, &mut self.faults, out) {
            Ok(Step::Frame { music }) => {
                self.played += i64::from(music);
                Some(Pulled::Frame)
            }
            Ok(Step::Starved) => Some(Pulled::Starved),
            Ok(Step::Done) => {
                self.stage = Stage::Ended;
                None
            }
            Err(error) => {
                self.give_up(error);
                None
            }
        }
    }

    /// Plays what is decoded already, and no more.
    fn give_up(&mut self, error: DecodeError) {
        let can_encode = !matches!(error, DecodeError::Encode(_));
        self.faults.gave_up = Some(error);
        self.all_fed = true;
        self.queue.clear();
        match &mut self.stage {
            Stage::Transcoding(transcoder) if can_encode => transcoder.end(),
            Stage::Transcoding(_) | Stage::Tail(_) | Stage::Ended => self.stage = Stage::Ended,
            Stage::Passing(_) => self.stage = Stage::Tail(TAIL_FRAMES),
        }
    }
}

/// The header of a track whose packets may be sent as they are.
fn passable(params: &AudioCodecParameters) -> Option<OpusHead> {
    let head = params.extra_data.as_deref().filter(|_| params.codec == CODEC_ID_OPUS)?;
    OpusHead::parse(head).filter(OpusHead::is_playable_as_is)
}

/// Whether an Opus packet sounds for 20 ms (RFC 6716 §3.1) and is no longer than a packet of one
/// frame may be: a call sends it in one piece.
fn is_one_frame(packet: &[u8]) -> bool {
    packet.len() <= PACKET_BYTES_MAX
        && opus::packet::get_nb_samples(packet, RATE_HZ)
            .is_ok_and(|samples| samples == FRAME_SAMPLES as usize)
}
