//! Our tracks: what is announced of them, and how far that has come.

use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, TrackInfo, TrackSource, TrackType,
    encryption::Type as EncryptionType,
};
use str0m::media::{Mid, Pt};

/// One of our tracks. It stays the same over mute and unmute, and names the track only on the
/// connection that handed it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub(crate) u8);

impl TrackId {
    /// What the server knows the track by until it has given it a sid; also the track id in the SDP,
    /// by which the two are brought together.
    pub(crate) fn cid(self) -> String {
        format!("phonograph-{}", self.0)
    }
}

/// What a track comes from. Element Call shows and plays one of each per participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The participant's voice; only it can light up as speaking.
    Microphone,
    /// The sound of a shared screen.
    ScreenShareAudio,
    /// The participant's picture.
    Camera,
    /// A shared screen.
    ScreenShare,
    /// Anything else; Element Call plays such audio too.
    Unknown,
}

impl Source {
    pub(crate) fn from_wire(source: TrackSource) -> Self {
        match source {
            TrackSource::Microphone => Self::Microphone,
            TrackSource::ScreenShareAudio => Self::ScreenShareAudio,
            TrackSource::Camera => Self::Camera,
            TrackSource::ScreenShare => Self::ScreenShare,
            TrackSource::Unknown => Self::Unknown,
        }
    }

    fn to_wire(self) -> TrackSource {
        match self {
            Self::Microphone => TrackSource::Microphone,
            Self::ScreenShareAudio => TrackSource::ScreenShareAudio,
            Self::Camera => TrackSource::Camera,
            Self::ScreenShare => TrackSource::ScreenShare,
            Self::Unknown => TrackSource::Unknown,
        }
    }

    pub(crate) fn is_audio(self) -> bool {
        matches!(self, Self::Microphone | Self::ScreenShareAudio | Self::Unknown)
    }
}

/// What others are told about an audio track before they hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackConfig {
    /// A name, for debugging tools; people see the participant's.
    pub name: String,
    /// What it is taken for: a microphone, or the sound of a shared screen.
    pub source: Source,
    /// Whether the frames are encrypted end to end. A receiver believes this flag: frames in clear
    /// under it are noise, and encrypted ones without it too.
    pub encrypted: bool,
    /// Whether two channels are meant to arrive: browsers mix down to one without it.
    pub stereo: bool,
    /// Whether it begins muted.
    pub muted: bool,
}

impl TrackConfig {
    pub(crate) fn request(&self, id: TrackId) -> AddTrackRequest {
        // Music: no discontinuous transmission, which libwebrtc receivers take for a hint only.
        let mut features = vec![AudioTrackFeature::TfNoDtx.into()];
        if self.stereo {
            features.push(AudioTrackFeature::TfStereo.into());
        }
        let encryption = if self.encrypted { EncryptionType::Gcm } else { EncryptionType::None };
        AddTrackRequest {
            cid: id.cid(),
            name: self.name.clone(),
            r#type: TrackType::Audio.into(),
            source: self.source.to_wire().into(),
            muted: self.muted,
            // The server would make redundancy (RED) out of ciphertext.
            disable_red: true,
            encryption: encryption.into(),
            audio_features: features,
            ..AddTrackRequest::default()
        }
    }
}

/// How loud a frame is, for the SFU's speaker detection (RFC 6464). It travels outside the
/// encryption: whoever runs the SFU sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing to be heard.
    Silent,
    /// In dB below full scale, 0 (loudest) to 126.
    Below(u8),
}

impl Level {
    /// As str0m takes it: a negative number of dB, and whether it is a voice.
    pub(crate) fn extension(self) -> (i8, bool) {
        match self {
            Self::Silent => (-127, false),
            Self::Below(db) => (-i8::try_from(db.min(126)).unwrap_or(126), true),
        }
    }
}

/// How far a track is with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not announced yet.
    Waiting,
    /// Announced, and its section offered.
    Offered(Mid),
    /// Its section was agreed on, with that payload type if the server takes Opus.
    Agreed(Mid, Option<Pt>),
    /// Its section was offered as inactive.
    Withdrawn,
}

impl Stage {
    /// The section and payload type to send with.
    pub(crate) fn stream(self) -> Option<(Mid, Pt)> {
        match self {
            Self::Agreed(mid, payload_type) => Some((mid, payload_type?)),
            Self::Waiting | Self::Offered(_) | Self::Withdrawn => None,
        }
    }

    /// Whether an offer about it is out.
    pub(crate) fn is_changing(self) -> bool {
        matches!(self, Self::Offered(_) | Self::Withdrawn)
    }
}

/// One of our tracks as it stands.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) config: TrackConfig,
    pub(crate) stage: Stage,
    /// Whether it is to be taken back.
    pub(crate) leaving: bool,
    /// Whether the server knows it as muted.
    pub(crate) told_muted: bool,
    /// How often the server did not know the track when it was told so.
    pub(crate) mute_misses: u8,
    /// The server's name for it, once it has accepted it.
    pub(crate) sid: Option<String>,
}

impl Track {
    pub(crate) fn new(id: TrackId, config: TrackConfig) -> Self {
        let told_muted = config.muted;
        Self {
            id,
            config,
            stage: Stage::Waiting,
            leaving: false,
            told_muted,
            mute_misses: 0,
            sid: None,
        }
    }

    /// Whether the next offer has something to say of it.
    pub(crate) fn is_to_be_offered(&self) -> bool {
        match self.stage {
            Stage::Waiting => true,
            Stage::Agreed(..) => self.leaving,
            Stage::Offered(_) | Stage::Withdrawn => false,
        }
    }

    /// The track as the server described it to others.
    pub(crate) fn info(&self) -> TrackInfo {
        let request = self.config.request(self.id);
        TrackInfo {
            sid: self.sid.clone().unwrap_or_default(),
            r#type: request.r#type,
            name: request.name,
            muted: self.told_muted,
            source: request.source,
            disable_red: request.disable_red,
            encryption: request.encryption,
            audio_features: request.audio_features,
            mime_type: "audio/opus".to_owned(),
            ..TrackInfo::default()
        }
    }
}

/// Why a track cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Eight tracks are published already; one of them may be unpublished.
    #[error("eight tracks are published already")]
    TooMany,
    /// So many tracks came and went that the session description has grown to its limit (256
    /// sections: none can be taken back). A new connection helps; muting instead of unpublishing
    /// avoids it.
    #[error("too many tracks came and went on this connection")]
    WornOut,
    /// A camera or a shared screen is no audio.
    #[error("only audio can be published")]
    NotAudio,
    /// The connection has ended.
    #[error("the connection has ended")]
    Ended,
}

/// Why a frame was not sent. Nothing was sent in its place, and later frames may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The media path is not up, or the track not agreed on yet; the frame is lost, as it would be
    /// late anyway.
    #[error("there is no media path yet")]
    NotConnected,
    /// The frame is longer than one packet (1350 bytes) and would be cut in two, which no receiver
    /// of an encrypted frame can join. No legal Opus frame is.
    #[error("a frame of {0} bytes does not fit into a packet")]
    TooLong(usize),
    /// The media path has closed, and that is not known yet.
    #[error("the media path has closed")]
    Closed,
}
