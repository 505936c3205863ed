//! WAV files whose sizes are not true.

use std::time::Duration;

use crate::hear::{assert_plays, hear, tones};
use crate::write::wav;

/// Two seconds; `fmt ` is 16 bytes, so the size of the samples stands at 40.
fn plain() -> Vec<u8> {
    wav::plain(44_100, 2, &tones(44_100))
}

fn with_sizes(riff: u32, data: u32) -> Vec<u8> {
    let mut file = plain();
    file[4..8].copy_from_slice(&riff.to_le_bytes());
    file[40..44].copy_from_slice(&data.to_le_bytes());
    file
}

#[test]
fn sizes_of_zero_and_of_all_ones_mean_to_the_end() {
    for size in [0, u32::MAX] {
        let file = with_sizes(size, size);
        assert_plays(file.clone(), "pcm_s16le", 2.0, 1e-6);
        assert_eq!(hear(file).info.duration, Some(Duration::from_secs(2)), "{size}");
    }
}

#[test]
fn a_size_beyond_the_end_plays_to_the_end() {
    assert_plays(with_sizes(40_000_000, 39_999_964), "pcm_s16le", 2.0, 1e-3);
}

#[test]
fn a_riff_size_that_is_too_small_cuts_nothing() {
    for riff in [1, 4, 36, 1000] {
        assert_plays(with_sizes(riff, 352_800), "pcm_s16le", 2.0, 1e-6);
    }
}

#[test]
fn chunks_of_odd_length_and_unknown_ones_are_passed_over() {
    let file = wav::riff(&[
        wav::chunk(*b"JUNK", &[7; 27]),
        wav::format(1, 44_100, 2, 16),
        wav::chunk(*b"bext", &[0; 603]),
        wav::chunk(*b"data", &wav::data(&tones(44_100), 16)),
        wav::chunk(*b"LIST", b"INFO"),
    ]);
    assert_plays(file, "pcm_s16le", 2.0, 1e-6);
}

#[test]
fn rf64_and_bw64_play_as_long_as_their_own_size_says() {
    let data = wav::data(&tones(44_100), 16);
    let sizes = [1 << 33, data.len() as u64 - 44_100 * 4, 44_100];
    let mut ds64: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
    ds64.extend([0; 4]);
    let mut file = wav::riff(&[
        wav::chunk(*b"ds64", &ds64),
        wav::format(1, 44_100, 2, 16),
        wav::chunk(*b"data", &data),
    ]);
    let at = file.windows(4).position(|four| four == b"data").expect("the chunk") + 4;
    file[at..at + 4].fill(0xff);
    file[4..8].fill(0xff);
    for magic in [b"RF64", b"BW64"] {
        file[..4].copy_from_slice(magic);
        assert_plays(file.clone(), "pcm_s16le", 1.0, 1e-6);
    }
}

#[test]
fn a_file_without_samples_is_silent_and_not_an_error() {
    let empty = wav::riff(&[wav::format(1, 44_100, 2, 16), wav::chunk(*b"data", &[])]);
    let heard = hear(empty);
    assert!(heard.parts.is_empty() && heard.error.is_none());
}
