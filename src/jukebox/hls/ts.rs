//! The sound in an MPEG transport stream. Pure.
//!
//! ISO/IEC 13818-1: packets of 188 bytes (§2.4.3.2) name the stream that they belong to; the program
//! association table (§2.4.4.3) names the program map (§2.4.4.8), which names the streams; sound
//! comes in PES packets (§2.4.3.6), whose payload put together is an ADTS or MPEG audio stream.

/// The length of a packet.
const PACKET_LEN: usize = 188;
/// What a packet begins with.
const SYNC: u8 = 0x47;
/// The longest section of a table (§2.4.4.11), with its header.
const SECTION_LEN_MAX: usize = 1024;
/// Where a PES packet says how long the rest of its header is, and the longest header.
const PES_HEADER_LEN: usize = 9;

/// Why there is no sound in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TsError {
    /// It has sound, in a form that is not taken out: AC-3 and LATM, mostly.
    #[error("its sound is of stream type {0:#04x}")]
    UnknownSound(u8),
    /// Its program lists no sound.
    #[error("its program has no sound")]
    NoSound,
}

/// Takes the sound out of a stream. Holds at most a packet and a section of a table.
#[derive(Debug, Default)]
pub(super) struct Demuxer {
    /// The beginning of a packet whose rest has not come.
    cut: Vec<u8>,
    map: Option<u16>,
    sound: Option<u16>,
    table: Vec<u8>,
    /// The header of a PES packet as far as it has come; `None` within the payload.
    header: Option<Vec<u8>>,
    /// Whether a PES packet has begun.
    is_begun: bool,
    last_count: Option<u8>,
}

impl Demuxer {
    /// The next bytes belong to another segment, whose packets count anew.
    pub(super) fn begin_segment(&mut self) {
        let (map, sound) = (self.map, self.sound);
        *self = Self { map, sound, ..Self::default() };
    }

    /// Takes the sound out of the next bytes.
    ///
    /// # Errors
    /// [`TsError`], once it is known that there is none to take.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TsError> {
        while !bytes.is_empty() {
            if self.cut.is_empty() {
                // Noise between packets is passed over.
                let Some(start) = bytes.iter().position(|byte| *byte == SYNC) else {
                    return Ok(());
                };
                bytes = &bytes[start..];
            }
            let taken = bytes.len().min(PACKET_LEN - self.cut.len());
            self.cut.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.cut.len() == PACKET_LEN {
                let packet = std::mem::take(&mut self.cut);
                self.packet(&packet, out)?;
            }
        }
        Ok(())
    }

    fn packet(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), TsError> {
        let &[_, flags, pid, control, ref rest @ ..] = packet else { return Ok(()) };
        let is_damaged = flags & 0x80 != 0;
        let is_start = flags & 0x40 != 0;
        let pid = u16::from_be_bytes([flags & 0x1f, pid]);
        let is_locked = control & 0xc0 != 0;
        let payload = match control & 0x30 {
            0x10 => rest,
            0x30 => rest.get(1 + usize::from(rest[0])..).unwrap_or_default(),
            // No payload.
            _ => return Ok(()),
        };
        if is_damaged || is_locked || payload.is_empty() {
            return Ok(());
        }
        if pid == 0 {
            if let Some(section) = self.section(is_start, payload) {
                self.map = map_pid(&section).or(self.map);
            }
        } else if Some(pid) == self.map {
            if let Some(section) = self.section(is_start, payload) {
                self.sound = Some(sound_pid(&section)?);
            }
        } else if Some(pid) == self.sound {
            let count = control & 0x0f;
            // A packet may be sent twice (§2.4.3.3).
            if self.last_count.replace(count) != Some(count) {
                self.pes(is_start, payload, out);
            }
        }
        Ok(())
    }

    /// Puts a section of a table together; its bytes behind the length, when they are all there.
    fn section(&mut self, is_start: bool, payload: &[u8]) -> Option<Vec<u8>> {
        if is_start {
            let pointer = usize::from(*payload.first()?);
            self.table.clear();
            self.table.extend_from_slice(payload.get(1 + pointer..)?);
        } else if self.table.is_empty() {
            return None;
        } else {
            self.table.extend_from_slice(payload);
        }
        self.table.truncate(SECTION_LEN_MAX);
        let &[_, high, low, ref rest @ ..] = &self.table[..] else { return None };
        let len = usize::from(u16::from_be_bytes([high & 0x0f, low]));
        let section = rest.get(..len)?.to_vec();
        self.table.clear();
        Some(section)
    }

    /// Hands on the payload of PES packets.
    fn pes(&mut self, is_start: bool, payload: &[u8], out: &mut Vec<u8>) {
        if is_start {
            self.is_begun = true;
            self.header = Some(Vec::with_capacity(PES_HEADER_LEN));
        }
        let Some(header) = &mut self.header else {
            // What comes before the first beginning is the end of something unknown.
            if self.is_begun {
                out.extend_from_slice(payload);
            }
            return;
        };
        header.extend_from_slice(payload);
        let Some(&more) = header.get(PES_HEADER_LEN - 1) else { return };
        let Some(sound) = header.get(PES_HEADER_LEN + usize::from(more)..) else { return };
        if header.starts_with(&[0, 0, 1]) {
            out.extend_from_slice(sound);
        } else {
            self.is_begun = false;
        }
        self.header = None;
    }
}

