//! Encoded media frames, and the frame encryption that LiveKit clients share.
//!
//! A *frame* is what an encoder makes in one step: one Opus packet, one picture. It is encrypted as
//! a whole between encoder and packetiser, so the SFU forwards what it cannot read
//! ([`crypto`]). This crate is pure: no socket, file, clock or random source.
//!
//! Source: the behaviour of livekit-client 2.21 to 2.23, held to by vectors that it made and by
//! frames that Element Call sent.

pub mod codec;
pub mod crypto;
mod time;

pub use codec::Codec;
pub use time::RtpTime;
