//! VP8 (RFC 7741 §4.2): a descriptor of one to six bytes, then a part of the frame.

use super::Reader;

/// The part of the frame.
pub(super) fn body(payload: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(payload);
    let extended = reader.byte()? & 0x80 != 0;
    if extended {
        let fields = reader.byte()?;
        let (picture_id, level, layer_or_key) =
            (fields & 0x80 != 0, fields & 0x40 != 0, fields & 0x30 != 0);
        if picture_id && reader.byte()? & 0x80 != 0 {
            reader.byte()?;
        }
        if level {
            reader.byte()?;
        }
        if layer_or_key {
            reader.byte()?;
        }
    }
    (!reader.is_empty()).then_some(reader.0)
}

/// Whether it is the beginning of the first partition.
pub(super) fn is_head(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first & 0x17 == 0x10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_is_as_long_as_its_bits_say() {
        for (payload, rest) in [
            (&[0x10, 1, 2][..], Some(&[1, 2][..])),
            (&[0x90, 0x80, 0x05, 1], Some(&[1])),
            (&[0x90, 0x80, 0x85, 0x06, 1], Some(&[1])),
            (&[0x90, 0xf0, 0x85, 0x06, 7, 8, 1], Some(&[1])),
            (&[0x90, 0x10, 8, 1], Some(&[1])),
            (&[0x90, 0xf0, 0x85, 0x06, 7], None),
            (&[0x10], None),
            (&[], None),
        ] {
            assert_eq!(body(payload), rest, "{payload:x?}");
        }
    }

    #[test]
    fn a_frame_begins_with_its_first_partition() {
        assert!(is_head(&[0x10]));
        assert!(!is_head(&[0x00]));
        assert!(!is_head(&[0x11]));
    }
}
