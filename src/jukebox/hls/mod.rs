//! HLS: streams that come in segments, listed in an index that grows while they are live.
//!
//! RFC 8216, sound only. [`Hls`] puts the sound of the segments together into one stream of bytes:
//! ADTS or MP3 out of MPEG transport streams or bare, and fragmented MP4 behind its header. Segments
//! may be locked by AES-128. Everything is asked for as other links are, so no index leads into
//! private networks.

mod container;
mod index;
mod source;
#[cfg(test)]
mod tests;
mod ts;
mod window;

pub(super) use index::is_index;
pub(crate) use source::Hls;

/// Why a segmented stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HlsError {
    /// None of its streams has sound, or the index leads nowhere.
    #[error("the index lists no stream with sound")]
    NoStream,
    /// There is nothing in it.
    #[error("the index lists no segments")]
    NoSegments,
    /// It is locked by rights management.
    #[error("the segments are locked by other means than AES-128")]
    Locked,
    /// A key is not as long as one is, or a segment does not fit it.
    #[error("a segment cannot be unlocked")]
    WrongKey,
    /// There is no sound to be had from its segments.
    #[error("the segments hold no sound that is known")]
    Container(#[from] ts::TsError),
    /// Segment after segment holds nothing.
    #[error("the segments are empty")]
    Empty,
}
