//! MP3 and ADTS, which are frames and nothing else.

use phonograph_media::playback::OpenError;

use crate::hear::{LEFT_HZ, assert_plays, hear, refusal};
use crate::write::mp4;

const FRAMES: &[u8] = include_bytes!("frames.mp3");
const LOW: &[u8] = include_bytes!("low.mp3");
const M4A: &[u8] = include_bytes!("../../../../assets/trial/tones.m4a");

/// 78 frames of 1152 samples at 44.1 kHz.
const SECONDS: f64 = 78.0 * 1152.0 / 44_100.0;
/// Bit rates of MPEG-1 layer III by their index.
const KBPS: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];

fn frame_len(header: &[u8]) -> usize {
    144_000 * KBPS[usize::from(header[2] >> 4)] / 44_100 + usize::from(header[2] >> 1 & 1)
}

fn frames() -> Vec<Vec<u8>> {
    let mut rest = FRAMES;
    let mut frames = Vec::new();
    while rest.len() >= 4 {
        let (frame, behind) = rest.split_at(frame_len(rest));
        frames.push(frame.to_vec());
        rest = behind;
    }
    assert_eq!(frames.len(), 78);
    frames
}

/// The same frame at a higher bit rate, the rest of it empty. No frame leans on those before it.
fn widened(frame: &[u8], index: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[2] = frame[2] & 0x0f | index << 4;
    frame.resize(frame_len(&frame), 0);
    frame
}

#[test]
fn a_variable_rate_without_a_header_plays_to_its_end() {
    // It begins at the lowest rate, so the first frames promise the shortest file... and the
    // other way round the longest.
    let rates = [[14, 9, 5], [5, 9, 14]];
    for rates in rates {
        let file: Vec<u8> = frames()
            .iter()
            .enumerate()
            .flat_map(|(n, frame)| widened(frame, rates[n / 26]))
            .collect();
        assert_plays(file.clone(), "mp3", SECONDS, 1e-6);
        let said = hear(file).info.duration.expect("an estimate").as_secs_f64();
        assert!((said / SECONDS - 1.0).abs() < 0.25, "{said} s of {SECONDS}");
    }
}

#[test]
fn a_constant_rate_without_a_header_says_how_long_it_is() {
    assert_plays(FRAMES, "mp3", SECONDS, 1e-6);
    let said = hear(FRAMES).info.duration.expect("an estimate").as_secs_f64();
    assert!((said - SECONDS).abs() < 0.01, "{said}");
}

#[test]
fn frames_with_checksums_play() {
    let file: Vec<u8> = frames()
        .iter()
        .flat_map(|frame| {
            let mut frame = frame.clone();
            frame[1] &= 0xfe;
            // ISO/IEC 11172-3 §2.4.3.1: over half of the header and the side information.
            let covered = [&frame[2..4], &frame[4..36]].concat();
            let crc = covered.iter().fold(0xffff_u16, |crc, byte| {
                (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
                    if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 }
                })
            });
            frame.splice(4..4, crc.to_be_bytes());
            let len = frame.len();
            let mut wide = widened(&frame[..len - 2], 9);
            wide[len - 2..len].copy_from_slice(&frame[len - 2..]);
            wide
        })
        .collect();
    assert_plays(file, "mp3", SECONDS, 1e-6);
}

#[test]
fn mono_at_22_khz_plays_on_both_sides() {
    let heard = hear(LOW);
    assert_eq!((heard.info.sample_rate_hz, heard.info.channels), (Some(22_050), Some(1)));
    let part = heard.whole();
    for side in 0..2 {
        assert!(part.level_db(side, LEFT_HZ).abs() < 0.3);
    }
    assert!((part.seconds() - 79.0 * 576.0 / 22_050.0).abs() < 1e-6);
}

#[test]
fn rubbish_before_the_first_frame_is_passed_over() {
    for len in [1, 417, 5_000] {
        let file = [vec![0x55; len], FRAMES.to_vec()].concat();
        assert_plays(file, "mp3", SECONDS, 1e-6);
    }
}

#[test]
fn rubbish_between_frames_costs_no_more_than_itself() {
    let (front, back) = FRAMES.split_at(frames()[..39].concat().len());
    let heard = hear([front, &[0x55; 3_000], back].concat());
    assert!(heard.error.is_none());
    assert!((heard.seconds() - SECONDS).abs() < 0.1, "{}", heard.seconds());
}

#[test]
fn a_tag_at_the_end_is_no_sound_and_is_read() {
    let mut tag = b"TAGTwo tones".to_vec();
    tag.resize(128, 0);
    let file = [FRAMES, &tag].concat();
    let heard = hear(file);
    assert_eq!(heard.info.title.as_deref(), Some("Two tones"));
    assert!((heard.seconds() - SECONDS).abs() < 0.03, "{}", heard.seconds());
}

#[test]
fn adts_plays_with_and_without_a_tag_before_it() {
    let adts = mp4::as_adts(M4A);
    let id3 = b"ID3\x04\0\0\0\0\0\x15TIT2\0\0\0\x0b\0\0\x03Two tones\0".to_vec();
    for file in [adts.clone(), [id3, adts].concat()] {
        let is_tagged = file.starts_with(b"ID3");
        let heard = hear(file);
        assert_eq!(heard.info.codec, "aac");
        // What the encoder added stays: nothing in the file tells how much that is.
        assert!((heard.seconds() - 60.0).abs() < 0.1, "{}", heard.seconds());
        heard.whole().assert_tones(0.3);
        assert_eq!(heard.info.title.is_some(), is_tagged);
    }
}

#[test]
fn aac_of_six_channels_is_refused_by_name() {
    let mut adts = mp4::as_adts(M4A);
    let mut at = 0;
    while at < adts.len() {
        // The channel configuration goes from 2 to 6.
        adts[at + 2] |= 1;
        let header = &adts[at + 3..at + 6];
        at += usize::from(header[0] & 3) << 11
            | usize::from(header[1]) << 3
            | usize::from(header[2]) >> 5;
    }
    let error = refusal(adts);
    assert!(
        matches!(&error, OpenError::UnsupportedCodec(name) if name.contains("AAC")),
        "{error:?}"
    );
}
