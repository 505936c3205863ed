//! Any channel layout down (or up) to stereo.
//!
//! The weights are those of ITU-R BS.775-4, table 2: centre and surrounds at -3 dB, a rear centre
//! at -6 dB, no LFE. Where the sum of a row is above one the whole matrix is scaled down, so that
//! no mix can clip that did not clip before. A mono source comes out at its own level on both sides.

use std::f32::consts::FRAC_1_SQRT_2;

use symphonia::core::audio::{Channels, Position};

/// How much of each source channel goes to the left and to the right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Downmix {
    weights: Vec<[f32; 2]>,
}

impl Downmix {
    /// For the positions of the source's channels, in the order of its samples.
    pub(crate) fn new(positions: &[Position]) -> Self {
        let mut weights: Vec<[f32; 2]> = match positions.len() {
            1 => vec![[1.0, 1.0]],
            2 => vec![[1.0, 0.0], [0.0, 1.0]],
            _ => positions.iter().map(|&position| weight(position)).collect(),
        };
        let sum = |side: usize| weights.iter().map(|weight| weight[side]).sum::<f32>();
        let loudest = sum(0).max(sum(1));
        if loudest > 1.0 && weights.len() > 1 {
            weights.iter_mut().flatten().for_each(|weight| *weight /= loudest);
        }
        Self { weights }
    }

    /// For a layout as symphonia names it.
    pub(crate) fn for_channels(channels: &Channels) -> Self {
        Self::new(&positions(channels))
    }

    pub(crate) fn channels(&self) -> usize {
        self.weights.len()
    }

    /// Appends the stereo mix of interleaved samples.
    pub(crate) fn mix(&self, interleaved: &[f32], stereo: &mut Vec<f32>) {
        // Nearly all music is stereo, and costs no sums.
        if self.weights == [[1.0, 0.0], [0.0, 1.0]] {
            stereo.extend(interleaved.iter().map(|sample| sane(*sample)));
            return;
        }
        for frame in interleaved.chunks_exact(self.weights.len()) {
            let (mut left, mut right) = (0.0, 0.0);
            for (&sample, weight) in frame.iter().zip(&self.weights) {
                let sample = sane(sample);
                left += sample * weight[0];
                right += sample * weight[1];
            }
            stereo.extend([left, right]);
        }
    }
}

/// Files of floating point samples may hold anything, and one NaN would stay in the filters of
/// the resampler and the encoder for good. Four is 12 dB above full scale.
fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-4.0, 4.0) } else { 0.0 }
}

fn weight(position: Position) -> [f32; 2] {
    const LEFT: Position =
        Position::FRONT_LEFT.union(Position::FRONT_LEFT_CENTER).union(Position::FRONT_LEFT_WIDE);
    const RIGHT: Position =
        Position::FRONT_RIGHT.union(Position::FRONT_RIGHT_CENTER).union(Position::FRONT_RIGHT_WIDE);
    const AROUND_LEFT: Position = Position::REAR_LEFT
        .union(Position::SIDE_LEFT)
        .union(Position::TOP_FRONT_LEFT)
        .union(Position::TOP_REAR_LEFT)
        .union(Position::TOP_SIDE_LEFT)
        .union(Position::BOTTOM_FRONT_LEFT);
    const AROUND_RIGHT: Position = Position::REAR_RIGHT
        .union(Position::SIDE_RIGHT)
        .union(Position::TOP_FRONT_RIGHT)
        .union(Position::TOP_REAR_RIGHT)
        .union(Position::TOP_SIDE_RIGHT)
        .union(Position::BOTTOM_FRONT_RIGHT);
    const LOW: Position = Position::LFE1.union(Position::LFE2);

    if LEFT.contains(position) {
        [1.0, 0.0]
    } else if RIGHT.contains(position) {
        [0.0, 1.0]
    } else if position == Position::FRONT_CENTER {
        [FRAC_1_SQRT_2, FRAC_1_SQRT_2]
    } else if AROUND_LEFT.contains(position) {
        [FRAC_1_SQRT_2, 0.0]
    } else if AROUND_RIGHT.contains(position) {
        [0.0, FRAC_1_SQRT_2]
    } else if LOW.contains(position) {
        [0.0, 0.0]
    } else {
        // What is left is in the middle, behind or above.
        [0.5, 0.5]
    }
}

/// Where each channel stands; without a word from the file, in the order of WAVE files.
fn positions(channels: &Channels) -> Vec<Position> {
    let named = match channels {
        Channels::Positioned(positions) => *positions,
        // The enum is symphonia's and open: whatever else it says, the count is what we know.
        _ => u32::try_from(channels.count())
            .ok()
            .and_then(Position::from_wave_channel_count)
            .unwrap_or(Position::empty()),
    };
    let mut positions: Vec<Position> = named.iter().collect();
    // More channels than there are names: the nameless are in the middle.
    positions.resize(channels.count(), Position::TOP_CENTER);
    positions
}

#[cfg(test)]
mod tests {
    use symphonia::core::audio::layouts;

    use super::*;

    fn mix(channels: &Channels, interleaved: &[f32]) -> Vec<f32> {
        let mut stereo = Vec::new();
        Downmix::for_channels(channels).mix(interleaved, &mut stereo);
        stereo
    }

    #[test]
    fn mono_is_heard_at_its_level_on_both_sides() {
        assert_eq!(mix(&layouts::CHANNEL_LAYOUT_MONO, &[0.5, -0.25]), [0.5, 0.5, -0.25, -0.25]);
    }

    #[test]
    fn stereo_is_untouched() {
        assert_eq!(mix(&layouts::CHANNEL_LAYOUT_STEREO, &[0.5, -0.25]), [0.5, -0.25]);
        assert_eq!(mix(&Channels::Discrete(2), &[0.5, -0.25]), [0.5, -0.25]);
    }

    #[test]
    fn surround_keeps_its_sides_apart_and_cannot_clip() {
        let layout = &layouts::CHANNEL_LAYOUT_5P1;
        // FL FR FC LFE RL RR
        let left = mix(layout, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(left[0] > 0.7 && left[1] == 0.0, "{left:?}");
        let centre = mix(layout, &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(centre[0] > 0.2 && (centre[0] - centre[1]).abs() < 1e-6, "{centre:?}");
        assert_eq!(mix(layout, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), [0.0, 0.0]);
        let all = mix(layout, &[1.0; 6]);
        assert!(all.iter().all(|sample| (0.99..=1.000_001).contains(sample)), "{all:?}");
    }

    #[test]
    fn samples_that_are_no_numbers_are_silence() {
        let stereo = [f32::NAN, f32::INFINITY];
        assert_eq!(mix(&layouts::CHANNEL_LAYOUT_STEREO, &stereo), [0.0, 0.0]);
    }
}
