//! Any bytes are survived: no panic, no endless playing, no flood of memory.

use phonograph_media::playback::Reader;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::assets::{AIFF, FLAC, M4A, MP3, OPUS, VORBIS};
use crate::listen::{Player, Pulled, open_bytes};
use crate::wav;

/// As much of each file as is mutated: its headers and some packets.
const LEN: usize = 12_000;

/// Plays some frames, and says whether all of them were such.
fn survive(mut reader: Reader, mut player: Player) {
    let mut frame = Vec::new();
    for _ in 0..100 {
        if player.wants_packets() {
            match reader.read_ahead() {
                Ok(batch) => player.feed(batch),
                Err(_) => player.end(),
            }
        }
        match player.pull(&mut frame) {
            Pulled::Frame => assert!(!frame.is_empty() && frame.len() <= 1276),
            Pulled::Starved => assert!(frame.is_empty()),
            Pulled::Ended => return,
        }
    }
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let wav = wav::pcm16(44_100, 2, &wav::sines(44_100, 0.1, &[441.0, 613.0]));
    let front = |bytes: &[u8]| Just(bytes[..bytes.len().min(LEN)].to_vec());
    prop_oneof![
        front(FLAC),
        front(MP3),
        front(OPUS),
        // The index of an MP4 is longer than what is mutated elsewhere.
        Just(M4A[..40_000].to_vec()),
        front(VORBIS),
        front(AIFF),
        Just(wav),
    ]
}

/// How the formats begin that are looked for.
const MAGICS: &[&[u8]] = &[
    b"fLaC\0\0\0\x22",
    b"OggS\0\x02",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"FORM\0\xff\xff\xffAIFFCOMM",
    b"\0\0\0\x18ftypM4A ",
    b"ID3\x04\0\0\0\0",
    b"\xff\xfb\x90\x64",
    b"\xff\xf1\x50\x80",
    b"\x1a\x45\xdf\xa3",
    b"caff\0\x01\0\0desc",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..2000)) {
        if let Ok((reader, player)) = open_bytes(bytes) {
            survive(reader, player);
        }
    }

    #[test]
    fn any_bytes_behind_a_familiar_beginning_are_survived(
        magic in prop::sample::select(MAGICS),
        bytes in vec(any::<u8>(), 0..2000),
    ) {
        if let Ok((reader, player)) = open_bytes([magic, &bytes].concat()) {
            survive(reader, player);
        }
    }

    #[test]
    fn files_with_some_bytes_changed_are_survived(
        file in any_file(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        in_front in any::<bool>(),
    ) {
        let mut file = file;
        let reach = if in_front { file.len().min(300) } else { file.len() };
        for (at, byte) in changes {
            file[at.index(reach)] = byte;
        }
        if let Ok((reader, player)) = open_bytes(file) {
            survive(reader, player);
        }
    }
}
