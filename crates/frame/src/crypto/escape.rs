//! RBSP escaping, so that no start code can appear in what is encrypted (H.264 §7.4.1).

/// The byte that breaks up a start code.
const EMULATION_PREVENTION: u8 = 3;

/// Appends `bytes` to `out`, with a `03` before each byte of at most 3 that follows two zeros.
/// Zeros are counted from the start of `bytes`.
pub(super) fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in bytes {
        if zeros == 2 && byte <= EMULATION_PREVENTION {
            out.push(EMULATION_PREVENTION);
            zeros = 0;
        }
        out.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
}

/// Appends `bytes` to `out` without those `03` that follow two zeros.
pub(super) fn unescape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == EMULATION_PREVENTION {
            zeros = 0;
            continue;
        }
        out.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
}

/// Whether escaping would change `bytes` when `before` stands in front of them.
pub(super) fn needs_escape(before: &[u8], bytes: &[u8]) -> bool {
    let mut zeros = before.iter().rev().take_while(|&&byte| byte == 0).count().min(2);
    bytes.iter().any(|&byte| {
        let hit = zeros >= 2 && byte <= EMULATION_PREVENTION;
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        hit
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        escape(bytes, &mut out);
        out
    }

    #[test]
    fn a_start_code_is_broken_up() {
        assert_eq!(escaped(&[0, 0, 1, 9]), [0, 0, 3, 1, 9]);
        assert_eq!(escaped(&[0, 0, 0, 0, 0, 0]), [0, 0, 3, 0, 0, 3, 0, 0]);
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(
            bytes in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..5, any::<u8>()], 0..200)
        ) {
            let mut back = Vec::new();
            unescape(&escaped(&bytes), &mut back);
            prop_assert_eq!(back, bytes);
        }

        #[test]
        fn no_start_code_is_left(
            bytes in proptest::collection::vec(0_u8..4, 0..200)
        ) {
            let out = escaped(&bytes);
            prop_assert!(!out.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
        }
    }
}
