//! Every format, rate and channel layout comes out as the same tones.

use std::io::Cursor;
use std::time::Duration;

use phonograph_media::playback::{FRAME_TIME, ReadOnlySource};

use crate::assets::{AIFF, FLAC, M4A, MP3, OPUS, VORBIS, WAV};
use crate::listen::{
    AMPLITUDE, LEFT_HZ, Played, RIGHT_HZ, amplitude, assert_aligned, assert_tones, decibels, play,
    play_source, roughness, second,
};
use crate::wav;

fn assert_length(played: &Played, seconds: u64) {
    let length = Duration::from_secs(seconds);
    let said = played.info.duration.expect("the file tells its length");
    assert!(said.abs_diff(length) <= FRAME_TIME, "it says {said:?}");
    assert!(played.position.abs_diff(length) <= FRAME_TIME, "it played {:?}", played.position);
}

fn assert_whole(bytes: &[u8], codec: &str, seconds: u64, tolerance_db: f64) {
    let played = play(bytes);
    assert_eq!(played.info.codec, codec);
    assert_eq!(played.info.channels, Some(2));
    assert_length(&played, seconds);
    let heard = played.heard();
    assert_tones(&heard, 0.5, tolerance_db);
    assert_tones(&heard, seconds as f64 - 1.2, tolerance_db);
    assert_aligned(&heard, &played.info);
    assert_eq!(played.player.faults().packets_skipped, 0);
}

#[test]
fn flac_keeps_tones_level_and_length() {
    assert_whole(FLAC, "flac", 40, 0.1);
}

#[test]
fn mp3_keeps_tones_level_and_length() {
    assert_whole(MP3, "mp3", 60, 0.3);
}

#[test]
fn opus_keeps_tones_level_and_length() {
    assert_whole(OPUS, "opus", 60, 0.3);
}

#[test]
fn aac_in_mp4_keeps_tones_level_and_length() {
    assert_whole(M4A, "aac", 60, 0.3);
}

#[test]
fn vorbis_keeps_tones_level_and_length() {
    assert_whole(VORBIS, "vorbis", 10, 0.3);
}

#[test]
fn wav_keeps_tones_level_and_length() {
    assert_whole(WAV, "pcm_s16le", 2, 0.1);
}

#[test]
fn aiff_keeps_tones_level_and_length() {
    assert_whole(AIFF, "pcm_s16be", 2, 0.1);
}

#[test]
fn tags_are_read_from_every_kind_of_file() {
    for bytes in [FLAC, MP3, OPUS, M4A, VORBIS] {
        let info = play(&bytes[..bytes.len().min(200_000)]).info;
        assert_eq!(info.title.as_deref(), Some("Two tones"), "{}", info.codec);
        assert_eq!(info.artist.as_deref(), Some("phonograph"), "{}", info.codec);
    }
}

#[test]
fn a_source_that_cannot_seek_plays_as_well() {
    for bytes in [FLAC, MP3, OPUS, M4A, VORBIS, WAV, AIFF] {
        let source = ReadOnlySource::new(Cursor::new(&bytes[..bytes.len().min(300_000)]));
        assert_tones(&play_source(Box::new(source)).heard(), 0.5, 0.3);
    }
}

#[test]
fn every_usual_rate_comes_out_at_48_khz() {
    for rate_hz in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 48_000, 88_200, 96_000, 192_000]
    {
        let samples = wav::sines(rate_hz, 2.0, &[LEFT_HZ, RIGHT_HZ]);
        let played = play(wav::pcm16(rate_hz, 2, &samples));
        assert_eq!(played.info.sample_rate_hz, Some(rate_hz));
        assert_eq!(played.position, Duration::from_secs(2), "{rate_hz}");
        assert_tones(&played.heard(), 0.5, 0.1);
    }
}

#[test]
fn mono_is_heard_on_both_sides_at_its_level() {
    let played = play(wav::pcm16(48_000, 1, &wav::sines(48_000, 2.0, &[LEFT_HZ])));
    for side in played.heard() {
        let level = decibels(amplitude(second(&side, 0.5), LEFT_HZ) / AMPLITUDE);
        assert!(level.abs() < 0.1, "{level}");
    }
}

#[test]
fn surround_is_mixed_down_with_its_sides_apart() {
    // FL FR FC LFE RL RR, in the order of WAVE files.
    let tones = [LEFT_HZ, RIGHT_HZ, 1_009.0, 61.0, 2_003.0, 3_001.0];
    let played = play(wav::pcm16(48_000, 6, &wav::sines(48_000, 2.0, &tones)));
    assert_eq!(played.info.channels, Some(6));
    let heard = played.heard();
    let level =
        |side: usize, hertz: f64| decibels(amplitude(second(&heard[side], 0.5), hertz) / AMPLITUDE);
    // Front at full, centre and rear 3 dB below it, all scaled by 1 / (1 + 2 / sqrt 2).
    let front = -decibels(1.0 + std::f64::consts::SQRT_2);
    for (side, own, rear, other) in
        [(0, LEFT_HZ, 2_003.0, RIGHT_HZ), (1, RIGHT_HZ, 3_001.0, LEFT_HZ)]
    {
        assert!((level(side, own) - front).abs() < 0.2, "front {}", level(side, own));
        assert!((level(side, 1_009.0) - front + 3.0).abs() < 0.2, "centre");
        assert!((level(side, rear) - front + 3.0).abs() < 0.2, "rear {}", level(side, rear));
        assert!(level(side, other) < -50.0 && level(side, 61.0) < -50.0, "what is not its own");
    }
}

#[test]
fn a_file_that_lies_about_its_length_is_played_to_its_end() {
    let mut bytes = wav::pcm16(48_000, 2, &wav::sines(48_000, 2.0, &[LEFT_HZ, RIGHT_HZ]));
    // As programs write it that cannot go back to the header.
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff);
    let played = play(bytes);
    assert_eq!(played.position, Duration::from_secs(2));
    assert_tones(&played.heard(), 0.9, 0.1);
}

#[test]
fn samples_that_are_no_numbers_do_not_silence_the_rest() {
    let mut samples: Vec<f32> = wav::sines(44_100, 2.0, &[LEFT_HZ, RIGHT_HZ])
        .into_iter()
        .map(|sample| f32::from(sample) / 32_768.0)
        .collect();
    samples[..2000].fill(f32::NAN);
    samples[2000..3000].fill(f32::INFINITY);
    assert_tones(&play(wav::float(44_100, 2, &samples)).heard(), 0.5, 0.1);
}

#[test]
fn an_end_in_the_middle_of_a_swing_does_not_click() {
    // 441 Hz for a quarter of a period more than a second: the last sample is the highest.
    let samples = wav::sines(48_000, 1.0 + 0.25 / LEFT_HZ, &[LEFT_HZ, LEFT_HZ]);
    let played = play(wav::pcm16(48_000, 2, &samples));
    let [left, _] = played.heard();
    let within = roughness(&left[12_000..36_000]);
    let at_the_end = roughness(&left[47_000..]);
    assert!(at_the_end < 3.0 * within, "{at_the_end} at the end, {within} before");
    let rest = left[left.len() - 960..].iter().fold(0.0, |max: f64, sample| max.max(sample.abs()));
    // What is left is the slow tail of the high pass in the encoder.
    assert!(rest < 3e-3, "it ends at {rest}, not silent");
}
