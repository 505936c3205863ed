//! What the SFU says of others: who is there and what they publish.
//!
//! An identity here is what the server claims. Whether it is a member of the call is for the caller
//! to find out.

mod roster;

use phonograph_frame::Codec;

pub(crate) use self::roster::{IDENTITY_MAX, Roster};
use crate::{ParticipantSid, Source, TrackSid};

/// Whether a track is heard or seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// On a clock of 48 kHz.
    Audio,
    /// On a clock of 90 kHz.
    Video,
}

/// A track that somebody else publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTrack {
    /// Its name on the SFU.
    pub sid: TrackSid,
    /// The presence that it belongs to.
    pub participant: ParticipantSid,
    /// The identity of that participant, as the server says.
    pub identity: String,
    /// The publisher's name for it; at most 256 bytes, often empty.
    pub name: String,
    /// What it comes from, as the publisher says.
    pub source: Source,
    /// Whether it is heard or seen.
    pub kind: Kind,
    /// Its codec, once the server has said it: a moment after the track has appeared.
    pub codec: Option<Codec>,
    /// Whether the publisher muted it; nothing but the server's silence comes meanwhile.
    pub muted: bool,
    /// Whether its frames are encrypted end to end, as the publisher says.
    pub encrypted: bool,
    /// Whether its two channels are meant to stay apart.
    pub stereo: bool,
}

/// Why a track that was asked for does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionProblem {
    /// Its publisher does not let us hear it; the server tries again by itself once it does.
    #[error("its publisher does not let us")]
    Forbidden,
    /// The server does not know it, or no more.
    #[error("the SFU does not know it")]
    NotFound,
    /// It has a codec that we did not accept.
    #[error("its codec is none of ours")]
    Codec,
    /// The server did not say why.
    #[error("the SFU did not say why")]
    Unknown,
}

/// How well a participant is connected, by the server's own measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// Nothing comes from it.
    Lost,
    /// Much is lost on the way.
    Poor,
    /// Some is lost on the way.
    Good,
    /// Nothing to complain of.
    Excellent,
}
