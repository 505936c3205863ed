//! H.264 (RFC 6184 §5): NAL units alone, several in one payload (STAP-A), or one in several (FU-A);
//! out in Annex B form with start codes of four bytes, as libwebrtc rebuilds them: under frame
//! encryption every byte in front of the first slice is authenticated.

use super::{Malformed, Reader};

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const KIND: u8 = 0x1f;
const SLICE: u8 = 1;
const IDR: u8 = 5;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_STARTS: u8 = 0x80;
const FU_ENDS: u8 = 0x40;

/// Whether it is in the middle of a unit.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    open: bool,
}

impl Assembly {
    pub(super) fn append(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut reader = Reader(payload);
        let header = reader.byte().ok_or(Malformed)?;
        match header & KIND {
            FU_A => self.append_fragment(header, reader, out).ok_or(Malformed),
            _ if self.open => Err(Malformed),
            STAP_A => append_units(reader, out).ok_or(Malformed),
            1..=23 => {
                out.extend_from_slice(&START_CODE);
                out.extend_from_slice(payload);
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), Malformed> {
        if std::mem::take(&mut self.open) { Err(Malformed) } else { Ok(()) }
    }

    fn append_fragment(
        &mut self,
        indicator: u8,
        mut reader: Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let header = reader.byte()?;
        let starts = header & FU_STARTS != 0;
        if starts == self.open {
            return None;
        }
        if starts {
            out.extend_from_slice(&START_CODE);
            out.push((indicator & !KIND) | (header & KIND));
        }
        out.extend_from_slice(reader.0);
        self.open = header & FU_ENDS == 0;
        Some(())
    }
}

fn append_units(mut reader: Reader<'_>, out: &mut Vec<u8>) -> Option<()> {
    while !reader.is_empty() {
        let len = u16::from_be_bytes([reader.byte()?, reader.byte()?]);
        let unit = reader.take(usize::from(len))?;
        if !unit.is_empty() {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(unit);
        }
    }
    Some(())
}

/// Whether it is anything but the rest of a unit or a further slice of a picture. A slice that
/// begins a picture has 0 as its first macroblock, written as a single 1 bit; it stays clear under
/// frame encryption for the first slice, and later ones are not seen as units there.
pub(super) fn is_head(payload: &[u8]) -> bool {
    let (kind, first) = match payload {
        [header, fragment, first, ..] if header & KIND == FU_A => {
            if fragment & FU_STARTS == 0 {
                return false;
            }
            (fragment & KIND, *first)
        }
        [header, first, ..] => (header & KIND, *first),
        _ => return false,
    };
    !matches!(kind, SLICE | IDR) || first & 0x80 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        let mut assembly = Assembly::default();
        let mut out = Vec::new();
        for payload in payloads {
            assembly.append(payload, &mut out)?;
        }
        assembly.finish()?;
        Ok(out)
    }

    #[test]
    fn units_get_start_codes_of_four_bytes() {
        let stap = [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2];
        let expected = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88];
        assert_eq!(joined(&[&stap, &[0x65, 0x88]]).unwrap(), expected);
    }

    #[test]
    fn fragments_become_one_unit() {
        let fragments: [&[u8]; 3] = [&[0x7c, 0x85, 1, 2], &[0x7c, 0x05, 3], &[0x7c, 0x45, 4]];
        assert_eq!(joined(&fragments).unwrap(), [0, 0, 0, 1, 0x65, 1, 2, 3, 4]);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        for payloads in [
            &[&[0x7c, 0x05, 3][..]][..],
            &[&[0x7c, 0x85, 1]],
            &[&[0x7c, 0x85, 1], &[0x65, 0x88]],
            &[&[0x7c, 0x85, 1], &[0x7c, 0x85, 1]],
            &[&[0x78, 0, 2, 0x67, 1, 0]],
            &[&[0x78, 0, 9, 0x67]],
            &[&[0x7d, 0x85, 1]],
            &[&[0x7c]],
            &[&[]],
        ] {
            assert_eq!(joined(payloads), Err(Malformed), "{payloads:x?}");
        }
    }

    #[test]
    fn a_picture_begins_with_parameters_or_its_first_slice() {
        for (payload, head) in [
            (&[0x67, 0x42][..], true),
            (&[0x78, 0, 2], true),
            (&[0x65, 0x88], true),
            (&[0x41, 0x9a], true),
            (&[0x41, 0x40], false),
            (&[0x7c, 0x85, 0x88], true),
            (&[0x7c, 0x81, 0x40], false),
            (&[0x7c, 0x05, 0x88], false),
        ] {
            assert_eq!(is_head(payload), head, "{payload:x?}");
        }
    }
}
