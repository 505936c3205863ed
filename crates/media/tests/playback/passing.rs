//! Opus in packets of 20 ms goes out as it came in, and everything else does not.

use std::time::Duration;

use crate::assets::OPUS;
use crate::listen::{assert_tones, play, roughness};
use crate::ogg;

#[test]
fn packets_of_20_ms_go_out_byte_for_byte() {
    let packets = ogg::packets(OPUS);
    let played = play(OPUS);
    assert!(played.info.passes_through);
    assert!(packets.len() > 2990, "{} packets", packets.len());
    assert_eq!(played.frames[..packets.len()], packets[..]);
    // What follows is the silent tail.
    assert_eq!(played.frames[packets.len()..], vec![vec![0xf8, 0xff, 0xfe]; 5]);
}

#[test]
fn a_gain_in_the_header_is_applied_and_not_passed_on() {
    // -6 dB in 1/256 dB.
    let mut head = ogg::head(OPUS);
    head[16..18].copy_from_slice(&(-1536_i16).to_le_bytes());
    let played = play(ogg::file(&head, &ogg::packets(OPUS)[..150]));
    assert!(!played.info.passes_through);
    let heard = played.heard().map(|side| side.iter().map(|sample| sample * 1.995).collect());
    assert_tones(&heard, 0.5, 0.3);
}

#[test]
fn packets_of_other_lengths_are_encoded_anew() {
    let packets = ogg::packets(OPUS);
    let pairs: Vec<Vec<u8>> = packets[..300].chunks(2).map(ogg::join).collect();
    let played = play(ogg::file(&ogg::head(OPUS), &pairs));
    assert_tones(&played.heard(), 0.5, 0.3);
    assert_tones(&played.heard(), 4.5, 0.3);
}

#[test]
fn a_change_of_packet_length_is_not_heard() {
    // 2 s as they are, then the same music in packets of 40 ms.
    let packets = ogg::packets(OPUS);
    let mut mixed = packets[..100].to_vec();
    mixed.extend(packets[100..300].chunks(2).map(ogg::join));
    let played = play(ogg::file(&ogg::head(OPUS), &mixed));
    assert_eq!(played.frames[..100], packets[..100]);
    assert!(!played.info.passes_through);

    // The reference is what one decoder makes of the same packets.
    let reference = crate::listen::decode(&packets[..300]);
    let heard = played.heard();
    for side in 0..2 {
        let change = 96_000;
        let around = change - 4_800..change + 48_000;
        let within = roughness(&reference[side][around.clone()]);
        let heard_there = roughness(&heard[side][around.clone()]);
        assert!(heard_there < 1.5 * within, "side {side}: {heard_there}, {within} without");
        let (mut error, mut sound) = (0.0, 0.0);
        for n in around {
            error += (heard[side][n] - reference[side][n]).powi(2);
            sound += reference[side][n].powi(2);
        }
        let decibels: f64 = 10.0 * f64::log10(error / sound);
        assert!(decibels < -30.0, "side {side}: {decibels} dB away from one continuous sound");
    }
}

#[test]
fn the_position_goes_on_through_a_change_of_packet_length() {
    let packets = ogg::packets(OPUS);
    let mut mixed = packets[..100].to_vec();
    mixed.extend(packets[100..300].chunks(2).map(ogg::join));
    let played = play(ogg::file(&ogg::head(OPUS), &mixed));
    // Six seconds, less the pre-skip.
    let expected = Duration::from_micros(6_000_000 - 6_500);
    assert!(played.position.abs_diff(expected).as_millis() < 1, "{:?}", played.position);
}

#[test]
fn surround_is_decoded_and_mixed_down() {
    let played = play(ogg::surround_tones());
    assert_eq!(played.info.channels, Some(6));
    assert!(!played.info.passes_through);
    // Front left and right at full, scaled by 1 / (1 + 2 / sqrt 2) as all of it is.
    let scale = 1.0 + std::f64::consts::SQRT_2;
    let heard = played.heard().map(|side| side.iter().map(|sample| sample * scale).collect());
    assert_tones(&heard, 0.5, 0.3);
}

#[test]
fn a_chained_stream_goes_on_with_its_next_part() {
    let packets = ogg::packets(OPUS);
    let mut chain = ogg::file(&ogg::head(OPUS), &packets[..100]);
    let mut quieter = ogg::head(OPUS);
    quieter[16..18].copy_from_slice(&(-256_i16).to_le_bytes());
    chain.extend(ogg::file(&quieter, &packets[100..300]));
    let played = play(chain);
    assert_eq!(played.frames[..100], packets[..100]);
    let louder = 10_f64.powf(1.0 / 20.0);
    let heard = played.heard().map(|side| side.iter().map(|sample| sample * louder).collect());
    assert_tones(&heard, 3.0, 0.3);
}
