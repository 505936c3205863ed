use std::collections::BTreeSet;

use super::*;

#[test]
fn without_autoplay_an_empty_queue_is_silent() {
    let mut queue = queue("a");
    assert_eq!(*queue.autoplay(), Autoplay::Off);
    assert_eq!(advance(&mut queue, Why::Ended), Following::Nothing);
}

#[test]
fn autoplay_goes_on_with_what_has_played_and_nobody_asked_for_it() {
    let mut queue = queue("a b c");
    queue.set_autoplay(Autoplay::History);
    for _ in 0..3 {
        advance(&mut queue, Why::Ended);
    }
    let Current { entry, .. } = queue.current().unwrap();
    assert_eq!((entry.by.as_ref(), entry.id), (None, EntryId(3)));
    assert!(["a", "b"].map(item).contains(&entry.item));
    assert_eq!(queue.history().len(), 3);
}

#[test]
fn what_somebody_asks_for_comes_before_what_autoplay_chooses() {
    let mut queue = queue("a");
    queue.set_autoplay(Autoplay::History);
    advance(&mut queue, Why::Ended);
    add(&mut queue, "ann", Place::End, "b");
    assert_eq!(advance(&mut queue, Why::Ended), Following::Next);
    assert_eq!(shown(&queue), "b |");
}

#[test]
fn autoplay_begins_a_saved_list_in_a_fresh_queue_and_plays_all_of_it() {
    let mut lists = Lists::default();
    lists.save("Evening", items("a b c d e f")).unwrap();
    let mut queue = Queue::new(7);
    queue.set_autoplay(Autoplay::List("evening".to_owned()));
    assert_eq!(queue.resume(&lists), Resumed::Begins);
    let heard: BTreeSet<_> = (0..30)
        .map(|_| {
            assert_eq!(queue.advance(Why::Ended, &lists).following, Following::Chosen);
            shown(&queue)
        })
        .collect();
    assert_eq!(heard.len(), 6);
}

#[test]
fn autoplay_repeats_nothing_of_the_half_that_played_last() {
    let mut lists = Lists::default();
    lists.save("x", items("a b c d e f")).unwrap();
    let mut queue = Queue::new(7);
    queue.set_autoplay(Autoplay::List("x".to_owned()));
    let mut heard = Vec::new();
    for _ in 0..50 {
        queue.advance(Why::Ended, &lists);
        let title = shown(&queue);
        let last: Vec<_> = heard.iter().rev().take(3).collect();
        assert!(!last.contains(&&title), "{title} after {last:?}");
        heard.push(title);
    }
}

#[test]
fn autoplay_chooses_by_its_seed() {
    let heard = |seed| {
        let mut queue = Queue { seed, ..queue("a b c d e f g h i") };
        queue.set_autoplay(Autoplay::History);
        (0..20).map(|_| advance(&mut queue, Why::Ended)).count();
        played(&queue)
    };
    assert_eq!(heard(1), heard(1));
    assert_ne!(heard(1), heard(2));
}

#[test]
fn autoplay_of_a_list_that_is_gone_is_silent() {
    let mut queue = queue("a");
    queue.set_autoplay(Autoplay::List("gone".to_owned()));
    assert_eq!(advance(&mut queue, Why::Ended), Following::Nothing);
}

#[test]
fn the_only_piece_is_repeated_by_autoplay_unless_it_is_skipped_or_fails() {
    for (why, following) in [
        (Why::Ended, Following::Chosen),
        (Why::Skipped, Following::Nothing),
        (Why::Failed, Following::Nothing),
    ] {
        let mut queue = queue("a");
        queue.set_autoplay(Autoplay::History);
        assert_eq!(advance(&mut queue, why), following, "{why:?}");
    }
}

#[test]
fn autoplay_follows_its_list_to_another_name() {
    let mut queue = queue("a");
    queue.set_autoplay(Autoplay::List("Old".to_owned()));
    queue.note_renamed("other", "new");
    assert_eq!(*queue.autoplay(), Autoplay::List("Old".to_owned()));
    queue.note_renamed("old", "new");
    assert_eq!(*queue.autoplay(), Autoplay::List("new".to_owned()));
}
