//! On the way out.

use super::*;

#[test]
fn leaving_sends_the_delayed_leave_now() {
    let mut bed = Bed::joined();
    bed.membership.leave();
    bed.expect("send 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Left));
    assert_eq!(bed.membership.delay_ids(), []);
    assert!(!bed.membership.may_stand());
}

#[test]
fn a_delayed_leave_that_is_gone_is_replaced_by_a_direct_one() {
    for error in [RequestError::NotFound, RequestError::Forbidden, RequestError::Unsupported] {
        let mut bed = Bed::joined();
        bed.membership.leave();
        bed.expect("send 1");
        bed.answer(Err(error));
        bed.expect("leave");
        bed.answer(Ok(sent()));
        assert_eq!(bed.event(), Some(Event::Left));
    }
}

#[test]
fn leaving_is_tried_again_while_the_homeserver_fails() {
    let mut bed = Bed::joined();
    bed.membership.leave();
    for pause in [1, 2, 4, 4] {
        bed.expect("send 1");
        bed.answer(Err(RequestError::Network));
        bed.pass(Duration::from_secs(pause));
    }
    bed.expect("send 1");
}

#[test]
fn a_leave_that_is_refused_ends_in_being_out() {
    let mut bed = Bed::joined();
    bed.membership.leave();
    bed.expect("send 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("leave");
    bed.answer(Err(RequestError::Forbidden));
    assert_eq!(bed.event(), Some(Event::Left));
    assert!(bed.membership.may_stand());
}

#[test]
fn without_a_delayed_leave_a_direct_one_is_sent() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("join unguarded");
    bed.answer(Ok(sent()));
    bed.membership.leave();
    bed.expect("leave");
}

#[test]
fn leaving_before_anything_was_sent_sends_nothing() {
    let mut bed = Bed::new(false);
    bed.membership.leave();
    bed.expect("nothing");
    assert_eq!(bed.event(), Some(Event::Left));
}

#[test]
fn leaving_waits_for_the_request_under_way() {
    // What is asked, its answer, and what is asked next.
    let steps: [(&str, Response, &str); 4] = [
        ("list", Response::DelayedEvents(Vec::new()), "nothing"),
        ("schedule 18", scheduled("1"), "send 1"),
        ("join", sent(), "send 1"),
        ("restart 1", Response::Done, "send 1"),
    ];
    for last in 0..steps.len() {
        let mut bed = Bed::new(false);
        for (step, answer, _) in &steps[..last] {
            bed.expect(step);
            bed.answer(Ok(answer.clone()));
        }
        let (step, answer, next) = &steps[last];
        bed.expect(step);
        bed.membership.leave();
        bed.expect("nothing");
        bed.answer(Ok(answer.clone()));
        bed.expect(next);
    }
}

#[test]
fn leaving_while_a_request_fails_leaves_all_the_same() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.membership.leave();
    bed.answer(Err(RequestError::Timeout));
    bed.expect("send 1");
}

#[test]
fn a_membership_that_may_have_been_sent_is_taken_back() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("schedule 18");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("join unguarded");
    bed.membership.leave();
    bed.answer(Err(RequestError::Timeout));
    bed.expect("leave");
}

#[test]
fn who_is_refused_while_leaving_has_left() {
    let mut bed = Bed::new(false);
    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.membership.leave();
    bed.answer(Err(RequestError::Forbidden));
    assert_eq!(bed.event(), Some(Event::Left));
    assert_eq!(bed.event(), None);
}

#[test]
fn leaving_does_not_wait_until_a_failed_request_is_tried_again() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_mins(1)) }));
    bed.membership.leave();
    bed.expect("send 1");
}

#[test]
fn who_probably_left_and_leaves_is_certain_again_when_it_joins() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_secs(18));
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(true)));
    bed.expect("restart 1");
    bed.membership.leave();
    bed.answer(Err(RequestError::Network));
    bed.expect("send 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Left));
    bed.membership.join(url(), false);
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(false)));
}

#[test]
fn who_left_can_join_again() {
    let mut bed = Bed::joined();
    bed.membership.leave();
    bed.expect("send 1");
    bed.answer(Ok(Response::Done));
    bed.event();

    bed.membership.join(url(), false);

    bed.expect("list");
    bed.answer(Ok(Response::DelayedEvents(Vec::new())));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    assert_eq!(bed.event(), Some(Event::Joined));
}

#[test]
fn what_another_has_now_is_left_standing_and_nothing_is_held_against_it() {
    let mut bed = Bed::joined();
    bed.membership.hand_over();
    bed.expect("cancel 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Left));
    bed.expect("nothing");
    assert_eq!(bed.membership.delay_ids(), []);
    assert!(bed.membership.may_stand());
}

#[test]
fn a_leave_that_is_being_scheduled_is_cancelled_once_it_is_known() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    // The other has cancelled it.
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.membership.hand_over();
    bed.expect("nothing");
    bed.answer(Ok(scheduled("2")));
    bed.expect("cancel 2");
    bed.answer(Err(RequestError::Network));
    bed.pass(Duration::from_secs(1));
    bed.expect("cancel 2");
    bed.answer(Err(RequestError::NotFound));
    assert_eq!(bed.event(), Some(Event::Left));
}

#[test]
fn what_was_handed_to_the_token_service_is_cancelled_too() {
    let mut bed = Bed::visible_soon(true);
    bed.expect("schedule 3600");
    bed.answer(Ok(scheduled("long")));
    bed.membership.hand_over();
    let mut asked = vec![bed.next()];
    while bed.event().is_none() {
        bed.answer(Ok(Response::Done));
        asked.push(bed.next());
    }
    assert!(asked.starts_with(&["cancel 1".to_owned(), "cancel long".to_owned()]), "{asked:?}");
}
