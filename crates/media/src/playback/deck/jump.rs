//! From the packet at which a demuxer lands to the sample that was asked for.

use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::super::encode::RATE_HZ;
use super::super::queue::Jump;
use super::super::reader::Batch;
use super::super::resample::Resampler;
use super::{BLOCK, Deck};

/// Over how many samples the sound before a jump goes over into that behind it: 10 ms.
const SPLICE_SAMPLES: usize = 480;

/// A place to be reached by decoding what comes before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Landing {
    /// The time stamp of the first sample to be heard.
    target: i64,
    /// The unit of time stamps, in seconds.
    time_base: TimeBase,
    /// How many packets may still come before it.
    packets_left: u32,
}

/// How many packets may come before the place: 240 ms of Opus in packets of 2.5 ms are 96. Behind them it
/// counts as reached, so that time stamps that lie cost no tick seconds of decoding.
const PACKETS_MAX: u32 = 200;

impl Landing {
    pub(super) fn new(target: i64, time_base: TimeBase) -> Self {
        Self { target, time_base, packets_left: PACKETS_MAX }
    }

    /// How many samples at this rate lie between the first that a packet gives and the target; none
    /// if the packet comes later. A decoder that trims by itself leaves out the packet's beginning.
    pub(super) fn early(&mut self, packet: &Packet, is_trimmed: bool, rate_hz: u32) -> u64 {
        let Some(left) = self.packets_left.checked_sub(1) else { return 0 };
        self.packets_left = left;
        let trim = if is_trimmed { packet.trim_start.get() } else { 0 };
        let from = packet.pts.get().saturating_add_unsigned(trim);
        let Ok(early) = u128::try_from(self.target.saturating_sub(from)) else { return 0 };
        let numer = u128::from(self.time_base.numer.get()) * u128::from(rate_hz);
        u64::try_from(early * numer / u128::from(self.time_base.denom.get())).unwrap_or(u64::MAX)
    }
}

impl Deck {
    /// Goes on at another place.
    pub(super) fn jump(&mut self, jump: Jump, batch: Batch) {
        // What would have been heard next, so that the way over is no step.
        if self.packets.is_sending {
            self.packets.is_sending = false;
            self.decode_again();
        }
        let heard = self.warm_up * BLOCK;
        let begun = self.packets.taken > 0 || self.played > 0;
        if begun {
            let _ = self.fill(heard + SPLICE_SAMPLES, false);
        }
        let mut before = self.pcm.front(heard + SPLICE_SAMPLES).to_vec();
        let tail = before.split_off(before.len().min(2 * heard));

        let Jump { decoder, start, target, time_base, position } = jump;
        let rate_hz = self.resampler.rate_hz();
        // A resampler of this rate was made before.
        if let Ok(resampler) = Resampler::new(rate_hz) {
            self.resampler = resampler;
        }
        self.decoder = decoder;
        self.trim = start.trim;
        self.packets.restart(&start);
        self.info.passes_through = self.packets.are_passable;
        *self.start = start;
        self.landing = Some(Landing::new(target, time_base));
        self.bad_in_a_row = 0;
        self.is_drained = false;
        self.queue = batch.queue;
        self.all_fed = batch.ended;
        self.faults.truncated |= batch.truncated;
        self.pcm.clear();
        self.pcm.push(&before);
        self.lead = before.len() / 2;
        let samples = position.as_micros() * u128::from(RATE_HZ) / 1_000_000;
        self.played = i64::try_from(samples).unwrap_or(i64::MAX);
        let over = self.lead + tail.len() / 2;
        let _ = self.fill(over, false);
        splice(self.pcm.front_mut(over), before.len(), &tail);
    }
}

/// Lets what comes before a jump fade out over what comes behind it.
fn splice(front: &mut [f32], start: usize, tail: &[f32]) {
    let len = tail.len() as f32;
    for (n, (new, old)) in front.iter_mut().skip(start).zip(tail).enumerate() {
        let share = (n / 2 * 2) as f32 / len;
        *new = *new * share + old * (1.0 - share);
    }
}

#[cfg(test)]
mod tests {
    use symphonia::core::units::{Duration, Timestamp};

    use super::*;

    /// A packet of 20 ms at this time, in units of a millisecond.
    fn packet(at_ms: i64) -> Packet {
        Packet::new(0, Timestamp::new(at_ms), Duration::new(20), [0_u8; 4])
    }

    fn landing(target_ms: i64) -> Landing {
        Landing::new(target_ms, TimeBase::try_from_recip(1000).expect("milliseconds"))
    }

    #[test]
    fn what_comes_before_the_place_is_told_in_samples_of_the_decoder() {
        let mut landing = landing(1_015);
        assert_eq!(landing.early(&packet(980), true, 44_100), 35 * 441 / 10);
        assert_eq!(landing.early(&packet(1_000), true, 48_000), 720);
        assert_eq!(landing.early(&packet(1_020), true, 48_000), 0, "it is there already");
        let mut trimmed = packet(1_000);
        trimmed.trim_start = Duration::new(5);
        assert_eq!(landing.early(&trimmed, true, 48_000), 480);
        assert_eq!(landing.early(&trimmed, false, 48_000), 720);
    }

    #[test]
    fn a_place_that_is_never_reached_counts_as_reached_after_200_packets() {
        let mut landing = landing(i64::MAX);
        for _ in 0..PACKETS_MAX {
            assert!(landing.early(&packet(i64::MIN), true, 768_000) > 0);
        }
        assert_eq!(landing.early(&packet(i64::MIN), true, 768_000), 0);
    }
}
