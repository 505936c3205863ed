//! The packets of a deck as they are, and the way from them to samples and back.

use std::collections::VecDeque;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use tracing::debug;

use super::super::decode::{DecodeError, Decoder};
use super::super::encode::{FRAME_SAMPLES, PACKET_BYTES_MAX, RATE_HZ};
use super::super::opus_head::OpusHead;
use super::super::queue::{Piece, TimedPacket, TrackStart, Trim};
use super::{BLOCK, Deck, signed};

/// How many packets are decoded again to take over from sending. RFC 7845 §4.6 has decoders settled
/// within 80 ms; an error in the energies of bands, which are told as differences from the frame
/// before, halves with each frame, and is below -70 dB after 240 ms.
const RECENT_MAX: usize = 12;
/// How many blocks of them an encoder repeats: what it predicts from is one or two frames old.
const WARM_UP_BLOCKS: usize = 4;

/// So many packets are left when the way over to the next deck begins.
const ALMOST_OVER: usize = 4;
/// What is as good as unity: 0.05 dB.
const UNITY: std::ops::RangeInclusive<f32> = 0.994_26..=1.005_77;
/// Below it a sample is silent to everybody: -66 dB.
const SILENT: f32 = 5e-4;

/// What is known of the packets of a deck's track.
pub(super) struct Packets {
    /// Whether they may be sent as they are, as far as is known.
    pub(super) are_passable: bool,
    pub(super) is_sending: bool,
    /// By how much samples are ahead of what is heard of packets.
    pub(super) ahead: usize,
    /// The last that were sent or decoded, while they are passable.
    recent: VecDeque<TimedPacket>,
    /// How many of them were taken since the track began or was jumped in.
    pub(super) taken: usize,
}

impl Packets {
    pub(super) fn new(are_passable: bool) -> Self {
        Self { are_passable, is_sending: false, ahead: 0, recent: VecDeque::new(), taken: 0 }
    }

    /// Those that come are others, of this track.
    pub(super) fn restart(&mut self, start: &TrackStart) {
        self.are_passable = passable(&start.params).is_some();
        self.recent.clear();
        self.taken = 0;
    }
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

impl Deck {
    /// By how much a mixer's samples are ahead of what is heard of packets.
    pub(crate) fn set_ahead(&mut self, frames: usize) {
        self.packets.ahead = frames;
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.packets.is_sending
    }

    /// Whether its packets would be heard as its samples are.
    pub(crate) fn is_passable(&self) -> bool {
        self.packets.are_passable && UNITY.contains(&self.gain)
    }

    /// Whether nothing of it was heard yet, and nothing has to be faded in.
    pub(crate) fn is_at_start(&self) -> bool {
        !self.is_fed_packets
            && self.packets.taken == 0
            && self.pcm.frames() == 0
            && self.landing.is_none()
    }

    /// Whether it has to be faded in, as it begins in the middle of a stream.
    pub(crate) fn begins_midway(&self) -> bool {
        self.is_fed_packets || self.landing.is_some()
    }

    /// Whether a few packets are all there is left.
    pub(crate) fn is_almost_over(&self) -> bool {
        self.all_fed && self.queue.len() < ALMOST_OVER
    }

    /// Sends packets from the first one on.
    pub(crate) fn send_from_start(&mut self) {
        self.packets.is_sending = true;
        let head = passable(&self.start.params);
        self.played = -head.map_or(0, |head| i64::from(head.pre_skip));
    }

    /// Sends packets from the next one on that is not heard yet. False if the samples do not stand
    /// where that leaves no seam.
    pub(crate) fn send_on(&mut self) -> bool {
        let unheard = self.pcm.frames() + self.packets.ahead;
        if !self.packets.are_passable
            || self.misalignment() > 0
            || unheard / BLOCK > self.packets.recent.len()
        {
            return false;
        }
        for _ in 0..unheard / BLOCK {
            let Some(packet) = self.packets.recent.pop_back() else { break };
            self.queue.unpop(packet);
            self.packets.taken -= 1;
        }
        self.pcm.clear();
        self.lead = 0;
        self.is_drained = false;
        self.packets.is_sending = true;
        self.played -= signed(self.packets.ahead);
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
        if self.packets.is_sending {
            debug!(position = ?self.position(), "packets are decoded from here on");
            self.packets.is_sending = false;
            self.decode_again();
        }
        std::mem::take(&mut self.warm_up)
    }

    pub(super) fn decode_again(&mut self) {
        self.pcm.clear();
        self.is_drained = false;
        match Decoder::new(&self.start.params) {
            Ok(decoder) => self.decoder = decoder,
            Err(error) => return self.give_up(DecodeError::Track(error)),
        }
        if self.packets.recent.is_empty() {
            self.played = 0;
            return;
        }
        // What was sent contained the pre-skip, or as much of it as there was.
        self.trim = Trim::default();
        for timed in &self.packets.recent {
            if self.decoder.decode(&timed.packet, &mut self.decoded).is_err() {
                self.decoded.clear();
            }
            self.decoded.resize(2 * BLOCK, 0.0);
            self.pcm.push(&self.decoded);
        }
        let settled = self.packets.recent.len().saturating_sub(WARM_UP_BLOCKS);
        self.warm_up = self.packets.recent.len() - settled;
        self.pcm.drop_front(settled * BLOCK + self.packets.ahead);
        self.played += signed(self.packets.ahead) - signed(self.warm_up * BLOCK);
    }

    /// By how many samples to go on, so that they are ahead of the grid of the packets as they should.
    fn misalignment(&self) -> usize {
        let next = signed(self.packets.taken * BLOCK) - signed(self.pcm.frames());
        let off = (signed(self.packets.ahead) - next).rem_euclid(i64::from(FRAME_SAMPLES));
        usize::try_from(off).unwrap_or(0)
    }

    /// Leaves out less than 20 ms, if it is silent and brings the samples onto the grid of the packets.
    pub(crate) fn align_in_silence(&mut self) {
        if !self.packets.are_passable {
            return;
        }
        let off = self.misalignment();
        let _ = self.fill(off, true);
        let front = self.pcm.front(off);
        if front.len() == 2 * off && front.iter().all(|sample| sample.abs() < SILENT) {
            self.consume(off);
        }
    }

    /// Begins with less than 20 ms of silence, so that the samples lie on the grid of the packets.
    pub(crate) fn align_at_start(&mut self) {
        let is_new = self.packets.taken == 0 && self.pcm.frames() == 0 && self.landing.is_none();
        if self.packets.are_passable && is_new {
            let pre_skip = i64::try_from(self.trim.delay).unwrap_or(0);
            let off = (pre_skip - signed(self.packets.ahead)).rem_euclid(i64::from(FRAME_SAMPLES));
            self.lead = usize::try_from(off).unwrap_or(0);
            self.pcm.push_silence(self.lead);
        }
    }

    /// Keeps a packet that was sent or decoded, in case it is needed again.
    pub(super) fn remember(&mut self, timed: TimedPacket) {
        if !self.packets.are_passable {
            return;
        }
        if !is_one_frame(&timed.packet.data) {
            self.passes_no_longer();
            return;
        }
        self.packets.taken += 1;
        if self.packets.recent.len() == RECENT_MAX {
            self.packets.recent.pop_front();
        }
        self.packets.recent.push_back(timed);
    }

    pub(super) fn passes_no_longer(&mut self) {
        self.packets.are_passable = false;
        self.info.passes_through = false;
        self.packets.recent.clear();
    }
}

/// The header of a track whose packets may be sent as they are.
pub(super) fn passable(params: &AudioCodecParameters) -> Option<OpusHead> {
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
