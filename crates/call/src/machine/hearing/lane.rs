//! One track that we receive: what is held for a key, and what cannot be decrypted.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use phonograph_frame::crypto::{KeyRing, OpenError};
use phonograph_livekit::Frame as Encoded;

use super::Said;
use crate::track::{Frame, TrackId, Undecryptable};

/// How long a frame waits for its key, and after how long its lack is shown.
const HOLD: Duration = Duration::from_secs(2);
/// How often another reason is shown.
const SHOWN_EACH: Duration = Duration::from_secs(1);
/// Frames held at most: two seconds of the quickest sound (2.5 ms a frame would be four times as many;
/// Element Call sends 20 ms).
const HELD_MAX: usize = 256;
/// Their bytes at most: two seconds of a picture at 8 Mbit/s.
const HELD_BYTES_MAX: usize = 2 << 20;

#[derive(Debug, Default)]
pub(super) struct Lane {
    held: VecDeque<Encoded>,
    held_bytes: usize,
    /// Frames that were given up, to be counted in the next one handed on.
    lost: u32,
    trouble: Option<Trouble>,
    out: VecDeque<Out>,
}

#[derive(Debug)]
enum Out {
    Frame(Frame),
    Undecryptable(Option<Undecryptable>),
}

/// What keeps frames from being handed on.
#[derive(Debug)]
struct Trouble {
    why: Undecryptable,
    since: Instant,
    shown: Option<Undecryptable>,
    shown_at: Option<Instant>,
    /// Whether its owner was asked for the key.
    asked: bool,
}

impl Lane {
    /// Hands on a frame that needs no key.
    pub(super) fn pass(&mut self, mut frame: Encoded) {
        let data = std::mem::take(&mut frame.data);
        self.hand_on(&frame, data);
    }

    /// Drops a frame that must not be handed on, whatever key there is.
    pub(super) fn refuse(&mut self, frame: &Encoded, why: Undecryptable, now: Instant) {
        self.lost = self.lost.saturating_add(frame.lost).saturating_add(1);
        self.trouble(why, now);
    }

    /// Decrypts a frame, or holds it until its key comes.
    pub(super) fn open(&mut self, ring: &mut KeyRing, frame: Encoded, now: Instant) {
        let mut data = Vec::with_capacity(frame.data.len());
        match ring.open(frame.codec, &frame.data, &mut data) {
            Ok(_) => {
                // A later key is in use: those that wait for an earlier one would come too late.
                self.give_up_held(|_| true);
                self.hand_on(&frame, data);
            }
            Err(OpenError::MissingKey { .. }) => self.hold(frame, Undecryptable::MissingKey, now),
            Err(OpenError::WrongKey { .. }) => self.hold(frame, Undecryptable::WrongKey, now),
            Err(_) => self.refuse(&frame, Undecryptable::InClear, now),
        }
    }

    /// Decrypts what is held, after a key came. What comes before a frame that opens is given up.
    pub(super) fn retry(&mut self, ring: &mut KeyRing, now: Instant) {
        self.drop_old(now);
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        for frame in held {
            self.open_held(ring, frame);
        }
    }

    fn open_held(&mut self, ring: &mut KeyRing, frame: Encoded) {
        let mut data = Vec::with_capacity(frame.data.len());
        if ring.open(frame.codec, &frame.data, &mut data).is_ok() {
            self.give_up_held(|_| true);
            self.hand_on(&frame, data);
        } else {
            self.held_bytes += frame.data.len();
            self.held.push_back(frame);
        }
    }

    fn hold(&mut self, frame: Encoded, why: Undecryptable, now: Instant) {
        self.held_bytes += frame.data.len();
        self.held.push_back(frame);
        self.drop_old(now);
        while self.held.len() > HELD_MAX || self.held_bytes > HELD_BYTES_MAX {
            self.give_up_first();
        }
        self.trouble(why, now);
    }

    fn drop_old(&mut self, now: Instant) {
        self.give_up_held(|frame| now.saturating_duration_since(frame.arrival) > HOLD);
    }

    fn give_up_held(&mut self, which: impl Fn(&Encoded) -> bool) {
        while self.held.front().is_some_and(&which) {
            self.give_up_first();
        }
    }

    fn give_up_first(&mut self) {
        if let Some(frame) = self.held.pop_front() {
            self.held_bytes -= frame.data.len();
            self.lost = self.lost.saturating_add(frame.lost).saturating_add(1);
        }
    }

    fn hand_on(&mut self, frame: &Encoded, data: Vec<u8>) {
        if self.trouble.take().is_some_and(|trouble| trouble.shown.is_some()) {
            self.out.push_back(Out::Undecryptable(None));
        }
        let lost = std::mem::take(&mut self.lost).saturating_add(frame.lost);
        self.out.push_back(Out::Frame(Frame {
            data,
            codec: frame.codec,
            units: frame.units,
            arrival: frame.arrival,
            captured: frame.captured,
            lost,
        }));
    }

    fn trouble(&mut self, why: Undecryptable, now: Instant) {
        let trouble = self.trouble.get_or_insert(Trouble {
            why,
            since: now,
            shown: None,
            shown_at: None,
            asked: false,
        });
        trouble.why = why;
        self.show(now);
    }

    fn show(&mut self, now: Instant) {
        let Some(trouble) = &mut self.trouble else { return };
        if trouble.show_at().is_some_and(|at| at <= now) {
            trouble.shown = Some(trouble.why);
            trouble.shown_at = Some(now);
            self.out.push_back(Out::Undecryptable(trouble.shown));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.drop_old(now);
        self.show(now);
    }

    /// Whether a key has been missing, or wrong, for that long; answers so once.
    pub(super) fn take_missing_for(&mut self, long: Duration, now: Instant) -> bool {
        let Some(trouble) = &mut self.trouble else { return false };
        let due = trouble.is_of_a_key()
            && !trouble.asked
            && now.saturating_duration_since(trouble.since) >= long;
        trouble.asked |= due;
        due
    }

    pub(super) fn poll_timeout(&self, ask_after: Duration) -> Option<Instant> {
        let trouble = self.trouble.as_ref()?;
        let show = trouble.show_at();
        let ask = (trouble.is_of_a_key() && !trouble.asked).then(|| trouble.since + ask_after);
        show.into_iter().chain(ask).min()
    }

    /// Whether something keeps frames from being handed on.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Moves what there is to tell into `said`.
    pub(super) fn drain(&mut self, id: &TrackId, said: &mut VecDeque<Said>) {
        said.extend(self.out.drain(..).map(|out| match out {
            Out::Frame(frame) => Said::Frame(id.clone(), frame),
            Out::Undecryptable(why) => Said::Undecryptable(id.clone(), why),
        }));
    }
}

impl Trouble {
    /// When what it is now is to be shown, if it is not. A change at most so often: whoever sends can
    /// make it another for each frame.
    fn show_at(&self) -> Option<Instant> {
        let due = self.shown_at.map_or(self.since + HOLD, |at| at + SHOWN_EACH);
        (self.shown != Some(self.why)).then_some(due)
    }

    fn is_of_a_key(&self) -> bool {
        matches!(self.why, Undecryptable::MissingKey | Undecryptable::WrongKey)
    }
}
