//! Music that says by its pitch what it is and how far it has played, and an ear for it.

use std::{f64::consts::TAU, time::Duration};

use anyhow::{Context, Result, bail};
use phonograph_trial::{
    person::{Call, Channel, Message, Stream},
    stage::WITHIN,
};

use crate::support::{LEVEL, Scene};

/// Samples a second.
pub(super) const RATE: u32 = 48_000;
/// The pitch of the stair's first second.
const FOOT_HZ: f64 = 300.0;
/// By how much each second is higher than the one before.
const STEP_HZ: f64 = 25.0;
/// How long a stretch is judged: a tone is told to some hertz in it.
const WINDOW: usize = 1920;
/// How far it is to the next one: 10 ms.
const HOP: usize = 480;
/// So many stretches in a row are no chance, and no end of a fade.
const IN_A_ROW: usize = 4;
/// Below this level, -40 dBFS, there is silence.
const SILENCE_RMS: f64 = 0.01;
/// One decibel, as a factor.
const ONE_DB: f64 = 1.122;
/// How far a tone may be off in such a stretch.
const HERTZ_OFF_MAX: f64 = 10.0;
/// How long one listens to find a step of the stair.
const STEP_WITHIN: Duration = Duration::from_millis(1500);

/// A WAV file: 16 bits, one channel, one pitch for each second, without a step in its phase. A pitch
/// of whole hertz begins and ends at zero, so that one file follows another as if it were one.
pub(super) fn wav(seconds: u32, hertz: impl Fn(u32) -> f64) -> Vec<u8> {
    let bytes = seconds * RATE * 2;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(bytes.to_le_bytes());
    let mut phase = 0.0_f64;
    for second in 0..seconds {
        let step = TAU * hertz(second) / f64::from(RATE);
        for _ in 0..RATE {
            wav.extend(((0.25 * f64::from(i16::MAX) * phase.sin()).round() as i16).to_le_bytes());
            phase = (phase + step) % TAU;
        }
    }
    wav
}

/// The pitch of the stair in that second.
pub(super) fn stair_hz(second: u32) -> f64 {
    FOOT_HZ + STEP_HZ * f64::from(second)
}

/// A short stretch of what was heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Its middle, milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) hertz: f64,
    pub(super) rms: f64,
}

impl Moment {
    pub(super) fn is_silent(&self) -> bool {
        self.rms < SILENCE_RMS
    }

    pub(super) fn is_at(&self, hertz: f64) -> bool {
        !self.is_silent() && (self.hertz - hertz).abs() < HERTZ_OFF_MAX
    }

    /// The second of the stair that it is in.
    fn second(&self) -> Option<u32> {
        let second = ((self.hertz - FOOT_HZ) / STEP_HZ).round();
        (!self.is_silent() && second >= 0.0).then_some(second as u32)
    }
}

/// What was heard in the left channel, moment by moment.
pub(super) fn moments(stream: &Stream) -> Vec<Moment> {
    let samples = stream.channels[0].samples();
    let moment = |(index, window): (usize, &[f32])| {
        let middle = index * HOP + WINDOW / 2;
        let channel = Channel::from(window.to_vec());
        let at_ms = stream.from_ms + middle as u64 * 1000 / u64::from(RATE);
        Moment { at_ms, hertz: channel.hertz(), rms: channel.rms() }
    };
    samples.windows(WINDOW).step_by(HOP).enumerate().map(moment).collect()
}

/// How long after a time it was first heard as `wanted`, and stayed so for a while; `None` if it was
/// not.
pub(super) fn heard_after(
    stream: &Stream,
    said_ms: u64,
    wanted: impl Fn(&Moment) -> bool,
) -> Option<u64> {
    let mut moments = moments(stream);
    moments.retain(|moment| moment.at_ms >= said_ms);
    let found = moments.windows(IN_A_ROW).find(|row| row.iter().all(&wanted))?;
    Some(found[0].at_ms - said_ms)
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} Hz at {:.3} ({})", self.hertz, self.rms, self.at_ms)
    }
}

/// Says something and listens from then on. Returns what was heard of the bot, and when the homeserver
/// took what was said: how long the browser needs for that says nothing about the bot.
pub(super) async fn hear_said(
    scene: &Scene,
    call: &Call,
    text: &str,
    duration: Duration,
) -> Result<(Stream, u64)> {
    let Scene { person, room, bot } = scene;
    let (heard, said) = tokio::try_join!(call.hears(duration), person.say(room, text))?;
    let said = |message: &Message| message.event_id == said;
    let said = person.wait_for_message(room, said, WITHIN).await?;
    Ok((heard.of(bot).context("the bot's sound")?.clone(), said.sent_ms))
}

/// A place in the stair.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at_ms: u64,
    seconds: f64,
}

impl Place {
    /// Where it is at another time, if it plays on or did before.
    pub(super) fn at(&self, ms: u64) -> f64 {
        self.seconds + (ms as f64 - self.at_ms as f64) / 1000.0
    }
}

/// How far the stair has played: listens until a second of it begins.
pub(super) async fn place_heard(scene: &Scene, call: &Call) -> Result<Place> {
    let heard = call.hears(STEP_WITHIN).await?;
    let moments = moments(heard.of(&scene.bot).context("the bot's sound")?);
    let step = moments.windows(2 * IN_A_ROW).find_map(|row| {
        let (before, after) = row.split_at(IN_A_ROW);
        let second = before[0].second()?;
        let is_step = before.iter().all(|moment| moment.second() == Some(second))
            && after.iter().all(|moment| moment.second() == Some(second + 1));
        is_step.then(|| Place { at_ms: after[0].at_ms, seconds: f64::from(second + 1) })
    });
    let heard = moments.iter().step_by(10).map(Moment::to_string).collect::<Vec<_>>();
    step.with_context(|| format!("a step of the stair in {}", heard.join(", ")))
}

/// Waits until a tone is heard, as loud as it is in its file.
pub(super) async fn hears_tone(scene: &Scene, call: &Call, hertz: f64) -> Result<()> {
    hears_at(scene, call, hertz, LEVEL).await
}

/// Waits until a tone is heard at a level, within a decibel.
pub(super) async fn hears_at(scene: &Scene, call: &Call, hertz: f64, rms: f64) -> Result<()> {
    let level = rms / ONE_DB..rms * ONE_DB;
    hears(scene, call, hertz, |stream| level.contains(&stream.rms()[0])).await?;
    Ok(())
}

/// Waits until a tone is heard, however loud.
pub(super) async fn hears_pitch(scene: &Scene, call: &Call, hertz: f64) -> Result<Stream> {
    hears(scene, call, hertz, |_| true).await
}

/// Listens second by second, as long as the browser's jitter buffer may take to settle.
async fn hears(
    scene: &Scene,
    call: &Call,
    hertz: f64,
    wanted: impl Fn(&Stream) -> bool,
) -> Result<Stream> {
    const SECONDS_MAX: usize = 20;
    call.wait_sound(Some(&scene.bot), WITHIN).await?;
    let mut came = Vec::new();
    while came.len() < SECONDS_MAX {
        let heard = call.hears(Duration::from_secs(1)).await?;
        let stream = heard.of(&scene.bot).context("the bot's sound")?;
        let is_pitch = (stream.hertz()[0] - hertz).abs() < 1.0;
        if stream.played && is_pitch && wanted(stream) {
            return Ok(stream.clone());
        }
        came.push((stream.hertz()[0], stream.rms()[0]));
    }
    bail!("{hertz} Hz came as {came:.3?}")
}
