//! What a session is told, and what it tells.

use phonograph_frame::crypto::{KeyIndex, MediaKey};

use super::Saved;
use crate::{
    Identity, Member, MemberInfo, UserId,
    keys::KeyRefused,
    membership::{self, Failure},
};

/// How media is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all: the room is not encrypted.
    None,
    /// Each participant has keys of its own, sent from device to device: the room is encrypted.
    PerParticipant,
    /// All participants share a password, which travels by other ways: no key is sent or taken, and
    /// every frame is sealed with slot 0 (`FrameKey::from_password`).
    SharedPassword,
}

/// Whose session, in which room.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who joins where.
    pub membership: membership::Config,
    /// Whether media keys are made and taken.
    pub encryption: Encryption,
    /// Whether keys go to, and are taken from, none but devices that their owner has signed.
    pub signed_devices_only: bool,
    /// What an earlier run of this device in this room left behind.
    pub saved: Option<Saved>,
    /// 32 random bytes; keys are made from them.
    pub seed: [u8; 32],
}

/// What a session says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The homeserver has our membership.
    Joined,
    /// Our membership came back with the room's state: others see it.
    Visible,
    /// Somebody is in the call, newly or anew.
    MemberJoined(MemberInfo),
    /// Somebody is no longer in it; what they send is not to be heard any more.
    MemberLeft(Member),
    /// Where we or others publish has changed: see [`Session::transports`](super::Session::transports).
    TransportsChanged,
    /// What the next run has to know has changed; to be stored at once.
    Saved(Saved),
    /// Our frames are to be sealed with this key from now on.
    UseKey {
        /// The key's slot.
        index: KeyIndex,
        /// The key.
        key: MediaKey,
    },
    /// Somebody's frames open with this key.
    PeerKey {
        /// Whose, as the SFU names them.
        identity: Identity,
        /// The key's slot.
        index: KeyIndex,
        /// The key.
        key: MediaKey,
    },
    /// Somebody sent a key that was not taken.
    KeyRefused {
        /// Who.
        sender: UserId,
        /// Why not.
        reason: KeyRefused,
    },
    /// The homeserver has probably made us leave, as it could not be reached: others may have
    /// changed their keys without us, so nothing should be sent until this is taken back.
    ProbablyLeft(bool),
    /// We left.
    Left,
    /// We are not a member, and trying again will not help.
    Failed(Failure),
}
