//! What files say about their own loudness.
//!
//! `ReplayGain` (the text tags `REPLAYGAIN_TRACK_GAIN` and `_PEAK`) gives the gain to -18 LUFS;
//! Opus has `R128_TRACK_GAIN` instead (RFC 7845 §5.2.1), the gain to -23 LUFS in 1/256 dB, to be
//! applied on top of the header's.

use super::units::{DbTp, Loudness, Lufs};

/// What `ReplayGain` 2 aims at. Files of its first version, which have the same tags, aim at what
/// comes out as about the same.
const REPLAY_GAIN_AIM_LUFS: f32 = -18.0;
/// What the gain in Opus files aims at.
const R128_AIM_LUFS: f32 = -23.0;
/// Gains beyond this are mistakes, not measurements.
const GAIN_DB_MAX: f32 = 40.0;
/// Peaks beyond this, as a factor, likewise.
const PEAK_MAX: f32 = 8.0;

/// The loudness of the tags as far as they were read.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Tags {
    replay_gain: Option<f32>,
    r128_gain: Option<f32>,
    peak: Option<f32>,
}

impl Tags {
    /// Takes a tag, if it is one of these.
    pub(crate) fn take(&mut self, key: &str, value: &str) {
        // Matroska says whose gain it is before the name, MP4 who thought of it.
        let name = key.rsplit([':', '@']).next().unwrap_or(key);
        let is_album = key.get(..6).is_some_and(|front| front.eq_ignore_ascii_case("album@"));
        if is_album || name.len() > 32 {
            return;
        }
        match name.to_ascii_uppercase().as_str() {
            "REPLAYGAIN_TRACK_GAIN" | "REPLAYGAIN_GAIN" => {
                self.replay_gain = number(value, GAIN_DB_MAX).or(self.replay_gain);
            }
            "REPLAYGAIN_TRACK_PEAK" | "REPLAYGAIN_PEAK" => {
                self.peak = number(value, PEAK_MAX).filter(|peak| *peak > 0.0).or(self.peak);
            }
            "R128_TRACK_GAIN" => {
                let gain = value.trim().parse::<i16>().ok().map(|q8| f32::from(q8) / 256.0);
                self.r128_gain = gain.filter(|gain| gain.abs() <= GAIN_DB_MAX).or(self.r128_gain);
            }
            _ => {}
        }
    }

    /// What they come to; none if they do not say.
    pub(crate) fn loudness(&self) -> Option<Loudness> {
        let r128 = self.r128_gain.map(|gain| R128_AIM_LUFS - gain);
        let replay = self.replay_gain.map(|gain| REPLAY_GAIN_AIM_LUFS - gain);
        Some(Loudness {
            integrated: Some(Lufs(r128.or(replay)?)),
            true_peak: self.peak.map(|peak| DbTp(20.0 * peak.log10())),
        })
    }
}

/// A number with or without its unit, as in `-6.50 dB`.
fn number(text: &str, max: f32) -> Option<f32> {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '+' | '-' | '.' | '0'..='9')).unwrap_or(text.len());
    text[..end].parse::<f32>().ok().filter(|number| number.abs() <= max)
}

#[cfg(test)]
mod tests {
    use super::super::units::Gain;
    use super::*;

    fn loudness(tags: &[(&str, &str)]) -> Option<Loudness> {
        let mut read = Tags::default();
        for (key, value) in tags {
            read.take(key, value);
        }
        read.loudness()
    }

    fn gain_db(tags: &[(&str, &str)]) -> Option<f32> {
        loudness(tags).map(|loudness| loudness.gain(Lufs::AIM).db())
    }

    #[test]
    fn replay_gain_is_the_gain_to_the_aim() {
        for key in [
            "REPLAYGAIN_TRACK_GAIN",
            "replaygain_track_gain",
            "com.apple.iTunes:replaygain_track_gain",
            "TRACK@REPLAYGAIN_GAIN",
        ] {
            assert_eq!(gain_db(&[(key, "-6.50 dB")]), Some(-6.5), "{key}");
        }
        let quiet = [("REPLAYGAIN_TRACK_GAIN", "+5.25 dB"), ("REPLAYGAIN_TRACK_PEAK", "0.25")];
        assert_eq!(gain_db(&quiet), Some(5.25));
    }

    #[test]
    fn the_gain_of_opus_files_is_raised_by_5_db() {
        // -2560 / 256 is -10 dB to -23 LUFS, so -5 dB to -18 LUFS.
        assert_eq!(gain_db(&[("R128_TRACK_GAIN", "-2560")]), Some(-5.0));
        let both = [("REPLAYGAIN_TRACK_GAIN", "-9 dB"), ("R128_TRACK_GAIN", "-2560")];
        assert_eq!(gain_db(&both), Some(-5.0), "it is the one that belongs to Opus");
    }

    #[test]
    fn a_known_peak_limits_the_gain() {
        let tags = [("REPLAYGAIN_TRACK_GAIN", "6 dB"), ("REPLAYGAIN_TRACK_PEAK", "1.000000")];
        assert_eq!(loudness(&tags).map(|loudness| loudness.gain(Lufs::AIM)), Some(Gain::UNITY));
    }

    #[test]
    fn absurd_tags_and_those_of_the_album_are_left_aside() {
        for (key, value) in [
            ("REPLAYGAIN_TRACK_GAIN", "1000 dB"),
            ("REPLAYGAIN_TRACK_GAIN", "loud"),
            ("REPLAYGAIN_TRACK_GAIN", "NaN"),
            ("REPLAYGAIN_TRACK_GAIN", ""),
            ("REPLAYGAIN_ALBUM_GAIN", "-6 dB"),
            ("ALBUM@REPLAYGAIN_GAIN", "-6 dB"),
            ("R128_TRACK_GAIN", "32768"),
            ("R128_TRACK_GAIN", "-32768"),
            ("REPLAYGAIN_TRACK_PEAK", "0.5"),
        ] {
            assert_eq!(loudness(&[(key, value)]), None, "{key}={value}");
        }
        let tags = [("REPLAYGAIN_TRACK_GAIN", "-3 dB"), ("REPLAYGAIN_TRACK_PEAK", "0")];
        assert_eq!(loudness(&tags).and_then(|loudness| loudness.true_peak), None);
    }
}
