//! Files that end anywhere, hold anything, or hold more than they look like.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::hear::{hear, open, pcm16, tones};
use crate::write::{apple, flac, matroska, mp4, ogg, opus_head, opus_packets, wav};

/// The tenth of a second of each kind that the other property tests do not have.
fn files() -> Vec<Vec<u8>> {
    let samples = &tones(44_100)[..8_820];
    let packets = &opus_packets(960)[..5];
    let head = opus_head(2, 312, 0);
    let track = matroska::Track::opus(&head);
    let picture = flac::picture("image/png", &[1; 90]);
    vec![
        apple::caf_opus(2, packets, 312, 4_000),
        apple::caf_float(44_100.0, 2, samples),
        apple::sowt(2, &pcm16(samples)),
        matroska::file("webm", &track, packets, 20),
        mp4::opus(packets, 312, 4_000, true),
        ogg::opus(1, &head, &["TITLE=a"], packets),
        flac::file(44_100, 2, &pcm16(samples), &[picture]),
        wav::riff(&[
            wav::chunk(*b"ds64", &[0; 28]),
            wav::extensible(1, 44_100, 2, 16, 3),
            wav::chunk(*b"data", &wav::data(samples, 16)),
        ]),
        include_bytes!("frames.mp3")[..4_000].to_vec(),
        include_bytes!("low.mp3")[..2_000].to_vec(),
    ]
}

/// Decodes as long as something comes; more than a second comes of none of these.
fn survive(file: Vec<u8>) {
    let Ok(mut pcm) = open(file) else { return };
    let mut samples = 0;
    while let Ok(Some(block)) = pcm.next_block() {
        assert!(block.stereo.len() <= 2 * (1 << 18), "a packet of {}", block.stereo.len());
        assert!(block.stereo.iter().all(|sample| sample.is_finite()));
        samples += block.stereo.len();
        if samples > 1 << 22 {
            return;
        }
    }
}

#[test]
fn files_may_end_at_any_byte_of_their_header() {
    for file in files() {
        for end in (0..file.len().min(700)).chain((700..file.len()).step_by(997)) {
            survive(file[..end].to_vec());
        }
    }
}

/// The kinds that tell nothing at their end that playing needs.
#[test]
fn a_file_that_is_cut_in_half_plays_its_half() {
    let head = opus_head(2, 312, 0);
    let packets = opus_packets(960);
    let track = matroska::Track::opus(&head);
    let samples = tones(44_100);
    for (name, file) in [
        ("CAF", apple::caf_float(44_100.0, 2, &samples)),
        ("AIFF-C", apple::sowt(2, &pcm16(&samples))),
        ("WebM", matroska::file("webm", &track, &packets, 20)),
        ("MP4", mp4::opus(&packets, 312, 95_000, false)),
        ("Ogg", ogg::opus(1, &head, &[], &packets)),
        ("FLAC", flac::file(44_100, 2, &pcm16(&samples), &[])),
        ("WAV", wav::plain(44_100, 2, &samples)),
        ("MP3", include_bytes!("frames.mp3").to_vec()),
    ] {
        let half = &file[..file.len() / 2];
        assert!(open(half).is_ok(), "{name}: {:?}", open(half));
        let heard = hear(half);
        assert!(heard.error.is_none(), "{name}: {:?}", heard.error);
        assert!((heard.seconds() - 1.0).abs() < 0.12, "{name}: {} s", heard.seconds());
        heard.whole().assert_tones(0.3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn files_with_some_bytes_changed_and_cut_off_are_survived(
        file in prop::sample::select(files()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        end in any::<prop::sample::Index>(),
        in_front in any::<bool>(),
        is_cut in any::<bool>(),
    ) {
        let mut file = file;
        let reach = if in_front { file.len().min(400) } else { file.len() };
        for (at, byte) in changes {
            file[at.index(reach)] = byte;
        }
        if is_cut {
            file.truncate(end.index(file.len()));
        }
        survive(file);
    }
}

/// 8 hours in a few kilobytes: whoever pulls gets a packet at a time, however much there is.
#[test]
fn a_bomb_is_unpacked_no_further_than_asked() {
    let bomb = flac::silence(48_000, 8, 8 * 3600);
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let mut pcm = open(bomb).expect("it is FLAC");
    for _ in 0..20 {
        let block = pcm.next_block().expect("it is sound").expect("there is more");
        assert_eq!(block.stereo.len(), 2 * 65_535);
    }
}
