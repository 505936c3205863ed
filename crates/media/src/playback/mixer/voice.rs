//! One deck in the mix.

use super::super::control::TrackId;
use super::super::deck::{Deck, Supply};
use super::super::ramp::Ramp;

/// Over how many samples an end that is not silent fades: 5 ms is short and does not click.
const RING_SAMPLES: usize = 240;

/// Below it a sample leaves no click behind: -100 dB.
const INAUDIBLE: f32 = 1e-5;

/// A deck that is heard, with what acts on it alone.
pub(super) struct Voice {
    pub(super) id: TrackId,
    pub(super) deck: Deck,
    /// Its fade in or out, at equal power.
    pub(super) fade: Ramp,
    /// Brings it back after its reader was late.
    swell: Ramp,
    /// The last sample that was heard.
    pub(super) last: [f32; 2],
    /// Whether its reader is late.
    pub(super) is_starved: bool,
    /// Whether any of it was heard.
    is_heard: bool,
    /// Whether it goes on where another one ended.
    pub(super) is_follower: bool,
}

impl Voice {
    pub(super) fn new(id: TrackId, deck: Deck) -> Self {
        Self {
            id,
            deck,
            fade: Ramp::at(1.0),
            swell: Ramp::at(1.0),
            last: [0.0; 2],
            is_starved: false,
            is_heard: false,
            is_follower: false,
        }
    }

    /// Whether no gain of its own changes.
    pub(super) fn is_steady(&self) -> bool {
        self.fade.rests_at(1.0) && self.swell.rests_at(1.0)
    }

    /// Adds its next frames to the mix, and answers with how many there were. Where its reader is late
    /// there are none, and it keeps its place.
    pub(super) fn render(
        &mut self,
        mix: &mut [f32],
        scratch: &mut [f32],
        is_followed: bool,
    ) -> (usize, Supply) {
        if !self.is_heard && !self.is_follower {
            self.deck.align_at_start();
        }
        let supply = self.deck.fill(mix.len() / 2, is_followed);
        if supply == Supply::Starved {
            self.is_starved = true;
            return (0, supply);
        }
        if self.is_starved {
            self.is_starved = false;
            if self.is_heard {
                self.swell = Ramp::at(0.0);
                self.swell.go(1.0, RING_SAMPLES);
            }
        }
        let front = self.deck.front(mix.len() / 2);
        let voice = &mut scratch[..front.len()];
        let gain = self.deck.gain();
        if (gain - 1.0).abs() < f32::EPSILON {
            voice.copy_from_slice(front);
        } else {
            voice.iter_mut().zip(front).for_each(|(sample, source)| *sample = source * gain);
        }
        let frames = front.len() / 2;
        self.is_heard |= frames > 0;
        self.deck.consume(frames);
        self.swell.apply(voice);
        self.fade.apply_equal_power(voice);
        if let [.., left, right] = voice {
            self.last = [*left, *right];
        }
        mix.iter_mut().zip(voice).for_each(|(mix, sample)| *mix += *sample);
        (frames, supply)
    }
}

/// The last sample of something that ended in the middle of a swing, fading.
#[derive(Debug, Default)]
pub(super) struct Ring {
    from: [f32; 2],
    left: usize,
    is_heard: bool,
}

impl Ring {
    /// Lets a sample fade over what is left of the block, and longer if need be.
    pub(super) fn start(&mut self, last: [f32; 2], rest: &mut [f32]) {
        if last.iter().all(|sample| sample.abs() < INAUDIBLE) {
            return;
        }
        let share = self.left as f32 / RING_SAMPLES as f32;
        self.from = [self.from[0] * share + last[0], self.from[1] * share + last[1]];
        self.left = RING_SAMPLES;
        self.render(rest);
    }

    /// Adds what is left from before to the mix.
    pub(super) fn render(&mut self, mix: &mut [f32]) {
        self.is_heard |= self.left > 0;
        for frame in mix.chunks_exact_mut(2).take(self.left) {
            self.left -= 1;
            let share = self.left as f32 / RING_SAMPLES as f32;
            frame[0] += self.from[0] * share;
            frame[1] += self.from[1] * share;
        }
    }

    /// Whether anything was added since this was asked last.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.is_heard)
    }
}
