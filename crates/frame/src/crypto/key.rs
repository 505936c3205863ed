//! Keys as Matrix carries them and keys as AES takes them.

use std::{fmt, sync::Arc};

use aws_lc_rs::aead::{AES_128_GCM, LessSafeKey, UnboundKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The salt of both derivations.
const SALT: &[u8] = b"LKFrameEncryptionKey";
/// HKDF's info, as livekit-client gives it: 128 zero bytes.
const INFO: [u8; 128] = [0; 128];
/// PBKDF2's iterations, as livekit-client gives them.
const ITERATIONS: u32 = 100_000;
/// The bytes of an AES-128 key.
const AES_LEN: usize = 16;

/// The shortest key taken; Element Call makes 16 bytes, the newest drafts of MSC4143 ask for 32.
const KEY_LEN_MIN: usize = 16;
/// The longest: no draft goes beyond 32, and a peer chooses the length.
const KEY_LEN_MAX: usize = 256;

/// Which of a participant's 256 keys a frame was sealed with: a slot, not a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyIndex(u8);

impl KeyIndex {
    /// The slot of that number.
    pub const fn new(index: u8) -> Self {
        Self(index)
    }

    /// The slot's number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A participant's raw key as it travels between devices. Prints as `***`, and is wiped when
/// dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaKey(Zeroizing<Vec<u8>>);

/// A raw key has an impossible length: whoever sent it is at fault, and only another key helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media key of {0} bytes; 16 to 256 are possible")]
pub struct KeyError(pub usize);

impl MediaKey {
    /// Takes raw bytes.
    ///
    /// # Errors
    /// [`KeyError`] if there are fewer than 16 or more than 256 of them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(bytes.into());
        match bytes.len() {
            KEY_LEN_MIN..=KEY_LEN_MAX => Ok(Self(bytes)),
            len => Err(KeyError(len)),
        }
    }

    /// Makes a key of the length that Element Call makes, out of random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The raw bytes, to be encoded for their receivers.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Derives the AES key (HKDF-SHA-256, RFC 5869).
    ///
    /// Element Call dictates HKDF; the native SDKs' default, PBKDF2, is not understood by it.
    pub fn derive(&self) -> FrameKey {
        let mut key = Zeroizing::new([0; AES_LEN]);
        Hkdf::<Sha256>::new(Some(SALT), &self.0)
            .expand(&INFO, &mut *key)
            .expect("16 bytes are far below HKDF's limit of 255 hashes");
        FrameKey::from_aes(&key)
    }
}

impl fmt::Debug for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaKey(***)")
    }
}

/// A derived key, ready for AES-128-GCM. Prints as `***`; clones share the one key.
#[derive(Clone)]
pub struct FrameKey(pub(super) Arc<LessSafeKey>);

impl FrameKey {
    /// Derives the key that everybody in a call with a password shares (PBKDF2-HMAC-SHA-256,
    /// RFC 8018). Takes tens of milliseconds on purpose: keep it off a media worker.
    pub fn from_password(password: &str) -> Self {
        let mut key = Zeroizing::new([0; AES_LEN]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), SALT, ITERATIONS, &mut *key);
        Self::from_aes(&key)
    }

    fn from_aes(key: &[u8; AES_LEN]) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, key).expect("16 bytes are an AES-128 key");
        Self(Arc::new(LessSafeKey::new(key)))
    }
}

impl fmt::Debug for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_as_stars() {
        let key = MediaKey::from_random([7; 16]);
        assert_eq!(format!("{key:?} {:?}", key.derive()), "MediaKey(***) FrameKey(***)");
    }

    #[test]
    fn keys_of_impossible_length_are_refused() {
        for len in [0, 15, 257] {
            assert_eq!(MediaKey::new(vec![0; len]), Err(KeyError(len)));
        }
        assert!(MediaKey::new(vec![0; 32]).is_ok());
    }
}
