//! AV1 (AOM's "RTP Payload Format For AV1" §4): elements of OBUs, the first and the last perhaps
//! parts of one; out as whole OBUs with sizes (AV1 §5.3), without temporal delimiters.

use super::{Malformed, Reader};

const CONTINUES: u8 = 0x80;
const GOES_ON: u8 = 0x40;
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;

/// The part of an OBU whose rest is in the next packet.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    open: Option<Vec<u8>>,
}

impl Assembly {
    pub(super) fn append(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut reader = Reader(payload);
        let header = reader.byte().ok_or(Malformed)?;
        let (continues, goes_on) = (header & CONTINUES != 0, header & GOES_ON != 0);
        if continues != self.open.is_some() {
            return Err(Malformed);
        }
        let elements = elements(reader, usize::from((header >> 4) & 0x03)).ok_or(Malformed)?;
        let last = elements.len() - 1;
        for (index, element) in elements.into_iter().enumerate() {
            let begun = if index == 0 { self.open.take() } else { None };
            let unfinished = index == last && goes_on;
            match begun {
                Some(mut begun) => {
                    begun.extend_from_slice(element);
                    if unfinished {
                        self.open = Some(begun);
                    } else {
                        append_unit(&begun, out).ok_or(Malformed)?;
                    }
                }
                None if unfinished => self.open = Some(element.to_vec()),
                None => append_unit(element, out).ok_or(Malformed)?,
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), Malformed> {
        if self.open.take().is_some() { Err(Malformed) } else { Ok(()) }
    }
}

/// Whether it does not go on with an OBU of the packet before. Whether the picture's first OBU is in
/// it nothing says.
pub(super) fn is_head(payload: &[u8]) -> bool {
    payload.first().is_some_and(|header| header & CONTINUES == 0)
}

/// The elements of a payload, at least one; with a count the last has no length.
fn elements(mut reader: Reader<'_>, count: usize) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    while !reader.is_empty() {
        let is_last = count != 0 && elements.len() + 1 == count;
        let len = if is_last { reader.0.len() } else { leb128(&mut reader)? };
        elements.push(reader.take(len)?);
    }
    let complete = if count == 0 { !elements.is_empty() } else { elements.len() == count };
    complete.then_some(elements)
}

/// Writes an OBU with its size.
fn append_unit(unit: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader(unit);
    let Some(header) = reader.byte() else { return Some(()) };
    let extension = if header & HAS_EXTENSION != 0 { Some(reader.byte()?) } else { None };
    if header & HAS_SIZE != 0 {
        let len = leb128(&mut reader)?;
        if len != reader.0.len() {
            return None;
        }
    }
    let kind = (header >> 3) & 0x0f;
    if matches!(kind, TEMPORAL_DELIMITER | TILE_LIST) {
        return Some(());
    }
    out.push(header | HAS_SIZE);
    out.extend(extension);
    write_leb128(reader.0.len(), out);
    out.extend_from_slice(reader.0);
    Some(())
}

/// Reads a length of up to four bytes of seven bits each, far more than a packet has.
fn leb128(reader: &mut Reader<'_>) -> Option<usize> {
    let mut value = 0;
    for index in 0..4 {
        let byte = reader.byte()?;
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write_leb128(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
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
    fn obus_get_their_sizes() {
        // A temporal delimiter, a sequence header with a length, a frame without.
        let counted: &[u8] = &[0x30, 1, 0x10, 3, 0x08, 7, 8, 0x30, 1, 2, 3];
        let expected = [0x0a, 2, 7, 8, 0x32, 3, 1, 2, 3];
        assert_eq!(joined(&[counted]).unwrap(), expected);
        let all_with_lengths: &[u8] = &[0x00, 3, 0x08, 7, 8, 4, 0x30, 1, 2, 3];
        assert_eq!(joined(&[all_with_lengths]).unwrap(), expected);
    }

    #[test]
    fn an_obu_over_three_packets_becomes_one() {
        let parts: [&[u8]; 3] = [&[0x50, 0x30, 1], &[0xd0, 2, 3], &[0x90, 4]];
        assert_eq!(joined(&parts).unwrap(), [0x32, 4, 1, 2, 3, 4]);
    }

    #[test]
    fn an_obu_that_has_its_size_keeps_it() {
        assert_eq!(joined(&[&[0x10, 0x36, 0x48, 2, 1, 2]]).unwrap(), [0x36, 0x48, 2, 1, 2]);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        for payloads in [
            &[&[0x90, 1][..]][..],
            &[&[0x50, 0x30, 1]],
            &[&[0x50, 0x30, 1], &[0x10, 0x30]],
            &[&[0x10, 0x34]],
            &[&[0x10, 0x32, 5, 1]],
            &[&[0x20, 0x03, 0x30]],
            &[&[0x00, 0x80, 0x80, 0x80, 0x80, 1]],
            &[&[0x10]],
            &[&[]],
        ] {
            assert_eq!(joined(payloads), Err(Malformed), "{payloads:x?}");
        }
    }

    #[test]
    fn lengths_of_more_than_seven_bits_are_written_in_several_bytes() {
        let mut payload = vec![0x10, 0x30];
        payload.extend([9; 300]);
        let out = joined(&[&payload]).unwrap();
        assert_eq!(out[..3], [0x32, 0xac, 0x02]);
        assert_eq!(out.len(), 303);
    }
}
