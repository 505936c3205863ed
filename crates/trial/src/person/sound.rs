//! What was heard: samples as they came out of Element Call, and what can be measured in them.

use std::f64::consts::{SQRT_2, TAU};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use serde::Deserialize;

/// Samples a second, as `ears.js` asks `WebAudio` for.
const RATE: f64 = 48_000.0;

/// A quarter of a second.
const WINDOW: usize = 12_000;

/// Below this level (-80 dBFS) there is no tone whose frequency would mean anything.
const AUDIBLE_RMS: f64 = 0.0001;

/// What a person in a call hears over some time: one stream for each track that arrives.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Heard {
    /// The streams, in the order in which they came.
    pub streams: Vec<Stream>,
}

impl Heard {
    /// The stream of a participant, by the beginning of its identity: a user id, or a user id and a
    /// device. Of several, the newest that is played: one who came back has an older one, too.
    pub fn of(&self, participant: &str) -> Option<&Stream> {
        let of_them = |stream: &&Stream| {
            stream.participant.as_deref().is_some_and(|identity| identity.starts_with(participant))
        };
        let played = self.streams.iter().filter(of_them).rfind(|stream| stream.played);
        played.or_else(|| self.streams.iter().rfind(of_them))
    }
}

/// One track of one participant.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Recorded")]
pub struct Stream {
    /// The track's id at the SFU, `TR_…`.
    pub sid: String,
    /// Whose it is, `@user:server:DEVICE`. `None` before Element Call said so.
    pub participant: Option<String>,
    /// Whether Element Call plays it to the person: with an audio element that is neither paused
    /// nor mute.
    pub played: bool,
    /// Left and right, as long as was asked for; empty if the stream ended meanwhile.
    pub channels: [Channel; 2],
    /// When the first of these samples was heard: milliseconds since 1970, 20 ms more or less.
    pub from_ms: u64,
    /// Pauses within the sound, 20 to 90 ms each, since the stream began; the first thousand.
    pub gaps: Vec<Gap>,
    /// How many gaps there were in all.
    pub gap_count: usize,
    /// What arrived by RTP since the stream began.
    pub received: Received,
}

impl Stream {
    /// The strongest frequency, left and right, in hertz; 0 where there is silence.
    pub fn hertz(&self) -> [f64; 2] {
        self.channels.each_ref().map(Channel::hertz)
    }

    /// The level, left and right: 1 is a full-scale square wave, a full-scale sine is 0.707.
    pub fn rms(&self) -> [f64; 2] {
        self.channels.each_ref().map(Channel::rms)
    }
}

/// A pause within the sound.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Gap {
    /// When it began, milliseconds since 1970.
    #[serde(rename = "at")]
    pub at_ms: u64,
    /// How long it was, in steps of 10 ms.
    #[serde(rename = "ms")]
    pub length_ms: u64,
}

/// The receiver's counters (W3C webrtc-stats, `inbound-rtp`).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Received {
    /// Packets that arrived.
    pub packets: u64,
    /// Packets that did not; negative where some came twice.
    pub packets_lost: i64,
    /// Samples given out. While `packets` grows and this stays 0 nothing can be decrypted.
    pub samples: u64,
    /// Samples made up for what was missing.
    pub samples_concealed: u64,
    /// Those of them that were silence.
    pub samples_silent: u64,
}

/// The samples of one channel, 48 kHz.
///
/// What is measured is the median of windows of a quarter of a second. So it is the same when the
/// listening machine stumbles, which [`Stream::gaps`] and [`Received`] tell, and when WebRTC's jitter
/// buffer plays the first half second of a stream a little faster, which shifts a tone by several
/// hertz: four seconds are enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel(Vec<f32>);

impl From<Vec<f32>> for Channel {
    /// Samples that were heard otherwise, to be measured by the same measure.
    fn from(samples: Vec<f32>) -> Self {
        Self(samples)
    }
}

impl Channel {
    /// The samples, each -1 to 1.
    pub fn samples(&self) -> &[f32] {
        &self.0
    }

    /// The level.
    pub fn rms(&self) -> f64 {
        self.median(rms)
    }

    /// The strongest frequency, told to a tenth of a hertz; 0 where there is silence.
    pub fn hertz(&self) -> f64 {
        self.median(hertz)
    }

    /// The level of one tone in it: that of the others is not counted, if they are 20 Hz away or
    /// more.
    pub fn rms_at(&self, hertz: f64) -> f64 {
        self.median(|window| rms_at(window, hertz))
    }

