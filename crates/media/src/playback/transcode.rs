//! Packets of any codec into Opus frames, one block of 20 ms at a time.
//!
//! ```text
//!   packet -> decode, mix down -> trim -> resample -> pcm -> encode -> frame
//! ```
//!
//! At the end the last sample fades to zero and some silence follows, so that the far end hears no
//! click and its decoder is left at rest.

use std::collections::VecDeque;

use symphonia::core::packet::Packet;

use super::decode::{DecodeError, Decoder};
use super::encode::{Config, Encoder, FRAME_SAMPLES, RATE_HZ};
use super::fifo::Fifo;
use super::open::OpenError;
use super::player::Faults;
use super::queue::{Piece, Queue, TrackStart, Trim};
use super::resample::Resampler;

/// Silent frames after the last sound. Opus holds back 6.5 ms, so one is needed to hear the end;
/// after 100 ms the jitter buffer of a browser has nothing left to stretch.
pub(crate) const TAIL_FRAMES: u8 = 5;
/// Over how many samples an end that is not silent fades: 5 ms is short and does not click.
const FADE_SAMPLES: usize = 240;
/// How many packets in a row may be bad: some seconds of a damaged file are passed over, while a
/// file that is all rubbish ends within two ticks' worth of work.
const BAD_PACKETS_MAX: u32 = 100;

const BLOCK: usize = FRAME_SAMPLES as usize;

/// What one pull came to.
pub(crate) enum Step {
    /// A frame was made; so many of its samples are music.
    Frame { music: u32 },
    /// The next packet is not there yet.
    Starved,
    /// Everything was played, the tail included.
    Done,
}

/// Decodes and encodes one source.
pub(crate) struct Transcoder {
    decoder: Decoder,
    /// What is still to be cut from the current track.
    trim: Trim,
    resampler: Resampler,
    encoder: Encoder,
    /// The samples of one packet; kept for its memory.
    decoded: Vec<f32>,
    /// Stereo at 48 kHz, not encoded yet.
    pcm: Fifo,
    /// The last sample that was played, from which the end fades.
    last: [f32; 2],
    warm_up: WarmUp,
    /// By how much what is heard lies ahead of `pcm`, once it was taken over.
    ahead: usize,
    bad_in_a_row: u32,
    /// Once the end is reached: how much of `pcm` is music, the rest being the tail.
    ending: Option<usize>,
}

/// An encoder that takes over from another one first repeats what the other one has sent.
enum WarmUp {
    /// So many frames are still to be encoded and thrown away.
    Repeating(usize),
    /// The next frame is the first that is sent.
    TakingOver,
    Done,
}

impl Transcoder {
    pub(crate) fn new(start: &TrackStart, config: &Config) -> Result<Self, OpenError> {
        let decoder = Decoder::new(&start.params)?;
        let encoder = Encoder::new(config).map_err(OpenError::Encoder)?;
        let rate_hz = match &decoder {
            Decoder::Opus(_) => RATE_HZ,
            Decoder::Symphonia(_) => start.params.sample_rate.unwrap_or(RATE_HZ),
        };
        let resampler = Resampler::new(rate_hz).map_err(|_| OpenError::UnsupportedRate(rate_hz))?;
        Ok(Self {
            decoder,
            trim: start.trim,
            resampler,
            encoder,
            decoded: Vec::new(),
            pcm: Fifo::default(),
            last: [0.0; 2],
            warm_up: WarmUp::Done,
            ahead: 0,
            bad_in_a_row: 0,
            ending: None,
        })
    }

    /// Goes on where packets of 20 ms were sent as they are.
    ///
    /// Decoder and encoder run over the last of those packets again, so that both know what the
    /// far end knows. The encoder's input starts later by its own delay: what it then sends begins
    /// at the very sample at which the last packet ended, and the overlap that the far end's
    /// decoder adds up is that of one continuous sound.
    pub(crate) fn take_over(
        start: &TrackStart,
        sent: &VecDeque<Packet>,
        config: &Config,
    ) -> Result<Self, OpenError> {
        let mut transcoder = Self::new(start, config)?;
        let Self { decoder, decoded, pcm, encoder, .. } = &mut transcoder;
        for packet in sent {
            if decoder.decode(packet, decoded).is_err() {
                decoded.clear();
            }
            decoded.resize(2 * BLOCK, 0.0);
            pcm.push(decoded);
        }
        if !sent.is_empty() {
            let ahead = encoder.lookahead();
            pcm.drop_front(ahead);
            transcoder.ahead = ahead;
            transcoder.warm_up = WarmUp::Repeating(sent.len());
        }
        Ok(transcoder)
    }

