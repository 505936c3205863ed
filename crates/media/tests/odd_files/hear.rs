//! Decodes a file as a whole and measures its tones.

use std::f64::consts::TAU;
use std::io::Cursor;

use phonograph_media::playback::{Info, OpenError, Pcm, PcmError};

pub(crate) const LEFT_HZ: f64 = 441.0;
pub(crate) const RIGHT_HZ: f64 = 613.0;
pub(crate) const AMPLITUDE: f64 = 0.25;

/// Samples of one rate.
pub(crate) struct Part {
    pub(crate) rate_hz: u32,
    pub(crate) sides: [Vec<f64>; 2],
}

/// What came of decoding a file.
pub(crate) struct Heard {
    pub(crate) info: Info,
    pub(crate) parts: Vec<Part>,
    pub(crate) error: Option<PcmError>,
}

pub(crate) fn open(file: impl Into<Vec<u8>>) -> Result<Pcm, OpenError> {
    Pcm::open(Box::new(Cursor::new(file.into())))
}

pub(crate) fn refusal(file: impl Into<Vec<u8>>) -> OpenError {
    open(file).map(|_| ()).expect_err("it cannot be played")
}

pub(crate) fn hear(file: impl Into<Vec<u8>>) -> Heard {
    let mut pcm = open(file).expect("a file that can be played");
    let info = pcm.info().clone();
    let mut parts: Vec<Part> = Vec::new();
    let error = loop {
        let block = match pcm.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        if parts.last().is_none_or(|part| part.rate_hz != block.rate_hz) {
            parts.push(Part { rate_hz: block.rate_hz, sides: [Vec::new(), Vec::new()] });
        }
        let part = parts.last_mut().expect("one was pushed");
        for pair in block.stereo.chunks_exact(2) {
            part.sides[0].push(f64::from(pair[0]));
            part.sides[1].push(f64::from(pair[1]));
        }
    };
    Heard { info, parts, error }
}

impl Heard {
    pub(crate) fn seconds(&self) -> f64 {
        self.parts.iter().map(Part::seconds).sum()
    }

    /// Its only part, and nothing went wrong.
    pub(crate) fn whole(&self) -> &Part {
        assert!(self.error.is_none(), "{:?}", self.error);
        assert_eq!(self.parts.len(), 1, "the rate changed");
        &self.parts[0]
    }
}

impl Part {
    pub(crate) fn seconds(&self) -> f64 {
        self.sides[0].len() as f64 / f64::from(self.rate_hz)
    }

    /// How strong a tone is in the middle, over a second at most, in dB against that of the tests' tones.
    pub(crate) fn level_db(&self, side: usize, hertz: f64) -> f64 {
        let samples = &self.sides[side];
        let half = (samples.len() * 4 / 10).min(self.rate_hz as usize / 2);
        let samples = &samples[samples.len() / 2 - half..samples.len() / 2 + half];
        let (mut re, mut im, mut sum) = (0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let window = 0.5 - 0.5 * (TAU * n as f64 / samples.len() as f64).cos();
            let (sin, cos) = (TAU * hertz * n as f64 / f64::from(self.rate_hz)).sin_cos();
            re += window * sample * cos;
            im += window * sample * sin;
            sum += window;
        }
        20.0 * (2.0 * f64::hypot(re, im) / sum / AMPLITUDE).log10()
    }

    /// The two tones, each on its own side at its level.
    pub(crate) fn assert_tones(&self, tolerance_db: f64) {
        for (side, own, other) in [(0, LEFT_HZ, RIGHT_HZ), (1, RIGHT_HZ, LEFT_HZ)] {
            let level = self.level_db(side, own);
            assert!(level.abs() <= tolerance_db, "side {side}: off by {level:.2} dB");
            let leak = self.level_db(side, other);
            assert!(leak < -40.0, "side {side}: the other tone is there at {leak:.1} dB");
        }
    }
}

/// The file plays the two tones, and for so long.
pub(crate) fn assert_plays(file: impl Into<Vec<u8>>, codec: &str, seconds: f64, within: f64) {
    let heard = hear(file);
    assert_eq!(heard.info.codec, codec);
    let length = heard.seconds();
    assert!((length - seconds).abs() <= within, "{length} s instead of {seconds}");
    heard.whole().assert_tones(0.3);
}

/// Sines at a quarter of full scale, one per channel, interleaved.
pub(crate) fn sines(rate_hz: u32, seconds: f64, hertz: &[f64]) -> Vec<f32> {
    let frames = (f64::from(rate_hz) * seconds) as u32;
    (0..frames)
        .flat_map(|n| {
            let time = f64::from(n) / f64::from(rate_hz);
            hertz.iter().map(move |hertz| (AMPLITUDE * (TAU * hertz * time).sin()) as f32)
        })
        .collect()
}

/// The two tones for two seconds.
pub(crate) fn tones(rate_hz: u32) -> Vec<f32> {
    sines(rate_hz, 2.0, &[LEFT_HZ, RIGHT_HZ])
}

pub(crate) fn pcm16(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_768.0).round() as i16).collect()
}