/// The packets that hold the map of the first program.
fn map_pid(section: &[u8]) -> Option<u16> {
    // Five bytes of numbers, then four for each program, then a checksum.
    let programs = section.get(5..section.len().checked_sub(4)?)?;
    // Program 0 is the network's.
    let program = programs.chunks_exact(4).find(|program| program[..2] != [0, 0])?;
    Some(u16::from_be_bytes([program[2] & 0x1f, program[3]]))
}

/// The packets that hold the first sound of a program.
fn sound_pid(section: &[u8]) -> Result<u16, TsError> {
    let mut unknown = TsError::NoSound;
    let end = section.len().saturating_sub(4);
    let length = |at: usize| match section.get(at..at + 2) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high & 0x0f, low])),
        _ => 0,
    };
    let mut at = 9 + length(7);
    while at + 5 <= end {
        let kind = section[at];
        let pid = u16::from_be_bytes([section[at + 1] & 0x1f, section[at + 2]]);
        match kind {
            // MPEG-1 and MPEG-2 audio, AAC in ADTS.
            0x03 | 0x04 | 0x0f => return Ok(pid),
            // LATM, AC-3, DTS, E-AC-3, and the locked forms of AAC, AC-3 and E-AC-3.
            0x11 | 0x81 | 0x82 | 0x87 | 0xcf | 0xc1 | 0xc2 => unknown = TsError::UnknownSound(kind),
            _ => {}
        }
        at += 5 + length(at + 3);
    }
    Err(unknown)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOUND: u16 = 0x101;

    #[test]
    fn sound_comes_out_as_it_went_in_wherever_the_stream_is_cut() {
        let sound: Vec<u8> = (0..2000).map(|n| (n % 251) as u8).collect();
        let stream = [noise(), mux(0x0f, &sound)].concat();
        for size in [1, 7, 188, 1000, 100_000] {
            let (mut demuxer, mut out) = (Demuxer::default(), Vec::new());
            for piece in stream.chunks(size) {
                demuxer.push(piece, &mut out).unwrap();
            }
            assert_eq!(out, sound, "pieces of {size}");
        }
    }

    #[test]
    fn each_segment_counts_anew() {
        let (mut demuxer, mut out) = (Demuxer::default(), Vec::new());
        for _ in 0..2 {
            demuxer.begin_segment();
            demuxer.push(&mux(0x03, b"sound"), &mut out).unwrap();
        }
        assert_eq!(out, b"soundsound");
    }

    #[test]
    fn a_packet_that_is_sent_twice_counts_once() {
        let stream = mux(0x0f, b"sound");
        let last = stream[stream.len() - PACKET_LEN..].to_vec();
        let mut out = Vec::new();
        Demuxer::default().push(&[stream, last].concat(), &mut out).unwrap();
        assert_eq!(out, b"sound");
    }

    #[test]
    fn sound_that_is_not_taken_out_is_named() {
        let push = |kind| Demuxer::default().push(&mux(kind, b"x"), &mut Vec::new());
        assert_eq!(push(0x81), Err(TsError::UnknownSound(0x81)));
        assert_eq!(push(0x1b), Err(TsError::NoSound));
    }

    proptest! {
        #[test]
        fn any_bytes_are_gone_through(bytes: Vec<u8>, at in 0_usize..800, by in any::<u8>()) {
            let mut out = Vec::new();
            let _ = Demuxer::default().push(&bytes, &mut out);
            let mut stream = mux(0x0f, &[0; 500]);
            let at = at % stream.len();
            stream[at] ^= by;
            let _ = Demuxer::default().push(&stream, &mut out);
            prop_assert!(out.len() <= bytes.len() + stream.len());
        }
    }

    /// A transport stream with these bytes as its sound, of that stream type.
    pub(in super::super) fn mux(kind: u8, sound: &[u8]) -> Vec<u8> {
        let pat = [0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0x00, 0, 0, 0, 0];
        let [high, low] = SOUND.to_be_bytes();
        let streams = [0x1b, 0xe1, 0x02, 0xf0, 0, kind, 0xe0 | high, low, 0xf0, 0];
        let head = [0, 2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0x02, 0xf0, 0];
        let pmt = [&head[..], &streams, &[0; 4]].concat();
        let mut stream = [packet(0, true, 0, &pat), packet(0x100, true, 0, &pmt)].concat();
        stream.extend_from_slice(&packet(0x102, true, 0, b"a picture"));
        // A time stamp of five bytes in the header.
        let pes = [&[0, 0, 1, 0xc0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1][..], sound].concat();
        for (count, payload) in pes.chunks(PACKET_LEN - 8).enumerate() {
            let count = u8::try_from(count % 16).unwrap();
            stream.extend_from_slice(&packet(
                SOUND,
                count == 0 && payload[..3] == [0, 0, 1],
                count,
                payload,
            ));
        }
        stream
    }

    /// A packet, filled up by an adaptation field.
    fn packet(pid: u16, is_start: bool, count: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let fill = PACKET_LEN - 5 - payload.len();
        let mut packet = vec![SYNC, high | if is_start { 0x40 } else { 0 }, low, 0x30 | count];
        packet.push(u8::try_from(fill).unwrap());
        packet.extend((0..fill).map(|at| if at == 0 { 0 } else { 0xff }));
        packet.extend_from_slice(payload);
        packet
    }

    fn noise() -> Vec<u8> {
        b"no packet".to_vec()
    }
}
