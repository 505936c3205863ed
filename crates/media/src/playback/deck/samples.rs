//! The packets of a deck as samples: decoded, trimmed and resampled.

use symphonia::core::packet::Packet;

use super::super::decode::{DecodeError, Decoder};
use super::super::encode::RATE_HZ;
use super::super::queue::{Piece, TimedPacket, TrackStart};
use super::super::resample::Resampler;
use super::{Deck, signed};

/// How many packets in a row may be bad: some seconds of a damaged file are passed over, while a
/// file that is all rubbish ends within two ticks' worth of work.
const BAD_PACKETS_MAX: u32 = 100;

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

impl Deck {
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
        self.played += signed(frames - lead);
    }

    /// Goes on where another deck ends, with what that one had decoded and not played: where the
    /// rates are the same, the resampler hears one sound.
    pub(crate) fn follow(&mut self, other: &mut Self) {
        if self.resampler.rate_hz() == other.resampler.rate_hz() {
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
        let Some(landing) = &mut self.landing else { return };
        let trimmed = matches!(self.decoder, Decoder::Symphonia(_));
        let early = landing.early(packet, trimmed, rate_hz);
        if early < self.decoded.len() as u64 / 2 {
            self.landing = None;
            // On the grid, so that packets can be sent again: at most 12 ms from what was asked for.
            let start = if self.packets.are_passable { self.packets.ahead as u64 } else { early };
            self.played += i64::try_from(start).unwrap_or(0) - i64::try_from(early).unwrap_or(0);
            self.trim.delay = start;
        } else {
            self.decoded.clear();
        }
    }

    fn take_track(&mut self, start: Box<TrackStart>) {
        match Decoder::new(&start.params) {
            Ok(decoder) => self.decoder = decoder,
            Err(error) => return self.give_up(DecodeError::Track(error)),
        }
        self.trim = start.trim;
        self.packets.restart(&start);
        self.info.passes_through = self.packets.are_passable;
        self.start = start;
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
    pub(super) fn give_up(&mut self, error: DecodeError) {
        self.faults.gave_up = Some(error);
        self.all_fed = true;
        self.queue.clear();
    }
}
