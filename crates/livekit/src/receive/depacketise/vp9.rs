//! VP9 (RFC 9628 §4.2): a descriptor, then a part of the frame.

use super::Reader;

const PICTURE_ID: u8 = 0x80;
const PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGINS: u8 = 0x08;
const STRUCTURE: u8 = 0x02;

/// At most so many pictures are referred to.
const REFERENCES_MAX: usize = 3;

/// The part of the frame.
pub(super) fn body(payload: &[u8]) -> Option<&[u8]> {
    let (_, rest) = descriptor(payload)?;
    (!rest.is_empty()).then_some(rest)
}

/// Whether it is the beginning of the lowest layer's frame.
pub(super) fn is_head(payload: &[u8]) -> bool {
    let begins = payload.first().is_some_and(|flags| flags & BEGINS != 0);
    begins && descriptor(payload).is_some_and(|(layer, _)| layer == 0)
}

/// The spatial layer, and what follows the descriptor.
fn descriptor(payload: &[u8]) -> Option<(u8, &[u8])> {
    let mut reader = Reader(payload);
    let flags = reader.byte()?;
    let has = |flag| flags & flag != 0;
    if has(PICTURE_ID) && reader.byte()? & 0x80 != 0 {
        reader.byte()?;
    }
    let mut layer = 0;
    if has(LAYERS) {
        layer = (reader.byte()? >> 1) & 0x07;
        if !has(FLEXIBLE) {
            reader.byte()?;
        }
    }
    if has(FLEXIBLE) && has(PREDICTED) {
        references(&mut reader)?;
    }
    if has(STRUCTURE) {
        structure(&mut reader)?;
    }
    Some((layer, reader.0))
}

fn references(reader: &mut Reader<'_>) -> Option<()> {
    for _ in 0..REFERENCES_MAX {
        if reader.byte()? & 0x01 == 0 {
            return Some(());
        }
    }
    None
}

/// The scalability structure: sizes of the layers, and a group of pictures.
fn structure(reader: &mut Reader<'_>) -> Option<()> {
    let flags = reader.byte()?;
    let layers = usize::from(flags >> 5) + 1;
    if flags & 0x10 != 0 {
        reader.take(4 * layers)?;
    }
    if flags & 0x08 != 0 {
        for _ in 0..reader.byte()? {
            let references = usize::from((reader.byte()? >> 2) & 0x03);
            reader.take(references)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_is_as_long_as_its_bits_say() {
        for (payload, rest) in [
            (&[0x08, 1, 2][..], Some(&[1, 2][..])),
            // A picture id of 15 bits, layers without flexible mode.
            (&[0xa8, 0x85, 0x06, 0x00, 0x07, 1], Some(&[1])),
            // Flexible: two references.
            (&[0xd8, 0x05, 0x03, 0x02, 1], Some(&[1])),
            // Four references are one too many.
            (&[0xd8, 0x05, 0x03, 0x03, 0x03, 1], None),
            // A structure of one layer with its size and a group of one picture with one reference.
            (&[0x0a, 0x18, 2, 0, 1, 0x80, 1, 0x04, 9, 1], Some(&[1])),
            (&[0x0a, 0x18, 2, 0], None),
            (&[], None),
        ] {
            assert_eq!(body(payload), rest, "{payload:x?}");
        }
    }

    #[test]
    fn a_picture_begins_with_the_lowest_layer() {
        assert!(is_head(&[0x08, 1]));
        assert!(!is_head(&[0x00, 1]));
        assert!(!is_head(&[0x38, 0x02, 1]), "the layer above");
    }
}
