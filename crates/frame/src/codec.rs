//! Codecs, and how much of each codec's frame stays readable.

/// A codec of the frames that calls carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716; the TOC byte stays clear.
    Opus,
    /// RFC 6386; 10 bytes of a key frame and 3 of others stay clear, as the SFU looks at them.
    Vp8,
    /// Nothing stays clear.
    Vp9,
    /// ITU-T H.264 in Annex B form; everything up to the second byte of the first slice.
    H264,
    /// ITU-T H.265 in Annex B form; everything up to the header of the first slice.
    H265,
    /// In clear calls only: livekit-client throws, and an encrypted AV1 frame is no valid sequence of
    /// OBUs for the packetisers in between.
    Av1,
}

/// How many bytes of a VP8 key frame stay clear: frame tag, start code and size (RFC 6386 §9.1).
const VP8_KEY_HEADER: usize = 10;
/// How many of other VP8 frames: the frame tag.
const VP8_DELTA_HEADER: usize = 3;

impl Codec {
    /// Whether frames of this codec can be encrypted between clients.
    pub const fn is_encryptable(self) -> bool {
        !matches!(self, Self::Av1)
    }

    /// How many bytes at the front of a frame stay clear, and are authenticated.
    ///
    /// Never more than the frame has. A NAL-unit frame without a slice falls back to VP8's rule, as
    /// livekit-client 2.21 does on both sides.
    pub fn clear_header_len(self, frame: &[u8]) -> usize {
        let wanted = match self {
            Self::Opus => 1,
            Self::Vp8 => vp8_header_len(frame),
            Self::Vp9 | Self::Av1 => 0,
            Self::H264 | Self::H265 => {
                self.first_slice(frame).map_or_else(|| vp8_header_len(frame), |at| at + 2)
            }
        };
        wanted.min(frame.len())
    }

    /// Whether what follows the clear header is escaped so that no start code can appear in it.
    pub(crate) fn is_escaped(self, frame: &[u8]) -> bool {
        matches!(self, Self::H264 | Self::H265) && self.first_slice(frame).is_some()
    }

    /// Whether the clear header can be found again once the rest is encrypted.
    pub(crate) fn has_whole_header(self, frame: &[u8]) -> bool {
        match self {
            Self::Opus | Self::Vp9 | Self::Av1 => true,
            Self::Vp8 => frame.len() >= vp8_header_len(frame),
            Self::H264 | Self::H265 => {
                self.first_slice(frame).is_some_and(|at| at + 2 <= frame.len())
            }
        }
    }

    /// Where the header byte of the first slice NAL unit stands.
    fn first_slice(self, frame: &[u8]) -> Option<usize> {
        (0..frame.len().saturating_sub(3))
            .filter(|&at| frame[at..].starts_with(&[0, 0, 1]))
            .map(|at| at + 3)
            .find(|&at| self.is_slice(frame[at]))
    }

    fn is_slice(self, header: u8) -> bool {
        match self {
            Self::H264 => matches!(header & 0x1f, 1 | 5),
            Self::H265 => matches!((header >> 1) & 0x3f, 0..=9 | 16..=21),
            Self::Opus | Self::Vp8 | Self::Vp9 | Self::Av1 => false,
        }
    }
}

fn vp8_header_len(frame: &[u8]) -> usize {
    // RFC 6386 §9.1: the lowest bit of the first byte is 0 in a key frame.
    let is_key = frame.first().is_some_and(|first| first & 1 == 0);
    if is_key { VP8_KEY_HEADER } else { VP8_DELTA_HEADER }
}
