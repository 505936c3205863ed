//! Keeps what was made louder, or mixed, below full scale without clipping it.
//!
//! Looks ahead by 5 ms: the gain that a peak needs is found before the peak leaves, held until it
//! has, and averaged on the way down, so that no step is heard. Then it returns within about 100 ms.
//! While nothing exceeds the ceiling it is a delay and nothing else.
//!
//! The gain of a sample is a mean of [`AHEAD`] values, each of which is no more than what that sample
//! needs: a sample cannot exceed the ceiling.

use std::collections::VecDeque;

use super::encode::FRAME_SAMPLES;

/// How far it looks ahead, and by how much it delays, in samples.
pub(crate) const AHEAD: usize = 240;
/// Half a decibel below full scale: what lies between samples may be higher than they are, and
/// encoding adds its own.
const CEILING: f32 = 0.944;
/// How much of the way back to unity is gone each sample: 63 % within 100 ms.
const RELEASE: f32 = 1.0 / 4800.0;
/// Where the way back ends: 0.01 dB is no gain.
const RELEASED: f32 = 0.999;
/// Less than this is not worth mentioning: 0.1 dB.
const TRANSPARENT: f64 = 0.99;

/// Frames, and samples of both channels, in a block.
const FRAMES: usize = FRAME_SAMPLES as usize;
const BLOCK: usize = 2 * FRAMES;

/// A stereo look-ahead limiter.
pub(crate) struct Limiter {
    /// The last [`AHEAD`] frames of input.
    delayed: [f32; 2 * AHEAD],
    /// Rising gains that inputs need, with the sample at which each came: the least is in front.
    needed: VecDeque<(u64, f32)>,
    /// The last [`AHEAD`] gains after hold and release, and their sum.
    gains: VecDeque<f32>,
    sum: f64,
    envelope: f32,
    samples: u64,
    /// When a gain below one was in use last.
    acted_at: Option<u64>,
}

impl Limiter {
    pub(crate) fn new() -> Self {
        Self {
            delayed: [0.0; 2 * AHEAD],
            needed: VecDeque::with_capacity(AHEAD + 2),
            gains: VecDeque::from(vec![1.0; AHEAD]),
            sum: AHEAD as f64,
            envelope: 1.0,
            samples: 0,
            acted_at: None,
        }
    }

    /// As if only silence had been heard.
    pub(crate) fn reset(&mut self) {
        self.delayed.fill(0.0);
        self.needed.clear();
        self.rest();
        self.samples = 0;
    }

    /// Whether it leaves the sound alone, but for a tenth of a decibel.
    pub(crate) fn is_transparent(&self) -> bool {
        self.acted_at.is_none() || self.sum >= TRANSPARENT * AHEAD as f64
    }

    /// Limits a block in place, delayed by [`AHEAD`].
    pub(crate) fn run(&mut self, block: &mut [f32; BLOCK]) {
        let peak = block.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        if self.acted_at.is_none() && peak <= CEILING {
            self.delay(block);
        } else {
            let mut gains = [1.0; FRAMES];
            for (gain, frame) in gains.iter_mut().zip(block.chunks_exact(2)) {
                *gain = self.next_gain(frame[0].abs().max(frame[1].abs()));
            }
            self.delay(block);
            for (gain, frame) in gains.iter().zip(block.chunks_exact_mut(2)) {
                frame[0] *= gain;
                frame[1] *= gain;
            }
            self.rest_when_over();
        }
        for sample in block {
            *sample = sane(*sample);
        }
    }

    fn rest_when_over(&mut self) {
        let is_over = |at: u64| self.samples - at > 2 * AHEAD as u64 + 1;
        if self.acted_at.is_some_and(is_over) {
            self.needed.clear();
            self.rest();
        }
    }

    fn rest(&mut self) {
        self.gains.iter_mut().for_each(|gain| *gain = 1.0);
        self.sum = AHEAD as f64;
        self.envelope = 1.0;
        self.acted_at = None;
    }

    fn delay(&mut self, block: &mut [f32; BLOCK]) {
        let mut later = [0.0; 2 * AHEAD];
        later.copy_from_slice(&block[BLOCK - 2 * AHEAD..]);
        block.copy_within(..BLOCK - 2 * AHEAD, 2 * AHEAD);
        block[..2 * AHEAD].copy_from_slice(&self.delayed);
        self.delayed = later;
    }

