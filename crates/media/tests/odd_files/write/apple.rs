//! AIFF-C and CAF.

/// AIFF-C in the byte order of Intel, 16 bits at 44.1 kHz.
pub(crate) fn sowt(channels: u16, samples: &[i16]) -> Vec<u8> {
    let chunk =
        |id: [u8; 4], body: &[u8]| [&id[..], &(body.len() as u32).to_be_bytes(), body].concat();
    let mut comm = channels.to_be_bytes().to_vec();
    comm.extend((samples.len() as u32 / u32::from(channels)).to_be_bytes());
    comm.extend(16_u16.to_be_bytes());
    // 44 100 as a float of 80 bits.
    comm.extend([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]);
    comm.extend(b"sowt\0\0");
    let mut ssnd = vec![0; 8];
    ssnd.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    let body = [
        b"AIFC".to_vec(),
        chunk(*b"FVER", &0xa280_5140_u32.to_be_bytes()),
        chunk(*b"COMM", &comm),
        chunk(*b"SSND", &ssnd),
    ];
    chunk(*b"FORM", &body.concat())
}

fn caf_chunk(id: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&id[..], &(body.len() as u64).to_be_bytes(), body].concat()
}

fn caf_description(rate_hz: f64, format: [u8; 4], words: [u32; 5]) -> Vec<u8> {
    let mut desc = rate_hz.to_be_bytes().to_vec();
    desc.extend(format);
    desc.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    [b"caff\0\x01\0\0".to_vec(), caf_chunk(*b"desc", &desc)].concat()
}

/// CAF of floating point samples, big end first.
pub(crate) fn caf_float(rate_hz: f64, channels: u32, samples: &[f32]) -> Vec<u8> {
    let mut data = vec![0; 4];
    data.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
    let desc = caf_description(rate_hz, *b"lpcm", [1, 4 * channels, 1, channels, 32]);
    [desc, caf_chunk(*b"data", &data)].concat()
}

/// CAF of Opus packets of 20 ms, the packet table last.
pub(crate) fn caf_opus(channels: u32, packets: &[Vec<u8>], priming: u32, valid: u64) -> Vec<u8> {
    let mut table = (packets.len() as u64).to_be_bytes().to_vec();
    table.extend(valid.to_be_bytes());
    table.extend(priming.to_be_bytes());
    table.extend((960 * packets.len() as u32 - priming - valid as u32).to_be_bytes());
    for packet in packets {
        let len = packet.len();
        assert!(len < 1 << 14, "two bytes of seven bits");
        if len >= 128 {
            table.push(0x80 | (len >> 7) as u8);
        }
        table.push((len & 0x7f) as u8);
    }
    let data = [vec![0; 4], packets.concat()].concat();
    let desc = caf_description(48_000.0, *b"opus", [0, 0, 960, channels, 0]);
    [desc, caf_chunk(*b"data", &data), caf_chunk(*b"pakt", &table)].concat()
}
