//! How much memory a Vorbis stream's codebooks would take.
//!
//! A codebook of twenty bytes may stand for 128 K entries of 32 dimensions, 16 MiB once unpacked,
//! and a stream may have 256 of them: 4 GiB from a file of 10 KB. symphonia limits each, not their
//! sum. Specification: Vorbis I §3.2.1.

use symphonia::core::io::{BitReaderRtl, FiniteBitStream, ReadBitsRtl};

/// Values in all codebooks together: 16 MiB of them. libvorbis needs less than 100 000.
const VALUES_MAX: u64 = 4 << 20;
/// What symphonia allows for one codebook.
const DIMENSIONS_MAX: u32 = 32;
const ENTRIES_MAX: u32 = 128 << 10;
/// The identification header, of fixed length, behind which symphonia puts the setup header.
const IDENTIFICATION_LEN: usize = 30;
/// The setup header's type and name.
const SETUP: &[u8; 7] = b"\x05vorbis";

/// Whether the codebooks fit, as far as they can be read: what is malformed is found so by others.
pub(crate) fn fits(extra_data: &[u8]) -> bool {
    let setup = extra_data.get(IDENTIFICATION_LEN..).and_then(|rest| rest.strip_prefix(SETUP));
    setup.is_none_or(|setup| values(setup).unwrap_or(0) <= VALUES_MAX)
}

/// What the codebooks come to; an error where they cannot be read on, which ends the reading there
/// as it will for the decoder.
fn values(setup: &[u8]) -> std::io::Result<u64> {
    let mut bits = BitReaderRtl::new(setup);
    let count = bits.read_bits_leq32(8)? + 1;
    let mut sum = 0;
    for _ in 0..count {
        match codebook(&mut bits) {
            Ok(values) => sum += values,
            // The decoder unpacks what came before.
            Err(_) => break,
        }
        if sum > VALUES_MAX {
            break;
        }
    }
    Ok(sum)
}

fn codebook(bits: &mut BitReaderRtl<'_>) -> std::io::Result<u64> {
    bits.ignore_bits(24)?;
    let dimensions = bits.read_bits_leq32(16)?;
    let entries = bits.read_bits_leq32(24)?;
    if dimensions > DIMENSIONS_MAX || entries > ENTRIES_MAX {
        // Too many for the decoder, which goes no further.
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    skip_lengths(bits, entries)?;
    let lookup = bits.read_bits_leq32(4)?;
    if lookup == 0 {
        return Ok(u64::from(entries));
    }
    bits.ignore_bits(64)?;
    let value_bits = bits.read_bits_leq32(4)? + 1;
    bits.ignore_bits(1)?;
    let values = u64::from(entries) * u64::from(dimensions);
    let stored = if lookup == 1 { roots(entries, dimensions) } else { values };
    let skipped = stored.saturating_mul(u64::from(value_bits));
    // Too long for the header, so the decoder gives up before it unpacks anything.
    let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
    if u64::from(skipped) > bits.bits_left() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    bits.ignore_bits(skipped)?;
    Ok(values)
}

fn skip_lengths(bits: &mut BitReaderRtl<'_>, entries: u32) -> std::io::Result<()> {
    let is_ordered = bits.read_bool()?;
    if is_ordered {
        bits.ignore_bits(5)?;
        let mut entry = 0;
        while entry < entries {
            entry += bits.read_bits_leq32(32 - (entries - entry).leading_zeros())?;
        }
    } else if bits.read_bool()? {
        for _ in 0..entries {
            if bits.read_bool()? {
                bits.ignore_bits(5)?;
            }
        }
    } else {
        bits.ignore_bits(entries * 5)?;
    }
    Ok(())
}

/// The largest number whose power by the dimensions is not above the entries.
fn roots(entries: u32, dimensions: u32) -> u64 {
    let fits = |root: &u64| {
        let power = (0..dimensions).try_fold(1_u64, |power, _| {
            Some(power * root).filter(|power| *power <= u64::from(entries))
        });
        power.is_some()
    };
    if dimensions == 0 { 0 } else { (1..=u64::from(entries)).take_while(fits).count() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VORBIS: &[u8] = include_bytes!("../../../../assets/trial/tones.ogg");

    /// Bits as Vorbis packs them: the lowest of each value first.
    struct Bits(Vec<bool>);

    impl Bits {
        fn push(&mut self, value: u64, count: u32) {
            self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                bits.iter().enumerate().fold(0, |byte, (n, bit)| byte | u8::from(*bit) << n)
            };
            self.0.chunks(8).map(byte).collect()
        }
    }

    /// 128 K entries of 32 dimensions in 17 bytes each.
    fn header(codebooks: u64) -> Vec<u8> {
        let mut bits = Bits(Vec::new());
        bits.push(codebooks - 1, 8);
        for _ in 0..codebooks {
            bits.push(0x0056_4342, 24);
            bits.push(32, 16);
            bits.push(1 << 17, 24);
            bits.push(1, 1);
            bits.push(16, 5);
            bits.push(1 << 17, 18);
            bits.push(1, 4);
            bits.push(0, 64);
            bits.push(0, 4 + 1 + 1);
        }
        [vec![0; IDENTIFICATION_LEN], SETUP.to_vec(), bits.bytes(), vec![0; 8]].concat()
    }

    #[test]
    fn codebooks_that_would_take_gigabytes_do_not_fit() {
        let bomb = header(256);
        assert!(bomb.len() < 6_000, "{} bytes", bomb.len());
        assert!(!fits(&bomb));
        assert!(!fits(&header(2)));
        assert!(fits(&header(1)));
    }

    #[test]
    fn those_of_real_files_fit() {
        let at = VORBIS.windows(7).position(|seven| seven == SETUP).expect("a setup header");
        let setup = [vec![0; IDENTIFICATION_LEN], VORBIS[at..].to_vec()].concat();
        assert!(fits(&setup));
        let values = values(&setup[IDENTIFICATION_LEN + 7..]).expect("codebooks");
        assert!((1_000..1_000_000).contains(&values), "{values}");
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_decoder() {
        assert!(fits(&[]));
        assert!(fits(&header(256)[..60]));
        assert!(fits(&[0xff; 500]));
    }

    #[test]
    fn roots_are_whole() {
        assert_eq!([roots(27, 3), roots(26, 3), roots(1, 8), roots(5, 1)], [3, 2, 1, 5]);
        assert_eq!([roots(0, 4), roots(7, 0)], [0, 0]);
    }
}
