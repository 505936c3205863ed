//! WAV (RIFF), as sound as the tests want it.

/// A file of these chunks.
pub(crate) fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let size = (body.len() as u32 + 4).to_le_bytes();
    [b"RIFF".as_slice(), &size, b"WAVE", &body].concat()
}

/// A chunk, with the byte that makes it even.
pub(crate) fn chunk(id: [u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = &[0][..body.len() % 2];
    [&id[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
}

pub(crate) fn format(tag: u16, rate_hz: u32, channels: u16, bits: u16) -> Vec<u8> {
    chunk(*b"fmt ", &format_body(tag, rate_hz, channels, bits))
}

/// The format of anything but PCM: with the size of an extension that is empty.
pub(crate) fn coded(tag: u16, rate_hz: u32, channels: u16, bits: u16) -> Vec<u8> {
    chunk(*b"fmt ", &[format_body(tag, rate_hz, channels, bits), vec![0; 2]].concat())
}

/// `WAVEFORMATEXTENSIBLE` with the tag within its GUID.
pub(crate) fn extensible(tag: u16, rate_hz: u32, channels: u16, bits: u16, mask: u32) -> Vec<u8> {
    let mut body = format_body(0xfffe, rate_hz, channels, bits);
    body.extend(22_u16.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body.extend(mask.to_le_bytes());
    body.extend(tag.to_le_bytes());
    body.extend(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    chunk(*b"fmt ", &body)
}

fn format_body(tag: u16, rate_hz: u32, channels: u16, bits: u16) -> Vec<u8> {
    let align = channels * bits / 8;
    let mut body = tag.to_le_bytes().to_vec();
    body.extend(channels.to_le_bytes());
    body.extend(rate_hz.to_le_bytes());
    body.extend((rate_hz * u32::from(align)).to_le_bytes());
    body.extend(align.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

/// The samples as so many bits; 32 are floating point.
pub(crate) fn data(samples: &[f32], bits: u16) -> Vec<u8> {
    let bytes = |sample: &f32| match bits {
        8 => vec![(sample * 127.0 + 128.0).round() as u8],
        16 => ((sample * 32_767.0).round() as i16).to_le_bytes().to_vec(),
        24 => ((sample * 8_388_607.0).round() as i32).to_le_bytes()[..3].to_vec(),
        _ => sample.to_le_bytes().to_vec(),
    };
    samples.iter().flat_map(bytes).collect()
}

/// A plain file of 16 bits.
pub(crate) fn plain(rate_hz: u32, channels: u16, samples: &[f32]) -> Vec<u8> {
    riff(&[format(1, rate_hz, channels, 16), chunk(*b"data", &data(samples, 16))])
}

/// A sample in µ-law (ITU-T G.711).
pub(crate) fn mu_law(sample: f32) -> u8 {
    let value = (sample * 32_767.0) as i32;
    let sign = if value < 0 { 0x80 } else { 0 };
    let magnitude = (value.abs() + 132).min(32_767);
    let exponent = 31 - (magnitude >> 7).leading_zeros().min(31);
    let mantissa = magnitude >> (exponent + 3) & 0x0f;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}
