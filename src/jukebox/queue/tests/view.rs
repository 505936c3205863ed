use super::*;
use crate::jukebox::queue::view::PAGE;

#[test]
fn pages_have_ten_entries_with_positions() {
    let titles: Vec<_> = (0..=21).map(|n| n.to_string()).collect();
    let queue = queue(&titles.join(" "));
    assert_eq!(queue.pages(), 3);
    let page = queue.page(2);
    assert_eq!((page.number, page.pages, page.rows.len()), (2, 3, PAGE));
    let Row { position, entry, .. } = &page.rows[0];
    assert_eq!((*position, &entry.item), (11, &item("11")));
    assert_eq!(queue.page(3).rows.len(), 1);
}

#[test]
fn a_page_that_is_not_there_is_the_nearest_one() {
    let queue = queue("a b");
    for number in [0, 1, 2, usize::MAX] {
        assert_eq!(queue.page(number).number, 1);
    }
    let empty = Queue::new(7);
    assert_eq!(empty.page(1), Page { number: 1, pages: 1, rows: Vec::new() });
}

#[test]
fn each_entry_starts_when_those_before_it_have_played() {
    let mut queue = queue("a b c");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 45_000);
    assert_eq!(starts(&queue), [Some(15), Some(75)]);
    assert_eq!(queue.starts_in(2), Some(Duration::from_secs(75)));
    assert_eq!((queue.starts_in(0), queue.starts_in(3)), (None, None));
    queue.stop();
    assert_eq!(starts(&queue), [Some(0), Some(15), Some(75)]);
}

#[test]
fn a_position_beyond_the_known_length_starts_the_next_now() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 90_000);
    assert_eq!(starts(&queue), [Some(0)]);
}

#[test]
fn after_something_of_unknown_length_no_start_is_known() {
    let mut queue = queue("a b c d");
    let c = queue.at(2).unwrap().id;
    queue.note_duration(c, None);
    assert_eq!(starts(&queue), [Some(60), Some(120), None]);
    let total = Total { length: 3 * MINUTE, unknown: 1 };
    assert_eq!(queue.total(), total);
}

#[test]
fn in_a_loop_of_one_nothing_else_starts_by_itself() {
    let mut queue = queue("a b c");
    queue.set_repeat(LoopMode::One);
    assert_eq!(starts(&queue), [None, None]);
    queue.stop();
    assert_eq!(starts(&queue), [Some(0), None, None]);
    queue.resume(&Lists::default());
    queue.set_repeat(LoopMode::All);
    assert_eq!(starts(&queue), [Some(60), Some(120)]);
}

#[test]
fn the_total_counts_what_is_left_of_what_plays() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    queue.note_position(a, 45_000);
    assert_eq!(queue.total(), Total { length: Duration::from_secs(75), unknown: 0 });
    assert_eq!(Queue::new(7).total(), Total::default());
}

#[test]
fn lengths_that_nobody_can_live_are_added_without_panic() {
    let mut queue = queue("a b c d");
    let ids: Vec<_> = queue.entries().map(|entry| entry.id).collect();
    for id in ids {
        queue.note_duration(id, Some(Duration::MAX));
    }
    assert_eq!(queue.total().length, Duration::MAX);
    assert_eq!((queue.starts_in(1), queue.starts_in(2)), (Some(Duration::MAX), None));
}

#[test]
fn what_plays_and_waits_can_be_saved_as_it_will_play() {
    let queue = turns("ann:a ann:b bob:c");
    assert_eq!(queue.items(), items("a c b"));
}

/// When each entry starts, in seconds.
fn starts(queue: &Queue) -> Vec<Option<u64>> {
    queue.rows().map(|row| row.starts_in.map(|start| start.as_secs())).collect()
}
