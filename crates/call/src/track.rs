//! What others publish, as an application sees it.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

use phonograph_frame::Codec;
use phonograph_livekit::{Kind, Source, TrackSid};
use phonograph_matrixrtc::Member;
use tokio::sync::mpsc;

/// What may wait in a [`Track`] until it is taken: five seconds of sound. A frame that comes when it is
/// full is dropped and counted in the next one's `lost`.
pub(crate) const HEARD_MAX: usize = 256;
/// Room in it that frames leave for what is said once only.
pub(crate) const HEARD_RESERVE: usize = 8;

/// Names a track of another member, for as long as it is published. One that is published anew has a
/// new name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId {
    pub(crate) link: u32,
    pub(crate) sid: TrackSid,
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sid)
    }
}

impl fmt::Debug for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackId({}, {})", self.link, self.sid)
    }
}

/// What is known of a track before it is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its name, for [`Call::subscribe`](crate::Call::subscribe).
    pub id: TrackId,
    /// Whose it is, by Matrix; never by what the SFU says of names.
    pub member: Member,
    /// Sound or picture.
    pub kind: Kind,
    /// What it shows or plays.
    pub source: Source,
    /// Its codec, once the SFU knows it.
    pub codec: Option<Codec>,
    /// Whether its publisher has muted it.
    pub muted: bool,
    /// Whether its publisher says that it is encrypted.
    pub encrypted: bool,
    /// Whether two channels are meant to be heard.
    pub stereo: bool,
}

/// One encoded frame, decrypted where the call is.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The encoder's output: one Opus packet, or one picture (H.264 with four-byte start codes).
    pub data: Vec<u8>,
    /// In which codec.
    pub codec: Codec,
    /// Its position on the track's clock, not wrapped: 48 000 units a second for sound, 90 000 for
    /// pictures. Its beginning is arbitrary.
    pub units: u64,
    /// When its last packet came.
    pub arrival: Instant,
    /// When it was captured, by its publisher's own clock (RTCP sender reports, RFC 3550 §6.4.1); not
    /// known for the first seconds. Good for one participant's tracks against each other, not for
    /// participants against each other.
    pub captured: Option<SystemTime>,
    /// How many packets or frames are missing directly before it: lost on the way, not decrypted, or
    /// not taken in time.
    pub lost: u32,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What people say is not for the log.
        f.debug_struct("Frame")
            .field("bytes", &self.data.len())
            .field("codec", &self.codec)
            .field("units", &self.units)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// Why what comes of a track is not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecryptable {
    /// Its publisher's key has not come for two seconds. The call asks for it after 15 s.
    #[error("the key has not come")]
    MissingKey,
    /// Its publisher's key does not open its frames.
    #[error("the key does not fit")]
    WrongKey,
    /// It is sent in clear in an encrypted call: its publisher's client is at fault.
    #[error("sent in clear in an encrypted call")]
    InClear,
    /// It is encrypted in a call that is not, so there is no key for it.
    #[error("encrypted in a call without encryption")]
    Unexpected,
}

/// What a track gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// A frame, in order.
    Frame(Frame),
    /// Its publisher muted it, or speaks again.
    Muted(bool),
    /// Its frames cannot be decrypted, and why, or can be again.
    Undecryptable(Option<Undecryptable>),
}

/// A track of another member that we receive.
///
/// Whatever is not taken within five seconds is dropped. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Track {
    pub(crate) id: TrackId,
    pub(crate) heard: mpsc::Receiver<Heard>,
    pub(crate) muted: Option<bool>,
    pub(crate) undecryptable: Option<Undecryptable>,
}

impl Track {
    pub(crate) fn new(id: TrackId) -> (Self, mpsc::Sender<Heard>) {
        let (sender, heard) = mpsc::channel(HEARD_MAX);
        (Self { id, heard, muted: None, undecryptable: None }, sender)
    }

    /// Its name.
    pub fn id(&self) -> &TrackId {
        &self.id
    }

    /// What comes next; `None` when the track has ended, or was none that we know. Cancel-safe.
    pub async fn next(&mut self) -> Option<Heard> {
        let heard = self.heard.recv().await?;
        match &heard {
            Heard::Frame(_) => {}
            Heard::Muted(muted) => self.muted = Some(*muted),
            Heard::Undecryptable(why) => self.undecryptable = *why,
        }
        Some(heard)
    }

    /// Whether it is muted, as of what [`Track::next`] has given.
    pub fn is_muted(&self) -> bool {
        self.muted.unwrap_or(false)
    }

    /// Why its frames cannot be decrypted, if they cannot, as of what [`Track::next`] has given.
    pub fn undecryptable(&self) -> Option<Undecryptable> {
        self.undecryptable
    }
}
