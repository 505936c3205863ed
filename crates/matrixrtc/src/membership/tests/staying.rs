//! While we are in.

use super::*;

#[test]
fn the_delayed_leave_is_restarted_every_five_seconds() {
    let mut bed = Bed::joined();
    for _ in 0..3 {
        bed.pass(Duration::from_millis(4_999));
        bed.expect("nothing");
        bed.pass(Duration::from_millis(1));
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
    }
}

#[test]
fn a_lost_leave_is_scheduled_again_and_our_membership_verified() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("read");
    bed.answer(Ok(standing()));
    bed.expect("nothing");
    assert_eq!(bed.event(), None);
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 2");
}

#[test]
fn a_lost_leave_that_was_sent_makes_us_join_again() {
    let gone = [Ok(Response::Membership(json!({}))), Err(RequestError::NotFound)];
    for answer in gone {
        let mut bed = Bed::joined();
        bed.pass(RESTART_INTERVAL);
        bed.expect("restart 1");
        bed.answer(Err(RequestError::NotFound));
        bed.expect("schedule 18");
        bed.answer(Ok(scheduled("2")));
        bed.expect("read");
        bed.answer(answer);
        bed.expect("cancel 2");
        bed.answer(Ok(Response::Done));
        bed.expect("schedule 18");
        bed.answer(Ok(scheduled("3")));
        bed.expect("join");
    }
}

#[test]
fn a_membership_that_cannot_be_read_is_left_to_the_rooms_state() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("read");
    bed.answer(Err(RequestError::Forbidden));
    bed.expect("nothing");
    assert!(bed.membership.is_joined());
}

#[test]
fn a_restart_that_fails_is_tried_again_every_second() {
    for error in [RequestError::Network, RequestError::Server(502)] {
        let mut bed = Bed::joined();
        bed.pass(RESTART_INTERVAL);
        for _ in 0..5 {
            bed.expect("restart 1");
            bed.answer(Err(error.clone()));
            bed.expect("nothing");
            bed.pass(Duration::from_secs(1));
        }
    }
}

#[test]
fn a_restart_without_an_answer_is_tried_again_at_once() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.pass(Duration::from_secs(2));
    bed.answer(Err(RequestError::Timeout));
    assert_eq!(bed.membership.poll_timeout(), Some(bed.now.instant));
    bed.pass(Duration::ZERO);
    bed.expect("restart 1");
}

#[test]
fn when_the_delay_has_run_out_we_have_probably_left_until_a_restart_succeeds() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::Network));
    bed.pass(Duration::from_secs(18));
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(true)));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(false)));
}

#[test]
fn when_the_delay_has_run_out_and_the_leave_was_sent_we_join_anew() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_secs(18));
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(true)));
    bed.expect("restart 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("read");
    assert_eq!(bed.event(), None);
    bed.answer(Ok(Response::Membership(json!({}))));
    bed.expect("cancel 2");
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("3")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    assert_eq!(bed.event(), Some(Event::ProbablyLeft(false)));
    assert_eq!(bed.event(), Some(Event::Joined));
}

#[test]
fn a_homeserver_that_fails_again_and_again_has_not_removed_us() {
    let mut bed = Bed::joined();
    for n in 1..4 {
        bed.pass(Duration::from_secs(18));
        bed.expect(&format!("restart {n}"));
        bed.answer(Err(RequestError::Network));
        bed.see(false);
        bed.expect(&format!("cancel {n}"));
        bed.answer(Err(RequestError::NotFound));
        bed.expect("schedule 18");
        bed.answer(Ok(scheduled(&(n + 1).to_string())));
        bed.expect("join");
        bed.answer(Ok(sent()));
        bed.expect(&format!("restart {}", n + 1));
        bed.answer(Ok(Response::Done));
        bed.see(true);
    }
}

#[test]
fn the_membership_is_renewed_each_hour_after_the_delayed_leave() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_secs(3_595));
    bed.event();
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("renew 28800000");
    bed.answer(Ok(sent()));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
}

#[test]
fn renewals_that_were_slept_through_are_left_out() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_hours(3));
    bed.event();
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("renew 28800000");
    bed.answer(Ok(sent()));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
    bed.pass(Duration::from_secs(3_595));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("renew 72000000");
}

#[test]
fn a_renewal_that_fails_does_not_keep_the_delayed_leave_waiting() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_secs(3_595));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("renew 28800000");
    bed.answer(Err(RequestError::RateLimited { retry_after: Some(Duration::from_secs(12)) }));
    for _ in 0..2 {
        bed.pass(RESTART_INTERVAL);
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
        bed.expect("nothing");
    }
    bed.pass(Duration::from_secs(2));
    bed.expect("renew 28800000");
}

