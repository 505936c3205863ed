//! Matroska and `WebM` (RFC 9559).

/// An element; its size takes eight bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (1_u64 << 56 | body.len() as u64).to_be_bytes();
    [id, &size, body].concat()
}

fn number(id: &[u8], value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// What a track says about itself.
pub(crate) struct Track<'a> {
    pub(crate) codec: &'a str,
    pub(crate) private: &'a [u8],
    pub(crate) rate_hz: f64,
    pub(crate) channels: u64,
    /// Of PCM only.
    pub(crate) bits: Option<u64>,
}

impl<'a> Track<'a> {
    /// Stereo Opus with this header.
    pub(crate) fn opus(head: &'a [u8]) -> Self {
        Self { codec: "A_OPUS", private: head, rate_hz: 48_000.0, channels: 2, bits: None }
    }
}

/// A file with one track, packets of so many milliseconds, in one cluster.
pub(crate) fn file(
    doc_type: &str,
    track: &Track<'_>,
    packets: &[Vec<u8>],
    packet_ms: u16,
) -> Vec<u8> {
    let head = element(
        b"\x1a\x45\xdf\xa3",
        &[
            number(b"\x42\x86", 1),
            number(b"\x42\xf7", 1),
            number(b"\x42\xf2", 4),
            number(b"\x42\xf3", 8),
            element(b"\x42\x82", doc_type.as_bytes()),
            number(b"\x42\x87", 4),
            number(b"\x42\x85", 2),
        ]
        .concat(),
    );
    let length_ms = f64::from(packet_ms) * packets.len() as f64;
    let info = element(
        b"\x15\x49\xa9\x66",
        &[
            number(b"\x2a\xd7\xb1", 1_000_000),
            element(b"\x44\x89", &length_ms.to_be_bytes()),
            element(b"\x4d\x80", b"tests"),
            element(b"\x57\x41", b"tests"),
        ]
        .concat(),
    );
    let rate = element(b"\xb5", &track.rate_hz.to_be_bytes());
    let bits = track.bits.map_or_else(Vec::new, |bits| number(b"\x62\x64", bits));
    let audio = element(b"\xe1", &[rate, number(b"\x9f", track.channels), bits].concat());
    let entry = element(
        b"\xae",
        &[
            number(b"\xd7", 1),
            number(b"\x73\xc5", 77),
            number(b"\x83", 2),
            element(b"\x86", track.codec.as_bytes()),
            element(b"\x63\xa2", track.private),
            audio,
        ]
        .concat(),
    );
    let tracks = element(b"\x16\x54\xae\x6b", &entry);
    let mut cluster = number(b"\xe7", 0);
    for (n, packet) in packets.iter().enumerate() {
        let time = (n as u16 * packet_ms).to_be_bytes();
        cluster.extend(element(b"\xa3", &[&[0x81], &time[..], &[0x80], packet].concat()));
    }
    let cluster = element(b"\x1f\x43\xb6\x75", &cluster);
    [head, element(b"\x18\x53\x80\x67", &[info, tracks, cluster].concat())].concat()
}
