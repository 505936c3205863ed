//! From one run of the process to the next.

use serde_json::json;

use super::*;

/// The last that was to be saved.
fn saved(events: &[Event]) -> Option<Saved> {
    events.iter().rev().find_map(|event| match event {
        Event::Saved(saved) => Some(saved.clone()),
        _ => None,
    })
}

#[test]
fn what_the_next_run_has_to_know_is_told_as_it_changes() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    let events = bed.events();
    let joined =
        Saved { delay_ids: vec![DelayId::from("1")], last_key_index: Some(0), joined: true };
    assert_eq!(saved(&events), Some(joined));
    let at = |wanted: fn(&Event) -> bool| events.iter().position(wanted);
    let index_saved = at(|e| matches!(e, Event::Saved(Saved { last_key_index: Some(0), .. })));
    assert!(index_saved < at(|e| matches!(e, Event::UseKey { .. })));

    bed.session.leave(bed.now);
    bed.serve();

    let left = Saved { delay_ids: Vec::new(), last_key_index: Some(0), joined: false };
    assert_eq!(saved(&bed.events()), Some(left));
}

#[test]
fn what_did_not_change_is_not_told_again() {
    let mut bed = Bed::new(Encryption::PerParticipant);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    bed.serve();
    bed.events();
    bed.pass(Duration::from_secs(5));
    bed.serve();
    bed.roster(&["@me:x", "@a:x"]);
    bed.serve();
    assert_eq!(saved(&bed.events()), None);
}

#[test]
fn a_run_after_a_crash_clears_up_and_goes_on_counting() {
    let crashed =
        Saved { delay_ids: vec![DelayId::from("old")], last_key_index: Some(7), joined: true };
    let stored = serde_json::to_string(&crashed).unwrap();
    let mut bed = Bed::with(|config| config.saved = serde_json::from_str(&stored).unwrap());
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);

    let (id, request) = bed.session.poll_request().unwrap();
    assert_eq!(request, Request::ListDelayedEvents);
    bed.session.handle_response(id, Err(RequestError::Unsupported), bed.now);
    let served = bed.serve();

    assert_eq!(served[0], Request::CancelLeave(DelayId::from("old")));
    assert!(matches!(&served[1], Request::SendMembership { content, .. } if *content == json!({})));
    assert!(matches!(&served[2], Request::ScheduleLeave { .. }));
    let index = bed.events().into_iter().find_map(|event| match event {
        Event::UseKey { index, .. } => Some(index.get()),
        _ => None,
    });
    assert_eq!(index, Some(8));
}

#[test]
fn after_a_crash_our_key_follows_the_new_membership() {
    let mut bed = Bed::with(|config| {
        config.saved = Some(Saved { joined: true, ..Saved::default() });
    });
    bed.roster(&["@me:x", "@a:x"]);
    bed.session.join(ServiceUrl::from("https://x/jwt"), bed.now);
    let served = bed.serve();
    let at = |wanted: fn(&Request) -> bool| served.iter().rposition(wanted).unwrap();
    let joined = at(|request| matches!(request, Request::SendMembership { .. }));
    assert!(joined < at(|request| matches!(request, Request::SendKey { .. })));
}
