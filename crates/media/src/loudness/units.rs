//! Loudness, peaks and gains, each a type of its own.

/// The most that a source is turned up. What is quieter than that is meant to be quiet, or noise.
const GAIN_DB_MAX: f32 = 12.0;
/// A gain that nobody hears is not worth decoding a file for.
const LEFT_ALONE_DB: f32 = 1.0;
/// What a gain can be at all; beyond it is a mistake of whoever wrote it down.
const GAIN_DB_RANGE: std::ops::RangeInclusive<f32> = -60.0..=20.0;

/// Loudness on the scale of ITU-R BS.1770: 0 is about as loud as digital sound can be.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Lufs(pub f32);

impl Lufs {
    /// What everything is brought to: that of `ReplayGain` 2, and loud enough beside speech.
    pub const AIM: Self = Self(-18.0);
}

/// The highest level between samples too, in dB below or above full scale.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct DbTp(pub f32);

impl DbTp {
    /// How high a source that is turned up may reach (EBU R 128). Encoding adds up to a decibel.
    pub const MAX: Self = Self(-1.0);
}

/// By how much sound is turned up or down.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Gain {
    db: f32,
}

impl Gain {
    /// Sound as it is. Only with it can Opus be sent as it is: a packet has no field for a gain,
    /// and the one in the header of a file (RFC 7845 §5.1) does not reach those who hear.
    pub const UNITY: Self = Self { db: 0.0 };

    /// A gain in decibels; what lies outside of -60 to 20 is taken for the nearer end, and what is
    /// no number for unity.
    pub fn from_db(db: f32) -> Self {
        if db.is_nan() {
            return Self::UNITY;
        }
        Self { db: db.clamp(*GAIN_DB_RANGE.start(), *GAIN_DB_RANGE.end()) }
    }

    /// In decibels.
    pub fn db(self) -> f32 {
        self.db
    }

    /// The factor that samples are multiplied with.
    pub fn linear(self) -> f32 {
        10_f32.powf(self.db / 20.0)
    }

    /// Whether it changes nothing.
    pub fn is_unity(self) -> bool {
        self == Self::UNITY
    }
}

impl Default for Gain {
    /// Unity.
    fn default() -> Self {
        Self::UNITY
    }
}

/// How loud a source is as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    /// The integrated loudness (EBU R 128); none if all of it is as good as silent.
    pub integrated: Option<Lufs>,
    /// The highest level; none if it is not known, or silent.
    pub true_peak: Option<DbTp>,
}

impl Loudness {
    /// What brings the source to this loudness.
    ///
    /// Unity where it is within 1 LU already, and where it is silent. A source is turned up by
    /// 12 dB at most, and only so far that its true peak stays at or below -1 dBTP; one whose peak
    /// is not known is never turned up, nor is one turned down for its peaks alone.
    pub fn gain(&self, aim: Lufs) -> Gain {
        let Some(Lufs(integrated)) = self.integrated else { return Gain::UNITY };
        let headroom = self.true_peak.map_or(0.0, |peak| (DbTp::MAX.0 - peak.0).max(0.0));
        let db = (aim.0 - integrated).min(headroom).min(GAIN_DB_MAX);
        if db.abs() < LEFT_ALONE_DB { Gain::UNITY } else { Gain::from_db(db) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain_db(integrated: f32, true_peak: f32) -> f32 {
        let loudness =
            Loudness { integrated: Some(Lufs(integrated)), true_peak: Some(DbTp(true_peak)) };
        loudness.gain(Lufs::AIM).db()
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "each of these numbers is exact")]
    fn a_source_is_brought_to_the_aim() {
        assert_eq!(gain_db(-10.0, 0.5), -8.0, "loud");
        assert_eq!(gain_db(-24.0, -12.0), 6.0, "quiet");
    }

    #[test]
    fn a_source_near_the_aim_is_left_alone() {
        for integrated in [-18.9, -18.0, -17.1] {
            assert!(gain_db(integrated, -9.0).abs() < f32::EPSILON, "{integrated}");
        }
        assert!((gain_db(-16.9, -9.0) + 1.1).abs() < 1e-4);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "each of these numbers is exact")]
    fn peaks_limit_how_far_a_source_is_turned_up() {
        assert_eq!(gain_db(-24.0, -5.0), 4.0, "up to -1 dBTP");
        assert_eq!(gain_db(-24.0, -1.5), 0.0, "by less than anyone hears: left alone");
        assert_eq!(gain_db(-24.0, 0.5), 0.0, "never down");
        assert_eq!(gain_db(-60.0, -40.0), 12.0, "at most 12 dB");
    }

    #[test]
    fn without_a_peak_a_source_is_only_turned_down() {
        let gain = |integrated| {
            Loudness { integrated: Some(Lufs(integrated)), true_peak: None }.gain(Lufs::AIM)
        };
        assert_eq!(gain(-30.0), Gain::UNITY);
        assert_eq!(gain(-10.0), Gain::from_db(-8.0));
    }

    #[test]
    fn silence_stays_silence() {
        let silence = Loudness { integrated: None, true_peak: None };
        assert!(silence.gain(Lufs::AIM).is_unity());
    }

    #[test]
    fn a_gain_is_a_sane_number() {
        assert!((Gain::from_db(-6.0206).linear() - 0.5).abs() < 1e-4);
        assert_eq!(Gain::from_db(f32::NAN), Gain::UNITY);
        assert!(Gain::from_db(f32::INFINITY).linear() <= 10.0);
        assert!(Gain::from_db(-1e9).linear() >= 0.000_9);
    }
}
