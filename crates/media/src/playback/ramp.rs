//! Gains that change without a click.

use std::f32::consts::FRAC_PI_2;

/// A gain on its way to another one, in a straight line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    left: usize,
}

impl Ramp {
    pub(crate) fn at(value: f32) -> Self {
        Self { value, target: value, step: 0.0, left: 0 }
    }

    /// Goes to another value over so many samples, from wherever it is.
    pub(crate) fn go(&mut self, target: f32, samples: usize) {
        self.target = target;
        self.left = samples;
        self.step = (target - self.value) / samples.max(1) as f32;
        if samples == 0 {
            self.value = target;
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.left == 0
    }

    /// Whether it stays at this value.
    pub(crate) fn rests_at(&self, value: f32) -> bool {
        self.left == 0 && (self.value - value).abs() < f32::EPSILON
    }

    pub(crate) fn target(&self) -> f32 {
        self.target
    }

    fn next(&mut self) -> f32 {
        if self.left > 0 {
            self.left -= 1;
            self.value = if self.left == 0 { self.target } else { self.value + self.step };
        }
        self.value
    }

    /// Multiplies stereo samples by the gain.
    pub(crate) fn apply(&mut self, stereo: &mut [f32]) {
        self.shape(stereo, |value| value);
    }

    /// Multiplies stereo samples by a quarter of a sine over the value: two of them that run against
    /// each other keep the power of what they fade between.
    pub(crate) fn apply_equal_power(&mut self, stereo: &mut [f32]) {
        self.shape(stereo, |value| (value * FRAC_PI_2).sin());
    }

    fn shape(&mut self, stereo: &mut [f32], shape: impl Fn(f32) -> f32) {
        if self.rests_at(1.0) {
            return;
        }
        if self.is_settled() {
            let gain = shape(self.value);
            for sample in stereo {
                *sample *= gain;
            }
            return;
        }
        for frame in stereo.chunks_exact_mut(2) {
            let gain = shape(self.next());
            frame[0] *= gain;
            frame[1] *= gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_ends_exactly_where_it_was_sent_and_turns_without_a_step() {
        let mut ramp = Ramp::at(1.0);
        ramp.go(0.0, 10);
        let mut stereo = [1.0; 10];
        ramp.apply(&mut stereo);
        assert!((stereo[9] - 0.5).abs() < 1e-6);
        ramp.go(1.0, 5);
        ramp.apply(&mut stereo[..2]);
        assert!((ramp.value - 0.6).abs() < 1e-6);
        ramp.apply(&mut [0.0; 20]);
        assert!(ramp.rests_at(1.0));
    }

    #[test]
    fn two_fades_against_each_other_keep_the_power() {
        let (mut rising, mut falling) = (Ramp::at(0.0), Ramp::at(1.0));
        rising.go(1.0, 100);
        falling.go(0.0, 100);
        for _ in 0..100 {
            let (mut up, mut down) = ([1.0; 2], [1.0; 2]);
            rising.apply_equal_power(&mut up);
            falling.apply_equal_power(&mut down);
            assert!((up[0].powi(2) + down[0].powi(2) - 1.0).abs() < 1e-4);
        }
    }
}
