//! Tracks of ours: more than one, taken back, published again, and offers that overlap.

use super::*;
use crate::Source;

fn screen() -> TrackConfig {
    TrackConfig { source: Source::ScreenShareAudio, ..sfu::music() }
}

fn offers(bed: &Bed) -> Vec<&SessionDescription> {
    let offers = bed.asked.iter().filter_map(|asked| match asked {
        Asked::Offer(offer) => Some(offer),
        _ => None,
    });
    offers.collect()
}

fn send(bed: &mut Bed, track: TrackId, number: u8) {
    bed.client.send_frame(track, &[number], 0, Level::Below(20), bed.now).unwrap();
    bed.run(ms(50));
}

#[test]
fn a_second_track_is_announced_and_offered_while_the_first_plays_on() {
    let mut bed = connected();
    let first = bed.track;
    send(&mut bed, first, 1);
    let second = bed.client.publish(screen(), bed.now).unwrap();
    send(&mut bed, first, 2);
    bed.run(secs(1));
    send(&mut bed, second, 3);
    assert_eq!(bed.frames, [[1], [2], [3]]);
    assert!(bed.events.contains(&Event::Published(second)));
    let sources = bed.asked.iter().filter_map(|asked| match asked {
        Asked::AddTrack(track) => Some(track.source()),
        _ => None,
    });
    let expected = [proto::TrackSource::Microphone, proto::TrackSource::ScreenShareAudio];
    assert_eq!(sources.collect::<Vec<_>>(), expected);
}

#[test]
fn a_track_that_is_taken_back_is_offered_as_inactive() {
    let mut bed = connected();
    bed.client.unpublish(bed.track, bed.now);
    bed.run(ms(50));
    assert!(offers(&bed).last().unwrap().sdp.contains("a=inactive"));
    assert!(bed.events.contains(&Event::Unpublished(bed.track)));
    let sent = bed.client.send_frame(bed.track, &[1], 0, Level::Silent, bed.now);
    assert_eq!(sent, Err(SendError::NotConnected));
}

#[test]
fn a_track_can_be_published_again_under_another_name() {
    let mut bed = connected();
    bed.client.unpublish(bed.track, bed.now);
    bed.run(ms(50));
    let again = bed.client.publish(sfu::music(), bed.now).unwrap();
    bed.run(ms(500));
    send(&mut bed, again, 7);
    assert_eq!(bed.frames, [[7]]);
    assert_ne!(again.cid(), bed.track.cid());
}

#[test]
fn a_track_taken_back_before_it_was_announced_is_never_announced() {
    let mut bed = Bed::new();
    bed.client.unpublish(bed.track, bed.now);
    bed.join();
    bed.run(secs(1));
    assert!(!bed.asked.iter().any(|asked| matches!(asked, Asked::AddTrack(_))));
    assert!(bed.events.contains(&Event::Unpublished(bed.track)));
}

#[test]
fn while_an_offer_is_out_what_comes_up_waits_and_goes_together() {
    let mut bed = connected();
    bed.is_slow = true;
    let second = bed.client.publish(screen(), bed.now).unwrap();
    bed.run(ms(10));
    let third = bed.client.publish(screen(), bed.now).unwrap();
    let fourth = bed.client.publish(screen(), bed.now).unwrap();
    bed.client.unpublish(bed.track, bed.now);
    bed.run(ms(10));
    assert_eq!(offers(&bed).len(), 2, "the join's and the second track's");
    bed.is_slow = false;
    bed.answer_late();
    bed.run(ms(500));
    let offers = offers(&bed);
    assert_eq!(offers.iter().map(|offer| offer.id).collect::<Vec<_>>(), [1, 2, 3]);
    for (track, number) in [(second, 1), (third, 2), (fourth, 3)] {
        send(&mut bed, track, number);
    }
    assert_eq!(bed.frames, [[1], [2], [3]]);
}

#[test]
fn an_answer_to_an_older_offer_is_dropped() {
    let mut bed = connected();
    bed.is_slow = true;
    bed.client.publish(screen(), bed.now).unwrap();
    bed.run(ms(10));
    let sdp = "nonsense".to_owned();
    bed.say(Said::Answer(SessionDescription { sdp, id: 1, ..SessionDescription::default() }));
    bed.run(ms(10));
    assert_eq!(bed.client.troubles.total(Trouble::OldAnswer), 1);
    assert_eq!(ended(&bed), None);
}

#[test]
fn an_offer_without_an_answer_ends_it_after_fifteen_seconds() {
    let mut bed = connected();
    bed.is_slow = true;
    bed.client.publish(screen(), bed.now).unwrap();
    for _ in 0..4 {
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(4));
    }
    assert_eq!(ended(&bed).map(|ended| &ended.why), Some(&Why::NoAnswer));
}

