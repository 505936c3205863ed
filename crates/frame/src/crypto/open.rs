//! Decrypting another participant's frames.

use std::fmt;

use aws_lc_rs::aead::{Aad, Nonce};

use super::{FrameKey, IV_LEN, KeyIndex, TAG_LEN, TRAILER_LEN, escape};
use crate::Codec;

/// Why a frame was not opened. Nothing of it may be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Frames of this codec cannot have been encrypted. The sender is at fault.
    #[error("{0:?} cannot be encrypted")]
    NotEncryptable(Codec),
    /// It is too short to be encrypted. The sender or the SFU is at fault.
    #[error("a frame of {len} bytes is too short to be encrypted")]
    Short {
        /// Bytes of the frame.
        len: usize,
    },
    /// Its trailer is not ours: most likely it was sent in clear. The sender is at fault.
    #[error("a frame of {len} bytes without a trailer: sent in clear?")]
    NotSealed {
        /// Bytes of the frame.
        len: usize,
    },
    /// We have no key of that index. It may still come; then later frames open.
    #[error("no key {} for a frame of {len} bytes", index.get())]
    MissingKey {
        /// The slot that the frame names.
        index: KeyIndex,
        /// Bytes of the frame.
        len: usize,
    },
    /// The key does not fit, or somebody changed the frame. A new key of that index helps.
    #[error("key {} does not open a frame of {len} bytes", index.get())]
    WrongKey {
        /// The slot that the frame names.
        index: KeyIndex,
        /// Bytes of the frame.
        len: usize,
    },
}

/// One participant's keys: 256 slots, so that every index that a frame can name has one.
pub struct KeyRing {
    slots: Box<[Option<FrameKey>; 256]>,
    /// What was unescaped before decryption (H.264, H.265).
    scratch: Vec<u8>,
}

impl KeyRing {
    /// A ring without keys.
    pub fn new() -> Self {
        Self { slots: Box::new([const { None }; 256]), scratch: Vec::new() }
    }

    /// Puts a key into its slot, over whatever was there: a participant that comes back starts
    /// again at 0.
    pub fn set(&mut self, index: KeyIndex, key: FrameKey) {
        self.slots[usize::from(index.get())] = Some(key);
    }

    /// Decrypts one frame into `out`, whose former content is dropped, and answers with the index
    /// of its key; `None` for an empty frame, which is never encrypted. Allocates only while `out`
    /// is smaller than the frame, or for the largest frame of H.264 or H.265 so far.
    ///
    /// # Errors
    /// [`OpenError`] says whether a key is missing, wrong, or the frame no sealed one; `out` is
    /// then empty.
    pub fn open(
        &mut self,
        codec: Codec,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<KeyIndex>, OpenError> {
        out.clear();
        let Some(&index) = frame.last() else { return Ok(None) };
        if !codec.is_encryptable() {
            return Err(OpenError::NotEncryptable(codec));
        }
        let index = KeyIndex::new(index);
        let (header, sealed) = frame.split_at(codec.clear_header_len(frame));
        let opened = if codec.is_escaped(frame) {
            self.scratch.clear();
            escape::unescape(sealed, &mut self.scratch);
            self.decrypt(index, frame.len(), header, &self.scratch, out)
        } else {
            self.decrypt(index, frame.len(), header, sealed, out)
        };
        opened.map(|()| Some(index)).inspect_err(|_| out.clear())
    }

    fn decrypt(
        &self,
        index: KeyIndex,
        len: usize,
        header: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let body = sealed.len().checked_sub(TAG_LEN + IV_LEN + TRAILER_LEN);
        let Some(body) = body else { return Err(OpenError::Short { len }) };
        let (body, rest) = sealed.split_at(body);
        let (tag, rest) = rest.split_at(TAG_LEN);
        let (iv, trailer) = rest.split_at(IV_LEN);
        if usize::from(trailer[0]) != IV_LEN {
            return Err(OpenError::NotSealed { len });
        }
        let key = self.slots[usize::from(index.get())].as_ref();
        let key = key.ok_or(OpenError::MissingKey { index, len })?;
        let nonce = Nonce::try_assume_unique_for_key(iv).map_err(|_| OpenError::Short { len })?;
        out.reserve(header.len() + body.len() + TAG_LEN);
        out.extend_from_slice(header);
        out.extend_from_slice(body);
        out.extend_from_slice(tag);
        let plain = &mut out[header.len()..];
        key.0
            .open_in_place(nonce, Aad::from(header), plain)
            .map_err(|_| OpenError::WrongKey { index, len })?;
        out.truncate(header.len() + body.len());
        Ok(())
    }
}

impl Default for KeyRing {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = (0..=u8::MAX).filter(|&index| self.slots[usize::from(index)].is_some());
        f.debug_struct("KeyRing").field("known", &known.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
