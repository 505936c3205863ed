//! Any sequence of commands, against a model that knows ids only.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::jukebox::queue::fair::SERVED_MAX;

/// What people do, and what playing brings.
#[derive(Debug, Clone)]
enum Command {
    Add { by: u8, place: Place, count: usize, is_long: bool },
    Remove(Selection),
    Shift(usize, usize),
    Shuffle,
    Repeat(LoopMode),
    Fair(bool),
    Autoplay(Autoplay),
    Advance(Why),
    Previous,
    Restart,
    Pause,
    Resume,
    Stop,
    Position(u64),
    Undo,
}

/// What one command did to the model.
#[derive(Debug, Default)]
struct Done {
    /// Ids that may be gone now.
    gone: Vec<EntryId>,
    /// Whether the next undo must restore what waits.
    is_undone_whole: bool,
}

/// The queue as lists of ids.
#[derive(Debug, Clone, Default)]
struct Model {
    current: Option<EntryId>,
    waiting: Vec<EntryId>,
    history: Vec<EntryId>,
    /// What is over and was not begun again, the last one last; some of it may be gone.
    ended: Vec<EntryId>,
    repeat: LoopMode,
    fair: bool,
}

const LIMITS: Limits = Limits { length_max: Some(MINUTE), per_person_max: 8, entries_max: 20 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_sequence_of_commands_loses_or_doubles_an_entry(
        commands in prop::collection::vec(command(), 1..30),
        seed in any::<u64>(),
    ) {
        let mut lists = Lists::default();
        lists.save("list", items("x y z")).unwrap();
        let mut queue = Queue::new(seed);
        let mut model = Model::default();
        let mut gone = BTreeSet::new();
        for command in &commands {
            let before = queue.clone();
            let done = model.apply(&mut queue, &lists, command);
            model.check(&queue);
            check_conservation(&before, &queue, &mut gone, &done);
            check_limits(&queue);
            check_what_follows(&queue, &lists);
            if done.is_undone_whole {
                check_undo(&before, &queue);
            }
        }
        let stored = serde_json::to_string(&queue).unwrap();
        prop_assert_eq!(serde_json::from_str::<Queue>(&stored).unwrap(), queue);
    }
}

impl Model {
    fn apply(&mut self, queue: &mut Queue, lists: &Lists, command: &Command) -> Done {
        let shown: Vec<_> = queue.upcoming().map(|entry| entry.id).collect();
        match *command {
            Command::Add { by, place, count, is_long } => {
                return self.add(queue, by, place, count, is_long);
            }
            Command::Remove(ref selection) => {
                let Ok(removed) = queue.remove(selection) else { return Done::default() };
                let gone: Vec<_> = removed.iter().map(|entry| entry.id).collect();
                self.waiting.retain(|id| !gone.contains(id));
                let is_undone_whole = !gone.is_empty();
                return Done { gone, is_undone_whole };
            }
            Command::Shift(from, to) => {
                let Ok(id) = queue.shift(from, to) else { return Done::default() };
                assert_eq!((Some(to), id), (queue.position(id), shown[from - 1]));
                if self.fair {
                    self.adopt(queue);
                } else {
                    let id = self.waiting.remove(from - 1);
                    self.waiting.insert(to - 1, id);
                }
                return Done { is_undone_whole: from != to, ..Done::default() };
            }
            Command::Shuffle => {
                let is_undone_whole = queue.shuffle() > 0;
                self.adopt(queue);
                return Done { is_undone_whole, ..Done::default() };
            }
            Command::Repeat(repeat) => {
                queue.set_repeat(repeat);
                self.repeat = repeat;
            }
            Command::Fair(fair) => {
                queue.set_fair(fair);
                self.fair = fair;
            }
            Command::Autoplay(ref autoplay) => queue.set_autoplay(autoplay.clone()),
            Command::Advance(why) => return self.advance(queue, lists, why, &shown),
            Command::Previous => self.previous(queue),
            Command::Restart => assert_eq!(queue.restart(), self.current),
            Command::Pause => drop(queue.pause()),
            Command::Resume if self.current.is_none() => {
                self.follow(queue, &shown, false, |queue| match queue.resume(lists) {
                    Resumed::Begins => Following::Next,
                    _ => Following::Nothing,
                });
            }
            Command::Resume => assert_ne!(queue.resume(lists), Resumed::Nothing),
            Command::Stop => {
                assert_eq!(queue.stop(), self.current);
                self.put_next();
            }
            Command::Position(position_ms) => {
                self.current.iter().for_each(|&id| queue.note_position(id, position_ms));
            }
            Command::Undo => return self.undo(queue),
        }
        Done::default()
    }

