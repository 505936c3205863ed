//! The identification header of Opus streams (RFC 7845 §5.1), and MP4's variant of it.

use symphonia::core::audio::Position;

/// Bytes before the channel mapping table, the magic included.
const FIXED_LEN: usize = 19;

/// What an Opus stream says about itself before its first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpusHead {
    pub(crate) channels: u8,
    /// Samples at 48 kHz to drop from the front of what is decoded.
    pub(crate) pre_skip: u16,
    /// Gain to apply when decoding, in 1/256 dB.
    pub(crate) gain_q8: i16,
    pub(crate) mapping: Mapping,
}

/// How the streams in a packet become channels (RFC 7845 §5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// One stream, mono or stereo: packets are what a call carries.
    Plain,
    /// Several streams in each packet, channels in Vorbis order.
    Surround { streams: u8, coupled: u8, table: Vec<u8> },
}

impl OpusHead {
    /// None if it is no such header, or of a kind that nothing can play (ambisonics, and
    /// channels without positions).
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..FIXED_LEN)?;
        if !head.starts_with(b"OpusHead") {
            return None;
        }
        // Version 0 is `dOps` of an MP4 file, which is the same in the other byte order.
        let is_mp4 = head[8] == 0;
        let channels = head[9];
        let pre_skip = [head[10], head[11]];
        let gain = [head[16], head[17]];
        let family = head[18];
        let mapping = match (family, channels) {
            (0, 1 | 2) => Mapping::Plain,
            (1, 1..=8) => {
                let table = bytes.get(FIXED_LEN + 2..FIXED_LEN + 2 + usize::from(channels))?;
                Mapping::Surround {
                    streams: bytes[FIXED_LEN],
                    coupled: bytes[FIXED_LEN + 1],
                    table: table.to_vec(),
                }
            }
            _ => return None,
        };
        Some(Self {
            channels,
            pre_skip: if is_mp4 {
                u16::from_be_bytes(pre_skip)
            } else {
                u16::from_le_bytes(pre_skip)
            },
            gain_q8: if is_mp4 { i16::from_be_bytes(gain) } else { i16::from_le_bytes(gain) },
            mapping,
        })
    }

    /// The header of mono or stereo, as it stands in Ogg.
    pub(crate) fn plain(channels: u8, pre_skip: u16) -> Vec<u8> {
        let mut head = b"OpusHead\x01".to_vec();
        head.push(channels);
        head.extend(pre_skip.to_le_bytes());
        head.extend(48_000_u32.to_le_bytes());
        head.extend([0; 3]);
        head
    }

    /// Whether the packets may be heard as they are: one stream, and no gain to apply.
    pub(crate) fn is_playable_as_is(&self) -> bool {
        self.mapping == Mapping::Plain && self.gain_q8 == 0
    }

    /// Where the channels stand, in the order in which they are decoded (Vorbis I §4.3.9).
    pub(crate) fn positions(&self) -> Vec<Position> {
        use Position as P;
        let (left, right, centre) = (P::FRONT_LEFT, P::FRONT_RIGHT, P::FRONT_CENTER);
        let (rear_left, rear_right, low) = (P::REAR_LEFT, P::REAR_RIGHT, P::LFE1);
        let (side_left, side_right) = (P::SIDE_LEFT, P::SIDE_RIGHT);
        match self.channels {
            1 => vec![centre],
            2 => vec![left, right],
            3 => vec![left, centre, right],
            4 => vec![left, right, rear_left, rear_right],
            5 => vec![left, centre, right, rear_left, rear_right],
            6 => vec![left, centre, right, rear_left, rear_right, low],
            7 => vec![left, centre, right, side_left, side_right, P::REAR_CENTER, low],
            _ => vec![left, centre, right, side_left, side_right, rear_left, rear_right, low],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u8, tail: &[u8]) -> Vec<u8> {
        [b"OpusHead".as_slice(), &[version], tail].concat()
    }

    #[test]
    fn ogg_and_mp4_differ_in_byte_order_only() {
        let ogg = head(1, &[2, 0x38, 0x01, 0, 0, 0, 0, 0x00, 0xff, 0]);
        let mp4 = head(0, &[2, 0x01, 0x38, 0, 0, 0, 0, 0xff, 0x00, 0]);
        let parsed = OpusHead::parse(&ogg).expect("a header");
        assert_eq!((parsed.pre_skip, parsed.gain_q8), (312, -256));
        assert!(!parsed.is_playable_as_is());
        assert_eq!(OpusHead::parse(&mp4), Some(parsed));
    }

    #[test]
    fn a_header_can_be_made_up() {
        let parsed = OpusHead::parse(&OpusHead::plain(1, 312)).expect("a header");
        assert_eq!((parsed.channels, parsed.pre_skip, parsed.gain_q8), (1, 312, 0));
        assert!(parsed.is_playable_as_is());
    }

    #[test]
    fn surround_has_a_table_and_is_never_passed_through() {
        let fixed = [6, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let whole = head(1, &[&fixed[..], &[4, 2, 0, 4, 1, 2, 3, 5]].concat());
        let parsed = OpusHead::parse(&whole).expect("a header");
        assert!(!parsed.is_playable_as_is());
        assert_eq!(parsed.positions().len(), 6);
        assert_eq!(OpusHead::parse(&head(1, &fixed)), None, "the table is missing");
    }

    #[test]
    fn ambisonics_and_short_headers_are_refused() {
        assert_eq!(OpusHead::parse(&head(1, &[4, 0, 0, 0, 0, 0, 0, 0, 0, 2])), None);
        assert_eq!(OpusHead::parse(b"OpusHead"), None);
    }
}
