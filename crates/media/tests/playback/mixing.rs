//! What a mixer does to what it plays, as the far end hears it.

use std::time::Duration;

use phonograph_media::playback::{Begin, Config, Ducking, FADE, Join, Pulled, TrackId, Volume};

use crate::bench::{Bench, CLEAR, LATENCY, power, without_tone};
use crate::listen::{AMPLITUDE, LEFT_HZ, RIGHT_HZ, amplitude, decibels, roughness};
use crate::wav;

/// So many seconds of a tone on both sides.
fn tone(hertz: f64, seconds: f64) -> Vec<u8> {
    wav::pcm16(48_000, 2, &wav::sines(48_000, seconds, &[hertz, hertz]))
}

/// The level of a tone in the samples of one side from this frame on, against its own.
fn level(bench: &Bench, hertz: f64, frame: usize, frames: usize) -> f64 {
    let from = frame * 960 + LATENCY;
    decibels(amplitude(&bench.heard()[0][from..from + frames * 960], hertz) / AMPLITUDE)
}

/// No sample around a command moves in a way that a click would.
fn assert_smooth(what: &str, bench: &Bench, from: usize, to: usize) {
    let [left, _] = bench.heard();
    let usual = AMPLITUDE * (std::f64::consts::TAU * LEFT_HZ / 48_000.0).powi(2);
    let there = roughness(&left[from * 960..to * 960]);
    // Where a tone begins or ends at once without a step, its slope does: 0.0144 from one sample to
    // the next. A hard cut at the top of it would be 0.25.
    assert!(there < usual + 0.0144, "{what}: {there}, the tone itself has {usual}");
}

#[test]
fn volume_is_a_ramp_to_the_level_that_was_asked_for() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 4.0));
    bench.run(20);
    for percent in [50, 200, 10, 100] {
        bench.mixer.set_volume(Volume::from_percent(percent));
        let from = bench.run(25);
        let expected = 40.0 * (f64::from(percent) / 100.0).log10();
        let heard = level(&bench, LEFT_HZ, from + 3, 20);
        // A quarter of full scale, times four, touches the limiter's ceiling half a decibel below.
        let ceiling = if percent == 200 { 0.6 } else { 0.1 };
        assert!((heard - expected).abs() < ceiling, "{percent} %: {heard} dB, not {expected}");
    }
    let [left, _] = bench.heard();
    let quiet = roughness(&left[21 * 960..44 * 960]);
    assert!(quiet < 0.005, "the way to 50 % is rough: {quiet}");
    bench.mixer.set_volume(Volume::from_percent(0));
    let from = bench.run(10);
    assert!(power(&bench.heard()[0][(from + 5) * 960..]) < 1e-6);
}

#[test]
fn full_scale_at_200_percent_is_limited_and_not_clipped() {
    let loud: Vec<i16> = wav::sines(48_000, 2.0, &[LEFT_HZ, LEFT_HZ])
        .iter()
        .map(|sample| sample * 3 + sample / 2)
        .collect();
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, wav::pcm16(48_000, 2, &loud));
    bench.mixer.set_volume(Volume::from_percent(200));
    bench.run(80);
    let [left, _] = bench.heard();
    let (amplitude, _, rest) = without_tone(&left[48_000..67_200], LEFT_HZ);
    assert!(amplitude > 0.9 && amplitude <= 1.0, "{amplitude}");
    // Clipped by 11 dB, overtones alone would be a quarter of it.
    assert!(rest < 0.02, "{rest} beside the tone");
}

#[test]
fn a_pause_keeps_the_place_to_the_sample() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 8.0));
    bench.run(50);
    bench.mixer.pause();
    assert!(bench.mixer.is_paused());
    let paused = bench.run(50);
    let place = bench.position();
    // Two frames fade out.
    assert_eq!(place, Duration::from_millis(52 * 20));
    assert_eq!(bench.muted, 50 - 2 - 5, "five silent frames, then nothing");
    bench.mixer.resume();
    let resumed = bench.run(50);
    assert_eq!(bench.position(), place + Duration::from_secs(1));

    let [left, _] = bench.heard();
    let at = |frame: usize| frame * 960 + LATENCY;
    let (_, before, _) = without_tone(&left[at(20)..at(45)], LEFT_HZ);
    let (heard, after, _) = without_tone(&left[at(resumed + 10)..at(resumed + 40)], LEFT_HZ);
    // The silence in between is not counted: the tone turns as if 48 frames were not there.
    let turned =
        std::f64::consts::TAU * LEFT_HZ * ((resumed + 10 - 20 - 48) * 960) as f64 / 48_000.0;
    let off = (after - before - turned + 3.0).rem_euclid(std::f64::consts::TAU) - 3.0;
    assert!(off.abs() < 0.02, "{off} rad, a sample is 0.058");
    assert!((heard / AMPLITUDE - 1.0).abs() < 0.01);
    assert!(power(&left[at(paused + 4)..at(resumed)]) < 1e-6, "silent while paused");
    assert_smooth("pause and resume", &bench, 40, 140);
}