    fn add(
        &mut self,
        queue: &mut Queue,
        by: u8,
        place: Place,
        count: usize,
        is_long: bool,
    ) -> Done {
        let duration = Some(if is_long { 2 * MINUTE } else { MINUTE });
        let pieces = vec![Item { duration, ..item("a") }; count];
        let asked = asked(&by.to_string(), place);
        let Ok(Added { ids, begins, left_out, .. }) = queue.add(pieces, &asked, &LIMITS) else {
            return Done::default();
        };
        assert_eq!(ids.len() + left_out.count(), count);
        assert_eq!(begins, self.current.is_none() || place == Place::Now);
        let (first, rest) = ids.split_at(usize::from(begins));
        let at = if place == Place::End { self.waiting.len() } else { 0 };
        self.waiting.splice(at..at, rest.iter().copied());
        let mut done = Done { is_undone_whole: !begins, ..Done::default() };
        if let Some(&first) = first.first() {
            done.gone = self.retire();
            self.current = Some(first);
        }
        done
    }

    fn advance(&mut self, queue: &mut Queue, lists: &Lists, why: Why, shown: &[EntryId]) -> Done {
        let repeats = match self.repeat {
            LoopMode::Off => false,
            LoopMode::One => why == Why::Ended,
            LoopMode::All => why != Why::Failed && shown.is_empty(),
        };
        if repeats && self.current.is_some() {
            let Advanced { left, following } = queue.advance(why, lists);
            assert_eq!((left, following), (self.current, Following::Again));
            return Done::default();
        }
        let left = self.current;
        let gone = match why {
            Why::Failed => self.current.take().into_iter().collect(),
            Why::Ended | Why::Skipped => self.retire(),
        };
        self.follow(queue, shown, why == Why::Failed && self.fair, |queue| {
            let advanced = queue.advance(why, lists);
            assert_eq!(advanced.left, left);
            advanced.following
        });
        Done { gone, ..Done::default() }
    }

    /// Goes on to the first that waits, or to something new. Who failed in turns may have the next
    /// one, which `fair` tests.
    fn follow(
        &mut self,
        queue: &mut Queue,
        shown: &[EntryId],
        is_any: bool,
        advance: impl FnOnce(&mut Queue) -> Following,
    ) {
        let new = EntryId(queue.next_id);
        let following = advance(queue);
        self.current = queue.current().map(|current| current.entry.id);
        match self.current {
            Some(id) if is_any => assert!(shown.contains(&id) || id == new),
            Some(id) => assert_eq!(id, shown.first().copied().unwrap_or(new)),
            None if following == Following::TooManyFailures => {}
            None => assert!(shown.is_empty()),
        }
        self.waiting.retain(|&id| Some(id) != self.current);
        self.ended.retain(|&id| Some(id) != self.current);
    }

    fn previous(&mut self, queue: &mut Queue) {
        let is_there = |id: &EntryId| self.waiting.contains(id) || self.history.contains(id);
        let expected = self.ended.iter().copied().rfind(is_there);
        assert_eq!(queue.previous().ok(), expected);
        let Some(id) = expected else { return };
        self.ended.retain(|other| *other != id);
        self.waiting.retain(|other| *other != id);
        self.history.retain(|other| *other != id);
        self.put_next();
        self.current = Some(id);
    }

    fn undo(&mut self, queue: &mut Queue) -> Done {
        let current = queue.current().cloned();
        let waiting = self.waiting.clone();
        let undone = queue.undo();
        assert_eq!(queue.current(), current.as_ref());
        self.repeat = queue.repeat();
        self.fair = queue.is_fair();
        self.waiting = queue.waiting.iter().map(|entry| entry.id).collect();
        match undone {
            Some(Undone::Skipped { back: Some(id) } | Undone::Added { back: Some(id), .. }) => {
                self.history.retain(|other| *other != id);
                self.ended.retain(|other| *other != id);
                assert_eq!(self.waiting[0], id);
            }
            Some(Undone::Removed { back }) => assert_eq!(self.waiting.len(), waiting.len() + back),
            _ => {}
        }
        match undone {
            Some(Undone::Added { .. }) => Done { gone: waiting, ..Done::default() },
            _ => Done::default(),
        }
    }

    /// Takes over an order that the model does not foretell; nothing may be missing.
    fn adopt(&mut self, queue: &Queue) {
        let order: Vec<_> = queue.waiting.iter().map(|entry| entry.id).collect();
        let sorted = |ids: &[EntryId]| ids.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&order), sorted(&self.waiting));
        self.waiting = order;
    }

    /// The current one is over; what is forgotten for it.
    fn retire(&mut self) -> Vec<EntryId> {
        let Some(id) = self.current.take() else { return Vec::new() };
        self.ended.retain(|other| *other != id);
        self.ended.push(id);
        if self.repeat == LoopMode::All {
            self.waiting.push(id);
            return Vec::new();
        }
        self.history.push(id);
        let surplus = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..surplus).collect()
    }

    /// The current one waits before all others, as if it had not played.
    fn put_next(&mut self) {
        if let Some(id) = self.current.take() {
            self.ended.retain(|other| *other != id);
            self.waiting.insert(0, id);
        }
    }

    fn check(&self, queue: &Queue) {
        let ids = |entries: &mut dyn Iterator<Item = &Entry>| -> Vec<_> {
            entries.map(|entry| entry.id).collect()
        };
        assert_eq!(queue.current().map(|current| current.entry.id), self.current);
        assert_eq!(ids(&mut queue.waiting.iter()), self.waiting);
        assert_eq!(ids(&mut queue.history.iter()), self.history);
        if !self.fair {
            assert_eq!(ids(&mut queue.upcoming()), self.waiting);
        }
        let sorted = |ids: &[EntryId]| ids.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&ids(&mut queue.upcoming())), sorted(&self.waiting));
    }
}

