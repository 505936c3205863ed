//! On the way in.

use super::*;

#[test]
fn the_delayed_leave_stands_before_the_membership_and_is_restarted_after_it() {
    Bed::joined().expect("nothing");
}

#[test]
fn leaves_of_an_earlier_run_are_cancelled_but_no_others() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    let ours = "_@me:x_D_m.call";
    let other_type = DelayedEvent { event_type: "m.x".to_owned(), ..delayed("e", "!r:x", ours) };
    bed.answer(Ok(Response::DelayedEvents(vec![
        delayed("a", "!r:x", ours),
        delayed("b", "!other:x", ours),
        delayed("c", "!r:x", "_@me:x_E_m.call"),
        delayed("d", "!r:x", ours),
        other_type,
    ])));
    bed.expect("cancel a");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("cancel d");
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
}

#[test]
fn a_saved_leave_is_cancelled_where_none_can_be_listed() {
    let mut bed = Bed::after(false, &["old"], false);
    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("cancel old");
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
    assert_eq!(bed.membership.delay_ids(), []);
}

#[test]
fn a_saved_leave_that_is_not_listed_is_gone() {
    let mut bed = Bed::after(false, &["old"], false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    assert_eq!(bed.membership.delay_ids(), []);
}

#[test]
fn a_stale_membership_is_cleared_first() {
    let mut bed = Bed::new(true);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("leave");
    bed.answer(Ok(sent()));
    bed.expect("schedule 18");
}

#[test]
fn a_rate_limit_is_obeyed() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_millis(1_234)) }));
    bed.pass(Duration::from_millis(1_233));
    bed.expect("nothing");
    bed.pass(Duration::from_millis(1));
    bed.expect("list");
}

#[test]
fn an_absurd_rate_limit_is_obeyed_for_five_minutes() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::MAX) }));
    bed.pass(Duration::from_mins(5));
    bed.expect("list");
}

#[test]
fn a_failing_homeserver_is_tried_again_without_end_every_four_seconds_at_last() {
    let mut bed = Bed::new(false);
    for pause_ms in [1_000, 2_000, 4_000, 4_000, 4_000, 4_000] {
        bed.expect("list");
        bed.answer(Err(RequestError::Server(502)));
        bed.pass(Duration::from_millis(pause_ms - 1));
        bed.expect("nothing");
        bed.pass(Duration::from_millis(1));
    }
    bed.expect("list");
}

#[test]
fn a_leave_whose_answer_was_lost_is_looked_for_and_cancelled() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::Timeout));
    bed.pass(Duration::from_secs(1));
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(vec![delayed("lost", "!r:x", "_@me:x_D_m.call")])));
    bed.expect("cancel lost");
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
}

#[test]
fn a_delay_that_is_too_long_is_shortened() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::MaxDelay(Some(Duration::from_secs(10)))));
    bed.expect("schedule 10");
}

#[test]
fn a_delay_that_is_refused_without_a_reason_is_halved_once() {
    for error in [RequestError::Forbidden, RequestError::MaxDelay(None)] {
        let mut bed = Bed::new(false);
        bed.expect("list");
        bed.answer(Ok(Response::DelayedEvents(Vec::new())));
        bed.expect("schedule 18");
        bed.answer(Err(error.clone()));
        bed.expect("schedule 9");
        bed.answer(Err(error));
        bed.expect("join unguarded");
    }
}

#[test]
fn a_delay_too_short_to_be_restarted_is_not_taken() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::MaxDelay(Some(Duration::from_secs(7)))));
    bed.expect("join unguarded");
}

#[test]
fn with_too_many_delayed_events_we_join_without_one() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    for _ in 0..5 {
        bed.expect("schedule 18");
        bed.answer(Err(RequestError::RateLimited { retry_after: None }));
        bed.expect("nothing");
        bed.pass(Duration::from_secs(5));
    }
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::RateLimited { retry_after: None }));
    bed.expect("join unguarded");
}

#[test]
fn without_delayed_events_the_membership_is_short_and_often_renewed() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("join unguarded");
    bed.answer(Ok(sent()));
    bed.see(true);
    bed.expect("nothing");
    for expires in [1_200_000, 1_800_000, 2_400_000] {
        bed.pass(Duration::from_secs(if expires == 1_200_000 { 595 } else { 600 }));
        bed.expect(&format!("renew {expires}"));
        bed.answer(Ok(sent()));
        bed.expect("nothing");
    }
}

#[test]
fn the_delayed_leave_is_restarted_while_the_membership_cannot_be_sent() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_secs(7)) }));
    bed.pass(Duration::from_secs(5));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
    bed.pass(Duration::from_secs(2));
    bed.expect("join");
}

#[test]
fn a_leave_that_is_lost_before_the_membership_is_sent_is_scheduled_again() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_secs(7)) }));
    bed.pass(Duration::from_secs(5));
    bed.expect("restart 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("nothing");
    bed.pass(Duration::from_secs(2));
    bed.expect("join");
    bed.answer(Ok(sent()));
    bed.expect("restart 2");
}

#[test]
fn a_membership_that_is_not_allowed_is_given_up() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.answer(Err(RequestError::Forbidden));
    assert_eq!(bed.event(), Some(Event::Failed(Failure::Forbidden)));
    bed.expect("nothing");
    assert_eq!(bed.membership.poll_timeout(), None);
}

#[test]
fn a_stale_membership_that_may_not_be_cleared_is_given_up() {
    let mut bed = Bed::new(true);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("leave");
    bed.answer(Err(RequestError::Other("no".to_owned())));
    assert_eq!(bed.event(), Some(Event::Failed(Failure::Refused("no".to_owned()))));
    assert!(bed.membership.may_stand());
}

#[test]
fn joining_again_begins_with_the_leave_that_is_left() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.answer(Err(RequestError::Forbidden));
    bed.event();

    bed.membership.join(url(), false);

    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("cancel 1");
}

#[test]
fn joining_twice_is_joining_once() {
    let mut bed = Bed::joined();
    bed.membership.join(url(), false);
    bed.expect("nothing");
    assert!(bed.membership.is_joined());
}
