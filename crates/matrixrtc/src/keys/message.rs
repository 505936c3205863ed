//! The to-device message that carries a media key (`io.element.call.encryption_keys`).

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use phonograph_frame::crypto::{KeyIndex, MediaKey};
use serde_json::{Value, json};

use crate::{DeviceId, Member, RoomId, Timestamp, UserId};

/// Reads padded and unpadded base64 alike: both are sent.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The longest encoded key that is decoded; 256 bytes are the longest key there is.
const ENCODED_MAX: usize = 400;

/// A message as it came out of the sync.
#[derive(Clone)]
pub struct KeyMessage {
    /// Who sent it; the homeserver vouches for that.
    pub sender: UserId,
    /// The device whose Olm session carried it; `None` if it came in clear.
    pub sender_device: Option<DeviceId>,
    /// Whether that device is signed by its owner (cross-signing).
    pub signed: bool,
    /// The decrypted content.
    pub content: Value,
}

impl std::fmt::Debug for KeyMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyMessage")
            .field("sender", &self.sender)
            .field("sender_device", &self.sender_device)
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}

/// A key that we accept, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKey {
    /// The member whose frames it opens.
    pub member: Member,
    /// Its slot.
    pub index: KeyIndex,
    /// The key.
    pub key: MediaKey,
}

/// Why a message's key is not taken. The sender is at fault; nothing is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefused {
    /// It came in clear: any server on the way could have written it. Element Call 0.26.1 takes
    /// such keys; we never do.
    #[error("the key was not encrypted")]
    Clear,
    /// Its device is not signed by its owner, and only such are wanted.
    #[error("the device that sent the key is not signed by its owner")]
    Unsigned,
    /// It claims another device than the one that encrypted it.
    #[error("the key claims to be another device's")]
    OtherDevice,
    /// It is for another room.
    #[error("the key is for another room")]
    OtherRoom,
    /// It claims to be ours.
    #[error("the key claims to be ours")]
    Own,
    /// Something is missing or of the wrong type or length.
    #[error("the key message is malformed")]
    Malformed,
}

impl KeyMessage {
    /// Takes the key out of the message, if it can be whose it says it is. `signed_only` says
    /// whether its device must be signed by its owner.
    ///
    /// # Errors
    /// [`KeyRefused`] says what is wrong with it.
    pub fn accept(
        &self,
        room: &RoomId,
        me: &Member,
        signed_only: bool,
    ) -> Result<MemberKey, KeyRefused> {
        let device = self.sender_device.as_ref().ok_or(KeyRefused::Clear)?;
        if signed_only && !self.signed {
            return Err(KeyRefused::Unsigned);
        }
        let named_room = self.content["room_id"].as_str().ok_or(KeyRefused::Malformed)?;
        if named_room != room.as_str() {
            return Err(KeyRefused::OtherRoom);
        }
        let claimed = self.content["member"]["claimed_device_id"].as_str();
        let claimed = claimed.ok_or(KeyRefused::Malformed)?;
        if claimed != device.as_str() {
            return Err(KeyRefused::OtherDevice);
        }
        let member = Member { user: self.sender.clone(), device: device.clone() };
        if member == *me {
            return Err(KeyRefused::Own);
        }
        let (index, key) = read_key(&self.content["keys"]).ok_or(KeyRefused::Malformed)?;
        Ok(MemberKey { member, index, key })
    }
}

fn read_key(keys: &Value) -> Option<(KeyIndex, MediaKey)> {
    let index = u8::try_from(keys.get("index")?.as_u64()?).ok()?;
    let encoded = keys.get("key")?.as_str()?;
    if encoded.len() > ENCODED_MAX {
        return None;
    }
    // The URL-safe alphabet differs in two letters.
    let bytes = LENIENT.decode(encoded.replace('-', "+").replace('_', "/")).ok()?;
    Some((KeyIndex::new(index), MediaKey::new(bytes).ok()?))
}

/// The content that carries our own key, as Element Call 0.26.1 writes it.
pub fn content(
    room: &RoomId,
    me: &Member,
    (index, key): (KeyIndex, &MediaKey),
    now: Timestamp,
) -> Value {
    json!({
        "keys": { "index": index.get(), "key": STANDARD.encode(key.as_bytes()) },
        "room_id": room,
        "member": { "id": me.to_string(), "claimed_device_id": me.device },
        "session": { "call_id": "", "application": "m.call", "scope": "m.room" },
        "sent_ts": now.as_millis(),
    })
}
