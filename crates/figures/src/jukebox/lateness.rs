//! How punctual sources are asked for their frames.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use phonograph_call::{AudioSource, Pulled};
use serde::{Deserialize, Serialize};

const FRAME: Duration = Duration::from_millis(20);
/// Pulls of one source by which the grid of slots is found: a second.
const SOUNDINGS: usize = 50;
/// Slots that a call catches up with at once; those further back are not sent any more.
const CATCH_UP_MAX: u64 = 5;
/// How finely lateness is kept.
const STEP: Duration = Duration::from_micros(500);
/// How much of it: a quarter of a second. What is later is counted as that.
const STEPS: usize = 500;

/// What all sources of a process have in common, and what came of each.
pub(crate) struct Punctuality {
    began: Instant,
    /// Where the slots of 20 ms begin, after that; the same for all calls of a process.
    phase: OnceLock<Duration>,
    tallies: Mutex<Vec<Arc<Mutex<Tally>>>>,
}

/// How punctual frames were sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lateness {
    /// How many were sent.
    pub(crate) sent: u64,
    /// How many of them more than 20 ms after their slot had begun.
    pub(crate) late: u64,
    /// How many slots passed without a frame.
    pub(crate) lost: u64,
    /// Than which 999 in 1000 of them were not later, in milliseconds.
    pub(crate) p999_ms: f64,
}

/// What came of one source since it was last asked.
struct Tally {
    sent: u64,
    late: u64,
    lost: u64,
    histogram: Box<[u32; STEPS]>,
}

impl Punctuality {
    pub(crate) fn new() -> Arc<Self> {
        let (phase, tallies) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { began: Instant::now(), phase, tallies })
    }

    /// Has a source watched.
    pub(crate) fn watch(self: &Arc<Self>, source: Box<dyn AudioSource>) -> Box<dyn AudioSource> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        lock(&self.tallies).push(Arc::clone(&tally));
        let (shared, watch) = (Arc::clone(self), Watch::default());
        Box::new(Timed { source, shared, watch, tally })
    }

    /// What came of all sources since this was last asked.
    pub(crate) fn take(&self) -> Lateness {
        let mut whole = Tally::default();
        for tally in &*lock(&self.tallies) {
            whole.add(&std::mem::take(&mut *lock(tally)));
        }
        whole.lateness()
    }
}

/// A source under watch.
///
/// Frames are sealed, packetised and sent some microseconds after they were given.
struct Timed {
    source: Box<dyn AudioSource>,
    shared: Arc<Punctuality>,
    watch: Watch,
    /// Locked by somebody else only for the moment in which it is taken.
    tally: Arc<Mutex<Tally>>,
}

impl AudioSource for Timed {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        let asked = self.shared.began.elapsed();
        let pulled = self.source.pull(out);
        let given = self.shared.began.elapsed();
        match self.shared.phase.get() {
            Some(phase) => {
                let is_sent = matches!(pulled, Pulled::Frame(_));
                self.watch.count(*phase, (asked, given), is_sent, &mut lock(&self.tally));
            }
            None => {
                if let Some(phase) = self.watch.sound(asked) {
                    self.shared.phase.get_or_init(|| phase);
                }
            }
        }
        pulled
    }
}

/// Which slot a source is at.
#[derive(Default)]
struct Watch {
    soundings: Vec<Duration>,
    /// The slot after the last one.
    next: Option<u64>,
}

impl Watch {
    /// Notes when it was asked; where the slots begin, once that is known. A source may be asked late but
    /// never early, so the earliest pull is nearest to the truth.
    fn sound(&mut self, asked: Duration) -> Option<Duration> {
        self.soundings.push(asked);
        if self.soundings.len() < SOUNDINGS {
            return None;
        }
        let soundings = std::mem::take(&mut self.soundings);
        // Seen from half a slot before the first one, which none is near.
        let from = (*soundings.first()? + FRAME).saturating_sub(FRAME / 2);
        let into =
            |at: &Duration| nanos((*at + FRAME * 2).saturating_sub(modulo(from))) % nanos(FRAME);
        let earliest = soundings.iter().map(into).min()?;
        Some(modulo(from + Duration::from_nanos(earliest)))
    }

