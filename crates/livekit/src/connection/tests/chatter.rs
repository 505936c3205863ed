//! Who speaks, how well people are connected, packets of data.

use prost::Message;

use super::*;
use crate::{DataPacket, Quality};

fn message(identity: &str, payload: &[u8]) -> Vec<u8> {
    let user = proto::UserPacket {
        payload: payload.to_vec(),
        topic: Some("notes".to_owned()),
        ..proto::UserPacket::default()
    };
    let packet = proto::DataPacket {
        participant_identity: identity.to_owned(),
        value: Some(proto::data_packet::Value::User(user)),
        ..proto::DataPacket::default()
    };
    packet.encode_to_vec()
}

#[test]
fn data_travels_over_the_channel_that_was_chosen_and_reliable_packets_are_numbered() {
    let mut bed = connected();
    for (payload, reliability) in [
        (b"one", Reliability::Reliable),
        (b"two", Reliability::Lossy),
        (b"six", Reliability::Reliable),
    ] {
        bed.client.send_data(Some("notes"), payload, reliability, bed.now).unwrap();
        bed.run(ms(50));
    }
    let read = bed.data.iter().map(|message| {
        let packet = proto::DataPacket::decode(message.as_slice()).unwrap();
        let Some(proto::data_packet::Value::User(user)) = packet.value else { panic!() };
        (user.payload, packet.sequence)
    });
    let expected = [(b"one".to_vec(), 1), (b"two".to_vec(), 0), (b"six".to_vec(), 2)];
    assert_eq!(read.collect::<Vec<_>>(), expected);
}

#[test]
fn data_of_others_is_told_with_who_sent_it() {
    let mut bed = connected();
    bed.send_data("_reliable", &message("@alice:x:A", b"hello"));
    bed.run(ms(50));
    let expected = DataPacket {
        identity: "@alice:x:A".to_owned(),
        topic: Some("notes".to_owned()),
        payload: b"hello".to_vec(),
        reliability: Reliability::Reliable,
    };
    assert_eq!(bed.events.last(), Some(&Event::Data(expected)));
}

#[test]
fn data_that_cannot_be_read_is_counted() {
    let mut bed = connected();
    bed.send_data("_reliable", &[0xff; 40]);
    bed.send_data("_reliable", &message(&"i".repeat(513), b""));
    bed.run(ms(50));
    assert_eq!(bed.client.troubles.total(Trouble::BrokenData), 2);
}

#[test]
fn data_before_the_channel_is_open_and_beyond_its_limits_is_refused() {
    let mut bed = Bed::new();
    let sent = bed.client.send_data(None, b"x", Reliability::Lossy, bed.now);
    assert_eq!(sent, Err(DataError::NotConnected));
    let mut bed = connected();
    let sent = bed.client.send_data(None, &vec![0; 64_001], Reliability::Lossy, bed.now);
    assert_eq!(sent, Err(DataError::TooLong(64_001)));
}

#[test]
fn a_channel_that_nobody_empties_gets_full_instead_of_growing() {
    let mut bed = connected();
    bed.udp = false;
    let refused = (0..1000).find_map(|_| {
        bed.client.send_data(None, &vec![0; 60_000], Reliability::Reliable, bed.now).err()
    });
    assert_eq!(refused, Some(DataError::Full));
}

#[test]
fn who_speaks_is_told_by_identity_ourselves_included() {
    let mut bed = connected();
    bed.publish(1, &[]);
    let speaker = |sid: &str, level| {
        let sid = sid.to_owned();
        proto::SpeakerInfo { sid, level, active: true }
    };
    let speakers =
        vec![speaker("PA_1", 1.25), speaker("PA_bot", f32::NAN), speaker("PA_unknown", 1.0)];
    bed.say(Said::SpeakersChanged(proto::SpeakersChanged { speakers }));
    bed.run(ms(10));
    let told = |identity: &str, level| {
        let identity = identity.to_owned();
        Event::Speaking { identity, level, active: true }
    };
    assert_eq!(
        bed.events[bed.events.len() - 2..],
        [told("@alice:x:A", 1.25), told("@bot:x:D", 0.0)]
    );
}

#[test]
fn how_well_people_are_connected_is_told() {
    let mut bed = connected();
    bed.publish(1, &[]);
    let mut info = proto::ConnectionQualityInfo {
        participant_sid: "PA_1".to_owned(),
        ..proto::ConnectionQualityInfo::default()
    };
    info.set_quality(proto::ConnectionQuality::Poor);
    let updates = vec![info];
    bed.say(Said::ConnectionQuality(proto::ConnectionQualityUpdate { updates }));
    bed.run(ms(10));
    let (identity, quality) = ("@alice:x:A".to_owned(), Quality::Poor);
    assert_eq!(bed.events.last(), Some(&Event::Quality { identity, quality }));
}
