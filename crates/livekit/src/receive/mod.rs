//! From the packets of one received track to its frames.

use std::time::{Instant, SystemTime};

use phonograph_frame::Codec;

use crate::TrackSid;

/// One encoded frame of a track that we subscribe to; encrypted if the track is.
///
/// The server puts frames of its own in between when a track is muted, unmuted or closed. Those of
/// an encrypted track end with the trailer of [`Joined`](crate::Event::Joined); a clear track's
/// cannot be told from the publisher's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The track.
    pub track: TrackSid,
    /// Its codec, by the payload type that the server sent it with.
    pub codec: Codec,
    /// The encoded frame, never empty: one Opus packet, or one picture (H.264 in Annex B form with
    /// start codes of four bytes, AV1 as a sequence of OBUs with sizes).
    pub data: Vec<u8>,
    /// Its RTP time on the track's clock (48 kHz for audio, 90 kHz for video), unwrapped. The first
    /// frame's is any; a track that is subscribed to again begins anew.
    pub units: u64,
    /// When its last packet came.
    pub arrival: Instant,
    /// How many packets are missing directly before it.
    pub lost: u32,
    /// When it was captured, by the publisher's own clock and its newest sender report; `None` until
    /// one has come (3 to 6 s). Clocks of different publishers may be seconds apart.
    pub captured: Option<SystemTime>,
}
