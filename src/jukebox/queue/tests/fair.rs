use proptest::prelude::*;

use super::*;
use crate::jukebox::queue::fair::{SERVED_MAX, order, serve};

#[test]
fn people_take_turns_whoever_asked_for_much_first() {
    let queue = turns("ann:a ann:b ann:c bob:d bob:e eve:f");
    assert!(queue.is_fair());
    assert_eq!(shown(&queue), "a | d f b e c");
}

#[test]
fn a_newcomer_has_a_turn_before_those_who_had_one() {
    let mut queue = turns("ann:a bob:b ann:c bob:d");
    advance(&mut queue, Why::Ended);
    assert_eq!(shown(&queue), "b | c d");
    add(&mut queue, "eve", Place::End, "e");
    assert_eq!(shown(&queue), "b | e c d");
}

#[test]
fn without_turns_the_order_of_asking_is_there_again() {
    let mut queue = turns("ann:a ann:b ann:c bob:d");
    queue.set_fair(false);
    assert_eq!(shown(&queue), "a | b c d");
    queue.set_fair(true);
    assert_eq!(shown(&queue), "a | d b c");
}

#[test]
fn what_is_put_next_goes_before_all_turns() {
    let mut queue = turns("ann:a ann:b bob:c");
    add(&mut queue, "ann", Place::Next, "d e");
    assert_eq!(shown(&queue), "a | d e c b");
}

#[test]
fn what_cannot_be_played_costs_no_turn() {
    let mut queue = turns("ann:a bob:b bob:c ann:d eve:e");
    advance(&mut queue, Why::Ended);
    assert_eq!(shown(&queue), "b | e d c");
    advance(&mut queue, Why::Failed);
    assert_eq!(shown(&queue), "e | c d");
}

#[test]
fn in_turns_an_entry_moves_only_to_the_front_or_among_those_of_its_person() {
    let mut queue = turns("ann:a ann:b bob:c ann:d bob:e ann:f");
    assert_eq!(shown(&queue), "a | c b e d f");
    let before = queue.clone();
    assert_eq!(queue.shift(2, 3), Err(MoveError::Turns));
    assert_eq!(queue, before);
    queue.shift(5, 2).unwrap();
    assert_eq!(shown(&queue), "a | c f e b d");
    queue.shift(4, 1).unwrap();
    assert_eq!(shown(&queue), "a | b c f e d");
    assert_eq!(queue.shift(1, 3), Err(MoveError::Turns));
}

#[test]
fn what_was_put_next_is_rearranged_among_its_like() {
    let mut queue = turns("ann:a ann:b bob:c");
    add(&mut queue, "bob", Place::Next, "x y");
    add(&mut queue, "eve", Place::Next, "z");
    queue.shift(1, 3).unwrap();
    assert_eq!(shown(&queue), "a | x y z c b");
}

#[test]
fn what_was_put_next_and_then_moved_away_waits_for_its_turn() {
    let mut queue = turns("ann:a ann:b bob:c");
    queue.set_fair(false);
    add(&mut queue, "ann", Place::Next, "x y");
    queue.shift(1, 2).unwrap();
    assert_eq!(shown(&queue), "a | y x b c");
    queue.shift(2, 4).unwrap();
    queue.set_fair(true);
    assert_eq!(shown(&queue), "a | y c b x");
}

#[test]
fn a_loop_of_all_keeps_the_turns() {
    let mut queue = turns("ann:a ann:b bob:c");
    queue.set_repeat(LoopMode::All);
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.push(queue.current().unwrap().entry.item.title.to_string());
        advance(&mut queue, Why::Ended);
    }
    assert_eq!(heard, ["a", "c", "b", "c", "a", "c"]);
}

#[test]
fn the_turns_of_a_hundred_people_are_remembered() {
    let mut served = Vec::new();
    for person in 0..=SERVED_MAX {
        serve(&mut served, &format!("@{person}:x").into());
    }
    assert_eq!(served.len(), SERVED_MAX);
    assert!(!served.contains(&"@0:x".into()));
    serve(&mut served, &"@1:x".into());
    assert_eq!((served.len(), served.last()), (SERVED_MAX, Some(&"@1:x".into())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nobody_has_two_turns_while_another_waits_for_one(
        who in prop::collection::vec((0_u8..5, prop::bool::weighted(0.1)), 0..40),
        served in prop::collection::vec(0_u8..5, 0..5),
    ) {
        let entries: Vec<_> = (0..).zip(&who).map(|(id, &(by, ahead))| entry(id, by, ahead)).collect();
        let mut recent = Vec::new();
        for &by in &served {
            serve(&mut recent, &person(by));
        }
        let order = order(&entries, &recent);

        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..entries.len()).collect::<Vec<_>>());
        let ahead = order.iter().take_while(|&&i| entries[i].ahead).count();
        prop_assert!(order[..ahead].is_sorted());
        prop_assert!(order[ahead..].iter().all(|&i| !entries[i].ahead));
        let by: Vec<_> = order[ahead..].iter().map(|&i| who[i].0).collect();
        for (first, person) in by.iter().enumerate() {
            let Some(gap) = by[first + 1..].iter().position(|other| other == person) else { continue };
            let (between, after) = by[first + 1..].split_at(gap);
            let waits = after.iter().find(|other| *other != person && !between.contains(other));
            prop_assert_eq!(waits, None, "{:?}", &by);
        }
        if let (Some(last), Some(first)) = (served.last(), by.first()) {
            prop_assert!(first != last || by.iter().all(|other| other == last));
        }
    }

    #[test]
    fn the_turns_to_come_do_not_change_while_they_are_taken(
        who in prop::collection::vec(0_u8..5, 1..30),
    ) {
        let mut entries: Vec<_> = (0..).zip(&who).map(|(id, &by)| entry(id, by, false)).collect();
        let mut served = Vec::new();
        let ids = |entries: &[Entry], served: &[UserId]| -> Vec<_> {
            order(entries, served).into_iter().map(|i| entries[i].id).collect()
        };
        let foretold = ids(&entries, &served);
        for n in 0..who.len() {
            prop_assert_eq!(&ids(&entries, &served), &foretold[n..]);
            let next = entries.iter().position(|entry| entry.id == foretold[n]).unwrap();
            serve(&mut served, &entries.remove(next).by.unwrap());
        }
    }
}

fn person(number: u8) -> UserId {
    format!("@{number}:x").into()
}

fn entry(id: u64, by: u8, ahead: bool) -> Entry {
    Entry {
        id: EntryId(id),
        item: item("a"),
        by: Some(person(by)),
        asked_at_ms: 0,
        resume_ms: 0,
        ahead,
        ended_in: 0,
    }
}