#[test]
fn skip_stop_and_play_fade_and_tell() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 20.0));
    bench.enqueue(2, tone(LEFT_HZ, 20.0), Join::Gapless);
    bench.run(30);
    bench.mixer.skip(FADE);
    assert_eq!(bench.mixer.current(), Some(TrackId(2)));
    bench.run(30);
    bench.play(3, tone(LEFT_HZ, 20.0));
    bench.run(30);
    bench.mixer.stop(FADE);
    bench.run(30);
    let expected = ["began 1", "began 2", "cut 1", "began 3", "cut 2", "cut 3", "drained"];
    assert_eq!(bench.events, expected);
    assert_eq!(bench.muted, 30 - 5 - 5, "it fades for five frames and is silent for five more");
    assert_smooth("skip, play and stop", &bench, 15, 120);
}

#[test]
fn skipping_to_nothing_ends_in_silence_and_what_is_enqueued_then_begins_at_once() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 20.0));
    bench.run(10);
    bench.mixer.skip(Duration::ZERO);
    bench.run(20);
    bench.enqueue(2, tone(LEFT_HZ, 1.0), Join::Gapless);
    bench.run(70);
    let expected = ["began 1", "cut 1", "drained", "began 2", "finished 2", "drained"];
    assert_eq!(bench.events, expected);
    assert_smooth("a skip without a fade", &bench, 5, 15);
}

#[test]
fn a_crossfade_keeps_the_power() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 5.0));
    bench.enqueue(2, tone(RIGHT_HZ, 5.0), Join::Crossfade(Duration::from_secs(2)));
    bench.run(50 * 8 + 5);
    assert_eq!(bench.events, ["began 1", "began 2", "finished 1", "finished 2", "drained"]);
    let [left, _] = bench.heard();
    let reference = AMPLITUDE.powi(2) / 2.0;
    // The tones are 172 Hz apart: 50 ms even out their beats.
    for window in left[4_800..8 * 48_000 - 4_800].chunks_exact(2_400) {
        let decibels = 10.0 * (power(window) / reference).log10();
        assert!(decibels.abs() < 1.0, "{decibels}");
    }
    // In the middle both are there, each 3 dB down.
    for hertz in [LEFT_HZ, RIGHT_HZ] {
        let middle = level(&bench, hertz, 4 * 50 - 5, 10);
        assert!((middle + 3.0).abs() < 1.0, "{hertz}: {middle}");
    }
}

#[test]
fn a_crossfade_takes_no_more_than_half_of_a_short_track() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 4.0));
    bench.enqueue(2, tone(RIGHT_HZ, 1.0), Join::Crossfade(Duration::from_secs(12)));
    bench.run(50 * 5);
    assert_eq!(bench.frames.len() - bench.muted, (4.5 * 50.0) as usize + 5 + 1);
}

#[test]
fn music_is_ducked_within_its_attack_and_comes_back_within_its_release() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 20.0));
    bench.run(50);
    bench.mixer.duck(true);
    let down = bench.run(50);
    bench.mixer.duck(false);
    let up = bench.run(60);
    let expected = -f64::from(Ducking::default().depth_db);
    assert!(level(&bench, LEFT_HZ, down - 20, 20).abs() < 0.1);
    assert!(level(&bench, LEFT_HZ, down + 2, 3) < -1.0, "it has begun");
    assert!((level(&bench, LEFT_HZ, down + 7, 40) - expected).abs() < 0.2, "after 140 ms");
    assert!(level(&bench, LEFT_HZ, up + 10, 5) < -2.0, "200 ms later it is on the way");
    assert!(level(&bench, LEFT_HZ, up + 26, 30).abs() < 0.2, "after 520 ms");
    assert_smooth("ducking", &bench, 30, 155);
}

