use super::*;
use crate::jukebox::queue::undo::CHANGES_MAX;

#[test]
fn an_addition_is_undone_but_for_what_plays() {
    let mut queue = queue("a b");
    add(&mut queue, "bob", Place::Next, "c d e");
    advance(&mut queue, Why::Ended);
    assert_eq!(shown(&queue), "c | d e b");
    assert_eq!(undo(&mut queue), Undone::Added { taken_out: 2, back: None });
    assert_eq!(shown(&queue), "c | b");
    assert_eq!(undo(&mut queue), Undone::Added { taken_out: 1, back: None });
    assert_eq!(shown(&queue), "c |");
    assert_eq!(queue.undo(), None);
}

#[test]
fn what_was_removed_is_back_in_its_place() {
    let mut queue = queue("a b c d e");
    add(&mut queue, "bob", Place::End, "f");
    queue.remove(&Selection::Range(2, 3)).unwrap();
    queue.remove(&Selection::By("ann".into())).unwrap();
    queue.remove(&Selection::All).unwrap();
    for (back, after) in [(1, "a | f"), (2, "a | b e f"), (2, "a | b c d e f")] {
        assert_eq!(undo(&mut queue), Undone::Removed { back });
        assert_eq!(shown(&queue), after);
    }
}

#[test]
fn a_removal_is_undone_after_the_queue_moved_on() {
    let mut queue = queue("a b c d");
    queue.remove(&Selection::At(3)).unwrap();
    advance(&mut queue, Why::Ended);
    advance(&mut queue, Why::Ended);
    undo(&mut queue);
    assert_eq!(shown(&queue), "c | d");
}

#[test]
fn a_move_and_a_shuffle_are_undone() {
    let mut queue = queue("a b c d e f g");
    queue.shift(1, 4).unwrap();
    queue.shuffle();
    assert_eq!(undo(&mut queue), Undone::Reordered);
    assert_eq!(shown(&queue), "a | c d e b f g");
    assert_eq!(undo(&mut queue), Undone::Reordered);
    assert_eq!(shown(&queue), "a | b c d e f g");
}

#[test]
fn a_shuffle_is_undone_for_what_still_waits() {
    let mut queue = queue("a b c d e f g");
    queue.shuffle();
    advance(&mut queue, Why::Ended);
    let next = queue.current().unwrap().entry.item.title.to_string();
    undo(&mut queue);
    let rest = "b c d e f g".replace(&next, "").replace("  ", " ");
    assert_eq!(shown(&queue), format!("{next} | {}", rest.trim()));
}

#[test]
fn what_has_come_since_a_shuffle_stays_in_front_or_at_the_end() {
    let mut queue = queue("a b c d e f g");
    queue.set_repeat(LoopMode::All);
    queue.shuffle();
    advance(&mut queue, Why::Ended);
    queue.stop();
    undo(&mut queue);
    assert_eq!(shown(&queue), "| b c d e f g a");

    add(&mut queue, "ann", Place::Now, "x");
    queue.shuffle();
    queue.stop();
    undo(&mut queue);
    assert_eq!(shown(&queue), "| x b c d e f g a");
}

#[test]
fn what_was_skipped_comes_back_next_and_where_it_was() {
    let mut queue = queue("a b c");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 5_000);
    advance(&mut queue, Why::Skipped);
    assert_eq!(undo(&mut queue), Undone::Skipped { back: Some(a) });
    assert_eq!(shown(&queue), "b | a c");
    assert_eq!(played(&queue), "");
    advance(&mut queue, Why::Ended);
    assert_eq!(queue.current().unwrap().position_ms, 5_000);
}

#[test]
fn a_skip_in_a_loop_of_all_is_undone_too() {
    let mut queue = queue("a b c");
    queue.set_repeat(LoopMode::All);
    advance(&mut queue, Why::Skipped);
    assert_eq!(shown(&queue), "b | c a");
    undo(&mut queue);
    assert_eq!(shown(&queue), "b | a c");
}

#[test]
fn a_skip_is_not_undone_twice_nor_of_what_was_gone_back_to() {
    let mut queue = queue("a b");
    advance(&mut queue, Why::Skipped);
    queue.previous().unwrap();
    assert_eq!(undo(&mut queue), Undone::Skipped { back: None });
    assert_eq!(shown(&queue), "a | b");
}

#[test]
fn the_end_of_a_piece_is_nothing_to_undo() {
    let mut queue = queue("a b");
    undo(&mut queue);
    advance(&mut queue, Why::Ended);
    assert_eq!(queue.undo(), None);
}

#[test]
fn what_had_to_make_way_comes_back() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    add(&mut queue, "bob", Place::Now, "c d");
    assert_eq!(undo(&mut queue), Undone::Added { taken_out: 1, back: Some(a) });
    assert_eq!(shown(&queue), "c | a b");
}

#[test]
fn settings_are_undone_and_setting_them_as_they_are_is_no_change() {
    let mut queue = queue("a");
    queue.set_repeat(LoopMode::All);
    queue.set_repeat(LoopMode::All);
    queue.set_fair(true);
    queue.set_fair(true);
    queue.set_autoplay(Autoplay::History);
    queue.set_autoplay(Autoplay::History);
    assert_eq!(undo(&mut queue), Undone::Autoplay(Autoplay::Off));
    assert_eq!(undo(&mut queue), Undone::Fair(false));
    assert_eq!(undo(&mut queue), Undone::Repeat(LoopMode::Off));
    assert_eq!((queue.repeat(), queue.is_fair()), (LoopMode::Off, false));
    assert_eq!(*queue.autoplay(), Autoplay::Off);
}

#[test]
fn ten_changes_can_be_undone() {
    let mut queue = queue("a");
    for _ in 0..CHANGES_MAX {
        add(&mut queue, "ann", Place::End, "b");
    }
    assert_eq!(std::iter::from_fn(|| queue.undo()).count(), CHANGES_MAX);
    assert_eq!(shown(&queue), "a |");
}

#[test]
fn undoing_does_not_fill_a_queue_beyond_what_it_may_hold() {
    let limits = Limits { entries_max: ENTRIES_MAX, per_person_max: ENTRIES_MAX, length_max: None };
    let ann = asked("ann", Place::End);
    let mut queue = queue("a b c");
    advance(&mut queue, Why::Skipped);
    queue.remove(&Selection::All).unwrap();
    queue.changes.retain(|change| !matches!(change, undo::Change::Added { .. }));
    queue.add(vec![item("d"); ENTRIES_MAX - 1], &ann, &limits).unwrap();
    queue.changes.pop_back();
    assert_eq!(undo(&mut queue), Undone::Removed { back: 0 });
    assert_eq!(undo(&mut queue), Undone::Skipped { back: None });
    assert_eq!(queue.entries().count(), ENTRIES_MAX);
}
