//! Every edge of the resume, in virtual time.

use std::net::SocketAddr;

use str0m::media::MediaKind;

use super::*;
use crate::{ReconnectReason, Source};

/// A bed where the client publishes, hears `TR_x`, and has been up for a while.
fn settled() -> Bed {
    let mut bed = connected();
    bed.publish(1, &[("TR_x", MediaKind::Audio)]);
    bed.run(ms(10));
    bed.client.subscribe(&"TR_x".into(), bed.now);
    keep(&mut bed, 31);
    bed
}

/// So many seconds in which the server answers pings.
fn keep(bed: &mut Bed, seconds: u64) {
    for _ in 0..seconds {
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(1));
    }
}

/// The WebSocket ends, and the client asks for another.
fn cut(bed: &mut Bed) {
    bed.client.handle_signal_end(bed.now);
    bed.run(ms(600));
    assert_eq!(bed.reopened.len(), 1, "{:?}", bed.events);
}

/// Sends a frame each way; whether both arrived.
fn flows(bed: &mut Bed) -> bool {
    let before = (bed.frames.len(), bed.heard.len());
    let track = bed.track;
    let sent =
        bed.client.send_frame(track, &[1], bed.frames.len() as u64 * 960, Level::Silent, bed.now);
    bed.send("TR_x", bed.heard.len() as u64 * 960, &[2]);
    bed.run(ms(150));
    sent.is_ok() && bed.frames.len() == before.0 + 1 && bed.heard.len() == before.1 + 1
}

fn why(bed: &Bed) -> Option<Why> {
    ended(bed).map(|ended| ended.why.clone())
}

fn sync(bed: &Bed) -> &proto::SyncState {
    let state = bed.asked.iter().rev().find_map(|asked| match asked {
        Asked::SyncState(state) => Some(state),
        _ => None,
    });
    state.expect("a state")
}

#[test]
fn a_lost_websocket_is_opened_anew_at_once_and_media_goes_on_meanwhile() {
    let mut bed = settled();
    assert!(flows(&mut bed));
    let lost = bed.now;
    cut(&mut bed);
    let (at, resume) = bed.reopened[0].clone();
    assert!(at <= lost + ms(500));
    assert_eq!((resume.sid.as_str(), resume.reason), ("PA_bot", ReconnectReason::SignalLost));
    assert!(flows(&mut bed));
    bed.reconnect();
    bed.run(ms(300));
    assert!(flows(&mut bed));
    assert!(!bed.events.contains(&Event::Interrupted), "media was never interrupted");
    assert_eq!((bed.client.state(), ended(&bed)), (State::Connected, None));
}