    /// Makes the next frame.
    pub(crate) fn pull(
        &mut self,
        queue: &mut Queue,
        ended: bool,
        faults: &mut Faults,
        out: &mut Vec<u8>,
    ) -> Result<Step, DecodeError> {
        loop {
            while self.pcm.frames() < BLOCK {
                if self.ending.is_some() {
                    return Ok(Step::Done);
                }
                if self.resampler.run(&mut self.pcm) {
                    continue;
                }
                match queue.pop() {
                    Some(Piece::Packet(timed)) => self.take_packet(&timed.packet, faults)?,
                    Some(Piece::Track(start)) => self.take_track(&start)?,
                    None if ended => self.end(),
                    None => return Ok(Step::Starved),
                }
            }
            if let Some(music) = self.encode_block(out)? {
                return Ok(Step::Frame { music });
            }
        }
    }

    /// No more music: whatever is still in the resampler, then the fade and the tail.
    pub(crate) fn end(&mut self) {
        if self.ending.is_some() {
            return;
        }
        self.drain_resampler();
        let music = self.pcm.frames();
        if let [.., left, right] = self.pcm.front(music) {
            self.last = [*left, *right];
        }
        let fade = |step: usize| 1.0 - (step + 1) as f32 / FADE_SAMPLES as f32;
        for gain in (0..FADE_SAMPLES).map(fade) {
            self.pcm.push(&self.last.map(|sample| sample * gain));
        }
        let whole = self.pcm.frames().next_multiple_of(BLOCK);
        self.pcm.push_silence(whole - self.pcm.frames() + usize::from(TAIL_FRAMES) * BLOCK);
        self.ending = Some(music + self.ahead);
    }

    fn take_packet(&mut self, packet: &Packet, faults: &mut Faults) -> Result<(), DecodeError> {
        match self.decoder.decode(packet, &mut self.decoded) {
            Ok(rate_hz) if !self.decoded.is_empty() && self.adopt_rate(rate_hz) => {
                self.bad_in_a_row = 0;
                let music = self.trim.cut(self.decoded.len() / 2);
                self.resampler.push(&self.decoded[2 * music.start..2 * music.end]);
                return Ok(());
            }
            // Nothing in it: the first packet of some codecs, and no harm unless it goes on.
            Ok(_) => {}
            Err(_) => faults.packets_skipped += 1,
        }
        self.bad_in_a_row += 1;
        if self.bad_in_a_row >= BAD_PACKETS_MAX {
            return Err(DecodeError::TooManyBadPackets(self.bad_in_a_row));
        }
        Ok(())
    }

    fn take_track(&mut self, start: &TrackStart) -> Result<(), DecodeError> {
        self.decoder = Decoder::new(&start.params).map_err(DecodeError::Track)?;
        self.trim = start.trim;
        Ok(())
    }

    /// Sees to it that what comes is resampled from this rate. False if it cannot be.
    fn adopt_rate(&mut self, rate_hz: u32) -> bool {
        if rate_hz == self.resampler.rate_hz() {
            return true;
        }
        let Ok(resampler) = Resampler::new(rate_hz) else { return false };
        self.drain_resampler();
        self.resampler = resampler;
        true
    }

    fn drain_resampler(&mut self) {
        self.resampler.finish();
        while self.resampler.run(&mut self.pcm) {}
    }

    /// Encodes one block; none if it only warmed the encoder up.
    fn encode_block(&mut self, out: &mut Vec<u8>) -> Result<Option<u32>, DecodeError> {
        let block = self.pcm.front(BLOCK);
        let encoded = match self.warm_up {
            WarmUp::Repeating(_) | WarmUp::Done => self.encoder.encode(block),
            WarmUp::TakingOver => self.encoder.encode_independently(block),
        };
        let frame = encoded.map_err(DecodeError::Encode)?;
        let is_sent = !matches!(self.warm_up, WarmUp::Repeating(_));
        if is_sent {
            out.extend_from_slice(frame);
        }
        if let [.., left, right] = block {
            self.last = [*left, *right];
        }
        self.pcm.drop_front(BLOCK);
        self.warm_up = match self.warm_up {
            WarmUp::Repeating(left @ 2..) => WarmUp::Repeating(left - 1),
            WarmUp::Repeating(_) => WarmUp::TakingOver,
            WarmUp::TakingOver | WarmUp::Done => WarmUp::Done,
        };
        Ok(is_sent.then(|| self.count_music()))
    }

    /// How much of the block that was just sent is music.
    fn count_music(&mut self) -> u32 {
        let Some(left) = &mut self.ending else { return FRAME_SAMPLES };
        let music = (*left).min(BLOCK);
        *left -= music;
        music as u32
    }
}