    fn median(&self, measure: impl Fn(&[f32]) -> f64) -> f64 {
        let window = WINDOW.min(self.0.len()).max(1);
        let windows = self.0.windows(window).step_by(window.div_ceil(2));
        let mut values = windows.map(measure).collect::<Vec<_>>();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

fn rms(samples: &[f32]) -> f64 {
    let energy = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    (energy / samples.len() as f64).sqrt()
}

fn hertz(samples: &[f32]) -> f64 {
    if rms(samples) < AUDIBLE_RMS {
        return 0.0;
    }
    let mut spectrum = faded(samples).map(|re| Complex { re, im: 0.0 }).collect::<Vec<_>>();
    FftPlanner::new().plan_fft_forward(spectrum.len()).process(&mut spectrum);
    let power = spectrum[..spectrum.len() / 2].iter().map(Complex::norm_sqr).collect::<Vec<_>>();
    // The first bins hold the fading itself.
    let bins = 2..power.len().saturating_sub(1);
    let Some(top) = bins.max_by(|a, b| power[*a].total_cmp(&power[*b])) else { return 0.0 };
    (top as f64 + beside(&power[top - 1..=top + 1])) * RATE / spectrum.len() as f64
}

fn rms_at(samples: &[f32], hertz: f64) -> f64 {
    let step = TAU * hertz / RATE;
    let turn = |(n, sample): (usize, f64)| Complex::from_polar(sample, -step * n as f64);
    let sum = faded(samples).enumerate().map(turn).sum::<Complex<f64>>();
    // Fading lets half of a tone's amplitude through; half of that is at the negative frequency.
    SQRT_2 * 2.0 * sum.norm() / samples.len() as f64
}

/// The samples under a Hann window, so that a tone's energy stays in its own bins.
fn faded(samples: &[f32]) -> impl Iterator<Item = f64> {
    let step = TAU / samples.len() as f64;
    let weight = move |n: usize| 0.5 - 0.5 * (step * n as f64).cos();
    samples.iter().enumerate().map(move |(n, sample)| f64::from(*sample) * weight(n))
}

/// How far beside the middle one of three bins the top is, -0.5 to 0.5: that of a parabola through
/// their logarithms.
fn beside(power: &[f64]) -> f64 {
    let [a, b, c] = [0, 1, 2].map(|bin| power[bin].max(f64::MIN_POSITIVE).ln());
    let bend = a - 2.0 * b + c;
    if bend == 0.0 { 0.0 } else { 0.5 * (a - c) / bend }
}

/// A stream as `ears.js` gives it.
#[derive(Deserialize)]
struct Recorded {
    sid: String,
    participant: Option<String>,
    played: bool,
    channels: Vec<String>,
    from: u64,
    gaps: Vec<Gap>,
    gap_count: usize,
    received: Received,
}

impl TryFrom<Recorded> for Stream {
    type Error = anyhow::Error;

    fn try_from(recorded: Recorded) -> Result<Self> {
        let Recorded { sid, participant, played, channels, from, gaps, gap_count, received } =
            recorded;
        let mut channels = channels.iter().map(|channel| decode(channel));
        let mut next = || channels.next().unwrap_or(Ok(Channel(Vec::new())));
        let channels = [next()?, next()?];
        let from_ms = from;
        Ok(Self { sid, participant, played, channels, from_ms, gaps, gap_count, received })
    }
}

fn decode(channel: &str) -> Result<Channel> {
    let bytes = STANDARD.decode(channel).context("decoding samples")?;
    let (samples, _) = bytes.as_chunks::<4>();
    Ok(Channel(samples.iter().map(|sample| f32::from_le_bytes(*sample)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_measured_to_a_tenth_of_a_hertz() {
        for hertz in [98.0, 440.0, 440.37, 441.5, 660.0, 15_000.25] {
            let measured = tones(24_000, &[(hertz, 0.3)]).hertz();
            assert!((measured - hertz).abs() < 0.1, "{hertz} Hz came out as {measured}");
        }
    }

    #[test]
    fn a_level_is_that_of_the_samples() {
        let channel = tones(48_000, &[(441.0, 0.25)]);
        assert!((channel.rms() - 0.25 / SQRT_2).abs() < 1e-4);
        assert!((channel.rms_at(441.0) - 0.25 / SQRT_2).abs() < 1e-4);
    }

    #[test]
    fn a_tone_that_leaks_into_the_other_channel_is_found() {
        let channel = tones(48_000, &[(441.0, 0.25), (613.0, 0.01)]);
        assert!((channel.hertz() - 441.0).abs() < 0.1);
        assert!((channel.rms_at(613.0) - 0.01 / SQRT_2).abs() < 1e-4);
        assert!(channel.rms_at(800.0) < 1e-5);
    }

    #[test]
    fn a_stumble_does_not_count() {
        let mut channel = tones(96_000, &[(441.0, 0.25)]);
        channel.0[30_000..32_000].fill(0.0);
        channel.0[60_000..].rotate_left(1_000);
        assert!((channel.hertz() - 441.0).abs() < 0.1);
        assert!((channel.rms() - 0.25 / SQRT_2).abs() < 1e-3);
    }

    #[test]
    fn silence_and_nothing_have_no_frequency() {
        for length in [0, 1, 2, 3, 48_000] {
            let channel = tones(length, &[]);
            assert_eq!((channel.hertz(), channel.rms()), (0.0, 0.0));
        }
    }

    fn tones(length: usize, tones: &[(f64, f64)]) -> Channel {
        let sample = |n: usize| {
            let tone =
                |(hertz, amplitude): &(f64, f64)| amplitude * (TAU * hertz * n as f64 / RATE).sin();
            tones.iter().map(tone).sum::<f64>() as f32
        };
        Channel((0..length).map(sample).collect())
    }
}
