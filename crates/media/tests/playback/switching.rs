//! Packets of Opus are passed while nothing acts on them, encoded anew while something does, and passed
//! again afterwards, without a seam either way.

use std::io::Cursor;
use std::ops::Range;
use std::time::Duration;

use phonograph_media::playback::{
    Begin, Config, Deck, FADE, Info, Join, Mixer, Pulled, TrackId, Volume, open,
};

use crate::assets::{MUSIC, OPUS};
use crate::bench::Bench;
use crate::listen::{decode, roughness};
use crate::{ogg, wav};

/// The largest sample by which two sounds differ in these frames.
fn difference(one: &[f64], other: &[f64], frames: Range<usize>) -> f64 {
    let range = frames.start * 960..frames.end * 960;
    range.map(|n| (one[n] - other[n]).abs()).fold(0.0, f64::max)
}

#[test]
fn packets_are_passed_again_after_an_excursion_of_the_volume() {
    for file in [OPUS, MUSIC] {
        let packets = ogg::packets(file);
        let mut bench = Bench::new(&Config::default());
        bench.play(1, file);
        bench.run(100);
        assert!(bench.mixer.is_passing());
        bench.mixer.set_volume(Volume::from_percent(50));
        bench.run(50);
        assert!(!bench.mixer.is_passing());
        bench.mixer.set_volume(Volume::UNITY);
        bench.run(50);
        assert_eq!(bench.frames[..100], packets[..100]);
        assert!(
            bench.frames[100..150].iter().zip(&packets[100..]).all(|(sent, packet)| sent != packet)
        );
        // Two frames of a ramp, and five in which encoder and far end come to agree.
        assert_eq!(bench.frames[160..200], packets[160..200], "every packet is where it was");
    }
}

#[test]
fn the_way_from_packets_to_encoding_and_back_is_not_heard() {
    for (name, file) in [("tones", OPUS), ("music", MUSIC)] {
        let packets = ogg::packets(file);
        let mut bench = Bench::new(&Config { bitrate_bps: 256_000, ..Config::default() });
        bench.play(1, file);
        bench.run(150);
        // A change of nothing that can be heard: 99 % and back.
        bench.mixer.set_volume(Volume::from_percent(99));
        bench.run(1);
        bench.mixer.set_volume(Volume::UNITY);
        bench.run(100);
        assert_ne!(bench.frames[152], packets[152], "{name}");
        assert_eq!(bench.frames[170..250], packets[170..250], "{name}");
        let [expected, heard] =
            [&packets[..250], &bench.frames].map(|frames| decode(frames)[0].clone());
        // The pitch filter of Opus is off in a frame that refers to no other: for 5 ms a steady tone is
        // off by a tenth. What would be a click has high frequencies, and adds less than -46 dB of them.
        let there = difference(&expected, &heard, 150..175);
        assert!(there < 0.03, "{name}: {there}");
        assert!(difference(&expected, &heard, 190..250) < 1e-4, "{name}: it converges");
        let rough = |sound: &[f64]| roughness(&sound[149 * 960..175 * 960]);
        assert!(rough(&heard) < 1.2 * rough(&expected) + 0.005, "{name}: {}", rough(&heard));
    }
}

#[test]
fn a_pause_keeps_the_packets_on_their_grid() {
    let packets = ogg::packets(OPUS);
    let mut bench = Bench::new(&Config::default());
    bench.play(1, OPUS);
    bench.run(100);
    bench.mixer.pause();
    bench.run(50);
    let place = bench.position();
    bench.mixer.resume();
    bench.run(50);
    // What is heard of the mix is later than what is passed, by encoder and limiter.
    assert_eq!(bench.position(), place + Duration::from_micros(1_000_000 - 11_500));
    assert!(bench.mixer.is_passing());
    // 48 frames were silent.
    assert_eq!(bench.frames[180..200], packets[132..152]);
}

#[test]
fn what_began_with_a_fade_is_passed_when_the_fade_is_over() {
    let packets = ogg::packets(OPUS);
    let mut bench = Bench::new(&Config::default());
    let deck = bench.open(1, OPUS);
    let begin = Begin { fade_in: Duration::from_millis(200), ..Begin::default() };
    bench.mixer.play(TrackId(1), deck, begin);
    bench.run(50);
    // It begins up to a frame late, to be on the grid.
    assert_eq!(bench.frames[30..50], packets[29..49]);
}

#[test]
fn a_track_behind_another_format_is_passed_as_soon_as_that_is_over() {
    let packets = ogg::packets(OPUS);
    let mut bench = Bench::new(&Config::default());
    bench.play(1, wav::pcm16(48_000, 2, &wav::sines(48_000, 20.0, &[441.0, 441.0])));
    bench.run(20);
    let deck = bench.open(2, OPUS);
    bench.mixer.play(TrackId(2), deck, Begin::default());
    bench.run(60);
    assert!(bench.mixer.is_passing());
    assert_eq!(bench.frames[40..80], packets[19..59]);
}

