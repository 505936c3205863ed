use super::*;

#[test]
fn the_first_begins_at_once_and_others_wait_behind() {
    let mut queue = Queue::new(7);
    let added = add(&mut queue, "ann", Place::End, "a b");
    assert!(added.begins);
    assert_eq!(added.position, Some(1));
    let added = add(&mut queue, "bob", Place::End, "c d");
    assert!(!added.begins);
    assert_eq!((added.ids.len(), added.position, added.skipped), (2, Some(2), None));
    assert_eq!(shown(&queue), "a | b c d");
    assert_eq!(queue.at(2).unwrap().by, Some("bob".into()));
    assert_eq!(queue.at(2).unwrap().asked_at_ms, 1_000);
    assert_eq!((queue.at(0), queue.at(4), queue.len()), (None, None, 3));
}

#[test]
fn next_goes_before_what_waits_in_its_own_order() {
    let mut queue = queue("a b");
    let added = add(&mut queue, "bob", Place::Next, "c d");
    assert_eq!(shown(&queue), "a | c d b");
    assert_eq!(added.position, Some(1));
}

#[test]
fn now_takes_the_place_of_what_plays() {
    let mut queue = queue("a b");
    let a = queue.current().unwrap().entry.id;
    let added = add(&mut queue, "bob", Place::Now, "c d");
    assert_eq!(shown(&queue), "c | d b");
    assert_eq!(played(&queue), "a");
    assert!(added.begins);
    assert_eq!((added.skipped, added.position), (Some(a), Some(1)));
}

#[test]
fn what_is_asked_for_after_a_stop_begins_at_once_and_the_stopped_one_follows() {
    let mut queue = queue("a b");
    queue.stop();
    let added = add(&mut queue, "ann", Place::End, "c d");
    assert!(added.begins);
    assert_eq!(shown(&queue), "c | a b d");
    assert_eq!(added.position, Some(3));
}

#[test]
fn what_is_asked_for_in_a_pause_waits() {
    let mut queue = queue("a");
    queue.pause();
    assert!(!add(&mut queue, "ann", Place::End, "b").begins);
    assert_eq!(queue.current().unwrap().state, State::Paused);
}

#[test]
fn nothing_is_not_added() {
    let mut queue = Queue::new(7);
    let error = queue.add(Vec::new(), &asked("ann", Place::End), &Limits::default()).unwrap_err();
    assert_eq!(error, AddError::Nothing);
    assert_eq!(queue, Queue::new(7));
}

#[test]
fn a_piece_longer_than_the_room_allows_is_refused_and_left_out_of_many() {
    let limits = Limits { length_max: Some(MINUTE), ..Limits::default() };
    let long = || Item { duration: Some(MINUTE + Duration::from_millis(1)), ..item("long") };
    let mut queue = Queue::new(7);
    let asked = asked("ann", Place::End);
    let error = queue.add(vec![long()], &asked, &limits).unwrap_err();
    assert_eq!(error, AddError::TooLong { max: MINUTE });
    let station = Item { duration: None, ..item("station") };
    let added = queue.add(vec![item("a"), long(), station], &asked, &limits).unwrap();
    assert_eq!(added.left_out, LeftOut { too_long: 1, ..LeftOut::default() });
    assert_eq!(shown(&queue), "a | station");
}

#[test]
fn a_person_has_a_share_that_counts_what_plays() {
    let limits = Limits { per_person_max: 3, ..Limits::default() };
    let mut queue = Queue::new(7);
    let ann = asked("ann", Place::End);
    let added = queue.add(items("a b c d e"), &ann, &limits).unwrap();
    assert_eq!(added.left_out, LeftOut { too_many_of_yours: 2, ..LeftOut::default() });
    assert_eq!(added.left_out.count(), 2);
    let error = queue.add(items("f"), &ann, &limits).unwrap_err();
    assert_eq!(error, AddError::TooManyOfYours { max: 3 });
    queue.add(items("g"), &asked("bob", Place::End), &limits).unwrap();
    assert_eq!(shown(&queue), "a | b c g");
    advance(&mut queue, Why::Ended);
    queue.add(items("f"), &ann, &limits).unwrap();
}

#[test]
fn a_queue_takes_a_playlist_as_far_as_it_fits_and_then_nothing() {
    let limits = Limits { entries_max: 3, ..Limits::default() };
    let mut queue = queue("a");
    let bob = asked("bob", Place::Next);
    let added = queue.add(items("b c d e"), &bob, &limits).unwrap();
    assert_eq!(added.left_out, LeftOut { beyond_full: 2, ..LeftOut::default() });
    assert_eq!(shown(&queue), "a | b c");
    let before = queue.clone();
    let error = queue.add(items("f"), &asked("eve", Place::Now), &limits).unwrap_err();
    assert_eq!(error, AddError::Full { max: 3 });
    assert_eq!(queue, before);
}

#[test]
fn no_room_sets_a_limit_beyond_what_a_queue_may_hold() {
    let limits = Limits { entries_max: usize::MAX, per_person_max: usize::MAX, length_max: None };
    let mut queue = Queue::new(7);
    let many = vec![item("a"); ENTRIES_MAX + 1];
    let added = queue.add(many, &asked("ann", Place::End), &limits).unwrap();
    assert_eq!((added.ids.len(), added.left_out.beyond_full), (ENTRIES_MAX, 1));
    let error = queue.add(items("b"), &asked("bob", Place::End), &limits).unwrap_err();
    assert_eq!(error, AddError::Full { max: ENTRIES_MAX });
}
