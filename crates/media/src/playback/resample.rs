//! Any sample rate to 48 kHz.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, Fft, FixedAsync, FixedSync, Indexing, ResamplerConstructionError,
    SincInterpolationParameters, WindowFunction,
};

use super::encode::{FRAME_SAMPLES, RATE_HZ};
use super::fifo::Fifo;

/// The largest block of source frames that the FFT resampler may work on: beyond it, rates that
/// have little in common with 48 kHz would cost seconds of delay.
const FFT_FRAMES_MAX: u32 = 8 * FRAME_SAMPLES;

/// A stereo resampler that keeps the length: what comes out is as long as what went in, without
/// the filter's delay in front.
pub(crate) struct Resampler {
    rate_hz: u32,
    /// None where the source is at 48 kHz already.
    engine: Option<Box<dyn rubato::Resampler<f32>>>,
    input: Fifo,
    output: Vec<f32>,
    /// Frames of the filter's delay that are still to be dropped.
    delay_left: usize,
    taken: u64,
    given: u64,
    /// Set once no more input will come.
    finishing: bool,
}

impl Resampler {
    pub(crate) fn new(rate_hz: u32) -> Result<Self, ResamplerConstructionError> {
        let engine = if rate_hz == RATE_HZ { None } else { Some(engine(rate_hz)?) };
        let output_frames = engine.as_ref().map_or(0, |engine| engine.output_frames_max());
        Ok(Self {
            rate_hz,
            delay_left: engine.as_ref().map_or(0, |engine| engine.output_delay()),
            engine,
            input: Fifo::default(),
            output: vec![0.0; 2 * output_frames],
            taken: 0,
            given: 0,
            finishing: false,
        })
    }

    pub(crate) fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Takes stereo samples at the source's rate.
    pub(crate) fn push(&mut self, stereo: &[f32]) {
        self.taken += stereo.len() as u64 / 2;
        self.input.push(stereo);
    }

    /// No more input will come: what the filter still holds may leave.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
    }

    /// Appends one block at 48 kHz. False if more input is needed, or all is out.
    pub(crate) fn run(&mut self, out: &mut Fifo) -> bool {
        let Some(engine) = &mut self.engine else {
            let moved = self.input.frames() > 0;
            self.input.drain_into(out);
            return moved;
        };
        let needed = engine.input_frames_next();
        let had = self.input.frames().min(needed);
        let due = (self.taken * u64::from(RATE_HZ)).div_ceil(u64::from(self.rate_hz));
        let may_run = if self.finishing { self.given < due } else { had == needed };
        if !may_run {
            return false;
        }
        let frames_out = self.output.len() / 2;
        let input = InterleavedSlice::new(self.input.front(had), 2, had)
            .expect("the slice holds so many stereo frames");
        let mut output = InterleavedSlice::new_mut(&mut self.output, 2, frames_out)
            .expect("the buffer holds so many stereo frames");
        let partial = Indexing::new().partial_len(had);
        let (_, made) = engine
            .process_into_buffer(&input, &mut output, (had < needed).then_some(&partial))
            .expect("both buffers are as large as the resampler asks for");
        self.input.drop_front(had);

        let skipped = self.delay_left.min(made);
        self.delay_left -= skipped;
        let kept = (made - skipped).min(usize::try_from(due - self.given).unwrap_or(usize::MAX));
        self.given += kept as u64;
        out.push(&self.output[2 * skipped..2 * (skipped + kept)]);
        true
    }
}

fn engine(rate_hz: u32) -> Result<Box<dyn rubato::Resampler<f32>>, ResamplerConstructionError> {
    let from = rate_hz as usize;
    let to = RATE_HZ as usize;
    let block = FRAME_SAMPLES as usize;
    let smallest = smallest_block(rate_hz);
    if smallest <= FFT_FRAMES_MAX {
        // About one block for each frame of Opus; an even one, as the filter's delay is half of it.
        let wanted = (block * from / to).next_multiple_of(2 * smallest as usize);
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::<f32>::new_custom(from, to, wanted, 1, 2, window, FixedSync::Both)?;
        return Ok(Box::new(fft));
    }
    let ratio = f64::from(RATE_HZ) / f64::from(rate_hz);
    let filter = SincInterpolationParameters::default();
    Ok(Box::new(Async::<f32>::new_sinc(ratio, 1.0, &filter, block, 2, FixedAsync::Output)?))
}

/// The shortest run of source frames that is a whole number of frames at 48 kHz.
fn smallest_block(rate_hz: u32) -> u32 {
    let (mut a, mut b) = (rate_hz, RATE_HZ);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    rate_hz / a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One second of a tone of 1 kHz at half of full scale, resampled.
    fn resampled(rate_hz: u32) -> Vec<f32> {
        let mut resampler = Resampler::new(rate_hz).expect("a rate that music comes in");
        let mut out = Fifo::default();
        for n in 0..rate_hz {
            let phase = f64::from(n) * 1000.0 / f64::from(rate_hz) * std::f64::consts::TAU;
            resampler.push(&[0.5 * phase.sin() as f32, 0.0]);
            while resampler.run(&mut out) {}
        }
        resampler.finish();
        while resampler.run(&mut out) {}
        out.front(out.frames()).to_vec()
    }

    #[test]
    fn every_rate_keeps_length_level_and_phase() {
        for rate_hz in [8_000, 11_025, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
            let stereo = resampled(rate_hz);
            assert_eq!(stereo.len() / 2, 48_000, "{rate_hz}");
            // The edges ring, as the tone starts and stops at once.
            for (n, frame) in stereo.chunks_exact(2).enumerate().skip(4800).take(38_400) {
                let phase = n as f64 / 48.0 * std::f64::consts::TAU;
                let error = (0.5 * phase.sin() as f32 - frame[0]).abs();
                // The filter for odd rates is late by a part of a sample: 1 kHz moves by 0.065.
                let tolerance = if rate_hz == 44_101 { 0.065 } else { 2e-3 };
                assert!(error < tolerance, "{rate_hz} Hz, frame {n}: off by {error}");
                assert!(frame[1].abs() < 1e-6, "{rate_hz} Hz, frame {n}: heard on the right");
            }
        }
    }
}