#[test]
fn one_track_after_the_other_is_passed_from_its_first_packet_on() {
    let packets = ogg::packets(OPUS);
    let file = ogg::file(&ogg::head(OPUS), &packets[..50]);
    let mut bench = Bench::new(&Config::default());
    bench.play(1, file.clone());
    bench.run(52);
    // Within the silence behind the first one.
    bench.enqueue(2, file.clone(), Join::Gapless);
    bench.run(70);
    assert_eq!(bench.frames[52..102], packets[..50]);
    // After it.
    bench.play(3, file);
    bench.run(70);
    assert_eq!(bench.frames[122..172], packets[..50]);
}

#[test]
fn packets_off_the_grid_wait_for_silence_and_are_passed_then() {
    // A WAV file ends in the middle of a frame, and the Opus file follows without a gap. A second
    // later it is silent for 200 ms.
    let mut sound: Vec<f32> = Vec::new();
    for n in 0..3 * 48_000_u32 {
        let is_silent = (48_000..57_600).contains(&n);
        let phase = std::f32::consts::TAU * 441.0 * n as f32 / 48_000.0;
        let sample = if is_silent { 0.0 } else { 0.25 * phase.sin() };
        sound.extend([sample, sample]);
    }
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio).expect("one");
    let packets: Vec<Vec<u8>> = sound
        .chunks_exact(1920)
        .map(|block| encoder.encode_vec_float(block, 1276).expect("a frame"))
        .collect();
    let file = ogg::file(&ogg::head(OPUS), &packets);
    let mut bench = Bench::new(&Config::default());
    bench.play(1, wav::pcm16(48_000, 2, &wav::sines(48_000, 0.333, &[441.0, 441.0])));
    bench.enqueue(2, file, Join::Gapless);
    bench.run(60);
    assert!(!bench.mixer.is_passing(), "it is not silent yet");
    bench.run(60);
    assert!(bench.mixer.is_passing());
    let last = &bench.frames[bench.frames.len() - 20..];
    assert!(packets.windows(20).any(|window| window == last));
}

#[test]
fn a_gain_that_cannot_be_heard_leaves_the_packets_alone() {
    for (gain, passes) in [(1.005, true), (0.995, true), (1.02, false), (0.5, false)] {
        let mut bench = Bench::new(&Config::default());
        let mut deck = bench.open(1, OPUS);
        deck.set_gain(gain);
        bench.mixer.play(TrackId(1), deck, Begin::default());
        bench.run(20);
        assert_eq!(bench.mixer.is_passing(), passes, "{gain}");
    }
}

#[test]
fn a_stream_that_is_encoded_once_is_passed_to_every_room() {
    // One mixer makes the packets, and two others hear them from different places on.
    let mut source = Bench::new(&Config::default());
    source.play(1, wav::pcm16(44_100, 2, &wav::sines(44_100, 6.0, &[441.0, 613.0])));
    let mut rooms: Vec<(usize, Mixer, Vec<Vec<u8>>)> = Vec::new();
    for tick in 0..200 {
        source.run(1);
        if tick == 10 || tick == 77 {
            let mut mixer = Mixer::new(&Config::default()).expect("an encoder");
            let deck = Deck::of_packets(info()).expect("a deck");
            mixer.play(TrackId(9), deck, Begin::default());
            rooms.push((tick, mixer, Vec::new()));
        }
        let packet = source.frames.last().expect("a packet");
        for (_, mixer, heard) in &mut rooms {
            mixer.deck_mut(TrackId(9)).expect("a deck").feed_packet(packet);
            let mut frame = Vec::new();
            assert_eq!(mixer.pull(&mut frame), Pulled::Frame);
            heard.push(frame);
        }
    }
    for (from, mixer, heard) in rooms {
        assert!(mixer.is_passing());
        let last = &heard[heard.len() - 60..];
        assert!(source.frames.windows(60).any(|window| window == last), "from {from}");
        let rough = roughness(&decode(&heard)[0]);
        assert!(rough < 0.02, "from {from}: {rough}");
    }
}

#[test]
fn packets_that_nobody_pulls_are_dropped_after_five_seconds() {
    let packets = ogg::packets(OPUS);
    let mut deck = Deck::of_packets(info()).expect("a deck");
    for packet in &packets[..400] {
        deck.feed_packet(packet);
    }
    deck.end();
    assert_eq!(deck.remaining(), Some(Duration::from_secs(5)));
}

#[test]
fn stopping_what_is_passed_fades_it_out() {
    let mut bench = Bench::new(&Config::default());
    bench.play(1, OPUS);
    bench.run(60);
    bench.mixer.stop(FADE);
    bench.run(40);
    assert_eq!(bench.events, ["began 1", "cut 1", "drained"]);
    assert_eq!(bench.muted, 40 - 5 - 5);
    let [left, _] = bench.heard();
    let within = roughness(&left[24_000..54_000]);
    let there = roughness(&left[55_000..]);
    assert!(there < 3.0 * within, "{there} where it stops, {within} before");
}

/// What a stream says about itself; a hub hands on what its own deck says.
fn info() -> Info {
    let (_, deck) = open(Box::new(Cursor::new(OPUS))).expect("an Opus file");
    deck.info().clone()
}
