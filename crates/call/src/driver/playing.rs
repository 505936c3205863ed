//! The clock of what we send: one frame for every 20 ms, however late we are called.
//!
//! While a source flows its next frame is made ahead, once what is due has been sent: a worker with many
//! calls first sends for all of them and then encodes for all of them, so that none waits for another's
//! encoder, and what a frame costs to make does not show in when it leaves.

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use phonograph_livekit::Level;

use crate::{
    call::Role,
    source::{AudioSource, Pulled},
};

/// The time that a frame lasts.
const FRAME: Duration = Duration::from_millis(20);
/// Where the slots of all calls begin: they are due together, so that a worker with many calls wakes
/// once for all of them.
static GRID: LazyLock<Instant> = LazyLock::new(Instant::now);
/// A frame on the RTP clock of Opus (RFC 7587 §4.1: 48 kHz).
const FRAME_UNITS: u64 = 960;
/// How many frames are caught up with at once when the worker was late; what lies further back is
/// not sent any more, as it would only come as a burst that receivers throw away.
const CATCH_UP_MAX: u64 = 5;
/// Silence after a source that was stopped, so that receivers' decoders end with it and not with a
/// guess. One that ends by itself has its own.
const TAIL: u8 = 5;
/// An Opus packet of 20 ms of stereo silence (RFC 6716: CELT, fullband, one frame).
const SILENCE: [u8; 3] = [0xfc, 0xff, 0xfe];

/// A frame that is due.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) packet: &'a [u8],
    pub(super) units: u64,
    pub(super) level: Level,
}

/// What plays under each role.
pub(super) struct Sources {
    began: Instant,
    playing: BTreeMap<Role, Playing>,
}

impl Sources {
    pub(super) fn new(now: Instant) -> Self {
        let into_slot = now.saturating_duration_since(*GRID).as_nanos() % FRAME.as_nanos();
        let into_slot = Duration::from_nanos(u64::try_from(into_slot).unwrap_or_default());
        let began = now.checked_sub(into_slot).unwrap_or(now);
        Self { began, playing: BTreeMap::new() }
    }

    /// Plays a source, in the place of what plays under that role.
    pub(super) fn start(&mut self, role: Role, source: Box<dyn AudioSource>, now: Instant) {
        let began = self.began;
        self.playing.entry(role).or_insert_with(|| Playing::new(began)).start(source, now);
    }

    /// Ends what plays under that role.
    pub(super) fn stop(&mut self, role: Role) {
        if let Some(playing) = self.playing.get_mut(&role) {
            playing.stop();
        }
    }

    /// Ends what plays, everywhere.
    pub(super) fn stop_all(&mut self) {
        self.playing.values_mut().for_each(Playing::stop);
    }

    /// Drops what plays under that role, at once.
    pub(super) fn remove(&mut self, role: Role) {
        self.playing.remove(&role);
    }

    /// Under which roles a source plays, or waits to.
    pub(super) fn playing(&self) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.is_playing(*role)).collect()
    }

    fn is_playing(&self, role: Role) -> bool {
        self.playing.get(&role).is_some_and(Playing::is_playing)
    }

    /// When the next frame is due, if there is one.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.playing.values().filter_map(Playing::next_tick).min()
    }

    /// Lets time pass without a frame; the sources wait.
    pub(super) fn skip(&mut self, now: Instant) {
        self.playing.values_mut().for_each(|playing| playing.skip(now));
    }

    /// Whether a frame can be made ahead.
    pub(super) fn can_prepare(&self) -> bool {
        self.playing.values().any(Playing::can_prepare)
    }

    /// Makes the next frames ahead.
    pub(super) fn prepare(&mut self) {
        self.playing.values_mut().for_each(Playing::prepare);
    }

    /// Hands out every frame that is due by now.
    pub(super) fn each_due(&mut self, now: Instant, mut send: impl FnMut(Role, Frame<'_>)) {
        for (role, playing) in &mut self.playing {
            while let Some(frame) = playing.frame(now) {
                send(*role, frame);
            }
        }
    }

    /// A role whose source has ended since this was last asked.
    pub(super) fn take_ended(&mut self) -> Option<Role> {
        let mut playing = self.playing.iter_mut();
        playing.find_map(|(role, playing)| playing.take_ended().then_some(*role))
    }
}

/// The source that plays, and its clock.
struct Playing {
    source: Option<Box<dyn AudioSource>>,
    tail: u8,
    ended: bool,
    began: Instant,
    /// The slot of 20 ms that comes next.
    next: u64,
    packet: Vec<u8>,
    /// What the source gave for the next slot, if it was asked ahead.
    ahead: Option<Pulled>,
    /// Whether it gave a frame when it was asked last. One that does not is asked when the slot has come: it
    /// is heard as soon as it has something.
    flows: bool,
}

