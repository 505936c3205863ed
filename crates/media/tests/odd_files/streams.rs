//! Ogg: streams behind one another, and Opus in every length of packet.

use crate::hear::{AMPLITUDE, LEFT_HZ, assert_plays, hear, sines, tones};
use crate::write::{ogg, opus_head, opus_packets, opus_packets_of};

const VORBIS: &[u8] = include_bytes!("../../../../assets/trial/tones.ogg");

#[test]
fn opus_packets_of_every_length_play() {
    for samples in [120, 240, 480, 960, 1920, 2880] {
        let packets = opus_packets(samples);
        let length = (packets.len() * samples - 312) as f64 / 48_000.0;
        let file = ogg::opus(1, &opus_head(2, 312, 0), &[], &packets);
        assert_plays(file, "opus", length, 1e-6);
    }
}

#[test]
fn the_gain_in_the_header_is_applied() {
    // -6 dB and +3 dB, in 1/256 dB.
    for (gain_q8, expected) in [(-1536, -6.0), (768, 3.0)] {
        let heard = hear(ogg::opus(1, &opus_head(2, 312, gain_q8), &[], &opus_packets(960)));
        let level = heard.whole().level_db(0, LEFT_HZ);
        assert!((level - expected).abs() < 0.1, "{level} dB instead of {expected}");
    }
}

#[test]
fn chained_vorbis_plays_all_of_its_streams() {
    let file = [VORBIS, &ogg::renumbered(VORBIS, 99)].concat();
    let heard = hear(file);
    assert!((heard.seconds() - 20.0).abs() < 1e-3, "{}", heard.seconds());
    heard.whole().assert_tones(0.3);
}

#[test]
fn chained_opus_goes_from_mono_to_stereo() {
    let mono: Vec<f32> = sines(48_000, 2.0, &[LEFT_HZ]);
    let mono = opus_packets_of(&mono, opus::Channels::Mono, 960);
    let file = [
        ogg::opus(1, &opus_head(1, 312, 0), &[], &mono),
        ogg::opus(2, &opus_head(2, 312, 0), &[], &opus_packets(960)),
    ];
    let heard = hear(file.concat());
    let part = heard.whole();
    assert!((part.seconds() - 4.0 + 2.0 * 312.0 / 48_000.0).abs() < 1e-6, "{}", part.seconds());
    let right = |from: usize| {
        let samples = &part.sides[1][from..from + 48_000];
        (samples.iter().map(|sample| sample * sample).sum::<f64>() / 24_000.0).sqrt()
    };
    assert!((right(24_000) - AMPLITUDE).abs() < 0.01 && (right(120_000) - AMPLITUDE).abs() < 0.01);
}

#[test]
fn a_stream_may_change_its_codec_and_its_rate() {
    let opus = ogg::opus(7, &opus_head(2, 312, 0), &[], &opus_packets(960));
    let heard = hear([VORBIS, &opus].concat());
    let rates: Vec<u32> = heard.parts.iter().map(|part| part.rate_hz).collect();
    assert_eq!(rates, [44_100, 48_000]);
    for part in &heard.parts {
        part.assert_tones(0.3);
    }
    assert!((heard.seconds() - 12.0).abs() < 0.02, "{}", heard.seconds());
}

#[test]
fn packets_of_changing_length_play() {
    let mut packets = opus_packets(960);
    packets.truncate(50);
    packets.extend(opus_packets_of(&tones(48_000)[2 * 48_000..], opus::Channels::Stereo, 2880));
    let file = ogg::opus(1, &opus_head(2, 312, 0), &[], &packets);
    let heard = hear(file);
    assert!(heard.seconds() > 1.9);
    assert!(heard.whole().level_db(0, LEFT_HZ).abs() < 0.5);
}
