//! Measuring whole files, against `ebur128` on the samples that went into them.

use std::io::Cursor;
use std::time::Duration;

use ebur128::{EbuR128, Mode};
use phonograph_media::loudness::{DbTp, Limits, Lufs, MeasureError, Measured, measure};

use crate::hear::{pcm16, sines};
use crate::write::{flac, ogg, opus_head, opus_packets_of, wav};

const MP3: &[u8] = include_bytes!("../../../../assets/trial/tones.mp3");
const MUSIC: &[u8] = include_bytes!("../../../../assets/trial/music.opus");

fn measured(file: Vec<u8>, limits: &Limits) -> Measured {
    measure(Box::new(Cursor::new(file)), limits, &mut |_| true)
        .expect("a file that can be measured")
}

fn lufs(measured: &Measured) -> f64 {
    f64::from(measured.loudness.integrated.expect("sound").0)
}

/// Loud and quiet by turns, so that the gates have something to do.
fn signal() -> Vec<f32> {
    let mut signal = sines(48_000, 8.0, &[441.0, 613.0]);
    for (n, sample) in signal.iter_mut().enumerate() {
        let second = n / 96_000;
        *sample *= [1.0, 0.3, 2.5, 0.01][second % 4];
    }
    signal
}

fn reference(stereo: &[f32]) -> (f64, f64) {
    let mut meter = EbuR128::new(2, 48_000, Mode::I | Mode::TRUE_PEAK).expect("a meter");
    meter.add_frames_f32(stereo).expect("stereo");
    let peak = meter.true_peak(0).expect("a peak").max(meter.true_peak(1).expect("a peak"));
    (meter.loudness_global().expect("a loudness"), 20.0 * peak.log10())
}

#[test]
fn a_file_is_as_loud_as_the_samples_in_it() {
    let signal = signal();
    let (integrated, peak) = reference(&signal);
    let packets = opus_packets_of(&signal, opus::Channels::Stereo, 960);
    for (name, file, tolerance) in [
        ("WAV", wav::plain(48_000, 2, &signal), 0.1),
        ("FLAC", flac::file(48_000, 2, &pcm16(&signal), &[]), 0.1),
        ("Opus", ogg::opus(1, &opus_head(2, 312, 0), &[], &packets), 0.2),
    ] {
        let measured = measured(file, &Limits::default());
        assert!((lufs(&measured) - integrated).abs() < tolerance, "{name}: {measured:?}");
        let DbTp(found) = measured.loudness.true_peak.expect("a peak");
        assert!((f64::from(found) - peak).abs() < 0.5, "{name}: {found} dBTP, not {peak}");
        assert!(measured.is_whole && measured.duration.as_secs_f64() > 7.99, "{name}");
    }
}

/// Sines of different pitch left and right at -12.04 dBFS: -3.01 - 12.04 + 3.01 LUFS, less what the
/// filter of the standard takes from tones below 1 kHz.
#[test]
fn an_mp3_is_as_loud_as_its_tones() {
    let stereo = sines(48_000, 10.0, &[441.0, 613.0]);
    let (integrated, _) = reference(&stereo);
    let measured = measured(MP3.to_vec(), &Limits::default());
    assert!((lufs(&measured) - integrated).abs() < 0.2, "{measured:?}, not {integrated}");
    assert_eq!(measured.duration.as_secs(), 60);
}

#[test]
fn the_gain_in_an_opus_header_counts() {
    let packets = opus_packets_of(&signal(), opus::Channels::Stereo, 960);
    let loudness = |gain_q8| {
        lufs(&measured(
            ogg::opus(1, &opus_head(2, 312, gain_q8), &[], &packets),
            &Limits::default(),
        ))
    };
    assert!((loudness(0) - loudness(-1280) - 5.0).abs() < 0.1);
}

#[test]
fn music_brought_to_the_aim_is_there() {
    let before = measured(MUSIC.to_vec(), &Limits::default());
    let gain = before.loudness.gain(Lufs::AIM);
    let after = lufs(&before) + f64::from(gain.db());
    assert!((after - f64::from(Lufs::AIM.0)).abs() <= 1.0 || gain.db() > 11.9 || gain.is_unity());
    let DbTp(peak) = before.loudness.true_peak.expect("a peak");
    assert!(gain.db() <= 0.0 || peak + gain.db() <= -1.0, "{peak} dBTP, {} dB up", gain.db());
}

#[test]
fn silence_and_clips_are_answered() {
    let silent = measured(wav::plain(48_000, 2, &vec![0.0; 96_000]), &Limits::default());
    assert_eq!(silent.loudness.integrated, None);
    assert!(silent.loudness.gain(Lufs::AIM).is_unity());
    let nothing = measured(wav::plain(48_000, 2, &[]), &Limits::default());
    assert_eq!((nothing.loudness.integrated, nothing.duration), (None, Duration::ZERO));
    let long =
        measured(wav::plain(48_000, 2, &sines(48_000, 5.0, &[997.0; 2])), &Limits::default());
    let clip =
        measured(wav::plain(48_000, 2, &sines(48_000, 0.2, &[997.0; 2])), &Limits::default());
    assert!((lufs(&long) - lufs(&clip)).abs() < 0.5, "{clip:?}, not {long:?}");
}

#[test]
fn no_more_is_measured_than_allowed() {
    let day = flac::silence(48_000, 2, 24 * 3600);
    assert!(day.len() < 2 << 20, "{} bytes for a day", day.len());
    let limits = Limits { length_max: Duration::from_mins(1) };
    let measured = measured(day, &limits);
    assert!(!measured.is_whole);
    assert!((60..63).contains(&measured.duration.as_secs()), "{:?}", measured.duration);
}

#[test]
fn the_caller_can_interrupt_at_every_packet() {
    let mut asked = 0;
    let mut goes_on = |so_far: Duration| {
        asked += 1;
        so_far < Duration::from_secs(1)
    };
    let source = Box::new(Cursor::new(MP3));
    let interrupted = measure(source, &Limits::default(), &mut goes_on);
    assert!(matches!(interrupted, Err(MeasureError::Interrupted)));
    assert!((38..42).contains(&asked), "{asked} packets of 26 ms");
}

#[test]
fn what_is_no_audio_cannot_be_measured() {
    let source = Box::new(Cursor::new(b"Dear diary,".repeat(99)));
    let refused = measure(source, &Limits::default(), &mut |_| true);
    assert!(matches!(refused, Err(MeasureError::Open(_))));
}
