//! From segments to one stream of bytes. Pure.

use super::{HlsError, ts::Demuxer};

/// The length of an ID3 header, and of its footer (`ID3v2` §3.1).
const ID3_HEADER_LEN: usize = 10;

/// What segments are made of.
#[derive(Debug)]
pub(super) enum Container {
    /// An MPEG transport stream.
    Ts(Box<Demuxer>),
    /// ADTS or MPEG audio, each segment behind an ID3 tag with its time (RFC 8216 §3.4).
    Packed,
    /// Fragments of MP4 (RFC 8216 §3.3).
    Fragments,
}

impl Container {
    /// What a stream consists of, by its first segment; fragments have a map.
    pub(super) fn of(segment: &[u8], has_map: bool) -> Self {
        if has_map {
            Self::Fragments
        } else if is_ts(segment) {
            Self::Ts(Box::default())
        } else {
            Self::Packed
        }
    }

    /// Whether a further segment is of the same kind.
    pub(super) fn fits(&self, segment: &[u8], has_map: bool) -> bool {
        match self {
            Self::Fragments => has_map,
            Self::Ts(_) => !has_map && is_ts(segment),
            Self::Packed => !has_map && !is_ts(segment),
        }
    }

    /// The part of a segment that is handed on.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn unpack(&mut self, segment: Vec<u8>) -> Result<Vec<u8>, HlsError> {
        match self {
            Self::Ts(demuxer) => {
                let mut sound = Vec::with_capacity(segment.len());
                demuxer.begin_segment();
                demuxer.push(&segment, &mut sound)?;
                Ok(sound)
            }
            Self::Packed => Ok(without_tag(&segment).to_vec()),
            Self::Fragments => Ok(segment),
        }
    }
}

/// Packets of 188 bytes begin alike.
fn is_ts(segment: &[u8]) -> bool {
    segment.first() == Some(&0x47) && segment.get(188).is_none_or(|byte| *byte == 0x47)
}

fn without_tag(segment: &[u8]) -> &[u8] {
    match segment {
        &[b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] => {
            let size =
                [a, b, c, d].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
            let footer = if flags & 0x10 == 0 { 0 } else { ID3_HEADER_LEN };
            segment.get(ID3_HEADER_LEN + size + footer..).unwrap_or_default()
        }
        segment => segment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jukebox::hls::ts::tests::mux;

    #[test]
    fn sound_is_taken_out_of_its_container() {
        let tagged = [&b"ID3\x04\0\0\0\0\0\x03abc"[..], b"\xff\xf1sound"].concat();
        let mut packed = Container::of(&tagged, false);
        assert_eq!(packed.unpack(tagged).unwrap(), b"\xff\xf1sound");
        assert_eq!(packed.unpack(b"\xff\xf1more".to_vec()).unwrap(), b"\xff\xf1more");

        let stream = mux(0x0f, b"sound");
        let mut ts = Container::of(&stream, false);
        assert_eq!(ts.unpack(stream).unwrap(), b"sound");

        let mut fragments = Container::of(b"\0\0\0\x08moof", true);
        assert_eq!(fragments.unpack(b"\0\0\0\x08moof".to_vec()).unwrap(), b"\0\0\0\x08moof");
    }

    #[test]
    fn a_stream_that_changes_its_container_is_noticed() {
        let ts = mux(0x0f, b"sound");
        assert!(Container::of(&ts, false).fits(&ts, false));
        assert!(!Container::of(&ts, false).fits(b"ID3", false));
        assert!(!Container::Packed.fits(&ts, false));
        assert!(!Container::Packed.fits(b"moof", true));
        assert!(!Container::Fragments.fits(&ts, false));
    }

    #[test]
    fn a_tag_that_lies_about_its_length_leaves_nothing() {
        assert_eq!(without_tag(b"ID3\x04\0\0\x7f\x7f\x7f\x7fx"), b"");
    }
}