    /// The gain for the sample that leaves while one of this height comes in.
    fn next_gain(&mut self, peak: f32) -> f32 {
        let need = if peak > CEILING { CEILING / peak } else { 1.0 };
        while self.needed.back().is_some_and(|(_, later)| *later >= need) {
            self.needed.pop_back();
        }
        self.needed.push_back((self.samples, need));
        // The sample that leaves came in AHEAD samples ago, and is still asked.
        while self.needed.front().is_some_and(|(at, _)| self.samples - at > AHEAD as u64) {
            self.needed.pop_front();
        }
        let least = self.needed.front().map_or(1.0, |(_, need)| *need);
        self.envelope = (self.envelope + (1.0 - self.envelope) * RELEASE).min(least);
        if self.envelope > RELEASED {
            self.envelope = 1.0;
        }
        if self.envelope < 1.0 || need < 1.0 {
            self.acted_at = Some(self.samples);
        }
        self.gains.push_back(self.envelope);
        self.sum += f64::from(self.envelope);
        self.sum -= f64::from(self.gains.pop_front().unwrap_or(1.0));
        self.samples += 1;
        (self.sum / AHEAD as f64) as f32
    }
}

/// Rounding may add a last bit above full scale; and one NaN would stay in the encoder for good.
fn sane(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    /// A tone of 441 Hz, limited block by block.
    fn limited(amplitude: impl Fn(usize) -> f32, samples: usize) -> Vec<f32> {
        let mut limiter = Limiter::new();
        let mut heard = Vec::new();
        for block in 0..samples / 960 {
            let mut stereo = [0.0; BLOCK];
            for (n, frame) in (block * 960..).zip(stereo.chunks_exact_mut(2)) {
                let sample = amplitude(n) * (TAU * 441.0 * n as f32 / 48_000.0).sin();
                frame.copy_from_slice(&[sample, -sample]);
            }
            limiter.run(&mut stereo);
            heard.extend(stereo.chunks_exact(2).map(|frame| frame[0]));
        }
        heard
    }

    fn step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn what_is_below_the_ceiling_is_delayed_and_nothing_else() {
        let heard = limited(|_| 0.9, 9_600);
        for (n, sample) in heard.iter().enumerate().skip(AHEAD) {
            let expected = 0.9 * (TAU * 441.0 * (n - AHEAD) as f32 / 48_000.0).sin();
            assert!((sample - expected).abs() < 1e-6, "sample {n}");
        }
    }

    #[test]
    fn twelve_decibels_too_much_stay_below_full_scale_without_a_step() {
        let heard = limited(|n| if n < 16_000 { 0.25 } else { 4.0 }, 48_000);
        let peak = heard.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak <= CEILING + 1e-5, "{peak}");
        // It becomes louder at a zero crossing. A full-scale tone of 441 Hz moves by 0.0577 from one sample to the next.
        assert!(step(&heard) < 0.07, "{}", step(&heard));
        // It is still a tone at the ceiling, not a rectangle: its mean square is half.
        let late = &heard[24_000..];
        let square = late.iter().map(|sample| sample * sample).sum::<f32>() / late.len() as f32;
        assert!((square / CEILING.powi(2) - 0.5).abs() < 0.02, "{square}");
    }

    #[test]
    fn after_a_peak_the_sound_is_let_alone_again() {
        let mut limiter = Limiter::new();
        let mut peak = [0.1; BLOCK];
        peak[100] = 3.0;
        limiter.run(&mut peak);
        assert!(!limiter.is_transparent());
        for _ in 0..60 {
            limiter.run(&mut [0.1; BLOCK]);
        }
        assert!(limiter.is_transparent() && limiter.acted_at.is_none());
    }

    #[test]
    fn no_number_is_silence() {
        let mut limiter = Limiter::new();
        let mut stereo = [f32::NAN; BLOCK];
        stereo[7] = f32::INFINITY;
        for _ in 0..3 {
            limiter.run(&mut stereo);
            assert!(stereo.iter().all(|sample| sample.abs() <= 1.0));
        }
    }
}