#[test]
fn clips_are_heard_over_the_ducked_music_four_at_once() {
    let mut bench = Bench::new(&CLEAR);
    bench.mixer.set_ducking(Ducking { depth_db: 20.0, ..Ducking::default() });
    bench.play(1, tone(LEFT_HZ, 20.0));
    bench.run(30);
    let clip = bench.open(2, tone(RIGHT_HZ, 1.0));
    bench.mixer.clip(TrackId(2), clip).expect("the first clip");
    let from = bench.run(100);
    assert!(level(&bench, RIGHT_HZ, from + 10, 30).abs() < 0.2);
    assert!((level(&bench, LEFT_HZ, from + 10, 30) + 20.0).abs() < 0.3);
    assert!(level(&bench, LEFT_HZ, from + 80, 15).abs() < 0.3);
    assert!(bench.events.contains(&"clip ended 2".to_owned()));

    for id in 3..7 {
        let clip = bench.open(id, tone(RIGHT_HZ, 1.0));
        bench.mixer.clip(TrackId(id), clip).expect("one of four clips");
    }
    let fifth = bench.open(7, tone(RIGHT_HZ, 1.0));
    assert!(bench.mixer.clip(TrackId(7), fifth).is_err());
}

#[test]
fn a_clip_is_heard_while_the_music_is_paused_and_without_any() {
    let mut bench = Bench::new(&CLEAR);
    let clip = bench.open(1, tone(RIGHT_HZ, 0.5));
    bench.mixer.clip(TrackId(1), clip).expect("a clip");
    bench.run(60);
    assert_eq!(bench.frames.len() - bench.muted, 25 + 1 + 5, "it, its last swing and the tail");
    bench.play(2, tone(LEFT_HZ, 5.0));
    bench.mixer.pause();
    bench.run(20);
    let clip = bench.open(3, tone(RIGHT_HZ, 0.5));
    bench.mixer.clip(TrackId(3), clip).expect("a clip");
    let from = bench.run(20);
    assert!(level(&bench, RIGHT_HZ, from + 3, 15).abs() < 0.2);
    assert!(level(&bench, LEFT_HZ, from + 3, 15) < -50.0);
}

#[test]
fn a_gain_of_its_own_acts_on_one_deck_alone() {
    let mut bench = Bench::new(&CLEAR);
    let mut quiet = bench.open(1, tone(LEFT_HZ, 1.0));
    quiet.set_gain(0.5);
    bench.mixer.play(TrackId(1), quiet, Begin::default());
    bench.enqueue(2, tone(LEFT_HZ, 1.0), Join::Gapless);
    bench.run(100);
    assert!((level(&bench, LEFT_HZ, 5, 40) + 6.02).abs() < 0.1);
    assert!(level(&bench, LEFT_HZ, 55, 40).abs() < 0.1);
}

#[test]
fn a_late_reader_costs_silence_and_no_music() {
    let bytes = tone(LEFT_HZ, 4.0);
    let mut bench = Bench::new(&CLEAR);
    let (mut reader, deck) =
        phonograph_media::playback::open(Box::new(std::io::Cursor::new(bytes))).expect("a WAV");
    bench.mixer.play(TrackId(1), deck, Begin::default());
    bench.run(3);
    assert_eq!(bench.muted, 3, "nothing has begun");
    let feed = |bench: &mut Bench, reader: &mut phonograph_media::playback::Reader| {
        let batch = reader.read_ahead().expect("packets");
        bench.mixer.deck_mut(TrackId(1)).expect("a deck").feed(batch);
    };
    feed(&mut bench, &mut reader);
    // Less than half a second was read.
    bench.run(60);
    let place = bench.position();
    assert!(place > Duration::from_millis(390) && place < Duration::from_millis(520), "{place:?}");
    let gap = 3 + (place.as_millis() / 20) as usize;
    feed(&mut bench, &mut reader);
    let on = bench.run(50);
    assert_eq!(bench.position(), place + Duration::from_secs(1));

    let [left, _] = bench.heard();
    let at = |frame: usize| frame * 960 + LATENCY;
    let (_, before, _) = without_tone(&left[at(5)..at(gap - 2)], LEFT_HZ);
    let (_, after, _) = without_tone(&left[at(on + 5)..at(on + 45)], LEFT_HZ);
    let lost = on - gap;
    let turned = std::f64::consts::TAU * LEFT_HZ * ((on - lost) * 960) as f64 / 48_000.0;
    let off = (after - before - turned + 3.0).rem_euclid(std::f64::consts::TAU) - 3.0;
    assert!(off.abs() < 0.03, "{off} rad, a sample is 0.058");
    assert_smooth("a late reader", &bench, gap - 3, on + 10);
}