impl Playing {
    fn new(now: Instant) -> Self {
        Self {
            source: None,
            tail: 0,
            ended: false,
            began: now,
            next: 0,
            packet: Vec::new(),
            ahead: None,
            flows: false,
        }
    }

    /// Plays a source, in the place of what plays.
    fn start(&mut self, source: Box<dyn AudioSource>, now: Instant) {
        if self.next_tick().is_none() {
            // The time in which nothing played is not made up for.
            self.skip(now);
        }
        self.source = Some(source);
        self.ended = false;
        self.forget_ahead();
    }

    /// Ends what plays.
    fn stop(&mut self) {
        if self.source.take().is_some() {
            self.tail = TAIL;
        }
        self.forget_ahead();
    }

    fn forget_ahead(&mut self) {
        self.ahead = None;
        self.flows = false;
    }

    /// Whether a source plays, or waits to.
    fn is_playing(&self) -> bool {
        self.source.is_some()
    }

    /// When the next frame is due, if there is one.
    fn next_tick(&self) -> Option<Instant> {
        let plays = self.source.is_some() || self.tail > 0;
        plays.then(|| self.began + FRAME * u32::try_from(self.next).unwrap_or(u32::MAX))
    }

    /// Lets time pass without a frame; the source waits.
    fn skip(&mut self, now: Instant) {
        self.next = self.next.max(self.slot(now));
    }

    /// Whether the next frame can be made ahead.
    fn can_prepare(&self) -> bool {
        self.flows && self.ahead.is_none() && self.source.is_some()
    }

    /// Makes the next frame ahead.
    fn prepare(&mut self) {
        if self.can_prepare() {
            self.ahead = Some(self.pull()).filter(|pulled| *pulled != Pulled::Ended);
        }
    }

