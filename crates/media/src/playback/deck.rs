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

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::packet::Packet;
use tracing::debug;

use super::decode::{DecodeError, Decoder};
use super::encode::{FRAME_SAMPLES, FRAME_TIME, PACKET_BYTES_MAX, RATE_HZ};
use super::fifo::Fifo;
use super::info::Info;
use super::landing::Landing;
use super::open::OpenError;
use super::opus_head::OpusHead;
use super::queue::{Jump, Piece, Queue, TimedPacket, TrackStart, Trim};
use super::reader::{BATCH_BYTES_MAX, BATCH_PIECES_MAX, BATCH_TIME, Batch};
use super::resample::Resampler;

/// How many packets are decoded again to take over from sending: decoders settle within 80 ms
/// (RFC 7845 §4.6).
const WARM_UP_PACKETS: usize = 4;
/// How many packets are kept after they were sent or decoded.
const RECENT_MAX: usize = WARM_UP_PACKETS + 2;
/// How many packets in a row may be bad: some seconds of a damaged file are passed over, while a
/// file that is all rubbish ends within two ticks' worth of work.
const BAD_PACKETS_MAX: u32 = 100;
/// Over how many samples the sound before a jump goes over into that behind it: 10 ms.
const SPLICE_SAMPLES: usize = 480;
/// The highest gain of a deck: +24 dB.
const GAIN_MAX: f32 = 16.0;
/// What is as good as unity: 0.05 dB.
const UNITY: std::ops::RangeInclusive<f32> = 0.994_26..=1.005_77;
/// Below it a sample is silent to everybody: -66 dB.
const SILENT: f32 = 5e-4;
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

/// What there is of the samples that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    /// All of them.
    Ready,
    /// The reader has not kept up.
    Starved,
    /// These were the last.
    Ended,
}

