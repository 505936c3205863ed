use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const A: EntryId = EntryId(1);
const B: EntryId = EntryId(2);

#[test]
fn enough_votes_skip() {
    let (mut votes, call) = (Votes::default(), call("ann bob eve"));
    let mut vote = |who: &str| votes.vote(A, &who.into(), &call, Share::default());
    assert_eq!(vote("ann"), Vote::Counted { have: 1, need: 2 });
    assert_eq!(vote("ann"), Vote::AlreadyVoted { have: 1, need: 2 });
    assert_eq!(vote("bob"), Vote::Skipped);
    assert_eq!(vote("ann"), Vote::Counted { have: 1, need: 2 });
}

#[test]
fn who_is_not_in_the_call_has_no_vote() {
    let mut votes = Votes::default();
    let call = call("ann bob");
    assert_eq!(votes.vote(A, &"eve".into(), &call, share(1)), Vote::NotInCall);
    assert_eq!(votes.vote(A, &"ann".into(), &call, share(1)), Vote::Skipped);
}

#[test]
fn votes_for_one_entry_do_not_count_for_the_next() {
    let (mut votes, call) = (Votes::default(), call("ann bob eve"));
    votes.vote(A, &"ann".into(), &call, share(100));
    let of_b = Vote::Counted { have: 1, need: 3 };
    assert_eq!(votes.vote(B, &"bob".into(), &call, share(100)), of_b);
    let none = Vote::Counted { have: 0, need: 3 };
    assert_eq!(votes.recount(A, &call, share(100)), none);
}

#[test]
fn who_leaves_lowers_what_is_needed_and_takes_their_vote_along() {
    let mut votes = Votes::default();
    let all = call("ann bob eve dan");
    votes.vote(A, &"ann".into(), &all, share(75));
    votes.vote(A, &"bob".into(), &all, share(75));
    let without_bob = votes.recount(A, &call("ann eve dan"), share(75));
    assert_eq!(without_bob, Vote::Counted { have: 1, need: 3 });
    assert_eq!(votes.recount(A, &call("ann"), share(75)), Vote::Skipped);
}

#[test]
fn an_empty_call_skips_nothing() {
    let recount = Votes::default().recount(A, &BTreeSet::new(), share(1));
    assert_eq!(recount, Vote::Counted { have: 0, need: 1 });
}

#[test]
fn the_share_is_rounded_up_and_at_least_one() {
    for (percent, people, need) in
        [(50, 0, 1), (50, 1, 1), (50, 2, 1), (50, 3, 2), (51, 2, 2), (1, 100, 1), (100, 7, 7)]
    {
        assert_eq!(share(percent).of(people), need, "{percent} % of {people}");
    }
}

#[test]
fn a_share_is_from_1_to_100_per_cent() {
    assert!(Share::try_from(0).is_err());
    assert!(Share::try_from(101).is_err());
    assert_eq!(serde_json::to_string(&share(66)).unwrap(), "66");
    assert!(serde_json::from_str::<Share>("0").is_err());
    assert_eq!(u8::from(share(100)), 100);
}

proptest! {
    #[test]
    fn never_are_more_votes_needed_than_people_are_there(
        percent in 1_u8..=100,
        people in 1_usize..10_000,
    ) {
        let need = share(percent).of(people);
        prop_assert!((1..=people).contains(&need));
        prop_assert!(need * 100 >= people * usize::from(percent));
    }
}

fn call(people: &str) -> BTreeSet<UserId> {
    people.split_whitespace().map(UserId::from).collect()
}

fn share(percent: u8) -> Share {
    percent.try_into().unwrap()
}
