use super::*;
use crate::jukebox::queue::playing::FAILURES_MAX;

#[test]
fn what_has_ended_is_history_and_the_next_plays() {
    let mut queue = queue("a b c");
    assert_eq!(advance(&mut queue, Why::Ended), Following::Next);
    assert_eq!(advance(&mut queue, Why::Skipped), Following::Next);
    assert_eq!((shown(&queue).as_str(), played(&queue).as_str()), ("c |", "b a"));
    assert_eq!(advance(&mut queue, Why::Ended), Following::Nothing);
    assert!(queue.is_empty());
    let nothing = Advanced { left: None, following: Following::Nothing };
    assert_eq!(queue.advance(Why::Skipped, &Lists::default()), nothing);
}

#[test]
fn history_remembers_a_hundred() {
    let mut queue = queue("a");
    for _ in 0..=HISTORY_MAX {
        add(&mut queue, "ann", Place::Now, "b");
    }
    assert_eq!(queue.history().len(), HISTORY_MAX);
    assert!(!played(&queue).contains('a'));
}

#[test]
fn a_loop_of_one_repeats_what_ends_and_a_skip_leaves_it() {
    let mut queue = queue("a b");
    queue.set_repeat(LoopMode::One);
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 60_000);
    assert_eq!(advance(&mut queue, Why::Ended), Following::Again);
    assert_eq!(queue.current().unwrap().position_ms, 0);
    assert_eq!(shown(&queue), "a | b");
    assert_eq!(advance(&mut queue, Why::Skipped), Following::Next);
    assert_eq!(advance(&mut queue, Why::Ended), Following::Again);
    assert_eq!(shown(&queue), "b |");
    assert_eq!(queue.repeat(), LoopMode::One);
}

#[test]
fn a_loop_of_all_puts_what_is_over_to_the_end() {
    let mut queue = queue("a b c");
    queue.set_repeat(LoopMode::All);
    advance(&mut queue, Why::Ended);
    assert_eq!(shown(&queue), "b | c a");
    advance(&mut queue, Why::Skipped);
    assert_eq!(shown(&queue), "c | a b");
    assert_eq!(played(&queue), "");
}

#[test]
fn a_loop_of_all_with_one_entry_repeats_it() {
    let mut queue = queue("a");
    queue.set_repeat(LoopMode::All);
    assert_eq!(advance(&mut queue, Why::Ended), Following::Again);
    assert_eq!(advance(&mut queue, Why::Skipped), Following::Again);
    assert_eq!(shown(&queue), "a |");
}

#[test]
fn what_fails_is_dropped_even_in_loops() {
    for repeat in [LoopMode::Off, LoopMode::One, LoopMode::All] {
        let mut queue = queue("a b");
        queue.set_repeat(repeat);
        assert_eq!(advance(&mut queue, Why::Failed), Following::Next);
        assert_eq!((shown(&queue).as_str(), played(&queue).as_str()), ("b |", ""));
        assert_eq!(advance(&mut queue, Why::Failed), Following::Nothing);
        assert!(queue.is_empty());
    }
}

#[test]
fn after_five_failures_in_a_row_playing_stops_and_the_rest_is_kept() {
    let mut queue = queue("a b c d e f g");
    for _ in 1..FAILURES_MAX {
        assert_eq!(advance(&mut queue, Why::Failed), Following::Next);
    }
    assert_eq!(advance(&mut queue, Why::Failed), Following::TooManyFailures);
    assert_eq!(shown(&queue), "| f g");
    assert_eq!(queue.resume(&Lists::default()), Resumed::Begins);
    assert_eq!(advance(&mut queue, Why::Failed), Following::Next);
    assert_eq!(shown(&queue), "g |");
}

#[test]
fn failures_are_counted_anew_once_something_has_played() {
    let mut queue = queue("a b c d e f g");
    for _ in 1..FAILURES_MAX {
        advance(&mut queue, Why::Failed);
    }
    let e = queue.current().unwrap().entry.id;
    queue.note_position(e, 30_000);
    assert_eq!(advance(&mut queue, Why::Failed), Following::Next);
    advance(&mut queue, Why::Ended);
    assert_eq!(advance(&mut queue, Why::Failed), Following::Nothing);
}

#[test]
fn a_station_that_fails_again_and_again_is_not_played_for_ever() {
    let mut queue = queue("a b c");
    queue.set_autoplay(Autoplay::History);
    advance(&mut queue, Why::Ended);
    advance(&mut queue, Why::Ended);
    let failures = (1..100).take_while(|_| {
        let id = queue.current().unwrap().entry.id;
        queue.note_position(id, 1_000);
        advance(&mut queue, Why::Failed) != Following::TooManyFailures
    });
    assert_eq!(failures.count(), FAILURES_MAX as usize - 1);
}

#[test]
fn previous_goes_back_through_what_has_played_and_forth_again() {
    let mut queue = queue("a b c d");
    advance(&mut queue, Why::Ended);
    advance(&mut queue, Why::Skipped);
    queue.previous().unwrap();
    assert_eq!(shown(&queue), "b | c d");
    let b = queue.current().unwrap().entry.id;
    queue.note_position(b, 5_000);
    queue.previous().unwrap();
    assert_eq!(shown(&queue), "a | b c d");
    assert_eq!(queue.previous(), Err(NoPrevious::Nothing));
    assert_eq!(shown(&queue), "a | b c d");
    advance(&mut queue, Why::Ended);
    assert_eq!(shown(&queue), "b | c d");
    assert_eq!(queue.current().unwrap().position_ms, 0);
}

