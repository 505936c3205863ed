//! The tick half of one source: its packets as they are, or as samples at 48 kHz.
//!
//! ```text
//!                    take back what is decoded and not heard yet
//!              +---------------------------------------------------+
//!              v                                                   |
//!           Sending ------------------------------------------> Decoding
//!                    decode again what was sent last
//! ```
//!
//! Packets can be sent where they are Opus frames of 20 ms without a gain in the header. What a far
//! end hears of them lies on a grid of 20 ms; what a mixer makes of their samples is later by its
//! own delay. So a deck that goes over from sending to samples begins by that delay *ahead*, and may
//! go back only where its samples are ahead by just as much.

mod jump;
mod packets;
mod samples;

use std::fmt;
use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::packet::Packet;

use super::decode::{DecodeError, Decoder};
use super::encode::{FRAME_SAMPLES, FRAME_TIME, RATE_HZ};
use super::fifo::Fifo;
use super::info::Info;
use super::open::OpenError;
use super::queue::{Piece, Queue, TimedPacket, TrackStart, Trim};
use super::reader::{BATCH_BYTES_MAX, BATCH_PIECES_MAX, BATCH_TIME, Batch};
use super::resample::Resampler;
use jump::Landing;
pub(crate) use packets::Sent;
use packets::{Packets, passable};
pub(crate) use samples::Supply;

/// The highest gain of a deck: +24 dB.
const GAIN_MAX: f32 = 16.0;
/// How much a deck that is fed packet by packet holds: 5 s, as one with a reader.
const PACKETS_MAX: usize = 250;

const BLOCK: usize = FRAME_SAMPLES as usize;

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
/// Holds compressed packets, at most about five seconds of them, and a decoder. None of its methods
/// blocks. A [`Mixer`](super::Mixer) plays it.
pub struct Deck {
    info: Info,
    /// The track that the packets belong to.
    start: Box<TrackStart>,
    queue: Queue,
    /// Whether all packets there will ever be are in the queue.
    all_fed: bool,
    /// Whether packets come one by one, from elsewhere than a reader.
    is_fed_packets: bool,
    packets: Packets,
    decoder: Decoder,
    /// What is still to be cut from the current track.
    trim: Trim,
    landing: Option<Landing>,
    resampler: Resampler,
    /// Whether the resampler gave its last.
    is_drained: bool,
    /// The samples of one packet; kept for its memory.
    decoded: Vec<f32>,
    /// Stereo at 48 kHz, not heard yet.
    pcm: Fifo,
    /// How many frames at the front of `pcm` are no music of this deck.
    lead: usize,
    /// How many blocks at the front of `pcm` were heard already, as packets.
    warm_up: usize,
    gain: f32,
    /// Samples played at 48 kHz; below zero while the pre-skip is sent.
    played: i64,
    bad_in_a_row: u32,
    faults: Faults,
}

impl fmt::Debug for Deck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deck")
            .field("info", &self.info)
            .field("position", &self.position())
            .field("buffered", &self.queue.duration())
            .finish_non_exhaustive()
    }
}

impl Deck {
    pub(crate) fn new(mut info: Info, start: TrackStart) -> Result<Self, OpenError> {
        let decoder = Decoder::new(&start.params)?;
        let rate_hz = match &decoder {
            Decoder::Opus(_) => RATE_HZ,
            Decoder::Symphonia(_) => start.params.sample_rate.unwrap_or(RATE_HZ),
        };
        let resampler = Resampler::new(rate_hz).map_err(|_| OpenError::UnsupportedRate(rate_hz))?;
        info.passes_through = passable(&start.params).is_some();
        Ok(Self {
            packets: Packets::new(info.passes_through),
            info,
            queue: Queue::default(),
            all_fed: false,
            is_fed_packets: false,
            decoder,
            trim: start.trim,
            landing: None,
            resampler,
            is_drained: false,
            decoded: Vec::new(),
            pcm: Fifo::default(),
            lead: 0,
            warm_up: 0,
            gain: 1.0,
            played: 0,
            bad_in_a_row: 0,
            faults: Faults::default(),
            start: Box::new(start),
        })
    }

