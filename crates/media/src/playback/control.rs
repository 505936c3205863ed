//! What a [`Mixer`](super::Mixer) is told, and what it tells.

use std::time::Duration;

use super::deck::Faults;

/// The caller's name for a deck; to be unique among those that a mixer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// How a deck begins in place of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Over what time the one that plays fades out; both are heard meanwhile. At most 12 s.
    pub fade_out: Duration,
    /// Over what time the new one fades in, at most 12 s; zero for a beginning that is heard
    /// as it is.
    pub fade_in: Duration,
}

impl Default for Begin {
    /// The old one leaves within [`FADE`], the new one is heard from its first sample.
    fn default() -> Self {
        Self { fade_out: FADE, fade_in: Duration::ZERO }
    }
}

/// How a deck follows the one that plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// At the sample at which the other one ends. Packets of Opus behind such a join are encoded anew
    /// until 20 ms of them are silent, as they do not lie on the grid of frames. A gain that both have
    /// in common leaves no step in the level.
    Gapless,
    /// Both are heard over that time, at equal power: at most 12 s, and at most half of the
    /// shorter of the two.
    Crossfade(Duration),
}

/// A fade for what ends in the middle: quick to an ear, and free of clicks.
pub const FADE: Duration = Duration::from_millis(100);

/// How loud all of a mixer's sound is, 0 to 200 %.
///
/// The ear judges loudness by ratios, so the gain is the square of the percentage: 50 % is -12 dB,
/// 100 % leaves the samples alone, 200 % is +12 dB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volume(u8);

impl Volume {
    /// The samples as they are: 100 %.
    pub const UNITY: Self = Self(100);

    /// From a percentage; what is above 200 is taken for 200.
    pub fn from_percent(percent: u8) -> Self {
        Self(percent.min(200))
    }

    /// The percentage.
    pub fn percent(self) -> u8 {
        self.0
    }

    /// What samples are multiplied with, 0 to 4.
    pub fn gain(self) -> f32 {
        (f32::from(self.0) / 100.0).powi(2)
    }
}

impl Default for Volume {
    fn default() -> Self {
        Self::UNITY
    }
}

/// What one pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// One Opus frame of 20 ms.
    Frame,
    /// Nothing: there is nothing to be heard, and the far end has been told by five silent frames.
    /// Mute, and pull again at the next tick.
    Silent,
}

/// What happened while a mixer was pulled.
#[derive(Debug)]
pub enum MixerEvent {
    /// This track is what plays now.
    Began(TrackId),
    /// This track ends within ten seconds and the length of its crossfade, the longest one while
    /// nothing is enqueued; or all of it is read, where it does not say how long it is. Time to prepare
    /// what follows. Told once.
    NearEnd(TrackId),
    /// This track is heard no longer, whether it came to its end or was sent away.
    Ended {
        /// Which one.
        id: TrackId,
        /// Whether it came to its end, as opposed to being replaced, skipped or stopped.
        finished: bool,
        /// What went wrong while it played.
        faults: Faults,
    },
    /// This clip is heard no longer.
    ClipEnded(TrackId),
    /// Nothing plays and nothing is enqueued any more.
    Drained,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_is_a_square_law_around_unity_and_ends_at_200() {
        assert!((Volume::UNITY.gain() - 1.0).abs() < f32::EPSILON);
        assert!((20.0 * Volume::from_percent(50).gain().log10() + 12.04).abs() < 0.01);
        assert_eq!(Volume::from_percent(255), Volume::from_percent(200));
        assert!((Volume::from_percent(200).gain() - 4.0).abs() < f32::EPSILON);
        assert!(Volume::from_percent(0).gain().abs() < f32::EPSILON);
    }
}
