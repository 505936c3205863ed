//! Ogg files taken apart and put together, without the crate under test (RFC 3533, RFC 7845).

use crate::listen::{AMPLITUDE, LEFT_HZ, RIGHT_HZ};

/// The packets of a file with one stream, headers included.
fn all_packets(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    let mut rest = file;
    while rest.len() >= 27 {
        assert_eq!(&rest[..4], b"OggS");
        let (table, data) = rest[27..].split_at(usize::from(rest[26]));
        let mut at = 0;
        for &lacing in table {
            packet.extend(&data[at..at + usize::from(lacing)]);
            at += usize::from(lacing);
            if lacing < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        rest = &data[at..];
    }
    packets
}

/// The identification header.
pub(crate) fn head(file: &[u8]) -> Vec<u8> {
    all_packets(file).remove(0)
}

/// The packets of sound.
pub(crate) fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    all_packets(file).split_off(2)
}

/// A file of these packets, one to a page.
pub(crate) fn file(head: &[u8], packets: &[Vec<u8>]) -> Vec<u8> {
    let tags = [b"OpusTags".as_slice(), &[0; 8]].concat();
    let mut file = Vec::new();
    page(&mut file, 2, 0, 0, head);
    page(&mut file, 0, 0, 1, &tags);
    let mut granule = 0;
    for (n, packet) in packets.iter().enumerate() {
        granule += opus::packet::get_nb_samples(packet, 48_000).expect("a packet of Opus") as u64;
        let flags = if n + 1 == packets.len() { 4 } else { 0 };
        page(&mut file, flags, granule, n as u32 + 2, packet);
    }
    file
}

fn page(file: &mut Vec<u8>, flags: u8, granule: u64, sequence: u32, packet: &[u8]) {
    page_of(file, 1, flags, granule, sequence, &[packet.to_vec()]);
}

/// A page of whole packets.
pub(crate) fn page_of(
    file: &mut Vec<u8>,
    serial: u32,
    flags: u8,
    granule: u64,
    sequence: u32,
    packets: &[Vec<u8>],
) {
    let start = file.len();
    file.extend(b"OggS");
    file.extend([0, flags]);
    file.extend(granule.to_le_bytes());
    file.extend(serial.to_le_bytes());
    file.extend(sequence.to_le_bytes());
    file.extend([0; 4]);
    let lacing: Vec<u8> = packets
        .iter()
        .flat_map(|packet| {
            let last = (packet.len() % 255) as u8;
            std::iter::repeat_n(255, packet.len() / 255).chain([last])
        })
        .collect();
    file.push(u8::try_from(lacing.len()).expect("a page of packets"));
    file.extend(lacing);
    file.extend(packets.concat());
    let crc = file[start..].iter().fold(0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 1 << 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    });
    file[start + 22..start + 26].copy_from_slice(&crc.to_le_bytes());
}

/// One page of a file.
pub(crate) struct Page {
    pub(crate) granule: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Page {
    /// Its packets, all of which are to be whole.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        assert_eq!(self.bytes[5] & 1, 0, "it begins in the middle of a packet");
        let packets = all_packets(&self.bytes);
        let held: usize = packets.iter().map(Vec::len).sum();
        assert_eq!(held, self.bytes.len() - 27 - usize::from(self.bytes[26]), "its end is missing");
        packets
    }
}

pub(crate) fn pages(file: &[u8]) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut rest = file;
    while rest.len() >= 27 {
        let table = usize::from(rest[26]);
        let data: usize = rest[27..27 + table].iter().map(|lacing| usize::from(*lacing)).sum();
        let (bytes, after) = rest.split_at(27 + table + data);
        let granule = u64::from_le_bytes(bytes[6..14].try_into().expect("eight bytes"));
        pages.push(Page { granule, bytes: bytes.to_vec() });
        rest = after;
    }
    pages
}

pub(crate) fn serial(file: &[u8]) -> u32 {
    u32::from_le_bytes(file[14..18].try_into().expect("four bytes"))
}

/// Several packets of one frame as one packet of several frames.
pub(crate) fn join(packets: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    let mut joined = vec![0; 8192];
    let mut repacketizer = opus::Repacketizer::new().expect("memory for a repacketizer");
    let len = repacketizer.combine(&parts, &mut joined).expect("frames of one kind");
    joined.truncate(len);
    joined
}

/// Two seconds of 5.1 with the two tones at the front, and nothing elsewhere.
pub(crate) fn surround_tones() -> Vec<u8> {
    // Three coupled pairs would be wasteful, but make channel n of the stream channel n of the file.
    let table = [0, 1, 2, 3, 4, 5];
    let mut encoder =
        opus::MSEncoder::new(48_000, 3, 3, &table, opus::Application::Audio).expect("an encoder");
    encoder.set_bitrate(opus::Bitrate::Bits(384_000)).expect("a bit rate that there is");
    let packets: Vec<Vec<u8>> = (0..100_u32)
        .map(|packet| {
            let mut block = Vec::new();
            for n in packet * 960..(packet + 1) * 960 {
                let at = |hertz: f64| {
                    let phase = std::f64::consts::TAU * hertz * f64::from(n) / 48_000.0;
                    (AMPLITUDE * phase.sin()) as f32
                };
                // Vorbis order: left, centre, right, rear left, rear right, LFE.
                block.extend([at(LEFT_HZ), 0.0, at(RIGHT_HZ), 0.0, 0.0, 0.0]);
            }
            encoder.encode_vec_float(&block, 4000).expect("a block of 20 ms")
        })
        .collect();
    let mut head = b"OpusHead\x01\x06".to_vec();
    head.extend(312_u16.to_le_bytes());
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 1, 3, 3]);
    head.extend(table);
    file(&head, &packets)
}
