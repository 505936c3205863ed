//! Encrypting our own frames.

use aws_lc_rs::aead::{Aad, Nonce};

use super::{FrameKey, IV_LEN, KeyIndex, TAG_LEN, TRAILER_LEN, escape};
use crate::Codec;

/// Where the IVs of one sealer begin: 12 random bytes, drawn anew for each sealer.
///
/// An IV must never repeat under one key, over all tracks and reconnections of a participant. The
/// first four bytes tell sealers apart, the other eight come from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceSeed([u8; IV_LEN]);

impl NonceSeed {
    /// Takes 12 random bytes.
    pub const fn new(random: [u8; IV_LEN]) -> Self {
        Self(random)
    }
}

/// Spreads the counter over all eight bytes. Odd, so no two counts give the same bytes; without it
/// a small count is a row of zeros, which an H.264 frame must not carry in its IV.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Stands for a zero in the four bytes that stay the same: two zeros there would put something to
/// escape into every IV, and none could be drawn for H.264.
const NOT_ZERO: u8 = 0x5a;

/// Why a frame was not sealed. In each case nothing must be sent in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is no key yet. Ours to fix: set one first; the frame is lost.
    #[error("there is no key to seal with")]
    NoKey,
    /// Frames of this codec cannot be encrypted. The caller's to fix: publish another one.
    #[error("{0:?} cannot be encrypted")]
    NotEncryptable(Codec),
    /// Its receiver could not find the clear header again: a VP8 frame shorter than its own header,
    /// or an H.264 or H.265 frame without a slice. The encoder is at fault; parameter sets go with
    /// the next picture.
    #[error("a {codec:?} frame of {len} bytes has no whole header")]
    NoHeader {
        /// Its codec.
        codec: Codec,
        /// Bytes of the frame.
        len: usize,
    },
    /// The cipher refused, which AES-GCM does only beyond 64 GiB. A bug of the caller.
    #[error("the cipher refused a frame of {len} bytes")]
    Cipher {
        /// Bytes of the frame.
        len: usize,
    },
}

/// Encrypts frames of one track. It allocates nothing once `out` has grown.
#[derive(Debug)]
pub struct Sealer {
    key: Option<(KeyIndex, FrameKey)>,
    prefix: [u8; 4],
    counter: u64,
    /// What is escaped after encryption (H.264, H.265).
    scratch: Vec<u8>,
}

impl Sealer {
    /// A sealer without a key: it seals nothing.
    pub fn new(seed: NonceSeed) -> Self {
        let [a, b, c, d, counter @ ..] = seed.0;
        Self {
            key: None,
            prefix: [a, b, c, d].map(|byte| if byte == 0 { NOT_ZERO } else { byte }),
            counter: u64::from_be_bytes(counter),
            scratch: Vec::new(),
        }
    }

    /// Seals with this key from the next frame on.
    pub fn set_key(&mut self, index: KeyIndex, key: FrameKey) {
        self.key = Some((index, key));
    }

    /// The slot of the key in use.
    pub fn key_index(&self) -> Option<KeyIndex> {
        self.key.as_ref().map(|(index, _)| *index)
    }

    /// Encrypts one frame into `out`, whose former content is dropped.
    ///
    /// # Errors
    /// [`SealError`]; `out` is then empty.
    pub fn seal(&mut self, codec: Codec, frame: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        out.clear();
        if frame.is_empty() {
            return Ok(());
        }
        if !codec.is_encryptable() {
            return Err(SealError::NotEncryptable(codec));
        }
        if !codec.has_whole_header(frame) {
            return Err(SealError::NoHeader { codec, len: frame.len() });
        }
        let (header, body) = frame.split_at(codec.clear_header_len(frame));
        if codec.is_escaped(frame) {
            let mut sealed = std::mem::take(&mut self.scratch);
            let result = self.seal_escaped(header, body, &mut sealed, out);
            self.scratch = sealed;
            return result;
        }
        let iv = self.next_iv();
        out.extend_from_slice(header);
        self.encrypt(header, body, iv, out).inspect_err(|_| out.clear())
    }

    /// Seals into `sealed`, then escapes that behind the header. The IV is drawn again while it
    /// would need escaping: native SDKs (libwebrtc m125, seen up to `livekit` 1.2.1 for Python) read it
    /// from the escaped bytes.
    fn seal_escaped(
        &mut self,
        header: &[u8],
        body: &[u8],
        sealed: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        loop {
            let iv = self.next_iv();
            sealed.clear();
            self.encrypt(header, body, iv, sealed)?;
            let (before, after) = sealed.split_at(sealed.len() - IV_LEN - TRAILER_LEN);
            if !escape::needs_escape(before, after) {
                break;
            }
        }
        out.extend_from_slice(header);
        escape::escape(sealed, out);
        Ok(())
    }

    /// Appends ciphertext, tag, IV and trailer.
    fn encrypt(
        &self,
        header: &[u8],
        body: &[u8],
        iv: [u8; IV_LEN],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let (index, key) = self.key.as_ref().ok_or(SealError::NoKey)?;
        let start = out.len();
        out.reserve(body.len() + TAG_LEN + IV_LEN + TRAILER_LEN);
        out.extend_from_slice(body);
        let nonce = Nonce::assume_unique_for_key(iv);
        let tag = key
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(header), &mut out[start..])
            .map_err(|_| SealError::Cipher { len: header.len() + body.len() })?;
        out.extend_from_slice(tag.as_ref());
        out.extend_from_slice(&iv);
        out.extend_from_slice(&[IV_LEN as u8, index.get()]);
        Ok(())
    }

    fn next_iv(&mut self) -> [u8; IV_LEN] {
        let mut iv = [0; IV_LEN];
        iv[..4].copy_from_slice(&self.prefix);
        iv[4..].copy_from_slice(&self.counter.wrapping_mul(SPREAD).to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        iv
    }
}
