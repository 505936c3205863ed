//! Handing the leave over to the token service.

use super::*;

/// In the call, the long leave scheduled, and the service asked.
fn asked() -> Bed {
    let mut bed = Bed::visible_soon(true);
    bed.see(true);
    bed.expect("schedule 3600");
    bed.answer(Ok(scheduled("long")));
    bed.expect("delegate long");
    bed
}

/// The service has taken over.
fn granted() -> Bed {
    let mut bed = asked();
    bed.answer(Ok(Response::Done));
    bed.expect("cancel 1");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
    bed
}

fn ids(bed: &Bed) -> Vec<&str> {
    bed.membership.delay_ids().iter().map(DelayId::as_str).collect()
}

#[test]
fn by_default_nothing_is_handed_over() {
    Bed::joined().expect("nothing");
}

#[test]
fn once_the_service_has_taken_over_the_short_leave_is_cancelled_and_nothing_restarted() {
    let mut bed = granted();
    assert_eq!(ids(&bed), ["long"]);
    bed.pass(Duration::from_mins(30));
    bed.expect("nothing");
    assert_eq!(bed.event(), None);
    bed.pass(Duration::from_secs(1_795));
    bed.expect("renew 28800000");
    bed.answer(Ok(sent()));
    bed.expect("nothing");
}

#[test]
fn while_the_service_thinks_the_short_leave_is_restarted() {
    let mut bed = asked();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.lane = Lane::Delegation;
    bed.answer(Ok(Response::Done));
    bed.expect("cancel 1");
}

#[test]
fn a_grant_during_a_restart_is_acted_on_after_it() {
    let mut bed = asked();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.lane = Lane::Delegation;
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
    bed.lane = Lane::Own;
    bed.answer(Ok(Response::Done));
    bed.expect("cancel 1");
}

#[test]
fn when_the_service_refuses_or_fails_the_long_leave_is_cancelled() {
    let errors = [
        RequestError::Forbidden,
        RequestError::Unsupported,
        RequestError::Other("400".to_owned()),
        RequestError::Timeout,
        RequestError::RateLimited { retry_after: None },
    ];
    for error in errors {
        let mut bed = asked();
        bed.answer(Err(error));
        bed.expect("cancel long");
        bed.answer(Ok(Response::Done));
        bed.expect("nothing");
        assert_eq!(ids(&bed), ["1"]);
        bed.pass(RESTART_INTERVAL);
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
        bed.expect("nothing");
    }
}

#[test]
fn the_long_leave_is_cancelled_however_often_that_fails() {
    let mut bed = asked();
    bed.answer(Err(RequestError::Forbidden));
    for pause in [1, 2] {
        bed.expect("cancel long");
        bed.answer(Err(RequestError::Network));
        bed.expect("nothing");
        bed.pass(Duration::from_secs(pause));
    }
    bed.expect("cancel long");
    assert_eq!(ids(&bed), ["1", "long"]);
}

#[test]
fn where_an_hour_is_too_long_nothing_is_handed_over() {
    for error in [RequestError::Forbidden, RequestError::MaxDelay(Some(Duration::from_mins(10)))] {
        let mut bed = Bed::visible_soon(true);
        bed.expect("schedule 3600");
        bed.answer(Err(error));
        bed.expect("nothing");
        bed.pass(RESTART_INTERVAL);
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
        bed.expect("nothing");
    }
}

#[test]
fn where_leaves_cannot_be_listed_nothing_is_handed_over() {
    let mut bed = Bed::after(false, &[], true);
    bed.expect("list");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("1")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
}

#[test]
fn a_rate_limit_puts_it_off() {
    let mut bed = Bed::visible_soon(true);
    bed.expect("schedule 3600");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_secs(3)) }));
    bed.expect("nothing");
    bed.pass(Duration::from_secs(3));
    bed.expect("schedule 3600");
}

#[test]
fn a_long_leave_whose_answer_was_lost_is_looked_for_and_cancelled() {
    let mut bed = Bed::visible_soon(true);
    bed.expect("schedule 3600");
    bed.answer(Err(RequestError::Timeout));
    bed.pass(Duration::from_secs(1));
    bed.expect("list");
    let key = "_@me:x_D_m.call";
    bed.answer(Ok(Response::DelayedEvents(vec![
        delayed("1", "!r:x", key),
        delayed("lost", "!r:x", key),
        delayed("other", "!o:x", key),
    ])));
    bed.expect("cancel lost");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
}

#[test]
fn when_the_short_leave_is_lost_meanwhile_the_long_one_is_cancelled() {
    let mut bed = asked();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.lane = Lane::Delegation;
    bed.answer(Ok(Response::Done));
    bed.expect("cancel long");
    bed.answer(Ok(Response::Done));
    bed.lane = Lane::Own;
    bed.answer(Ok(scheduled("2")));
    bed.expect("read");
    assert_eq!(ids(&bed), ["2"]);
}

#[test]
fn when_the_service_made_us_leave_we_join_again_and_guard_ourselves() {
    let mut bed = granted();
    bed.see(false);
    bed.expect("cancel long");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    bed.expect("restart 2");
    bed.answer(Ok(Response::Done));
    bed.see(true);
    bed.expect("nothing");
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 2");
}

#[test]
fn a_short_leave_that_was_sent_before_it_was_cancelled_makes_us_look() {
    let mut bed = asked();
    bed.answer(Ok(Response::Done));
    bed.expect("cancel 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("read");
    bed.answer(Ok(standing()));
    bed.expect("nothing");
}

#[test]
fn leaving_sends_the_leave_that_was_handed_over_now() {
    let mut bed = granted();
    bed.membership.leave();
    bed.expect("send long");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Left));
}

#[test]
fn when_the_service_was_faster_the_leave_is_sent_directly() {
    let mut bed = granted();
    bed.membership.leave();
    bed.expect("send long");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("leave");
    bed.answer(Ok(sent()));
    assert_eq!(bed.event(), Some(Event::Left));
}

#[test]
fn leaving_while_the_service_thinks_cancels_the_long_leave() {
    let mut bed = asked();
    bed.membership.leave();
    bed.expect("send 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Left));
    bed.lane = Lane::Delegation;
    bed.answer(Ok(Response::Done));
    bed.expect("cancel long");
    bed.answer(Ok(Response::Done));
    assert_eq!(ids(&bed), [""; 0]);
}

#[test]
fn leaving_while_the_long_leave_is_scheduled_cancels_it() {
    let mut bed = Bed::visible_soon(true);
    bed.expect("schedule 3600");
    bed.membership.leave();
    bed.expect("send 1");
    bed.lane = Lane::Delegation;
    bed.answer(Ok(scheduled("long")));
    bed.expect("cancel long");
}
