//! Every codec in every container that carries it, known by content alone.

use crate::hear::{LEFT_HZ, RIGHT_HZ, assert_plays, hear, pcm16, refusal, sines, tones};
use crate::write::{apple, flac, matroska, mp4, ogg, opus_head, opus_packets, wav};
use phonograph_media::playback::OpenError;

const M4A: &[u8] = include_bytes!("../../../../assets/trial/tones.m4a");

#[test]
fn opus_in_matroska_and_webm_plays() {
    let head = opus_head(2, 312, 0);
    let track = matroska::Track::opus(&head);
    for doc_type in ["matroska", "webm"] {
        let file = matroska::file(doc_type, &track, &opus_packets(960), 20);
        assert_plays(file.clone(), "opus", 2.0 - 0.0065, 1e-6);
        let said = hear(file).info.duration.expect("the file says it").as_secs_f64();
        assert!((said - 2.0).abs() < 0.01, "{said}");
    }
}

#[test]
fn pcm_in_matroska_plays() {
    let track = matroska::Track {
        codec: "A_PCM/INT/LIT",
        private: &[],
        rate_hz: 44_100.0,
        channels: 2,
        bits: Some(16),
    };
    let packets: Vec<Vec<u8>> =
        tones(44_100).chunks(2 * 882).map(|block| wav::data(block, 16)).collect();
    let file = matroska::file("matroska", &track, &packets, 20);
    assert_plays(file, "pcm_s16le", 2.0, 1e-6);
}

#[test]
fn opus_in_mp4_plays_with_moov_first_and_last() {
    for moov_last in [false, true] {
        let file = mp4::opus(&opus_packets(960), 312, 95_000, moov_last);
        assert_plays(file, "opus", 95_000.0 / 48_000.0, 1e-6);
    }
}

#[test]
fn aac_in_mp4_plays_with_moov_last() {
    assert_plays(mp4::with_moov_last(M4A), "aac", 60.0, 1e-3);
}

#[test]
fn opus_in_caf_plays_without_what_the_encoder_added() {
    let file = apple::caf_opus(2, &opus_packets(960), 312, 95_000);
    assert_plays(file, "opus", 95_000.0 / 48_000.0, 1e-6);
}

#[test]
fn pcm_in_caf_and_aiff_c_plays() {
    assert_plays(apple::caf_float(44_100.0, 2, &tones(44_100)), "pcm_f32be", 2.0, 1e-6);
    assert_plays(apple::sowt(2, &pcm16(&tones(44_100))), "pcm_s16le", 2.0, 1e-6);
}

#[test]
fn flac_plays_bare_and_in_ogg() {
    let bare = flac::file(48_000, 2, &pcm16(&tones(48_000)), &[]);
    assert_plays(bare.clone(), "flac", 2.0, 1e-6);
    // Frames of 4096 samples take 16 400 bytes, but for the last.
    let frame_len = 8 + 2 * (1 + 2 * 4096) + 2;
    assert_eq!(bare[42 + frame_len..][..2], [0xff, 0xf8], "the length of a frame");
    assert_plays(ogg::flac(&bare, frame_len, 96_000), "flac", 2.0, 1e-6);
}

#[test]
fn wav_of_every_width_plays() {
    for (tag, bits, codec) in
        [(1, 8, "pcm_u8"), (1, 16, "pcm_s16le"), (1, 24, "pcm_s24le"), (3, 32, "pcm_f32le")]
    {
        let data = wav::chunk(*b"data", &wav::data(&tones(44_100), bits));
        let plain = wav::riff(&[wav::format(tag, 44_100, 2, bits), data.clone()]);
        assert_plays(plain, codec, 2.0, 1e-6);
        let extensible = wav::riff(&[wav::extensible(tag, 44_100, 2, bits, 3), data]);
        assert_plays(extensible, codec, 2.0, 1e-6);
    }
}

#[test]
fn mu_law_at_8_khz_plays() {
    let data: Vec<u8> = tones(8_000).into_iter().map(wav::mu_law).collect();
    let file = wav::riff(&[wav::coded(7, 8_000, 2, 8), wav::chunk(*b"data", &data)]);
    assert_plays(file, "pcm_mulaw", 2.0, 1e-6);
}

#[test]
fn wav_at_192_khz_plays() {
    let data = wav::chunk(*b"data", &wav::data(&tones(192_000), 24));
    let file = wav::riff(&[wav::extensible(1, 192_000, 2, 24, 3), data]);
    assert_plays(file, "pcm_s24le", 2.0, 1e-6);
}

/// Front left, right, centre, LFE, rear and side: 0.414 / 1.414 of full scale each way.
#[test]
fn a_file_of_7_1_channels_is_mixed_down_with_its_sides_apart() {
    let hertz = [LEFT_HZ, RIGHT_HZ, 1_009.0, 61.0, 2_003.0, 3_001.0, 1_511.0, 2_503.0];
    let samples = sines(48_000, 2.0, &hertz);
    let files = [
        flac::file(48_000, 8, &pcm16(&samples), &[]),
        wav::riff(&[
            wav::extensible(1, 48_000, 8, 16, 0x63f),
            wav::chunk(*b"data", &wav::data(&samples, 16)),
        ]),
    ];
    for file in files {
        let heard = hear(file);
        assert_eq!(heard.info.channels, Some(8));
        let part = heard.whole();
        // ITU-R BS.775: 1 and three times the half of its power, brought back to 1.
        let front = -20.0 * (1.0 + 3.0 * std::f64::consts::FRAC_1_SQRT_2).log10();
        for (side, own, around) in [(0, 0, [4, 6]), (1, 1, [5, 7])] {
            let level = |channel: usize| part.level_db(side, hertz[channel]) - front;
            assert!(level(own).abs() < 0.1, "front {}", level(own));
            for channel in around.into_iter().chain([2]) {
                assert!((level(channel) + 3.01).abs() < 0.1, "{channel}: {}", level(channel));
            }
            assert!(level(3) < -60.0, "no LFE");
            assert!(level(1 - own) < -60.0, "the other side");
        }
    }
}

#[test]
fn a_codec_that_nobody_has_here_is_named() {
    let track = matroska::Track {
        codec: "A_AC3",
        private: &[],
        rate_hz: 48_000.0,
        channels: 2,
        bits: None,
    };
    let error = refusal(matroska::file("matroska", &track, &[vec![0; 64]], 20));
    assert!(matches!(&error, OpenError::UnsupportedCodec(name) if name == "AC-3"), "{error:?}");
}