#[test]
fn previous_of_an_idle_queue_plays_the_last_again() {
    let mut queue = queue("a");
    advance(&mut queue, Why::Ended);
    queue.previous().unwrap();
    assert_eq!(shown(&queue), "a |");
}

#[test]
fn previous_in_a_loop_of_all_goes_back_around() {
    let mut queue = queue("x a b c");
    advance(&mut queue, Why::Ended);
    queue.set_repeat(LoopMode::All);
    advance(&mut queue, Why::Ended);
    add(&mut queue, "ann", Place::End, "d");
    assert_eq!(shown(&queue), "b | c a d");
    for back in ["a | b c d", "x | a b c d"] {
        queue.previous().unwrap();
        assert_eq!(shown(&queue), back);
    }
}

#[test]
fn previous_puts_nothing_back_into_a_full_queue() {
    let limits = Limits { entries_max: ENTRIES_MAX, per_person_max: ENTRIES_MAX, length_max: None };
    let mut queue = queue("a");
    advance(&mut queue, Why::Ended);
    queue.add(vec![item("b"); ENTRIES_MAX], &asked("ann", Place::End), &limits).unwrap();
    let before = queue.clone();
    assert_eq!(queue.previous(), Err(NoPrevious::Full));
    assert_eq!(queue, before);
}

#[test]
fn a_pause_keeps_the_place() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 5_000);
    assert!(queue.pause());
    assert!(!queue.pause());
    let lists = Lists::default();
    assert_eq!(queue.resume(&lists), Resumed::GoesOn);
    assert_eq!(queue.resume(&lists), Resumed::Plays);
    let current = queue.current().unwrap();
    assert_eq!((current.entry.id, current.position_ms), (a, 5_000));
}

#[test]
fn a_skip_in_a_pause_plays_the_next() {
    let mut queue = queue("a b");
    queue.pause();
    advance(&mut queue, Why::Skipped);
    assert_eq!(queue.current().unwrap().state, State::Playing);
}

#[test]
fn a_stopped_entry_goes_on_where_it_was_once_somebody_resumes() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 5_000);
    assert_eq!(queue.stop(), Some(a));
    assert_eq!(queue.stop(), None);
    assert_eq!(shown(&queue), "| a b");
    assert_eq!(queue.upcoming().next().unwrap().remaining(), Some(Duration::from_secs(55)));
    assert_eq!(queue.resume(&Lists::default()), Resumed::Begins);
    assert_eq!(shown(&queue), "a | b");
    assert_eq!(queue.current().unwrap().position_ms, 5_000);
}

#[test]
fn an_entry_that_was_stopped_once_plays_from_its_beginning_later() {
    let mut queue = queue("a b");
    queue.set_repeat(LoopMode::All);
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 5_000);
    queue.stop();
    queue.resume(&Lists::default());
    advance(&mut queue, Why::Ended);
    advance(&mut queue, Why::Ended);
    assert_eq!(shown(&queue), "a | b");
    assert_eq!(queue.current().unwrap().position_ms, 0);
}

#[test]
fn nothing_cannot_be_played_paused_stopped_or_begun_anew() {
    let mut queue = Queue::new(7);
    assert_eq!(queue.resume(&Lists::default()), Resumed::Nothing);
    assert!(!queue.pause());
    assert_eq!(queue.restart(), None);
    assert_eq!(queue.previous(), Err(NoPrevious::Nothing));
    assert_eq!(queue, Queue::new(7));
}

#[test]
fn restart_plays_from_the_beginning() {
    let mut queue = queue("a");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 5_000);
    queue.pause();
    assert_eq!(queue.restart(), Some(a));
    let current = queue.current().unwrap();
    assert_eq!((current.position_ms, current.state), (0, State::Playing));
}

#[test]
fn a_position_that_comes_late_is_not_taken_for_the_next_entry() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    advance(&mut queue, Why::Skipped);
    queue.note_position(a, 5_000);
    assert_eq!(queue.current().unwrap().position_ms, 0);
}

#[test]
fn an_entry_is_found_wherever_it_is_until_it_is_gone() {
    let mut queue = queue("a b c");
    advance(&mut queue, Why::Ended);
    for (id, title) in (0..).zip(["a", "b", "c"]) {
        assert_eq!(queue.find(EntryId(id)).unwrap().item, item(title));
    }
    advance(&mut queue, Why::Failed);
    assert_eq!(queue.find(EntryId(1)), None);
}

#[test]
fn what_is_found_out_about_an_entry_is_kept_wherever_it_is() {
    let mut queue = queue("a b c");
    let ids: Vec<_> = queue.entries().map(|entry| entry.id).collect();
    advance(&mut queue, Why::Ended);
    for (id, title) in ids.iter().zip(["x", "y", "z"]) {
        queue.note_title(*id, Title::new(title));
        queue.note_duration(*id, None);
    }
    assert_eq!((shown(&queue).as_str(), played(&queue).as_str()), ("y | z", "x"));
    assert!(queue.entries().chain(queue.history()).all(|entry| entry.item.duration.is_none()));
    let before = queue.clone();
    queue.note_title(EntryId(99), Title::new("x"));
    queue.note_duration(EntryId(99), Some(MINUTE));
    assert_eq!(queue, before);
}

#[test]
fn what_follows_is_known_ahead_with_its_place() {
    let lists = Lists::default();
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 5_000);
    queue.stop();
    add(&mut queue, "bob", Place::Now, "c");
    let next = Upcoming { id: a, item: item("a"), resume_ms: 5_000 };
    assert_eq!(queue.peek_next(&lists), Some(next));
    queue.set_repeat(LoopMode::One);
    assert_eq!(queue.peek_next(&lists).unwrap().item, item("c"));
    assert_eq!(Queue::new(7).peek_next(&lists), None);
}
