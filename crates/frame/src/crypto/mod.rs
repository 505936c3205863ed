//! LiveKit's frame encryption: AES-128-GCM over each encoded frame.
//!
//! ```text
//! +----------------+------------------------+----------+---------+------+-----------+
//! | clear header H | ciphertext of the rest | tag (16) | IV (12) | 0x0C | key index |
//! +----------------+------------------------+----------+---------+------+-----------+
//!                   `---- for H.264 and H.265 this whole part is RBSP-escaped -----'
//! ```
//!
//! H is the additional data. An empty frame passes as it is, both ways. The key is derived from the
//! participant's raw key by HKDF, or from a shared password by PBKDF2; it is never ratcheted.
//! [`Sealer`] encrypts our frames, [`KeyRing`] opens those of one other participant, and
//! [`SifTrailer`] recognises the few frames that the server makes itself.

mod escape;
mod key;
mod open;
mod seal;
mod sif;

pub use key::{FrameKey, KeyError, KeyIndex, MediaKey};
pub use open::{KeyRing, OpenError};
pub use seal::{NonceSeed, SealError, Sealer};
pub use sif::SifTrailer;

/// Bytes of an AES-GCM tag.
const TAG_LEN: usize = 16;
/// Bytes of an IV, also written into each frame.
const IV_LEN: usize = 12;
/// The IV's length and the key index.
const TRAILER_LEN: usize = 2;

/// How many bytes sealing adds to a frame, before escaping.
pub const OVERHEAD: usize = TAG_LEN + IV_LEN + TRAILER_LEN;
