//! What files say about themselves, some at great length.

use crate::hear::{assert_plays, hear, pcm16, tones};
use crate::write::{flac, mp4, ogg, opus_head, opus_packets};

const FRAMES: &[u8] = include_bytes!("frames.mp3");
const SECONDS: f64 = 78.0 * 1152.0 / 44_100.0;

/// An `ID3v2.3` tag of these frames.
fn id3(frames: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (id, frame) in frames {
        body.extend(id.as_slice());
        body.extend((frame.len() as u32).to_be_bytes());
        body.extend([0, 0]);
        body.extend(frame);
    }
    let len = body.len() as u32;
    let size = [len >> 21, len >> 14, len >> 7, len].map(|part| part as u8 & 0x7f);
    [b"ID3\x03\0\0".as_slice(), &size, &body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [b"\0", text.as_bytes()].concat()
}

fn picture(len: usize) -> Vec<u8> {
    [b"\0image/jpeg\0\x03\0".as_slice(), &vec![0xd8; len]].concat()
}

fn tone_flac(blocks: &[(u8, Vec<u8>)]) -> Vec<u8> {
    flac::file(48_000, 2, &pcm16(&tones(48_000)), blocks)
}

#[test]
fn album_and_number_are_read() {
    let id3 = id3(&[
        (b"TIT2", text("So What")),
        (b"TPE1", text("Miles")),
        (b"TALB", text("Kind of\nBlue")),
        (b"TRCK", text("1/5")),
    ]);
    let comments =
        flac::comments(&["TITLE=So What", "ARTIST=Miles", "ALBUM=Kind of\nBlue", "TRACKNUMBER=1"]);
    for file in [[&id3, FRAMES].concat(), tone_flac(&[comments])] {
        let info = hear(file).info;
        assert_eq!(info.title.as_deref(), Some("So What"));
        assert_eq!(info.album.as_deref(), Some("Kind ofBlue"), "one line");
        assert_eq!(info.track_number, Some(1));
    }
}

#[test]
fn a_cover_is_handed_out_once() {
    let mp3 = [&id3(&[(b"APIC", picture(70_000)), (b"TIT2", text("So What"))]), FRAMES].concat();
    let flac = tone_flac(&[flac::picture("image/jpeg", &vec![0xd8; 70_000])]);
    for file in [mp3, flac] {
        let heard = hear(file);
        let cover = heard.info.clone().take_cover().expect("a cover");
        assert_eq!(cover.media_type.as_deref(), Some("image/jpeg"));
        assert_eq!(cover.data.len(), 70_000);
        assert_eq!(heard.info.take_cover(), None, "it is gone from every copy");
        heard.whole().assert_tones(0.3);
    }
}

#[test]
fn files_with_covers_play_as_long_as_without() {
    let id3 = id3(&[(b"APIC", picture(70_000))]);
    assert_plays([&id3, FRAMES].concat(), "mp3", SECONDS, 1e-6);
    assert_plays(tone_flac(&[flac::picture("image/png", &[1; 500])]), "flac", 2.0, 1e-6);
}

#[test]
fn a_tag_of_20_mib_and_a_cover_of_50_mib_before_mp3_are_passed_over() {
    for len in [20 << 20, 50 << 20] {
        let file = [&id3(&[(b"APIC", picture(len))]), FRAMES].concat();
        let heard = hear(file);
        assert!((heard.seconds() - SECONDS).abs() < 1e-6, "{}", heard.seconds());
        assert_eq!(heard.info.take_cover(), None);
    }
}

#[test]
fn pictures_of_45_mib_in_flac_do_not_keep_it_from_playing() {
    let large = flac::picture("image/png", &vec![1; 15 << 20]);
    let file = tone_flac(&[large.clone(), large.clone(), large]);
    let heard = hear(file);
    heard.whole().assert_tones(0.3);
    assert_eq!(heard.info.take_cover().map(|cover| cover.data.len()), Some(15 << 20));
}

#[test]
fn a_cover_of_50_mib_in_mp4_is_passed_over_and_a_smaller_one_is_not() {
    let plain = mp4::opus(&opus_packets(960), 312, 95_000, true);
    for (len, kept) in [(50 << 20, None), (90_000, Some(90_000))] {
        let file = mp4::with_cover(&plain, len);
        let heard = hear(file);
        assert!((heard.seconds() - 95_000.0 / 48_000.0).abs() < 1e-6, "{}", heard.seconds());
        heard.whole().assert_tones(0.3);
        assert_eq!(heard.info.take_cover().map(|cover| cover.data.len()), kept);
    }
}

#[test]
fn loudness_tags_are_read_from_every_kind_of_file() {
    let replay_gain = ["REPLAYGAIN_TRACK_GAIN=-7.30 dB", "REPLAYGAIN_TRACK_PEAK=0.988553"];
    let id3 = id3(&[
        (b"TXXX", b"\0replaygain_track_gain\0-7.30 dB".to_vec()),
        (b"TXXX", b"\0replaygain_track_peak\x000.988553".to_vec()),
    ]);
    // -12.3 dB to -23 LUFS, in 1/256 dB.
    let r128 = ogg::opus(1, &opus_head(2, 312, 0), &["R128_TRACK_GAIN=-3149"], &opus_packets(960));
    for (name, file) in [
        ("FLAC", tone_flac(&[flac::comments(&replay_gain)])),
        ("MP3", [&id3, FRAMES].concat()),
        ("Opus", r128),
    ] {
        let loudness = hear(file).info.loudness.unwrap_or_else(|| panic!("{name} says it"));
        let gain = loudness.gain(phonograph_media::loudness::Lufs::AIM);
        assert!((gain.db() + 7.3).abs() < 0.01, "{name}: {}", gain.db());
    }
    assert_eq!(hear(FRAMES).info.loudness, None);
}

#[test]
fn a_title_of_10_mib_is_shown_short() {
    let title = format!("TITLE={}", "la ".repeat(3 << 20));
    let info = hear(tone_flac(&[flac::comments(&[&title])])).info;
    assert_eq!(info.title.map(|title| title.chars().count()), Some(200));
}
