//! How punctual the frames of many tracks come.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const FRAME: Duration = Duration::from_millis(20);
/// A frame on the RTP clock of Opus (RFC 7587 §4.1: 48 kHz).
const FRAME_UNITS: u32 = 960;
/// How finely lateness is kept.
const STEP: Duration = Duration::from_micros(500);
/// How much of it: a quarter of a second. What is later is counted as that.
const STEPS: usize = 500;

/// What came of all tracks.
#[derive(Default)]
pub(crate) struct Punctuality(Mutex<Vec<Arc<Mutex<Watch>>>>);

/// One track, whose packets are noted.
pub(crate) struct Track(Arc<Mutex<Watch>>);

/// How punctual frames were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lateness {
    /// How many came.
    pub(crate) came: u64,
    /// How many of them more than 20 ms late.
    pub(crate) late: u64,
    /// How many slots passed without a frame.
    pub(crate) lost: u64,
    /// Than which 999 in 1000 of them were not later, in milliseconds.
    pub(crate) p999_ms: f64,
}

impl Punctuality {
    /// Another track.
    pub(crate) fn track(&self) -> Track {
        let watch = Arc::default();
        lock(&self.0).push(Arc::clone(&watch));
        Track(watch)
    }

    /// What came of all tracks since this was last asked.
    pub(crate) fn take(&self) -> Lateness {
        let mut whole = Tally::default();
        for watch in &*lock(&self.0) {
            whole.add(&std::mem::take(&mut lock(watch).tally));
        }
        whole.lateness()
    }
}

impl Track {
    /// Notes that the packet of that RTP time came, so long after any one moment.
    pub(crate) fn note(&self, at: Duration, time: u32) {
        lock(&self.0).note(at, time);
    }
}

/// Which slot a track is at.
#[derive(Default)]
struct Watch {
    last: Option<Slot>,
    /// The moment that the first slot began at, by the frame that came earliest of all so far; none comes
    /// before its slot.
    origin: Duration,
    tally: Tally,
}

/// A slot of 20 ms, as the time on the RTP clock at which it begins and as how many there were before.
#[derive(Clone, Copy)]
struct Slot {
    time: u32,
    number: u32,
}

impl Watch {
    fn note(&mut self, at: Duration, time: u32) {
        let Some(last) = self.last else {
            self.last = Some(Slot { time, number: 0 });
            self.origin = at;
            return self.tally.count(Duration::ZERO);
        };
        let slots = time.wrapping_sub(last.time) / FRAME_UNITS;
        // One that came before, once more.
        if slots == 0 || slots > u32::MAX / FRAME_UNITS / 2 {
            return;
        }
        let slot = Slot { time, number: last.number + slots };
        self.last = Some(slot);
        self.tally.lost += u64::from(slots - 1);
        let began = FRAME * slot.number;
        self.origin = self.origin.min(at.saturating_sub(began));
        self.tally.count(at.saturating_sub(self.origin + began));
    }
}

/// What came since it was last asked.
struct Tally {
    came: u64,
    late: u64,
    lost: u64,
    histogram: Box<[u32; STEPS]>,
}

impl Tally {
    fn count(&mut self, lateness: Duration) {
        self.came += 1;
        self.late += u64::from(lateness > FRAME);
        let step = usize::try_from(lateness.as_nanos() / STEP.as_nanos()).unwrap_or(STEPS);
        self.histogram[step.min(STEPS - 1)] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.came += other.came;
        self.late += other.late;
        self.lost += other.lost;
        self.histogram.iter_mut().zip(other.histogram.iter()).for_each(|(all, one)| *all += one);
    }

    fn lateness(&self) -> Lateness {
        let Self { came, late, lost, .. } = *self;
        let rank = (came as f64 * 0.999).ceil() as u64;
        let mut before = 0;
        let step = self.histogram.iter().position(|count| {
            before += u64::from(*count);
            before >= rank
        });
        let p999_ms = (STEP * (step.unwrap_or(STEPS) as u32 + 1)).as_secs_f64() * 1000.0;
        Lateness { came, late, lost, p999_ms }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { came: 0, late: 0, lost: 0, histogram: Box::new([0; STEPS]) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of frames that come so many milliseconds after the first slot, each of its slot.
    fn lateness(frames: &[(u64, u32)]) -> Lateness {
        let punctuality = Punctuality::default();
        let track = punctuality.track();
        for (at_ms, slot) in frames {
            // The clock of RTP runs over within the first second.
            let time = (u32::MAX - 3 * FRAME_UNITS).wrapping_add(slot * FRAME_UNITS);
            track.note(Duration::from_millis(7 + at_ms), time);
        }
        punctuality.take()
    }

    #[test]
    fn frames_in_their_slots_are_neither_late_nor_lost() {
        let frames = [(0, 0), (20, 1), (45, 2), (60, 3), (80, 4), (100, 5)];
        let Lateness { came, late, lost, p999_ms } = lateness(&frames);
        assert_eq!((came, late, lost), (6, 0, 0));
        assert!((p999_ms - 5.5).abs() < 1e-9, "{p999_ms}");
    }

    #[test]
    fn a_first_frame_that_is_late_does_not_hide_how_late_others_are() {
        let frames = [(15, 0), (20, 1), (41, 2), (85, 3)];
        let Lateness { late, p999_ms, .. } = lateness(&frames);
        assert_eq!(late, 1, "the last, by 25 ms");
        assert!((p999_ms - 25.5).abs() < 1e-9, "{p999_ms}");
    }

    #[test]
    fn frames_that_are_caught_up_with_are_late() {
        let late = lateness(&[(0, 0), (61, 1), (61, 2), (61, 3), (80, 4)]);
        assert_eq!((late.came, late.late, late.lost), (5, 2, 0));
    }

    #[test]
    fn slots_without_a_frame_are_lost_and_a_frame_that_comes_twice_counts_once() {
        let lost = lateness(&[(0, 0), (80, 4), (80, 4), (100, 5)]);
        assert_eq!((lost.came, lost.late, lost.lost), (3, 0, 3));
    }

    #[test]
    fn what_was_taken_is_not_told_again() {
        let punctuality = Punctuality::default();
        let track = punctuality.track();
        track.note(Duration::ZERO, 0);
        assert_eq!(punctuality.take().came, 1);
        track.note(FRAME, FRAME_UNITS);
        assert_eq!(punctuality.take().came, 1);
    }
}
