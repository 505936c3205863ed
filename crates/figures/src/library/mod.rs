//! What the call library can do: figures of its own, most of them without servers.
//!
//! Time on the CPU is that of the measuring thread, so that a machine that others use falsifies
//! little; still each is measured in several rounds, and the median counts.

mod bed;
pub(crate) mod clock;
mod door;
pub(crate) mod encryption;
mod homeserver;
pub(crate) mod joining;
pub(crate) mod publisher;
pub(crate) mod publishing;
pub(crate) mod receiving;
pub(crate) mod rooms;
mod sdk;
mod sink;
pub(crate) mod sound;

pub(crate) use door::Door;
pub(crate) use sink::Sink;

/// What a frame of music at 64 kbit/s weighs.
const FRAME_BYTES: usize = 160;
/// Frames of 20 ms in a second.
pub(crate) const FRAMES_PER_SECOND: f64 = 50.0;
/// A frame on the RTP clock of Opus (RFC 7587 §4.1: 48 kHz).
const FRAME_UNITS: u64 = 960;

/// A frame that looks like Opus: 20 ms of stereo by its first byte (RFC 6716 §3.1).
fn frame() -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame.iter_mut().zip(1_u8..).for_each(|(byte, value)| *byte = value.wrapping_mul(151));
    frame[0] = 0xfc;
    frame
}