#[test]
fn the_near_end_is_told_ten_seconds_and_a_crossfade_before_it() {
    let mut bench = Bench::new(&Config::default());
    bench.play(1, tone(LEFT_HZ, 30.0));
    bench.enqueue(2, tone(LEFT_HZ, 30.0), Join::Crossfade(Duration::from_secs(3)));
    while bench.near_ends.is_empty() {
        bench.run(1);
    }
    let left = Duration::from_secs(30).saturating_sub(bench.position());
    assert!(left.abs_diff(Duration::from_secs(13)) <= Duration::from_millis(40), "{left:?}");
}

#[test]
fn the_near_end_is_told_again_after_somebody_went_back() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 60.0));
    bench.seek(1, Duration::from_secs(55));
    bench.run(5);
    assert_eq!(bench.near_ends, [1]);
    bench.seek(1, Duration::ZERO);
    bench.run(5);
    bench.seek(1, Duration::from_secs(55));
    bench.run(5);
    assert_eq!(bench.near_ends, [1, 1]);
}

#[test]
fn what_fades_out_is_cut_where_nobody_hears_it_and_what_is_paused_stays() {
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, tone(LEFT_HZ, 4.0));
    bench.run(10);
    let place = bench.position();
    bench.mixer.pause();
    bench.run(10);
    assert!(!bench.mixer.is_audible());
    bench.mixer.cut_fades();
    assert_eq!(bench.mixer.current(), Some(TrackId(1)));
    assert!(bench.position() >= place);

    bench.mixer.resume();
    bench.run(2);
    bench.mixer.stop(Duration::from_secs(2));
    assert!(bench.mixer.is_audible());
    bench.mixer.cut_fades();
    assert!(!bench.mixer.is_audible());
}

#[test]
fn clips_are_cut_and_told() {
    let mut bench = Bench::new(&CLEAR);
    let clip = bench.open(2, tone(RIGHT_HZ, 4.0));
    bench.mixer.clip(TrackId(2), clip).expect("room for a clip");
    bench.run(3);
    assert!(bench.mixer.is_audible());
    bench.mixer.cut_clips();
    assert!(!bench.mixer.is_audible());
    bench.run(1);
    assert!(bench.events.iter().any(|event| event.contains("clip")), "{:?}", bench.events);
}

#[test]
fn settings_of_the_encoder_act_on_what_comes() {
    let mut bench = Bench::new(&Config { bitrate_bps: 510_000, ..Config::default() });
    bench.play(1, tone(LEFT_HZ, 10.0));
    bench.run(50);
    let small = Config { bitrate_bps: 16_000, complexity: 5, fec: true };
    bench.mixer.set_encoding(&small).expect("settings that Opus has");
    bench.run(50);
    let bytes = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).sum::<usize>();
    let (before, after) = (bytes(&bench.frames[20..50]), bytes(&bench.frames[70..100]));
    // 30 frames at 16 kbit/s are 1200 bytes.
    assert!(after < 1_800 && before > 10 * after, "{before} bytes, then {after}");
}

#[test]
fn nothing_to_play_is_nothing_to_send() {
    let mut bench = Bench::new(&Config::default());
    let mut frame = vec![1];
    assert_eq!(bench.mixer.pull(&mut frame), Pulled::Silent);
    assert!(frame.is_empty());
    assert_eq!(bench.mixer.position(), None);
}

#[test]
fn what_nobody_takes_does_not_pile_up() {
    let mut bench = Bench::new(&Config::default());
    let file = tone(LEFT_HZ, 0.5);
    for id in 0..100 {
        bench.play(id, file.clone());
        let mut frame = Vec::new();
        assert_eq!(bench.mixer.pull(&mut frame), Pulled::Frame);
    }
    let held = (0..100).filter(|id| bench.mixer.deck(TrackId(*id)).is_some()).count();
    assert_eq!(held, 1 + 4, "what plays, and four that fade out");
    assert_eq!(std::iter::from_fn(|| bench.mixer.poll_event()).count(), 64);
    assert_eq!(std::iter::from_fn(|| bench.mixer.take_dead()).count(), 16);
}

#[test]
fn no_fade_is_longer_than_twelve_seconds() {
    let mut bench = Bench::new(&Config { complexity: 0, ..Config::default() });
    bench.play(1, tone(LEFT_HZ, 20.0));
    bench.run(10);
    bench.mixer.stop(Duration::from_hours(1));
    bench.run(12 * 50 - 1);
    assert_eq!(bench.events, ["began 1"]);
    bench.run(1);
    assert_eq!(bench.events, ["began 1", "cut 1", "drained"]);
}
