//! Payloads of packets put together to pictures.
//!
//! Ours rather than a crate's: `rtc-rtp` 0.21 panics on a STAP-A with a byte left over and on an AV1
//! OBU of one byte that claims an extension, str0m 0.25 keeps its own of VP9 and AV1 to itself, and
//! what comes in here is whatever a server likes to send. All that is read is the descriptor in
//! front: nothing looks into the frame, which may be ciphertext.

mod av1;
mod h264;
mod vp8;
mod vp9;

use phonograph_frame::Codec;

/// A payload that its codec's format does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What puts the payloads of one picture together.
#[derive(Debug)]
pub(super) enum Depacketiser {
    Vp8,
    Vp9,
    H264(h264::Assembly),
    Av1(av1::Assembly),
}

impl Depacketiser {
    /// `None` for codecs whose frames are one packet each, or that we do not know.
    pub(super) fn new(codec: Codec) -> Option<Self> {
        match codec {
            Codec::Vp8 => Some(Self::Vp8),
            Codec::Vp9 => Some(Self::Vp9),
            Codec::H264 => Some(Self::H264(h264::Assembly::default())),
            Codec::Av1 => Some(Self::Av1(av1::Assembly::default())),
            Codec::Opus | Codec::H265 => None,
        }
    }

    /// Whether a picture can begin with this payload.
    pub(super) fn is_head(&self, payload: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::is_head(payload),
            Self::Vp9 => vp9::is_head(payload),
            Self::H264(_) => h264::is_head(payload),
            Self::Av1(_) => av1::is_head(payload),
        }
    }

    /// Adds what a payload carries to the picture.
    pub(super) fn append(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self {
            Self::Vp8 => out.extend_from_slice(vp8::body(payload).ok_or(Malformed)?),
            Self::Vp9 => out.extend_from_slice(vp9::body(payload).ok_or(Malformed)?),
            Self::H264(assembly) => return assembly.append(payload, out),
            Self::Av1(assembly) => return assembly.append(payload, out),
        }
        Ok(())
    }

    /// Ends a picture; an error if a part of it is missing at the end.
    pub(super) fn finish(&mut self) -> Result<(), Malformed> {
        match self {
            Self::Vp8 | Self::Vp9 => Ok(()),
            Self::H264(assembly) => assembly.finish(),
            Self::Av1(assembly) => assembly.finish(),
        }
    }
}

/// Reads a payload from the front.
#[derive(Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_payloads_make_it_panic_or_grow_beyond_them(
            payloads in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..40), 1..6),
        ) {
            for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
                let mut depacketiser = Depacketiser::new(codec).unwrap();
                let mut out = Vec::new();
                for payload in &payloads {
                    depacketiser.is_head(payload);
                    if depacketiser.append(payload, &mut out).is_err() {
                        break;
                    }
                }
                // A start code or a size for each NAL unit or OBU, of a byte at least.
                let len: usize = payloads.iter().map(Vec::len).sum();
                prop_assert!(out.len() <= 6 * len);
                let _ended = depacketiser.finish();
            }
        }
    }
}