#[test]
fn the_server_is_told_the_state_first_then_offered_new_paths() {
    let mut bed = settled();
    bed.asked.clear();
    cut(&mut bed);
    bed.reconnect();
    bed.run(ms(300));
    assert!(matches!(bed.asked[..2], [Asked::SyncState(_), Asked::Offer(_)]), "{:?}", bed.asked);
    let state = sync(&bed);
    assert_eq!(state.subscription.as_ref().unwrap().track_sids, ["TR_x"]);
    assert!(state.subscription.as_ref().unwrap().subscribe);
    assert_eq!(state.publish_tracks[0].track.as_ref().unwrap().sid, "TR_1");
    let (offer, answer) = state.offer.as_ref().zip(state.answer.as_ref()).unwrap();
    assert_eq!((offer.r#type.as_str(), answer.r#type.as_str()), ("offer", "answer"));
}

#[test]
fn what_was_wanted_meanwhile_is_told_once_both_paths_are_up() {
    let mut bed = settled();
    cut(&mut bed);
    bed.asked.clear();
    bed.client.set_muted(bed.track, true);
    bed.client.unsubscribe(&"TR_x".into(), bed.now);
    let second = TrackConfig { source: Source::ScreenShareAudio, ..sfu::music() };
    bed.client.publish(second, bed.now).unwrap();
    bed.run(ms(100));
    assert_eq!(bed.asked, [], "there is nobody to be told");
    bed.reconnect();
    bed.udp = false;
    bed.run(ms(300));
    let kinds = |bed: &Bed| {
        let is_held = |asked: &&Asked| {
            matches!(asked, Asked::Mute(_) | Asked::AddTrack(_) | Asked::Subscription(_))
        };
        bed.asked.iter().filter(is_held).count()
    };
    assert_eq!(kinds(&bed), 0, "the paths are not up: {:?}", bed.asked);
    bed.udp = true;
    bed.run(secs(4));
    assert_eq!(kinds(&bed), 2, "a mute and a track: {:?}", bed.asked);
    assert_eq!(sync(&bed).subscription.as_ref().unwrap().track_sids, Vec::<String>::new());
}

#[test]
fn a_silent_server_is_resumed_after_its_ping_timeout() {
    let mut bed = settled();
    bed.run(secs(14));
    assert!(bed.reopened.is_empty());
    bed.run(secs(2));
    assert_eq!(bed.reopened.len(), 1);
}

#[test]
fn a_leave_that_says_resume_is_obeyed() {
    let mut bed = settled();
    let mut leave = proto::LeaveRequest::default();
    leave.set_reason(proto::DisconnectReason::ConnectionTimeout);
    leave.set_action(proto::leave_request::Action::Resume);
    bed.say(Said::Leave(leave));
    bed.run(ms(10));
    bed.client.handle_signal_end(bed.now);
    bed.run(ms(600));
    assert_eq!(bed.reopened.len(), 1);
    bed.reconnect();
    bed.run(ms(300));
    assert!(flows(&mut bed));
}

#[test]
fn an_attempt_that_fails_is_made_again_with_growing_pauses_and_then_given_up() {
    let mut bed = settled();
    cut(&mut bed);
    for _ in 0..20 {
        bed.client.handle_reopen_failure(Some(503), bed.now);
        bed.run(secs(11));
    }
    assert_eq!(why(&bed), Some(Why::SignalLost));
    assert!((3..=10).contains(&bed.reopened.len()), "{}", bed.reopened.len());
    let last = bed.reopened.last().unwrap().0;
    assert!(last <= bed.reopened[0].0 + secs(20));
}

#[test]
fn pauses_differ_from_connection_to_connection() {
    let firsts = [1, 2, 3, 4].map(|seed| {
        let mut bed = Bed::with_seed(seed);
        bed.join();
        bed.run(secs(2));
        let lost = bed.now;
        bed.client.handle_signal_end(bed.now);
        bed.run(ms(600));
        bed.reopened[0].0 - lost
    });
    assert!(firsts.windows(2).any(|pair| pair[0] != pair[1]), "{firsts:?}");
}

#[test]
fn a_server_that_refuses_the_token_or_lost_the_room_is_not_asked_again() {
    for status in [401, 404] {
        let mut bed = settled();
        cut(&mut bed);
        bed.client.handle_reopen_failure(Some(status), bed.now);
        bed.run(ms(10));
        let expected = Ended { why: Why::Forgotten, recovery: Recovery::Rejoin };
        assert_eq!(ended(&bed), Some(&expected));
    }
}

#[test]
fn a_server_that_knows_us_no_more_is_joined_anew() {
    let mut bed = settled();
    cut(&mut bed);
    bed.client.handle_reopened(bed.now);
    let mut leave = proto::LeaveRequest::default();
    leave.set_reason(proto::DisconnectReason::StateMismatch);
    leave.set_action(proto::leave_request::Action::Reconnect);
    bed.say(Said::Leave(leave));
    bed.run(ms(10));
    let expected = Ended { why: Why::Forgotten, recovery: Recovery::Rejoin };
    assert_eq!(ended(&bed), Some(&expected));
}

#[test]
fn a_server_that_makes_a_new_presence_of_us_is_joined_anew() {
    let mut bed = settled();
    cut(&mut bed);
    bed.client.handle_reopened(bed.now);
    bed.say(Said::Join(JoinResponse::default()));
    bed.run(ms(10));
    assert_eq!(why(&bed), Some(Why::Forgotten));
}

#[test]
fn before_the_server_has_said_that_it_knows_us_nothing_else_counts() {
    let mut bed = settled();
    cut(&mut bed);
    bed.client.handle_reopened(bed.now);
    bed.publish(9, &[]);
    bed.run(ms(10));
    assert!(!bed.events.contains(&Event::Vanished("TR_x".into())));
}

#[test]
fn an_opened_socket_on_which_nothing_comes_is_an_attempt_that_failed() {
    let mut bed = settled();
    cut(&mut bed);
    bed.client.handle_reopened(bed.now);
    bed.run(secs(4));
    assert_eq!(bed.reopened.len(), 1);
    bed.run(secs(3));
    assert_eq!(bed.reopened.len(), 2);
}

#[test]
fn a_shell_that_does_not_answer_is_asked_again() {
    let mut bed = settled();
    cut(&mut bed);
    bed.run(secs(9));
    assert_eq!(bed.reopened.len(), 1);
    bed.run(secs(3));
    assert_eq!(bed.reopened.len(), 2);
    bed.reconnect();
    bed.run(ms(300));
    assert!(flows(&mut bed));
}

#[test]
fn a_socket_that_ends_in_the_middle_of_a_resume_is_opened_anew() {
    let mut bed = settled();
    cut(&mut bed);
    bed.udp = false;
    bed.reconnect();
    bed.run(ms(20));
    bed.client.handle_signal_end(bed.now);
    bed.udp = true;
    bed.run(secs(1));
    assert_eq!(bed.reopened.len(), 2);
    bed.reconnect();
    bed.run(secs(1));
    assert!(flows(&mut bed));
}

#[test]
fn a_resume_is_not_judged_by_the_old_path() {
    let mut bed = settled();
    cut(&mut bed);
    bed.client.handle_reopened(bed.now);
    bed.say(Said::Reconnect(proto::ReconnectResponse::default()));
    bed.run(secs(1));
    // The server has begun no path anew to us: the old one stands and does not count.
    bed.client.set_muted(bed.track, true);
    bed.run(ms(10));
    assert!(!bed.asked.iter().any(|asked| matches!(asked, Asked::Mute(_))));
    assert!(flows_out(&mut bed));
}

fn flows_out(bed: &mut Bed) -> bool {
    let (before, track) = (bed.frames.len(), bed.track);
    let sent = bed.client.send_frame(track, &[1], 0, Level::Silent, bed.now);
    bed.run(ms(50));
    sent.is_ok() && bed.frames.len() > before
}

#[test]
fn a_silent_media_path_is_told_and_restored_with_new_paths() {
    let mut bed = settled();
    bed.udp = false;
    keep(&mut bed, 1);
    assert!(!bed.events.contains(&Event::Interrupted));
    keep(&mut bed, 6);
    assert!(bed.events.contains(&Event::Interrupted), "{:?}", bed.events);
    assert_ne!(bed.reopened[0].1.reason, ReconnectReason::SignalLost);
    bed.udp = true;
    bed.reconnect();
    bed.run(secs(2));
    assert_eq!(bed.events.last(), Some(&Event::Restored));
    assert!(flows(&mut bed));
    let told = bed.events.iter().filter(|event| **event == Event::Interrupted).count();
    assert_eq!(told, 1);
}

#[test]
fn a_media_path_that_does_not_come_back_ends_it_within_a_minute() {
    let mut bed = settled();
    bed.udp = false;
    for _ in 0..60 {
        let reopened = bed.reopened.len();
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(1));
        if bed.reopened.len() > reopened {
            bed.reconnect();
        }
    }
    assert_eq!(why(&bed), Some(Why::MediaLost));
}

#[test]
fn an_idle_path_that_stands_is_never_taken_for_lost() {
    let mut bed = settled();
    keep(&mut bed, 120);
    assert!(!bed.events.contains(&Event::Interrupted));
    assert!(bed.reopened.is_empty());
}

#[test]
fn noise_from_elsewhere_does_not_keep_a_path_alive() {
    let mut bed = settled();
    bed.udp = false;
    for _ in 0..8 {
        for (target, port) in [(Target::Publisher, 1), (Target::Subscriber, 2)] {
            let datagram = Received {
                target,
                protocol: Protocol::Udp,
                source: "198.51.100.1:9".parse().unwrap(),
                destination: SocketAddr::from(([192, 0, 2, 1], port)),
                contents: &[0x80; 40],
            };
            bed.client.handle_datagram(&datagram, bed.now);
        }
        keep(&mut bed, 1);
    }
    assert!(bed.events.contains(&Event::Interrupted));
}

#[test]
fn before_the_first_media_path_there_is_nothing_to_resume() {
    let mut bed = Bed::new();
    bed.udp = false;
    bed.join();
    bed.run(ms(100));
    bed.client.handle_signal_end(bed.now);
    bed.run(ms(10));
    assert_eq!(why(&bed), Some(Why::SignalLost));
    assert!(bed.reopened.is_empty());
}

#[test]
fn with_a_change_unanswered_nobody_knows_where_the_server_is_and_it_is_joined_anew() {
    let mut bed = settled();
    bed.is_slow = true;
    bed.client.unpublish(bed.track, bed.now);
    bed.run(ms(10));
    bed.client.handle_signal_end(bed.now);
    bed.run(ms(10));
    let expected = Ended { why: Why::SignalLost, recovery: Recovery::Rejoin };
    assert_eq!(ended(&bed), Some(&expected));
}

#[test]
fn a_server_that_takes_us_back_and_drops_us_is_given_up_in_the_end() {
    let mut bed = settled();
    for _ in 0..40 {
        bed.client.handle_signal_end(bed.now);
        bed.run(secs(2));
        if why(&bed).is_some() {
            break;
        }
        bed.reconnect();
        bed.run(ms(300));
    }
    assert_eq!(why(&bed), Some(Why::SignalLost));
    assert!(bed.reopened.len() <= 10);
}

#[test]
fn a_room_that_moved_is_joined_anew() {
    let mut bed = connected();
    bed.say(Said::RoomMoved(proto::RoomMovedResponse::default()));
    bed.run(ms(10));
    assert_eq!(ended(&bed), Some(&Ended { why: Why::Moved, recovery: Recovery::Rejoin }));
}

#[test]
fn the_reason_for_a_closed_path_is_waited_for_lest_a_replacement_is_fought() {
    let mut bed = connected();
    bed.close_server();
    bed.run(ms(100));
    assert_eq!(ended(&bed), None);
    let mut leave = proto::LeaveRequest::default();
    leave.set_reason(proto::DisconnectReason::DuplicateIdentity);
    bed.say(Said::Leave(leave));
    bed.run(ms(10));
    assert_eq!(why(&bed), Some(Why::DuplicateIdentity));

    let mut bed = connected();
    bed.close_server();
    bed.run(secs(2));
    assert_eq!(why(&bed), Some(Why::MediaLost));
}
