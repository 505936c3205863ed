//! What a mixer does at a tick.

use std::time::Duration;

use tracing::warn;

use super::super::control::{Join, MixerEvent, Pulled};
use super::super::deck::{Sent, Supply};
use super::super::encode::{FRAME_TIME, SILENCE};
use super::super::ramp::Ramp;
use super::{BLOCK, FADE_MAX, Mixer, Next, Output, TAIL_FRAMES, samples};

/// How early the end of a deck is told, beside a crossfade: time to find and open what follows.
const NEAR_END: Duration = Duration::from_secs(10);
/// For how many frames nothing acts before packets are sent again: by then encoder and far end have
/// heard 100 ms of what the packets hold, and agree about it.
const SETTLE_FRAMES: u8 = 5;

impl Mixer {
    /// Makes the next 20 ms. Call it once per tick; `out` holds the frame, or is left empty.
    ///
    /// A deck whose reader is late is silent meanwhile and keeps its place. After the last sound come
    /// five silent frames, so that the far end hears the end of it without a click.
    ///
    /// On the way from packets to encoding, decoder and encoder run over the last four packets again, so
    /// that both know what the far end knows; what is encoded then begins at the very sample at which
    /// the last packet ended, as a frame that does not refer to others. On the way back the packets
    /// are those whose frames the encoder would have made of the same samples, after 100 ms in which
    /// nothing acted on them; they go on in the far end's decoder as the encoder's own frames would.
    /// Samples that do not lie on the grid of the packets, as behind a gapless join, wait for 20 ms of
    /// silence to be moved there.
    pub fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        out.clear();
        if self.current.is_none() {
            self.take_next();
        }
        self.tell_near_end();
        self.cross_over();
        if self.output == Output::Passing && self.must_mix() {
            self.stop_passing();
        }
        if self.output != Output::Passing {
            self.try_to_pass();
        }
        let passed = if self.output == Output::Passing { self.pass(out) } else { None };
        let pulled = passed.unwrap_or_else(|| self.mix(out));
        let is_idle = self.current.is_none() && self.next.is_none() && self.leaving.is_empty();
        if self.is_busy && is_idle {
            self.is_busy = false;
            self.tell(MixerEvent::Drained);
        }
        pulled
    }

    /// From packets to encoding, at the same sample.
    pub(super) fn stop_passing(&mut self) {
        self.settled = 0;
        if self.output != Output::Passing {
            return;
        }
        self.output = Output::Changing;
        self.limiter.reset();
        if let Err(error) = self.encoder.reset() {
            warn!(%error, "the encoder could not be reset");
        }
        let Some(voice) = &mut self.current else { return };
        let blocks = voice.deck.stop_sending();
        // The encoder's high pass would answer a sudden beginning with an offset for a tenth of a second.
        let mut swell = Ramp::at(0.0);
        swell.go(1.0, (blocks.saturating_sub(1)) * BLOCK / 2);
        for _ in 0..blocks {
            self.block.fill(0.0);
            // What is missing, where the reader is late, is silence.
            let _ = voice.render(&mut self.block[..], &mut self.scratch[..], false);
            swell.apply(&mut self.block[..]);
            self.limiter.run(&mut self.block);
            if let Err(error) = self.encoder.encode(&self.block[..]) {
                warn!(%error, "the encoder could not repeat what was sent");
            }
        }
    }

    /// Whether anything acts on the samples, or more than one deck is heard.
    fn must_mix(&self) -> bool {
        if !self.leaving.is_empty() || !self.clips.is_empty() {
            return true;
        }
        let Some(voice) = &self.current else { return false };
        let is_sent = self.output != Output::Passing || voice.deck.is_sending();
        let is_unity = self.volume_gain.rests_at(1.0)
            && self.duck_gain.rests_at(1.0)
            && self.pause_gain.rests_at(1.0)
            && voice.is_steady();
        !(is_sent && is_unity && voice.deck.is_passable()) || self.is_near_join()
    }

    /// Whether another deck follows within a few frames without a gap, which packets would have.
    fn is_near_join(&self) -> bool {
        let Some(Next { deck, join: Join::Gapless, .. }) = &self.next else { return false };
        deck.is_ready() && self.current.as_ref().is_some_and(|voice| voice.deck.is_almost_over())
    }

    fn try_to_pass(&mut self) {
        if self.must_mix() {
            self.settled = 0;
            return;
        }
        let Some(voice) = &mut self.current else { return };
        // One silent frame, and nothing is left in the limiter and the encoder.
        if self.quiet > 0 && voice.deck.is_at_start() {
            voice.deck.send_from_start();
            self.output = Output::Passing;
            return;
        }
        self.settled = self.settled.saturating_add(1);
        if self.settled <= SETTLE_FRAMES || !self.limiter.is_transparent() {
            return;
        }
        if voice.deck.send_on() {
            self.output = Output::Passing;
            self.settled = 0;
        } else {
            voice.deck.align_in_silence();
        }
    }

    /// Sends the next packet; none if it has to be mixed after all.
    fn pass(&mut self, out: &mut Vec<u8>) -> Option<Pulled> {
        loop {
            let Some(voice) = &mut self.current else { return Some(self.pass_silence(out)) };
            match voice.deck.send(out) {
                Sent::Packet => {
                    self.quiet = 0;
                    return Some(Pulled::Frame);
                }
                Sent::Starved => return Some(self.pass_silence(out)),
                Sent::Ended => {
                    if let Some(voice) = self.current.take() {
                        self.end(voice, true);
                    }
                    self.take_next();
                    if self.must_mix() {
                        self.stop_passing();
                        return None;
                    }
                    if let Some(voice) = &mut self.current {
                        if !voice.deck.is_at_start() {
                            self.stop_passing();
                            return None;
                        }
                        voice.deck.send_from_start();
                    }
                }
                Sent::MustDecode => {
                    self.stop_passing();
                    return None;
                }
            }
        }
    }

    fn pass_silence(&mut self, out: &mut Vec<u8>) -> Pulled {
        if self.quiet >= TAIL_FRAMES {
            return Pulled::Silent;
        }
        self.quiet += 1;
        out.extend_from_slice(&SILENCE);
        Pulled::Frame
    }

    fn mix(&mut self, out: &mut Vec<u8>) -> Pulled {
        self.block.fill(0.0);
        let music = self.mix_music();
        let clips = self.mix_clips();
        if music || clips {
            self.quiet = 0;
        } else if self.quiet >= TAIL_FRAMES {
            return Pulled::Silent;
        } else {
            self.quiet += 1;
        }
        self.volume_gain.apply(&mut self.block[..]);
        self.limiter.run(&mut self.block);
        let encoded = match std::mem::replace(&mut self.output, Output::Encoding) {
            Output::Changing => self.encoder.encode_independently(&self.block[..]),
            Output::Encoding | Output::Passing => self.encoder.encode(&self.block[..]),
        };
        match encoded {
            Ok(frame) => out.extend_from_slice(frame),
            Err(error) => {
                warn!(%error, "a block could not be encoded");
                out.extend_from_slice(&SILENCE);
            }
        }
        Pulled::Frame
    }

    /// Whether there was any.
    fn mix_music(&mut self) -> bool {
        let is_held = self.is_paused && self.pause_gain.is_settled();
        if is_held {
            return false;
        }
        self.ring.render(&mut self.block[..]);
        let mut is_heard = self.mix_leaving();
        is_heard |= self.mix_current();
        is_heard |= self.ring.take_heard();
        self.duck_gain.apply(&mut self.block[..]);
        self.pause_gain.apply(&mut self.block[..]);
        is_heard
    }

    fn mix_leaving(&mut self) -> bool {
        let mut is_heard = false;
        for _ in 0..self.leaving.len() {
            let Some(mut voice) = self.leaving.pop_front() else { break };
            let (frames, supply) = voice.render(&mut self.block[..], &mut self.scratch[..], false);
            is_heard |= frames > 0;
            if supply == Supply::Ended {
                self.ring.start(voice.last, &mut self.block[2 * frames..]);
            }
            if supply != Supply::Ready || voice.fade.is_settled() {
                // Of what was crossfaded, less than a frame may be left.
                let is_over = voice.deck.remaining().is_some_and(|left| left < 2 * FRAME_TIME);
                self.end(voice, is_over);
            } else {
                self.leaving.push_back(voice);
            }
        }
        is_heard
    }

    fn mix_current(&mut self) -> bool {
        let mut at = 0;
        while at < BLOCK {
            let is_followed = self.is_followed();
            let Some(voice) = &mut self.current else { break };
            let was_starved = voice.is_starved;
            let (frames, supply) =
                voice.render(&mut self.block[at..], &mut self.scratch[..], is_followed);
            at += 2 * frames;
            match supply {
                Supply::Ready => {}
                Supply::Starved => {
                    if !was_starved {
                        self.ring.start(voice.last, &mut self.block[at..]);
                    }
                    break;
                }
                Supply::Ended => self.hand_over(is_followed, at),
            }
        }
        at > 0
    }

    /// Whether the current deck's end is the beginning of the next one.
    fn is_followed(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.deck.is_ready())
    }

    /// The current deck is over: the next one goes on, within the same block.
    fn hand_over(&mut self, is_followed: bool, at: usize) {
        let Some(mut voice) = self.current.take() else { return };
        if is_followed && let Some(next) = &mut self.next {
            next.deck.follow(&mut voice.deck);
        } else {
            self.ring.start(voice.last, &mut self.block[at..]);
        }
        self.end(voice, true);
        self.take_next();
        if is_followed && let Some(voice) = &mut self.current {
            voice.is_follower = true;
        }
    }

    fn take_next(&mut self) {
        if let Some(Next { id, deck, .. }) = self.next.take() {
            self.begin(id, deck, Duration::ZERO);
        }
    }

    /// Whether there were any.
    fn mix_clips(&mut self) -> bool {
        self.clip_ring.render(&mut self.block[..]);
        let mut is_heard = false;
        let mut at = 0;
        while at < self.clips.len() {
            let (frames, supply) =
                self.clips[at].render(&mut self.block[..], &mut self.scratch[..], false);
            is_heard |= frames > 0;
            if supply != Supply::Ended {
                at += 1;
                continue;
            }
            let clip = self.clips.remove(at);
            self.clip_ring.start(clip.last, &mut self.block[2 * frames..]);
            self.tell(MixerEvent::ClipEnded(clip.id));
            self.bury(Some(clip.deck));
            self.follow_ducking();
        }
        is_heard |= self.clip_ring.take_heard();
        is_heard
    }

    /// Begins a crossfade when it is time for it.
    fn cross_over(&mut self) {
        let Some(time) = self.crossfade_due() else { return };
        self.stop_passing();
        let (Some(mut old), Some(Next { id, deck, .. })) = (self.current.take(), self.next.take())
        else {
            return;
        };
        old.fade.go(0.0, samples(time));
        self.leaving.push_back(old);
        self.begin(id, deck, time);
    }

    /// Over what time the current deck and the next one are to be heard together from now on.
    fn crossfade_due(&self) -> Option<Duration> {
        let Some(Next { deck, join: Join::Crossfade(time), .. }) = &self.next else { return None };
        let current = &self.current.as_ref()?.deck;
        let halves = [deck, current].map(|deck| deck.info().duration.map(|whole| whole / 2));
        let time = halves.into_iter().flatten().fold((*time).min(FADE_MAX), Duration::min);
        let left = current.remaining()?;
        (!self.is_paused && deck.is_ready() && !time.is_zero() && left <= time)
            .then_some(time.min(left))
    }

    fn tell_near_end(&mut self) {
        let crossfade = match &self.next {
            Some(Next { join: Join::Crossfade(time), .. }) => (*time).min(FADE_MAX),
            Some(Next { join: Join::Gapless, .. }) => Duration::ZERO,
            // Which one it will be is not known yet.
            None => FADE_MAX,
        };
        let Some(voice) = &self.current else { return };
        let is_near = voice.deck.remaining().is_some_and(|left| left <= NEAR_END + crossfade);
        let id = voice.id;
        if !is_near && self.near_end == Some(id) {
            // Somebody went back.
            self.near_end = None;
        }
        if is_near && self.near_end != Some(id) {
            self.near_end = Some(id);
            self.tell(MixerEvent::NearEnd(id));
        }
    }
}
