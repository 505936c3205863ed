use super::*;

#[test]
fn one_entry_or_a_range_is_removed_by_position() {
    let mut queue = queue("a b c d e f g");
    let removed = queue.remove(&Selection::At(2)).unwrap();
    assert_eq!(removed[0].item, item("c"));
    assert_eq!(queue.remove(&Selection::Range(4, 2)).unwrap().len(), 3);
    assert_eq!(shown(&queue), "a | b g");
    assert_eq!(queue.remove(&Selection::Range(2, 99)).unwrap().len(), 1);
    assert_eq!(shown(&queue), "a | b");
}

#[test]
fn a_position_where_nothing_waits_is_refused() {
    let mut queue = queue("a b c");
    let before = queue.clone();
    for (selection, position) in [
        (Selection::At(0), 0),
        (Selection::At(3), 3),
        (Selection::Range(0, 2), 0),
        (Selection::Range(9, 3), 3),
        (Selection::At(usize::MAX), usize::MAX),
    ] {
        let error = queue.remove(&selection).unwrap_err();
        assert_eq!(error, NoSuchEntry { position, waiting: 2 }, "{selection:?}");
    }
    assert_eq!(queue.shift(1, 3), Err(NoSuchEntry { position: 3, waiting: 2 }.into()));
    assert_eq!(queue.shift(0, 1), Err(NoSuchEntry { position: 0, waiting: 2 }.into()));
    assert_eq!(queue, before);
}

#[test]
fn all_of_a_person_that_waits_is_removed() {
    let mut queue = queue("a b");
    add(&mut queue, "bob", Place::End, "c d");
    add(&mut queue, "ann", Place::End, "e");
    let ann = Selection::By("ann".into());
    assert_eq!(queue.select(&ann).unwrap().len(), 2);
    queue.remove(&ann).unwrap();
    assert_eq!(shown(&queue), "a | c d");
    assert_eq!(queue.remove(&ann), Ok(Vec::new()));
}

#[test]
fn clearing_keeps_what_plays() {
    let mut queue = queue("a b c");
    queue.remove(&Selection::All).unwrap();
    assert_eq!(shown(&queue), "a |");
    assert_eq!(queue.remove(&Selection::All), Ok(Vec::new()));
}

#[test]
fn an_entry_is_moved_to_a_position() {
    for (from, to, after) in [(1, 3, "a | c d b e"), (4, 2, "a | b e c d"), (2, 2, "a | b c d e")] {
        let mut queue = queue("a b c d e");
        let id = queue.at(from).unwrap().id;
        assert_eq!(queue.shift(from, to), Ok(id));
        assert_eq!(shown(&queue), after);
        assert_eq!(queue.position(id), Some(to));
    }
}

#[test]
fn a_shuffle_keeps_every_entry_once_and_what_plays() {
    let mut queue = queue("a b c d e f g h i j k");
    let before = shown(&queue);
    assert_eq!(queue.shuffle(), 10);
    assert_ne!(shown(&queue), before);
    let mut ids: Vec<_> = queue.upcoming().map(|entry| entry.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
    let once = shown(&queue);
    queue.shuffle();
    assert_ne!(shown(&queue), once);
}

#[test]
fn an_empty_queue_is_shuffled_to_nothing_and_that_is_no_change() {
    let mut queue = queue("a");
    let changes = queue.changes.len();
    assert_eq!(queue.shuffle(), 0);
    assert_eq!(queue.changes.len(), changes);
}