/// Each id is in one place; what is missing was taken, what is new was given or brought back.
fn check_conservation(before: &Queue, after: &Queue, gone: &mut BTreeSet<EntryId>, done: &Done) {
    let ids = |queue: &Queue| -> Vec<_> {
        queue.entries().chain(queue.history()).map(|entry| entry.id).collect()
    };
    let (old, new) = (ids(before), ids(after));
    let (old_set, new_set): (BTreeSet<_>, BTreeSet<_>) =
        (old.iter().copied().collect(), new.iter().copied().collect());
    assert_eq!(new.len(), new_set.len(), "an entry is doubled");
    for id in &new_set - &old_set {
        let is_fresh = (before.next_id..after.next_id).contains(&id.0);
        assert!(is_fresh || gone.remove(&id), "{id} came from nowhere");
    }
    let missing = &old_set - &new_set;
    assert!(missing.iter().all(|id| done.gone.contains(id)), "{missing:?} is lost");
    gone.extend(missing);
}

fn check_limits(queue: &Queue) {
    assert!(queue.history.len() <= HISTORY_MAX);
    assert!(queue.changes.len() <= undo::CHANGES_MAX);
    assert!(queue.served.len() <= SERVED_MAX);
    assert!(queue.entries().count() <= ENTRIES_MAX);
    let long = queue.entries().find(|entry| entry.item.duration > LIMITS.length_max);
    assert_eq!(long, None);
}

/// What is foretold is what happens.
fn check_what_follows(queue: &Queue, lists: &Lists) {
    let foretold = queue.peek_next(lists);
    let mut later = queue.clone();
    later.advance(Why::Ended, lists);
    let happened = later.current().map(|current| Upcoming {
        id: current.entry.id,
        item: current.entry.item.clone(),
        resume_ms: current.position_ms,
    });
    assert_eq!(foretold, happened);
}

/// A change that leaves what plays alone is as if it had not been once it is undone.
fn check_undo(before: &Queue, after: &Queue) {
    let mut undone = after.clone();
    undone.undo().unwrap();
    assert_eq!(undone.waiting, before.waiting);
    assert!(undone.upcoming().eq(before.upcoming()));
    assert_eq!(undone.current, before.current);
    assert_eq!(undone.history, before.history);
}

fn command() -> impl Strategy<Value = Command> {
    let place = prop_oneof![3 => Just(Place::End), 1 => Just(Place::Next), 1 => Just(Place::Now)];
    let selection = prop_oneof![
        (0_usize..12).prop_map(Selection::At),
        (0_usize..12, 0_usize..12).prop_map(|(a, b)| Selection::Range(a, b)),
        (0_u8..4).prop_map(|by| Selection::By(by.to_string().as_str().into())),
        Just(Selection::All),
    ];
    let why = prop_oneof![4 => Just(Why::Ended), 3 => Just(Why::Skipped), 2 => Just(Why::Failed)];
    let repeat = prop_oneof![Just(LoopMode::Off), Just(LoopMode::One), Just(LoopMode::All)];
    let autoplay = prop_oneof![
        Just(Autoplay::Off),
        Just(Autoplay::History),
        Just(Autoplay::List("List".to_owned())),
    ];
    let add = (0_u8..4, place, 0_usize..6, prop::bool::weighted(0.1))
        .prop_map(|(by, place, count, is_long)| Command::Add { by, place, count, is_long });
    prop_oneof![
        8 => add,
        2 => selection.prop_map(Command::Remove),
        3 => (0_usize..10, 0_usize..10).prop_map(|(from, to)| Command::Shift(from, to)),
        1 => Just(Command::Shuffle),
        1 => repeat.prop_map(Command::Repeat),
        1 => any::<bool>().prop_map(Command::Fair),
        1 => autoplay.prop_map(Command::Autoplay),
        8 => why.prop_map(Command::Advance),
        3 => Just(Command::Previous),
        1 => Just(Command::Restart),
        1 => Just(Command::Pause),
        2 => Just(Command::Resume),
        1 => Just(Command::Stop),
        2 => (0_u64..60_000).prop_map(Command::Position),
        4 => Just(Command::Undo),
    ]
}