#[test]
fn the_servers_offer_and_ours_do_not_disturb_one_another() {
    let mut bed = connected();
    let second = bed.client.publish(screen(), bed.now).unwrap();
    bed.publish(1, &[("TR_x", str0m::media::MediaKind::Audio)]);
    bed.run(ms(1));
    bed.client.subscribe(&"TR_x".into(), bed.now);
    bed.run(ms(500));
    send(&mut bed, second, 1);
    bed.send("TR_x", 0, &[2]);
    bed.run(ms(50));
    assert_eq!((bed.frames.len(), bed.heard.len()), (1, 1));
}

#[test]
fn a_ninth_track_a_picture_and_a_257th_in_a_row_are_refused() {
    let mut bed = connected();
    let camera = TrackConfig { source: Source::Camera, ..sfu::music() };
    assert_eq!(bed.client.publish(camera, bed.now), Err(PublishError::NotAudio));
    for _ in 1..8 {
        bed.client.publish(screen(), bed.now).unwrap();
    }
    assert_eq!(bed.client.publish(screen(), bed.now), Err(PublishError::TooMany));

    let mut bed = Bed::new();
    for _ in 1..256 {
        let track = bed.client.publish(screen(), bed.now).unwrap();
        bed.client.unpublish(track, bed.now);
    }
    assert_eq!(bed.client.publish(screen(), bed.now), Err(PublishError::WornOut));
    bed.client.leave(bed.now);
    assert_eq!(bed.client.publish(screen(), bed.now), Err(PublishError::Ended));
}

#[test]
fn each_second_the_server_is_told_what_wall_time_an_rtp_time_is() {
    let mut bed = connected();
    let began = bed.now;
    for number in 0..250 {
        bed.client.send_frame(bed.track, &[1], number * 960, Level::Below(20), bed.now).unwrap();
        bed.run(ms(20));
    }
    // str0m makes one before anything was sent.
    let reports = &bed.reports[1..];
    assert_eq!(reports.len(), 5);
    for report in reports {
        let sent = u64::try_from(report.received_at.duration_since(began).as_millis()).unwrap();
        let told = report.sender_info.rtp_time.numer() / 48;
        assert!(told <= sent && sent < told + 20, "{told} ms at {sent} ms");
    }
    for pair in reports.windows(2) {
        let [before, after] = [&pair[0].sender_info, &pair[1].sender_info];
        let wall = after.ntp_time.duration_since(before.ntp_time).unwrap();
        let rtp =
            Duration::from_micros((after.rtp_time.numer() - before.rtp_time.numer()) * 125 / 6);
        assert!(wall.abs_diff(rtp) <= ms(1), "{wall:?} of wall time, {rtp:?} of the track");
    }
}

#[test]
fn a_frame_for_a_media_path_that_the_server_has_closed_is_refused() {
    let mut bed = connected();
    bed.close_server();
    bed.run(ms(50));
    assert_eq!(bed.client.state(), State::Connected, "the reason may still come");
    let sent = bed.client.send_frame(bed.track, &[1], 0, Level::Silent, bed.now);
    assert_eq!(sent, Err(SendError::Closed));
}

/// What the server answers to a mute of a track that it does not find.
fn mute_is_missed(bed: &mut Bed, muted: bool) {
    let request = proto::MuteTrackRequest { sid: "TR_1".to_owned(), muted };
    bed.say(Said::RequestResponse(proto::RequestResponse {
        reason: proto::request_response::Reason::NotFound.into(),
        request: Some(proto::request_response::Request::Mute(request)),
        ..proto::RequestResponse::default()
    }));
    bed.run(ms(10));
}

fn mutes(bed: &Bed) -> Vec<bool> {
    let mutes = bed.asked.iter().filter_map(|asked| match asked {
        Asked::Mute(mute) => Some(mute.muted),
        _ => None,
    });
    mutes.collect()
}

#[test]
fn a_mute_that_the_server_missed_is_told_again_three_times_at_most() {
    let mut bed = connected();
    bed.client.set_muted(bed.track, true);
    bed.run(ms(10));
    mute_is_missed(&mut bed, true);
    assert_eq!(mutes(&bed), [true; 2]);
    for _ in 0..10 {
        mute_is_missed(&mut bed, true);
    }
    assert_eq!(mutes(&bed), [true; 4], "a server that never finds it is not asked for ever");
    bed.client.set_muted(bed.track, false);
    bed.run(ms(10));
    mute_is_missed(&mut bed, false);
    assert_eq!(mutes(&bed)[4..], [false; 2], "the next mute has tries of its own");
}

#[test]
fn a_missed_mute_that_does_not_hold_any_more_is_not_told_again() {
    let mut bed = connected();
    bed.client.set_muted(bed.track, true);
    bed.client.set_muted(bed.track, false);
    bed.run(ms(10));
    mute_is_missed(&mut bed, true);
    assert_eq!(mutes(&bed), [true, false]);
}