/// What came of sending a packet as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Packet,
    Starved,
    Ended,
    /// The next one cannot be sent.
    MustDecode,
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
    /// Whether the track's packets may be sent as they are, as far as is known.
    is_passable: bool,
    is_sending: bool,
    /// By how much samples are ahead of what is heard of packets.
    ahead: usize,
    /// The last packets that were sent or decoded, while the track is passable.
    recent: VecDeque<TimedPacket>,
    /// How many packets of 20 ms were taken since the track began or was jumped in.
    taken: i64,
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
            is_passable: info.passes_through,
            info,
            queue: Queue::default(),
            all_fed: false,
            is_fed_packets: false,
            is_sending: false,
            ahead: 0,
            recent: VecDeque::new(),
            taken: 0,
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

    /// By how much a mixer's samples are ahead of what is heard of packets.
    pub(crate) fn set_ahead(&mut self, frames: usize) {
        self.ahead = frames;
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending
    }

    /// Whether its packets would be heard as its samples are.
    pub(crate) fn is_passable(&self) -> bool {
        self.is_passable && UNITY.contains(&self.gain)
    }

    /// Whether nothing of it was heard yet, and nothing has to be faded in.
    pub(crate) fn is_at_start(&self) -> bool {
        !self.is_fed_packets && self.taken == 0 && self.pcm.frames() == 0 && self.landing.is_none()
    }

    /// Whether it has to be faded in, as it begins in the middle of a stream.
    pub(crate) fn begins_midway(&self) -> bool {
        self.is_fed_packets || self.landing.is_some()
    }

    /// Whether a few packets are all there is left.
    pub(crate) fn is_almost_over(&self) -> bool {
        self.all_fed && self.queue.len() < WARM_UP_PACKETS
    }

    /// Sends packets from the first one on.
    pub(crate) fn send_from_start(&mut self) {
        self.is_sending = true;
        let head = passable(&self.start.params);
        self.played = -head.map_or(0, |head| i64::from(head.pre_skip));
    }

    /// Sends packets from the next one on that is not heard yet. False if the samples do not stand
    /// where that leaves no seam.
    pub(crate) fn send_on(&mut self) -> bool {
        let unheard = self.pcm.frames() + self.ahead;
        if !self.is_passable || self.misalignment() > 0 || unheard / BLOCK > self.recent.len() {
            return false;
        }
        for _ in 0..unheard / BLOCK {
            let Some(packet) = self.recent.pop_back() else { break };
            self.queue.unpop(packet);
            self.taken -= 1;
        }
        self.pcm.clear();
        self.lead = 0;
        self.is_drained = false;
        self.is_sending = true;
        self.played -= self.ahead as i64;
        true
    }

    /// Sends the next packet as it is.
    pub(crate) fn send(&mut self, out: &mut Vec<u8>) -> Sent {
        loop {
            match self.queue.front() {
                Some(Piece::Packet(timed)) if is_one_frame(&timed.packet.data) => {}
                Some(Piece::Track(start)) if passable(&start.params).is_some() => {}
                Some(Piece::Packet(_) | Piece::Track(_)) => return Sent::MustDecode,
                None if self.all_fed => return Sent::Ended,
                None => return Sent::Starved,
            }
            match self.queue.pop() {
                Some(Piece::Packet(timed)) => {
                    out.extend_from_slice(&timed.packet.data);
                    self.remember(timed);
                    self.played += i64::from(FRAME_SAMPLES);
                    return Sent::Packet;
                }
                Some(Piece::Track(start)) => self.start = start,
                None => return Sent::Starved,
            }
        }
    }

    /// From packets to samples: decodes the last packets again, and answers with how many blocks of
    /// the samples were heard already.
    pub(crate) fn stop_sending(&mut self) -> usize {
        if self.is_sending {
            debug!(position = ?self.position(), "packets are decoded from here on");
            self.is_sending = false;
            self.decode_again();
        }
        std::mem::take(&mut self.warm_up)
    }

    fn decode_again(&mut self) {
        // What was sent contained the pre-skip, or as much of it as there was.
        self.trim = Trim { delay: u64::try_from(-self.played).unwrap_or(0), length: None };
        self.pcm.clear();
        self.is_drained = false;
        match Decoder::new(&self.start.params) {
            Ok(decoder) => self.decoder = decoder,
            Err(error) => return self.give_up(DecodeError::Track(error)),
        }
        if self.recent.is_empty() {
            self.played = 0;
            return;
        }
        let again = self.recent.len().saturating_sub(WARM_UP_PACKETS);
        for timed in self.recent.iter().skip(again) {
            if self.decoder.decode(&timed.packet, &mut self.decoded).is_err() {
                self.decoded.clear();
            }
            self.decoded.resize(2 * BLOCK, 0.0);
            self.pcm.push(&self.decoded);
        }
        self.warm_up = self.recent.len() - again;
        self.pcm.drop_front(self.ahead);
        self.played += self.ahead as i64 - (self.warm_up * BLOCK) as i64;
    }

    /// By how many samples to go on, so that they are ahead of the grid of the packets as they should.
    fn misalignment(&self) -> usize {
        let next = self.taken * i64::from(FRAME_SAMPLES) - self.pcm.frames() as i64;
        let off = (self.ahead as i64 - next).rem_euclid(i64::from(FRAME_SAMPLES));
        usize::try_from(off).unwrap_or(0)
    }

    /// Leaves out less than 20 ms, if it is silent and brings the samples onto the grid of the packets.
    pub(crate) fn align_in_silence(&mut self) {
        if !self.is_passable {
            return;
        }
        let off = self.misalignment();
        let front = self.pcm.front(off);
        if front.len() == 2 * off && front.iter().all(|sample| sample.abs() < SILENT) {
            self.consume(off);
        }
    }

    /// Begins with less than 20 ms of silence, so that the samples lie on the grid of the packets.
    pub(crate) fn align_at_start(&mut self) {
        let is_new = self.taken == 0 && self.pcm.frames() == 0 && self.landing.is_none();
        if self.is_passable && is_new {
            let pre_skip = i64::try_from(self.trim.delay).unwrap_or(0);
            let off = (pre_skip - self.ahead as i64).rem_euclid(i64::from(FRAME_SAMPLES));
            self.lead = usize::try_from(off).unwrap_or(0);
            self.pcm.push_silence(self.lead);
        }
    }

    /// Decodes until there are so many frames. Where another deck follows, the resampler keeps its end
    /// for it.
    pub(crate) fn fill(&mut self, frames: usize, is_followed: bool) -> Supply {
        while self.pcm.frames() < frames {
            if self.resampler.run(&mut self.pcm) {
                continue;
            }
            match self.queue.pop() {
                Some(Piece::Packet(timed)) => self.take_packet(timed),
                Some(Piece::Track(start)) => self.take_track(start),
                None if !self.all_fed => return Supply::Starved,
                None if is_followed || self.is_drained => return Supply::Ended,
                None => {
                    self.resampler.finish();
                    while self.resampler.run(&mut self.pcm) {}
                    self.is_drained = true;
                }
            }
        }
        Supply::Ready
    }

    /// The next frames that are decoded, as many as asked for or all there are.
    pub(crate) fn front(&self, frames: usize) -> &[f32] {
        self.pcm.front(frames)
    }

    /// The frames at the front were heard.
    pub(crate) fn consume(&mut self, frames: usize) {
        let frames = frames.min(self.pcm.frames());
        self.pcm.drop_front(frames);
        let lead = self.lead.min(frames);
        self.lead -= lead;
        self.played += (frames - lead) as i64;
    }

    /// Goes on where another deck ends, with what that one had decoded and not played: where the
    /// rates are the same, the resampler hears one sound.
    pub(crate) fn follow(&mut self, other: &mut Self) {
        if self.resampler.rate_hz() == other.resampler.rate_hz() && self.taken == 0 {
            std::mem::swap(&mut self.resampler, &mut other.resampler);
        } else {
            other.resampler.finish();
            while other.resampler.run(&mut other.pcm) {}
        }
        self.lead = other.pcm.frames();
        other.pcm.drain_into(&mut self.pcm);
    }

    fn take_packet(&mut self, timed: TimedPacket) {
        match self.decoder.decode(&timed.packet, &mut self.decoded) {
            Ok(rate_hz) if !self.decoded.is_empty() && self.adopt_rate(rate_hz) => {
                self.bad_in_a_row = 0;
                self.land(&timed.packet, rate_hz);
                let music = self.trim.cut(self.decoded.len() / 2);
                let music = &self.decoded[2 * music.start..2 * music.end];
                // Nothing to resample is nothing to copy twice.
                if rate_hz == RATE_HZ {
                    self.pcm.push(music);
                } else {
                    self.resampler.push(music);
                }
                self.remember(timed);
                return;
            }
            // Nothing in it: the first packet of some codecs, and no harm unless it goes on.
            Ok(_) => {}
            Err(_) => self.faults.packets_skipped += 1,
        }
        self.bad_in_a_row += 1;
        if self.bad_in_a_row >= BAD_PACKETS_MAX {
            self.give_up(DecodeError::TooManyBadPackets(self.bad_in_a_row));
        }
    }

    /// After a jump: finds out what of a packet comes before the place that was asked for.
    fn land(&mut self, packet: &Packet, rate_hz: u32) {
        let Some(landing) = &self.landing else { return };
        let trimmed = matches!(self.decoder, Decoder::Symphonia(_));
        let early = landing.early(packet, trimmed, rate_hz);
        if early < self.decoded.len() as u64 / 2 {
            self.landing = None;
            // On the grid, so that packets can be sent again: at most 12 ms from what was asked for.
            let start = if self.is_passable { self.ahead as u64 } else { early };
            self.played += i64::try_from(start).unwrap_or(0) - i64::try_from(early).unwrap_or(0);
            self.trim.delay = start;
        } else {
            self.decoded.clear();
        }
    }

    /// Keeps a packet that was sent or decoded, in case it is needed again.
    fn remember(&mut self, timed: TimedPacket) {
        if !self.is_passable {
            return;
        }
        if !is_one_frame(&timed.packet.data) {
            self.passes_no_longer();
            return;
        }
        self.taken += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(timed);
    }

    fn passes_no_longer(&mut self) {
        self.is_passable = false;
        self.info.passes_through = false;
        self.recent.clear();
    }

    fn take_track(&mut self, start: Box<TrackStart>) {
        match Decoder::new(&start.params) {
            Ok(decoder) => self.decoder = decoder,
            Err(error) => return self.give_up(DecodeError::Track(error)),
        }
        self.passes_no_longer();
        self.trim = start.trim;
        self.start = start;
        self.is_passable = passable(&self.start.params).is_some();
        self.info.passes_through = self.is_passable;
        self.taken = 0;
    }

    /// Sees to it that what comes is resampled from this rate. False if it cannot be.
    fn adopt_rate(&mut self, rate_hz: u32) -> bool {
        if rate_hz == self.resampler.rate_hz() {
            return true;
        }
        let Ok(resampler) = Resampler::new(rate_hz) else { return false };
        self.resampler.finish();
        while self.resampler.run(&mut self.pcm) {}
        self.resampler = resampler;
        true
    }

    /// Plays what is decoded already, and no more.
    fn give_up(&mut self, error: DecodeError) {
        self.faults.gave_up = Some(error);
        self.all_fed = true;
        self.queue.clear();
    }

    /// Goes on at another place.
    fn jump(&mut self, jump: Jump, batch: Batch) {
        // What would have been heard next, so that the way over is no step.
        if self.is_sending {
            self.is_sending = false;
            self.decode_again();
        }
        let heard = self.warm_up * BLOCK;
        let begun = self.taken > 0 || self.played > 0;
        if begun {
            let _ = self.fill(heard + SPLICE_SAMPLES, false);
        }
        let mut before = self.pcm.front(heard + SPLICE_SAMPLES).to_vec();
        let tail = before.split_off(before.len().min(2 * heard));

        let Jump { decoder, start, target, time_base, position } = jump;
        let rate_hz = self.resampler.rate_hz();
        // A resampler of this rate was made before.
        if let Ok(resampler) = Resampler::new(rate_hz) {
            self.resampler = resampler;
        }
        self.decoder = decoder;
        self.trim = start.trim;
        self.is_passable = passable(&start.params).is_some();
        self.info.passes_through = self.is_passable;
        self.start = Box::new(start);
        self.landing = Some(Landing { target, time_base });
        self.recent.clear();
        self.taken = 0;
        self.bad_in_a_row = 0;
        self.is_drained = false;
        self.queue = batch.queue;
        self.all_fed = batch.ended;
        self.pcm.clear();
        self.pcm.push(&before);
        self.lead = before.len() / 2;
        let samples = position.as_micros() * u128::from(RATE_HZ) / 1_000_000;
        self.played = i64::try_from(samples).unwrap_or(i64::MAX);
        let over = self.lead + tail.len() / 2;
        let _ = self.fill(over, false);
        splice(self.pcm.front_mut(over), before.len(), &tail);
    }
}

/// Lets what comes before a jump fade out over what comes behind it.
fn splice(front: &mut [f32], start: usize, tail: &[f32]) {
    let len = tail.len() as f32;
    for (n, (new, old)) in front.iter_mut().skip(start).zip(tail).enumerate() {
        let share = (n / 2 * 2) as f32 / len;
        *new = *new * share + old * (1.0 - share);
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