    /// Counts what came of a slot.
    fn count(
        &mut self,
        phase: Duration,
        (asked, given): (Duration, Duration),
        is_sent: bool,
        tally: &mut Tally,
    ) {
        let now = nanos(asked.saturating_sub(phase)) / nanos(FRAME);
        let slot = match self.next {
            Some(next) if next <= now => {
                let slot = next.max(now.saturating_sub(CATCH_UP_MAX));
                tally.lost += slot - next;
                slot
            }
            // Asked before the grid that was found: by less than its error.
            Some(next) => next,
            None => now,
        };
        self.next = Some(slot + 1);
        if is_sent {
            let slot = Duration::from_nanos(slot * nanos(FRAME)) + phase;
            tally.count(given.saturating_sub(slot));
        } else {
            tally.lost += 1;
        }
    }
}

impl Tally {
    fn count(&mut self, lateness: Duration) {
        self.sent += 1;
        self.late += u64::from(lateness > FRAME);
        let step = usize::try_from(nanos(lateness) / nanos(STEP)).unwrap_or(STEPS);
        self.histogram[step.min(STEPS - 1)] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.late += other.late;
        self.lost += other.lost;
        self.histogram.iter_mut().zip(other.histogram.iter()).for_each(|(all, one)| *all += one);
    }

    fn lateness(&self) -> Lateness {
        let Self { sent, late, lost, .. } = *self;
        let rank = (sent as f64 * 0.999).ceil() as u64;
        let mut before = 0;
        let step = self.histogram.iter().position(|count| {
            before += u64::from(*count);
            before >= rank
        });
        let p999_ms = (STEP * (step.unwrap_or(STEPS) as u32 + 1)).as_secs_f64() * 1000.0;
        Lateness { sent, late, lost, p999_ms }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { sent: 0, late: 0, lost: 0, histogram: Box::new([0; STEPS]) }
    }
}

fn modulo(time: Duration) -> Duration {
    Duration::from_nanos(nanos(time) % nanos(FRAME))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASE: Duration = Duration::from_millis(7);

    /// What came of pulls at these times, in milliseconds after the first slot, each of which took one.
    fn tally(pulls: &[(u64, bool)]) -> Tally {
        let (mut watch, mut tally) = (Watch::default(), Tally::default());
        for (asked_ms, is_sent) in pulls {
            let asked = PHASE + Duration::from_millis(*asked_ms);
            let given = asked + Duration::from_millis(1);
            watch.count(PHASE, (asked, given), *is_sent, &mut tally);
        }
        tally
    }

    #[test]
    fn the_grid_is_where_a_source_was_asked_earliest_also_across_its_edge() {
        for edge in [3_u64, 10, 19] {
            let mut watch = Watch::default();
            let asked = |n: u64| Duration::from_millis(1000 + edge + 20 * n + n * 7 % 5);
            let found = (1..=SOUNDINGS as u64).filter_map(|n| watch.sound(asked(n))).last();
            assert_eq!(found, Some(Duration::from_millis(edge)));
        }
    }

    #[test]
    fn frames_in_their_slots_are_neither_late_nor_lost() {
        let Lateness { sent, late, lost, p999_ms } =
            tally(&[(0, true), (20, true), (45, true)]).lateness();
        assert_eq!((sent, late, lost), (3, 0, 0));
        assert!((p999_ms - 6.5).abs() < 1e-9, "{p999_ms}");
    }

    #[test]
    fn frames_that_are_caught_up_with_are_late() {
        let tally = tally(&[(0, true), (60, true), (60, true), (60, true), (80, true)]);
        // The slots at 20 ms and 40 ms were sent 41 ms and 21 ms after they had begun.
        assert_eq!((tally.sent, tally.late, tally.lost), (5, 2, 0));
    }

    #[test]
    fn slots_that_nobody_catches_up_with_and_silent_ones_are_lost() {
        let late = tally(&[(0, true), (200, true)]);
        // Slot 10 it is, and the slots from 5 on are sent.
        assert_eq!((late.sent, late.lost), (2, 4));
        let starved = tally(&[(0, true), (20, false), (40, true)]);
        assert_eq!((starved.sent, starved.lost), (2, 1));
    }
}
