//! Names on the SFU, derived from what Matrix says (MSC4195).

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{Identity, Member};

/// The identity of a member that joined by state event: user and device with a colon between.
/// It is compared as a whole and never split again.
pub fn plain(member: &Member) -> Identity {
    Identity::from(member.to_string())
}

/// The unpadded base64 of the SHA-256 of a JSON array: identities (`[user, device, member id]`) and
/// room names (`[room, slot]`) of Matrix 2.0.
pub fn hashed(parts: &[&str]) -> String {
    let json = serde_json::to_string(parts).unwrap_or_default();
    STANDARD_NO_PAD.encode(Sha256::digest(json.as_bytes()))
}