#[test]
fn without_delayed_events_any_more_the_membership_is_made_short() {
    let mut bed = Bed::joined();
    bed.pass(Duration::from_mins(25));
    bed.event();
    bed.expect("restart 1");
    bed.answer(Err(RequestError::Unsupported));
    bed.expect("read");
    bed.answer(Ok(standing()));
    bed.expect("renew 1800000");
    bed.answer(Ok(sent()));
    bed.expect("nothing");
    bed.pass(Duration::from_secs(295));
    bed.expect("renew 2400000");
}

#[test]
fn a_membership_that_is_not_seen_within_ten_seconds_is_read() {
    let mut bed = Bed::visible_soon(false);
    for _ in 0..2 {
        bed.pass(RESTART_INTERVAL);
        bed.expect("restart 1");
        bed.answer(Ok(Response::Done));
    }
    bed.expect("read");
    bed.answer(Ok(standing()));
    bed.see(false);
    bed.expect("nothing");
    bed.see(true);
    bed.pass(Duration::from_secs(10));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
}

#[test]
fn a_membership_that_somebody_removed_is_sent_once_more() {
    let mut bed = Bed::joined();
    bed.see(false);
    bed.expect("cancel 1");
    bed.answer(Err(RequestError::NotFound));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    bed.expect("restart 2");
    bed.answer(Ok(Response::Done));
    assert_eq!(bed.event(), Some(Event::Joined));
    bed.see(true);

    bed.see(false);

    assert_eq!(bed.event(), Some(Event::Failed(Failure::Removed)));
    bed.expect("nothing");
}

#[test]
fn a_membership_that_is_removed_during_a_request_is_sent_again_after_it() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.see(false);
    bed.expect("nothing");
    bed.answer(Ok(Response::Done));
    bed.expect("cancel 1");
}

#[test]
fn a_membership_that_is_removed_while_the_homeserver_fails_is_sent_again() {
    let mut bed = Bed::joined();
    bed.pass(RESTART_INTERVAL);
    bed.expect("restart 1");
    bed.answer(Err(RequestError::Server(500)));
    bed.see(false);
    bed.expect("cancel 1");
}

#[test]
fn a_membership_that_comes_back_before_its_answer_is_a_new_one_all_the_same() {
    let mut bed = Bed::joined();
    bed.see(false);
    bed.expect("cancel 1");
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("join");
    bed.see(true);
    bed.answer(Ok(sent()));
    assert_eq!(bed.event(), Some(Event::Joined));
}

#[test]
fn an_older_membership_that_is_shown_late_is_not_taken_for_ours() {
    let mut bed = Bed::visible_soon(false);
    bed.shown = "$older".to_owned();
    bed.see(true);
    bed.see(false);
    bed.expect("nothing");
    bed.shown = "$1".to_owned();
    bed.see(true);
    bed.see(false);
    bed.expect("cancel 1");
}

#[test]
fn a_membership_announced_anew_has_no_creation_time_and_another_expiry() {
    let mut bed = Bed::joined();
    bed.membership.announce_anew(bed.now);
    bed.expect("join anew");
    bed.answer(Ok(sent()));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.see(true);
    bed.expect("nothing");
    assert_eq!(bed.event(), None);
    bed.pass(Duration::from_secs(3_595));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.expect("renew 28800000");
}

#[test]
fn a_membership_that_is_gone_is_not_announced_anew_but_joined_anew() {
    let mut bed = Bed::joined();
    bed.see(false);
    bed.expect("cancel 1");
    bed.membership.announce_anew(bed.now);
    bed.answer(Ok(Response::Done));
    bed.expect("schedule 18");
    bed.answer(Ok(scheduled("2")));
    bed.expect("join");
    bed.answer(Ok(sent()));
    assert_eq!(bed.event(), Some(Event::Joined));
    bed.expect("restart 2");
    bed.answer(Ok(Response::Done));
    bed.expect("nothing");
}

#[test]
fn no_two_memberships_announced_anew_are_equal() {
    let mut bed = Bed::joined();
    bed.membership.announce_anew(bed.now);
    bed.expect("join anew");
    bed.answer(Ok(sent()));
    bed.expect("restart 1");
    bed.answer(Ok(Response::Done));
    bed.membership.announce_anew(bed.now);
    let (_, request) = bed.membership.poll_request(bed.now).unwrap();
    assert!(
        matches!(request, Request::SendMembership { content, .. } if content["expires"] == 14_400_002)
    );
}