    /// The next frame that is due by now.
    fn frame(&mut self, now: Instant) -> Option<Frame<'_>> {
        let slot = self.slot(now);
        while self.next <= slot {
            self.next = self.next.max(slot.saturating_sub(CATCH_UP_MAX));
            let units = self.next * FRAME_UNITS;
            let pulled = match self.ahead.take() {
                Some(pulled) => pulled,
                None => self.pull(),
            };
            let level = match pulled {
                Pulled::Frame(level) => level,
                Pulled::Starved => {
                    self.next += 1;
                    continue;
                }
                Pulled::Ended => return None,
            };
            self.next += 1;
            return Some(Frame { packet: &self.packet, units, level });
        }
        None
    }

    /// Whether the source has ended since this was last asked.
    fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// Fills the packet; `Ended` also if nothing plays.
    fn pull(&mut self) -> Pulled {
        self.packet.clear();
        if let Some(source) = &mut self.source {
            let pulled = source.pull(&mut self.packet);
            self.flows = matches!(pulled, Pulled::Frame(_));
            if pulled == Pulled::Ended {
                self.source = None;
                self.ended = true;
            }
            return pulled;
        }
        let Some(left) = self.tail.checked_sub(1) else { return Pulled::Ended };
        self.tail = left;
        self.packet.extend_from_slice(&SILENCE);
        Pulled::Frame(Level::Silent)
    }

    fn slot(&self, now: Instant) -> u64 {
        let elapsed = now.duration_since(self.began).as_millis() / FRAME.as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    };

    use super::*;

    /// Whatever a function gives.
    struct Given<F>(F);

    impl<F: FnMut(&mut Vec<u8>) -> Pulled + Send> AudioSource for Given<F> {
        fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
            self.0(out)
        }
    }

    /// Gives that many frames, each with its number, then ends.
    struct Count(u8, u8);

    impl AudioSource for Count {
        fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
            if self.0 == self.1 {
                return Pulled::Ended;
            }
            out.push(self.0);
            self.0 += 1;
            Pulled::Frame(Level::Below(10))
        }
    }

    fn frames(playing: &mut Playing, now: Instant) -> Vec<(u8, u64)> {
        let mut frames = Vec::new();
        while let Some(frame) = playing.frame(now) {
            frames.push((frame.packet[0], frame.units / FRAME_UNITS));
        }
        frames
    }

    #[test]
    fn a_frame_is_due_every_20_ms() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 100)), start);
        assert_eq!(frames(&mut playing, start), [(0, 0)]);
        assert_eq!(frames(&mut playing, start + FRAME / 2), []);
        assert_eq!(playing.next_tick(), Some(start + FRAME));
        assert_eq!(frames(&mut playing, start + FRAME * 3), [(1, 1), (2, 2), (3, 3)]);
    }

    /// Says when it is asked, and gives nothing at first.
    struct Asked(Arc<AtomicU8>, u8);

    impl AudioSource for Asked {
        fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            if number < self.1 {
                return Pulled::Starved;
            }
            out.push(number);
            Pulled::Frame(Level::Below(10))
        }
    }

    #[test]
    fn a_frame_that_was_made_ahead_leaves_in_its_slot() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 100)), start);
        assert_eq!(frames(&mut playing, start), [(0, 0)]);
        playing.prepare();
        assert!(!playing.can_prepare(), "one is enough");
        assert_eq!(frames(&mut playing, start + FRAME / 2), []);
        assert_eq!(frames(&mut playing, start + FRAME * 2), [(1, 1), (2, 2)]);
    }

    #[test]
    fn a_source_that_has_nothing_yet_is_asked_once_in_each_slot_and_not_ahead() {
        let start = Instant::now();
        let asked = Arc::new(AtomicU8::new(0));
        let mut playing = Playing::new(start);
        playing.start(Box::new(Asked(Arc::clone(&asked), 2)), start);
        for slot in 0..2 {
            assert_eq!(frames(&mut playing, start + FRAME * slot), []);
            playing.prepare();
            assert_eq!(u32::from(asked.load(Ordering::Relaxed)), slot + 1);
        }
        assert_eq!(frames(&mut playing, start + FRAME * 2), [(2, 2)]);
        playing.prepare();
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_source_that_had_nothing_when_it_was_asked_ahead_is_silent_in_that_slot() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        let mut number = 0_u8;
        let pull = move |out: &mut Vec<u8>| {
            number += 1;
            out.push(number);
            if number == 2 { Pulled::Starved } else { Pulled::Frame(Level::Below(10)) }
        };
        playing.start(Box::new(Given(pull)), start);
        assert_eq!(frames(&mut playing, start), [(1, 0)]);
        playing.prepare();
        assert_eq!(frames(&mut playing, start + FRAME), []);
        assert_eq!(frames(&mut playing, start + FRAME * 2), [(3, 2)]);
    }

    #[test]
    fn what_was_made_ahead_is_not_heard_after_its_source() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 100)), start);
        assert_eq!(frames(&mut playing, start), [(0, 0)]);
        playing.prepare();
        playing.start(Box::new(Count(50, 100)), start);
        assert_eq!(frames(&mut playing, start + FRAME), [(50, 1)]);
        playing.prepare();
        playing.stop();
        assert_eq!(frames(&mut playing, start + FRAME * 2), [(SILENCE[0], 2)]);
    }

    #[test]
    fn an_end_that_is_found_ahead_is_told_once() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 1)), start);
        assert_eq!(frames(&mut playing, start), [(0, 0)]);
        playing.prepare();
        assert!(playing.take_ended());
        assert!(!playing.take_ended());
        assert_eq!(playing.next_tick(), None);
        assert_eq!(frames(&mut playing, start + FRAME), []);
    }

    #[test]
    fn a_long_delay_is_not_made_up_for() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 100)), start);
        let slots: Vec<u64> =
            frames(&mut playing, start + FRAME * 50).into_iter().map(|(_, slot)| slot).collect();
        assert_eq!(slots, [45, 46, 47, 48, 49, 50]);
    }

    #[test]
    fn while_nothing_may_be_sent_the_source_waits_and_time_runs_on() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 100)), start);
        playing.skip(start + FRAME * 10);
        assert_eq!(frames(&mut playing, start + FRAME * 10), [(0, 10)]);
    }

    #[test]
    fn a_source_that_begins_after_a_pause_begins_with_one_frame() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        let later = start + FRAME * 50;
        assert_eq!(frames(&mut playing, later), []);
        playing.start(Box::new(Count(0, 100)), later);
        assert_eq!(frames(&mut playing, later), [(0, 50)]);
    }

    #[test]
    fn the_end_of_a_source_is_told_once() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 1)), start);
        assert_eq!(frames(&mut playing, start + FRAME * 5), [(0, 0)]);
        assert!(playing.take_ended());
        assert!(!playing.take_ended());
        assert_eq!(playing.next_tick(), None);
    }

    #[test]
    fn a_source_that_is_stopped_ends_in_silence() {
        let start = Instant::now();
        let mut playing = Playing::new(start);
        playing.start(Box::new(Count(0, 100)), start);
        assert_eq!(frames(&mut playing, start).len(), 1);
        playing.stop();
        let sent: Vec<u8> = (1..20)
            .flat_map(|n| frames(&mut playing, start + FRAME * n))
            .map(|(byte, _)| byte)
            .collect();
        assert_eq!(sent, [SILENCE[0]; TAIL as usize]);
        assert_eq!(playing.next_tick(), None);
    }
}
