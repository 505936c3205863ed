//! What we publish: which roles have a track, whether it is shown as muted, and the sealing of its
//! frames.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use phonograph_frame::{
    Codec,
    crypto::{FrameKey, KeyIndex, NonceSeed, Sealer},
};
use phonograph_livekit::TrackConfig;
use tracing::debug;

use crate::call::Role;

/// How long a track may be silent before it is shown as muted.
const MUTE_AFTER: Duration = Duration::from_secs(2);

/// Our side of what is heard.
#[derive(Debug)]
pub(super) struct Sending {
    encrypted: bool,
    /// One for all tracks: they share a key, under which no IV may repeat.
    sealer: Sealer,
    sealed: Vec<u8>,
    tracks: BTreeMap<Role, Sound>,
}

/// Whether something plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    Playing,
    /// Nothing; others see it as muted from that time on, or already.
    Silent {
        mute_at: Option<Instant>,
    },
}

impl Sending {
    /// With a microphone that is muted.
    pub(super) fn new(encrypted: bool, seed: NonceSeed) -> Self {
        let tracks = BTreeMap::from([(Role::Microphone, Sound::Silent { mute_at: None })]);
        Self { encrypted, sealer: Sealer::new(seed), sealed: Vec::new(), tracks }
    }

    /// Seals with this key from now on.
    pub(super) fn set_key(&mut self, index: KeyIndex, key: FrameKey) {
        self.sealer.set_key(index, key);
    }

    /// Whether a frame can be sealed, or need not be.
    pub(super) fn is_keyed(&self) -> bool {
        !self.encrypted || self.sealer.key_index().is_some()
    }

    /// What to publish on a connection.
    pub(super) fn tracks(&self) -> Vec<(Role, TrackConfig)> {
        self.tracks.keys().map(|role| (*role, self.track(*role))).collect()
    }

    /// What others are told of a role's track.
    pub(super) fn track(&self, role: Role) -> TrackConfig {
        TrackConfig {
            name: match role {
                Role::Microphone => "microphone",
                Role::ScreenShareAudio => "screen-share-audio",
            }
            .to_owned(),
            source: role.source(),
            encrypted: self.encrypted,
            stereo: true,
            muted: self.tracks.get(&role).is_some_and(|sound| *sound != Sound::Playing),
        }
    }

    /// Takes over that something plays, or no longer does; whether the role's track is new.
    pub(super) fn set_playing(&mut self, role: Role, playing: bool, now: Instant) -> bool {
        let known = self.tracks.contains_key(&role);
        if playing {
            self.tracks.insert(role, Sound::Playing);
        } else if let Some(sound) = self.tracks.get_mut(&role)
            && *sound == Sound::Playing
        {
            *sound = Sound::Silent { mute_at: Some(now + MUTE_AFTER) };
        }
        playing && !known
    }

    /// Takes a role's track back.
    pub(super) fn remove(&mut self, role: Role) {
        self.tracks.remove(&role);
    }

    /// The next track that is to be shown as muted by now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Role> {
        let due =
            self.tracks.iter_mut().find(|(_, sound)| sound.mute_at().is_some_and(|at| at <= now));
        let (role, sound) = due?;
        *sound = Sound::Silent { mute_at: None };
        Some(*role)
    }

    /// When [`Sending::take_due`] has something.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.tracks.values().filter_map(|sound| sound.mute_at()).min()
    }

    /// A frame as it may leave, if it may.
    pub(super) fn seal<'a>(&'a mut self, frame: &'a [u8]) -> Option<&'a [u8]> {
        if !self.encrypted {
            return Some(frame);
        }
        match self.sealer.seal(Codec::Opus, frame, &mut self.sealed) {
            Ok(()) => Some(&self.sealed),
            Err(error) => {
                debug!(%error, "a frame was not sealed");
                None
            }
        }
    }
}

impl Sound {
    const fn mute_at(self) -> Option<Instant> {
        match self {
            Self::Playing => None,
            Self::Silent { mute_at } => mute_at,
        }
    }
}
