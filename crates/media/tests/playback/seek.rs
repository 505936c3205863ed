//! A seek lands at the sample that was asked for, in every format that has a place for it.

use std::f64::consts::TAU;
use std::io::Cursor;
use std::time::Duration;

use phonograph_media::playback::{Begin, Config, ReadOnlySource, SeekError, TrackId, open};

use crate::assets::{AIFF, FLAC, M4A, MP3, OPUS, VORBIS};
use crate::bench::{Bench, LATENCY, without_tone};
use crate::listen::{LEFT_HZ, RIGHT_HZ, roughness};
use crate::{ogg, wav};

/// Two tones of whole hertz tell by their phases which sample of a second is heard.
fn assert_heard_from(name: &str, bench: &Bench, frame: usize, at: Duration) {
    let heard = bench.heard();
    for (side, hertz) in [(0, LEFT_HZ), (1, RIGHT_HZ)] {
        // The splice is over after 10 ms, and what is heard of it after the latency.
        let from = frame * 960 + LATENCY + 960;
        let (_, phase, rest) = without_tone(&heard[side][from..from + 9_600], hertz);
        assert!(rest < 0.06, "{name}, {at:?}: {rest} is no tone");
        let expected = TAU * hertz * (at.as_secs_f64() + 0.02);
        let off = (phase - expected + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
        // One sample of the higher tone is 0.08 rad.
        assert!(off.abs() < 0.06, "{name}: side {side} is {off:.3} rad away from {at:?}");
    }
}

fn assert_seeks(name: &str, bytes: &[u8], whole: u64) {
    for to in [0.0, 0.015, whole as f64 * 0.61 + 0.000_125, 0.5] {
        let to = Duration::from_secs_f64(to);
        let mut bench = Bench::new(&Config::default());
        bench.play(1, bytes);
        bench.run(20);
        bench.seek(1, to);
        let from = bench.run(30);
        let played = bench.position().saturating_sub(to);
        assert!(
            played.abs_diff(Duration::from_millis(600)) < Duration::from_micros(50),
            "{name}: {played:?}"
        );
        assert_heard_from(name, &bench, from, to);
    }
}

#[test]
fn a_seek_lands_at_the_sample_in_flac_mp3_mp4_vorbis_and_aiff() {
    for (name, bytes, whole) in [
        ("FLAC", FLAC, 40),
        ("MP3", MP3, 60),
        ("MP4", M4A, 60),
        ("Vorbis", VORBIS, 10),
        ("AIFF", AIFF, 2),
    ] {
        assert_seeks(name, bytes, whole);
    }
}

#[test]
fn a_seek_lands_at_the_sample_in_wav_of_any_rate() {
    for rate_hz in [8_000, 44_100, 48_000, 96_000] {
        let bytes = wav::pcm16(rate_hz, 2, &wav::sines(rate_hz, 4.0, &[LEFT_HZ, RIGHT_HZ]));
        assert_seeks("WAV", &bytes, 4);
    }
}

#[test]
fn a_seek_lands_at_the_sample_in_mp3_without_a_header() {
    let at = MP3.windows(4).position(|at| at == b"Info").expect("a tag") - 36;
    let frames = [&MP3[..at], &MP3[at + 313..]].concat();
    let mut bench = Bench::new(&Config::default());
    bench.play(1, frames);
    bench.run(20);
    let to = Duration::from_secs_f64(41.0307);
    bench.seek(1, to);
    let from = bench.run(30);
    // Nothing says that the first 1105 samples are no music.
    assert_heard_from(
        "MP3",
        &bench,
        from,
        to.saturating_sub(Duration::from_secs_f64(1105.0 / 44_100.0)),
    );
}

#[test]
fn a_seek_in_opus_lands_within_a_frame_on_the_grid_of_its_packets_and_passes_them_again() {
    let packets = ogg::packets(OPUS);
    for to in [0.0, 3.1234, 42.7177] {
        let to = Duration::from_secs_f64(to);
        let mut bench = Bench::new(&Config::default());
        bench.play(1, OPUS);
        bench.run(20);
        assert_eq!(bench.frames[..20], packets[..20]);
        bench.seek(1, to);
        let from = bench.run(30);
        let landed = bench.position().saturating_sub(Duration::from_millis(600));
        assert!(landed.abs_diff(to) < Duration::from_millis(20), "{landed:?} instead of {to:?}");
        // The position is that of what is heard, which the pre-skip is no part of.
        let at = (bench.position().as_micros() as usize * 48 / 1000 + 312).div_ceil(960) - 1;
        let ago = 10;
        assert_eq!(bench.frames[from + 30 - ago..], packets[at + 1 - ago..=at]);
    }
}

#[test]
fn a_jump_does_not_click() {
    for bytes in [FLAC, OPUS] {
        let mut bench = Bench::new(&Config::default());
        bench.play(1, bytes);
        bench.run(50);
        bench.seek(1, Duration::from_secs_f64(17.123_4));
        bench.run(50);
        let [left, _] = bench.heard();
        let within = roughness(&left[24_000..46_000]);
        let there = roughness(&left[47_000..60_000]);
        assert!(there < 2.5 * within, "{there} at the jump, {within} before");
    }
}

#[test]
fn a_deck_may_be_sent_elsewhere_before_it_begins() {
    let mut bench = Bench::new(&Config::default());
    let mut deck = bench.open(1, FLAC);
    let (mut reader, _) = open(Box::new(Cursor::new(FLAC))).expect("a FLAC");
    let to = Duration::from_secs_f64(21.0021);
    deck.feed(reader.seek(to).expect("a place in the file"));
    bench.mixer.play(TrackId(1), deck, Begin::default());
    assert!(bench.position().abs_diff(to) < Duration::from_micros(50));
    let from = bench.run(15);
    assert_heard_from("FLAC", &bench, from, to);
}

#[test]
fn behind_the_end_is_the_end() {
    for bytes in [FLAC, MP3, OPUS, M4A, VORBIS, AIFF] {
        let mut bench = Bench::new(&Config::default());
        bench.play(1, bytes);
        bench.run(10);
        bench.seek(1, Duration::from_secs(4000));
        bench.run(20);
        assert_eq!(bench.events.last().map(String::as_str), Some("drained"), "{:?}", bench.events);
    }
}

#[test]
fn a_stream_cannot_seek_and_plays_on() {
    let source = ReadOnlySource::new(Cursor::new(FLAC));
    let (mut reader, _) = open(Box::new(source)).expect("a FLAC");
    assert!(matches!(reader.seek(Duration::from_secs(1)), Err(SeekError::Unseekable)));
    assert!(!reader.read_ahead().expect("packets").is_last());
}