    /// A deck of ready Opus packets of 20 ms, such as come from a mixer that many rooms hear.
    ///
    /// What it begins with is the middle of a stream, so a mixer fades it in, and sends the packets as
    /// they are from then on. Feed it with [`feed_packet`](Self::feed_packet).
    ///
    /// # Errors
    ///
    /// Out of memory, if at all.
    pub fn of_packets(info: Info) -> Result<Self, OpenError> {
        // RFC 7845 §5.1: version 1, stereo, no pre-skip, 48 kHz, no gain, mapping family 0.
        let head = b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00".as_slice();
        let mut params = AudioCodecParameters::new();
        params.for_codec(CODEC_ID_OPUS).with_sample_rate(RATE_HZ).with_extra_data(Box::from(head));
        let mut deck = Self::new(info, TrackStart { params, trim: Trim::default() })?;
        deck.is_fed_packets = true;
        Ok(deck)
    }

    /// What the source says about itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// How much of the source has been played, or at which place it was jumped to and goes on.
    pub fn position(&self) -> Duration {
        let samples = u64::try_from(self.played).unwrap_or(0);
        Duration::from_micros(samples.saturating_mul(1_000_000) / u64::from(RATE_HZ))
    }

    /// How much is left to play: exact once all is read, before that by what the source says; none
    /// if it says nothing.
    pub fn remaining(&self) -> Option<Duration> {
        if self.all_fed {
            let decoded = FRAME_TIME.mul_f64(self.pcm.frames() as f64 / BLOCK as f64);
            return Some(self.queue.duration() + decoded);
        }
        Some(self.info.duration?.saturating_sub(self.position()))
    }

    /// What went wrong so far.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn take_faults(&mut self) -> Faults {
        std::mem::take(&mut self.faults)
    }

    /// The gain of this track's own, such as even loudness asks for; 1 unless it was set.
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Sets the track's own gain as a factor, 0 to 16. Within 0.05 dB of one the packets of Opus may
    /// still be sent as they are. To be set before it plays: it acts at once, without a ramp.
    pub fn set_gain(&mut self, gain: f32) {
        self.gain = if gain.is_finite() { gain.clamp(0.0, GAIN_MAX) } else { 1.0 };
    }

    /// Whether less than about 2.5 s is buffered and more may come: time to call
    /// [`Reader::read_ahead`](super::Reader::read_ahead), on a thread that may block.
    pub fn wants_packets(&self) -> bool {
        !self.all_fed
            && !self.is_fed_packets
            && !self.queue.holds(BATCH_TIME, BATCH_BYTES_MAX, BATCH_PIECES_MAX)
    }

    /// Whether it can be heard at once when it is its turn.
    pub fn is_ready(&self) -> bool {
        self.all_fed || self.queue.len() > 0 || self.pcm.frames() > 0
    }

    /// Takes what the reader read. Batches of this deck's reader only, in order.
    ///
    /// One that [`Reader::seek`](super::Reader::seek) gave takes effect with the next frame, in place
    /// of all that was fed before.
    pub fn feed(&mut self, mut batch: Batch) {
        if let Some(jump) = batch.jump.take() {
            self.jump(*jump, batch);
            return;
        }
        if self.all_fed {
            return;
        }
        self.all_fed = batch.ended;
        self.faults.truncated |= batch.truncated;
        self.queue.append(batch.queue);
    }

    /// Takes one Opus packet of 20 ms; for decks [of packets](Self::of_packets). Beyond 5 s the oldest
    /// one that waits is dropped.
    pub fn feed_packet(&mut self, packet: &[u8]) {
        if self.all_fed || !self.is_fed_packets {
            return;
        }
        if self.queue.len() >= PACKETS_MAX {
            drop(self.queue.pop());
        }
        let packet = Packet::new(0, 0.into(), u64::from(FRAME_SAMPLES).into(), packet);
        self.queue.push(Piece::Packet(TimedPacket { packet, duration: FRAME_TIME }));
    }

    /// No more batches will come, as when the reader failed: what is buffered is played to its end.
    pub fn end(&mut self) {
        self.all_fed = true;
    }
}

/// A number of frames as a difference of such.
fn signed(frames: usize) -> i64 {
    i64::try_from(frames).unwrap_or(i64::MAX)
}
