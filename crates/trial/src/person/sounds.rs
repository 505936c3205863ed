//! When somebody was heard, and when not.

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::sound::Gap;

/// When a participant was heard, from the first of its streams to now.
#[derive(Clone, Debug, Deserialize)]
pub struct Sounds {
    /// When this was asked, milliseconds since 1970. Sound that goes on ends here, although it may
    /// have ended up to 100 ms before: a pause is one when it has been that long, or is over.
    #[serde(rename = "now")]
    pub now_ms: u64,
    /// Each stretch of sound of each stream, as the streams came. Beyond two thousand of a stream,
    /// the oldest are forgotten.
    pub sounds: Vec<Sound>,
}

/// A stretch of sound of one stream: above -40 dBFS, without a pause of 20 ms.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Sound {
    /// When it began, milliseconds since 1970.
    #[serde(rename = "from")]
    pub from_ms: u64,
    /// When it ended. After a pause of less than 5 s within a stream, the pause is as long as it
    /// was in samples, whatever the machine's clock says.
    #[serde(rename = "to")]
    pub to_ms: u64,
}

impl Sounds {
    /// When nothing of the participant was heard between two times, milliseconds since 1970, in
    /// order. What one stream lacks and another one has is no gap.
    ///
    /// # Errors
    ///
    /// Where the second time was not there yet.
    pub fn gaps(&self, from_ms: u64, to_ms: u64) -> Result<Vec<Gap>> {
        ensure!(to_ms <= self.now_ms, "{to_ms} is {} ms away", to_ms - self.now_ms);
        let mut sounds = self.sounds.clone();
        sounds.sort_by_key(|sound| sound.from_ms);
        let mut gaps = Vec::new();
        let mut heard_to = from_ms;
        let end = Sound { from_ms: to_ms, to_ms };
        for sound in sounds.into_iter().filter(|sound| sound.from_ms < to_ms).chain([end]) {
            if sound.from_ms > heard_to {
                gaps.push(Gap { at_ms: heard_to, length_ms: sound.from_ms - heard_to });
            }
            heard_to = heard_to.max(sound.to_ms);
        }
        Ok(gaps)
    }

    /// The longest of those gaps in milliseconds; 0 where there is none.
    ///
    /// # Errors
    ///
    /// As [`Sounds::gaps`].
    pub fn longest_gap_ms(&self, from_ms: u64, to_ms: u64) -> Result<u64> {
        let gaps = self.gaps(from_ms, to_ms)?;
        Ok(gaps.iter().map(|gap| gap.length_ms).max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_what_no_stream_has() {
        let sounds = sounds(&[(100, 200), (250, 400), (150, 240), (380, 500)]);
        assert_eq!(gaps(&sounds, 100, 500), [(240, 10)]);
        assert_eq!(sounds.longest_gap_ms(100, 500).expect("a time that was"), 10);
    }

    #[test]
    fn the_beginning_and_the_end_of_the_time_count() {
        let sounds = sounds(&[(100, 200), (250, 400)]);
        assert_eq!(gaps(&sounds, 50, 600), [(50, 50), (200, 50), (400, 200)]);
        assert_eq!(gaps(&sounds, 210, 240), [(210, 30)]);
        assert_eq!(gaps(&sounds, 110, 190), []);
        assert_eq!(gaps(&sounds, 500, 900), [(500, 400)]);
    }

    #[test]
    fn one_who_was_never_heard_is_one_gap() {
        assert_eq!(gaps(&sounds(&[]), 100, 500), [(100, 400)]);
    }

    #[test]
    fn nobody_knows_what_will_be_heard() {
        assert!(sounds(&[]).gaps(100, 1001).is_err());
    }

    fn sounds(of: &[(u64, u64)]) -> Sounds {
        let sound = |&(from_ms, to_ms): &(u64, u64)| Sound { from_ms, to_ms };
        Sounds { now_ms: 1000, sounds: of.iter().map(sound).collect() }
    }

    fn gaps(sounds: &Sounds, from_ms: u64, to_ms: u64) -> Vec<(u64, u64)> {
        let gaps = sounds.gaps(from_ms, to_ms).expect("a time that was");
        gaps.iter().map(|gap| (gap.at_ms, gap.length_ms)).collect()
    }
}
