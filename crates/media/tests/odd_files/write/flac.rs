//! FLAC without compression (RFC 9639).

/// Samples in a frame; the number of bits is 16.
const FRAME: usize = 4096;

pub(crate) const PICTURE: u8 = 6;

/// A file of 16 bits, with these metadata blocks behind its first.
pub(crate) fn file(
    rate_hz: u32,
    channels: usize,
    samples: &[i16],
    blocks: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let frames = (samples.len() / channels) as u64;
    let mut file = header(rate_hz, channels, frames, FRAME as u16, blocks);
    for (n, block) in samples.chunks(FRAME * channels).enumerate() {
        frame(&mut file, n as u64, channels, block.len() / channels, |body, channel| {
            body.push(0x02);
            let own = block.iter().skip(channel).step_by(channels);
            body.extend(own.flat_map(|sample| sample.to_be_bytes()));
        });
    }
    file
}

/// Hours of silence in a few bytes for each 1.4 s.
pub(crate) fn silence(rate_hz: u32, channels: usize, seconds: u64) -> Vec<u8> {
    let frames = seconds * u64::from(rate_hz) / 65_535;
    let mut file = header(rate_hz, channels, frames * 65_535, 65_535, &[]);
    for n in 0..frames {
        frame(&mut file, n, channels, 65_535, |body, _| body.extend([0, 0, 0]));
    }
    file
}

fn header(
    rate_hz: u32,
    channels: usize,
    frames: u64,
    block: u16,
    blocks: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut info = [block.to_be_bytes(), block.to_be_bytes()].concat();
    info.extend([0; 6]);
    let packed = u64::from(rate_hz) << 44 | (channels as u64 - 1) << 41 | 15 << 36 | frames;
    info.extend(packed.to_be_bytes());
    info.extend([0; 16]);
    let mut file = b"fLaC".to_vec();
    let all = std::iter::once((0, &info)).chain(blocks.iter().map(|(kind, body)| (*kind, body)));
    for (n, (kind, body)) in all.enumerate() {
        let last = if n == blocks.len() { 0x80 } else { 0 };
        file.push(kind | last);
        file.extend(&(body.len() as u32).to_be_bytes()[1..]);
        file.extend(body);
    }
    file
}

fn frame(
    file: &mut Vec<u8>,
    number: u64,
    channels: usize,
    samples: usize,
    subframe: impl Fn(&mut Vec<u8>, usize),
) {
    let start = file.len();
    file.extend([0xff, 0xf8, 0x70, (channels as u8 - 1) << 4]);
    // As UTF-8 would write it, were it a character.
    match number {
        0..0x80 => file.push(number as u8),
        0x80..0x800 => file.extend([0xc0 | (number >> 6) as u8, tail(number)]),
        _ => file.extend([0xe0 | (number >> 12) as u8, tail(number >> 6), tail(number)]),
    }
    file.extend((samples as u16 - 1).to_be_bytes());
    file.push(crc(&file[start..], 0x07 << 8) as u8);
    for channel in 0..channels {
        subframe(file, channel);
    }
    let crc = crc(&file[start..], 0x8005);
    file.extend(crc.to_be_bytes());
}

fn tail(number: u64) -> u8 {
    0x80 | number as u8 & 0x3f
}

/// A CRC of 16 bits; one of 8 bits is one whose polynomial stands in the upper byte.
fn crc(bytes: &[u8], polynomial: u16) -> u16 {
    let crc = bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ polynomial }
        })
    });
    if polynomial.trailing_zeros() >= 8 { crc >> 8 } else { crc }
}

/// A picture block with so many bytes of picture.
pub(crate) fn picture(media_type: &str, data: &[u8]) -> (u8, Vec<u8>) {
    let mut body = 3_u32.to_be_bytes().to_vec();
    body.extend((media_type.len() as u32).to_be_bytes());
    body.extend(media_type.bytes());
    body.extend([0; 4 * 5]);
    body.extend((data.len() as u32).to_be_bytes());
    body.extend(data);
    (PICTURE, body)
}

/// A block of Vorbis comments.
pub(crate) fn comments(comments: &[&str]) -> (u8, Vec<u8>) {
    let mut body = 0_u32.to_le_bytes().to_vec();
    body.extend((comments.len() as u32).to_le_bytes());
    for comment in comments {
        body.extend((comment.len() as u32).to_le_bytes());
        body.extend(comment.bytes());
    }
    (4, body)
}
