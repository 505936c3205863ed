//! Measuring samples.

use std::time::Duration;

use ebur128::{EbuR128, Mode};

use super::units::{DbTp, Loudness, Lufs};

/// Below this nothing counts as sound (EBU Tech 3341 §2.9, the absolute gate).
const SILENCE_LUFS: f64 = -70.0;
/// How much sound the standard measures at a time.
const BLOCK: Duration = Duration::from_millis(400);

/// What was measured, and over how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The result.
    pub loudness: Loudness,
    /// How long the sound is that was measured.
    pub duration: Duration,
    /// Whether that is the whole source; false if it is longer than was allowed.
    pub is_whole: bool,
}

/// Measures stereo samples.
///
/// Its memory does not grow with what it has measured: 0.4 s of samples and a histogram of
/// loudness in steps of 0.1 LU.
pub struct Scanner {
    meter: EbuR128,
    duration: Duration,
    /// How much was measured since the rate changed last.
    at_this_rate: Duration,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("duration", &self.duration).finish_non_exhaustive()
    }
}

impl Scanner {
    /// For samples at this rate; none if it is outside of 16 Hz to 2 822 400 Hz.
    pub fn new(rate_hz: u32) -> Option<Self> {
        let meter = EbuR128::new(2, rate_hz, Mode::I | Mode::TRUE_PEAK | Mode::HISTOGRAM).ok()?;
        Some(Self { meter, duration: Duration::ZERO, at_this_rate: Duration::ZERO })
    }

    /// Goes on with samples of another rate. False if the rate cannot be measured.
    pub fn set_rate(&mut self, rate_hz: u32) -> bool {
        if rate_hz != self.meter.rate() {
            self.at_this_rate = Duration::ZERO;
        }
        self.meter.change_parameters(2, rate_hz).is_ok()
    }

    /// Takes interleaved stereo samples. Half a frame at the end is left out.
    pub fn push(&mut self, stereo: &[f32]) {
        let frames = stereo.len() / 2;
        self.meter.add_frames_f32(&stereo[..2 * frames]).expect("whole frames of two channels");
        let seconds = frames as f64 / f64::from(self.meter.rate());
        let duration = Duration::from_secs_f64(seconds);
        self.duration += duration;
        self.at_this_rate += duration;
    }

    /// How much was measured so far.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// How loud that was.
    pub fn loudness(&self) -> Loudness {
        let peak = (0..2).filter_map(|channel| self.meter.true_peak(channel).ok());
        let peak = 20.0 * peak.fold(0.0, f64::max).log10();
        let integrated = self.integrated().filter(|lufs| *lufs > SILENCE_LUFS);
        Loudness {
            integrated: integrated.map(|lufs| Lufs(lufs as f32)),
            true_peak: peak.is_finite().then_some(DbTp(peak as f32)),
        }
    }

    /// What is too short for one block of the standard's is measured as if it went on as it is.
    fn integrated(&self) -> Option<f64> {
        if self.at_this_rate.is_zero() || self.duration >= BLOCK {
            return self.meter.loudness_global().ok();
        }
        let over_a_block = self.meter.loudness_momentary().ok()?;
        let part = self.at_this_rate.as_secs_f64() / BLOCK.as_secs_f64();
        Some(over_a_block - 10.0 * part.log10())
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn sine(rate_hz: u32, seconds: f64, dbfs: f64, hertz: f64) -> Vec<f32> {
        let amplitude = 10_f64.powf(dbfs / 20.0);
        let frames = (f64::from(rate_hz) * seconds) as u32;
        (0..frames)
            .map(|n| amplitude * (TAU * hertz * f64::from(n) / f64::from(rate_hz)).sin())
            .flat_map(|sample| [sample as f32; 2])
            .collect()
    }

    fn scan(rate_hz: u32, parts: &[&[f32]]) -> Scanner {
        let mut scanner = Scanner::new(rate_hz).expect("a rate that can be measured");
        for part in parts {
            scanner.push(part);
        }
        scanner
    }

    fn lufs(scanner: &Scanner) -> f32 {
        scanner.loudness().integrated.expect("sound").0
    }

    /// EBU Tech 3341, test case 1: a stereo sine of 1 kHz at -23 dBFS is at -23 LUFS.
    #[test]
    fn a_tone_is_as_loud_as_the_standard_says_at_every_rate() {
        for rate_hz in [8_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
            let scanner = scan(rate_hz, &[&sine(rate_hz, 20.0, -23.0, 1000.0)]);
            let measured = lufs(&scanner);
            assert!((measured + 23.0).abs() < 0.1, "{rate_hz} Hz: {measured}");
            assert!(
                scanner.duration().abs_diff(Duration::from_secs(20)) < Duration::from_millis(1)
            );
        }
    }

    /// EBU Tech 3341, test case 3: what is much quieter than the rest does not count.
    #[test]
    fn quiet_parts_do_not_count() {
        let quiet = sine(48_000, 10.0, -36.0, 1000.0);
        let loud = sine(48_000, 60.0, -23.0, 1000.0);
        let measured = lufs(&scan(48_000, &[&quiet, &loud, &quiet]));
        assert!((measured + 23.0).abs() < 0.1, "{measured}");
    }

    /// EBU Tech 3341, test case 17: samples that all miss the peak.
    #[test]
    fn the_peak_between_samples_counts() {
        let amplitude = 10_f64.powf(-6.0 / 20.0);
        let quarter = |n: u32| amplitude * (TAU * (f64::from(n) / 4.0 + 0.125)).sin();
        let tone: Vec<f32> = (0..48_000).flat_map(|n| [quarter(n) as f32; 2]).collect();
        let DbTp(peak) = scan(48_000, &[&tone]).loudness().true_peak.expect("sound");
        assert!((-6.4..=-5.8).contains(&peak), "{peak}");
    }

    #[test]
    fn silence_has_no_loudness() {
        let silence = scan(48_000, &[&vec![0.0; 96_000]]).loudness();
        assert_eq!(silence, Loudness { integrated: None, true_peak: None });
        let nothing = scan(48_000, &[]).loudness();
        assert_eq!(nothing, Loudness { integrated: None, true_peak: None });
        let hiss = scan(48_000, &[&sine(48_000, 2.0, -90.0, 1000.0)]).loudness();
        assert_eq!(hiss.integrated, None);
    }

    #[test]
    fn a_short_clip_is_as_loud_as_it_would_be_if_it_went_on() {
        for seconds in [0.05, 0.2, 0.39, 0.41, 1.0] {
            let measured = lufs(&scan(48_000, &[&sine(48_000, seconds, -20.0, 1000.0)]));
            assert!((measured + 20.0).abs() < 0.5, "{seconds} s: {measured}");
        }
    }

    #[test]
    fn a_change_of_rate_keeps_what_was_measured() {
        let mut scanner = scan(44_100, &[&sine(44_100, 10.0, -23.0, 1000.0)]);
        assert!(scanner.set_rate(48_000));
        scanner.push(&sine(48_000, 10.0, -23.0, 1000.0));
        assert!((lufs(&scanner) + 23.0).abs() < 0.1);
        assert!(!scanner.set_rate(0));
    }
}
