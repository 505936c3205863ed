//! Playback without files or clocks: demux, decode, resample, mix, Opus.
//!
//! Everything here is computation. Bytes come in through [`playback::MediaSource`], 20 ms Opus
//! frames go out when the caller asks for the next one; who opens the file, which thread reads it
//! and what paces the frames is the caller's affair.

pub mod loudness;
pub mod playback;
