//! What a browser heard, and whether that is the music that was asked for.

use std::fmt;

use phonograph_trial::{person::Stream, versions};
use serde::Serialize;

/// The tones of `assets/trial/tones.*`, left and right, in hertz.
const TONES: [f64; 2] = [441.0, 613.0];
/// Their level: a sine of a quarter of full scale.
const LEVEL: f64 = 0.25 * std::f64::consts::FRAC_1_SQRT_2;
/// How far each may be off: a hertz, and a decibel either way.
const HERTZ_OFF_MAX: f64 = 1.0;
const FACTOR_MAX: f64 = 1.122;

/// The outcome of a trial; its JSON is the last line of `cargo trial check`.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    /// Whether the browser heard the music, as it is.
    pub(super) heard: bool,
    /// Whether the room was encrypted, and so the music.
    pub(super) encrypted: bool,
    /// The strongest frequency, left and right.
    pub(super) hertz: [f64; 2],
    /// The level, left and right; 1 is a full-scale square wave.
    pub(super) rms: [f64; 2],
    /// From the command, in a call that the bot is in, to the sound.
    pub(super) command_to_sound_ms: u64,
    /// From the moment that Element Call had joined to the sound; 0 if it was there by then.
    pub(super) join_to_sound_ms: u64,
    /// What took part.
    pub(super) versions: Versions,
}

/// The versions of what took part.
#[derive(Debug, Serialize)]
pub(super) struct Versions {
    phonograph: &'static str,
    synapse: &'static str,
    livekit_server: &'static str,
    element_call: &'static str,
    matrix_js_sdk: &'static str,
}

impl Versions {
    pub(super) const fn new() -> Self {
        Self {
            // The workspace has one version for all its packages.
            phonograph: env!("CARGO_PKG_VERSION"),
            synapse: versions::SYNAPSE,
            livekit_server: versions::LIVEKIT_SERVER,
            element_call: versions::ELEMENT_CALL,
            matrix_js_sdk: versions::MATRIX_JS_SDK,
        }
    }
}

/// Whether what was heard are the tones, each on its side.
pub(super) fn is_music(stream: &Stream) -> bool {
    let [hertz, rms] = [stream.hertz(), stream.rms()];
    let in_tune = hertz.iter().zip(TONES).all(|(heard, tone)| (heard - tone).abs() < HERTZ_OFF_MAX);
    let level = 1.0 / FACTOR_MAX..FACTOR_MAX;
    stream.played && in_tune && rms.iter().all(|rms| level.contains(&(rms / LEVEL)))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = if self.encrypted { "an encrypted" } else { "a clear" };
        let [left, right] = self.hertz;
        let [left_rms, right_rms] = self.rms;
        if self.heard {
            writeln!(f, "Heard: Element Call plays the bot's music in {room} call.")?;
        } else {
            writeln!(f, "NOT heard as it should be, in {room} call.")?;
        }
        writeln!(
            f,
            "  left  {left:8.2} Hz at {left_rms:.3} (sent: {} Hz at {LEVEL:.3})",
            TONES[0]
        )?;
        writeln!(
            f,
            "  right {right:8.2} Hz at {right_rms:.3} (sent: {} Hz at {LEVEL:.3})",
            TONES[1]
        )?;
        writeln!(f, "  {} ms from the command to the sound", self.command_to_sound_ms)?;
        write!(f, "  {} ms from joining the call to the sound", self.join_to_sound_ms)
    }
}
