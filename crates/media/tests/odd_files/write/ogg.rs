//! Ogg (RFC 3533) and what stands in it.

/// A page, or several for a long packet.
fn page(file: &mut Vec<u8>, serial: u32, sequence: u32, flags: u8, granule: u64, packet: &[u8]) {
    let start = file.len();
    file.extend(b"OggS");
    file.extend([0, flags]);
    file.extend(granule.to_le_bytes());
    file.extend(serial.to_le_bytes());
    file.extend(sequence.to_le_bytes());
    file.extend([0; 4]);
    file.push((packet.len() / 255 + 1) as u8);
    file.extend(std::iter::repeat_n(255, packet.len() / 255));
    file.push((packet.len() % 255) as u8);
    file.extend(packet);
    seal(&mut file[start..]);
}

fn seal(page: &mut [u8]) {
    page[22..26].fill(0);
    let crc = page.iter().fold(0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 1 << 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
}

/// An Opus stream, one packet to a page.
pub(crate) fn opus(serial: u32, head: &[u8], comments: &[&str], packets: &[Vec<u8>]) -> Vec<u8> {
    let mut tags = b"OpusTags\0\0\0\0".to_vec();
    tags.extend((comments.len() as u32).to_le_bytes());
    for comment in comments {
        tags.extend((comment.len() as u32).to_le_bytes());
        tags.extend(comment.bytes());
    }
    let mut file = Vec::new();
    page(&mut file, serial, 0, 2, 0, head);
    page(&mut file, serial, 1, 0, 0, &tags);
    let mut granule = 0;
    for (n, packet) in packets.iter().enumerate() {
        granule += opus::packet::get_nb_samples(packet, 48_000).expect("a packet of Opus") as u64;
        let flags = if n + 1 == packets.len() { 4 } else { 0 };
        page(&mut file, serial, n as u32 + 2, flags, granule, packet);
    }
    file
}

/// FLAC in Ogg, from a bare file with no metadata but the first block, one frame to a page.
pub(crate) fn flac(bare: &[u8], frame_len: usize, samples: u64) -> Vec<u8> {
    let (info, frames) = bare.split_at(4 + 4 + 34);
    let mut head = b"\x7fFLAC\x01\x00\x00\x01".to_vec();
    head.extend(info);
    head[9 + 4] = 0;
    let mut file = Vec::new();
    page(&mut file, 5, 0, 2, 0, &head);
    page(&mut file, 5, 1, 0, 0, b"\x84\0\0\x08\0\0\0\0\0\0\0\0");
    let count = frames.len().div_ceil(frame_len);
    for (n, frame) in frames.chunks(frame_len).enumerate() {
        let flags = if n + 1 == count { 4 } else { 0 };
        let granule = samples.min(4096 * (n as u64 + 1));
        page(&mut file, 5, n as u32 + 2, flags, granule, frame);
    }
    file
}

/// The same file, its stream under another number.
pub(crate) fn renumbered(file: &[u8], serial: u32) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut at = 0;
    while at + 27 <= file.len() {
        let segments = usize::from(file[at + 26]);
        let table = &file[at + 27..at + 27 + segments];
        let len = 27 + segments + table.iter().map(|lacing| usize::from(*lacing)).sum::<usize>();
        file[at + 14..at + 18].copy_from_slice(&serial.to_le_bytes());
        seal(&mut file[at..at + len]);
        at += len;
    }
    file
}
