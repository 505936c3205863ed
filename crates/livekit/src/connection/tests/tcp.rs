//! Media over TCP, when UDP does not get through.

use super::*;

/// A bed without UDP, whose client has dialled both peer connections.
fn blocked() -> Bed {
    let mut bed = Bed::new();
    bed.udp = false;
    bed.join();
    bed.run(ms(1400));
    assert_eq!(bed.dialled, [], "UDP has its time");
    bed.run(ms(200));
    bed
}

fn targets(bed: &Bed) -> Vec<Target> {
    let mut targets: Vec<_> = bed.dialled.iter().map(|(target, _)| *target).collect();
    targets.sort_unstable();
    targets
}

#[test]
fn without_udp_each_peer_connection_gets_a_tcp_connection_and_works() {
    let mut bed = blocked();
    assert_eq!(targets(&bed), [Target::Publisher, Target::Subscriber]);
    bed.open_tcp(Target::Publisher);
    bed.open_tcp(Target::Subscriber);
    bed.run(secs(8));
    assert_eq!(bed.client.state(), State::Connected);
    bed.client.send_frame(bed.track, &[7], 0, Level::Silent, bed.now).unwrap();
    bed.run(ms(100));
    assert_eq!(bed.frames, [[7]]);
}

#[test]
fn with_udp_nothing_is_dialled() {
    let mut bed = connected();
    bed.run(secs(5));
    assert_eq!(bed.dialled, []);
}

#[test]
fn an_address_by_trickle_is_dialled_too_and_the_next_when_it_fails() {
    let mut bed = Bed::without_tcp();
    bed.udp = false;
    bed.join();
    bed.run(ms(10));
    for port in [7881, 7882] {
        let candidate = format!("candidate:1 1 tcp 1 192.0.2.1 {port} typ host tcptype passive");
        let candidate_init = serde_json::json!({ "candidate": candidate }).to_string();
        let target = proto::SignalTarget::Publisher.into();
        let trickle = proto::TrickleRequest { candidate_init, target, ..Default::default() };
        bed.say(Said::Trickle(trickle));
    }
    bed.run(secs(2));
    let ports = |bed: &Bed| bed.dialled.iter().map(|(_, to)| to.port()).collect::<Vec<_>>();
    assert_eq!(ports(&bed), [7881]);
    bed.client.handle_tcp_end(Target::Publisher, bed.dialled[0].1, bed.now);
    bed.run(ms(10));
    assert_eq!(ports(&bed), [7881, 7882]);
    bed.client.handle_tcp_end(Target::Publisher, bed.dialled[1].1, bed.now);
    bed.run(ms(10));
    assert_eq!(ports(&bed), [7881, 7882], "none is left");
}

#[test]
fn when_neither_gets_through_it_says_so() {
    let mut bed = blocked();
    for _ in 0..5 {
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(3));
    }
    let why = ended(&bed).map(|ended| ended.why.to_string()).unwrap_or_default();
    assert!(why.starts_with("neither UDP nor TCP got through"), "{why}");
}

#[test]
fn when_udp_is_lost_later_tcp_takes_over() {
    let mut bed = connected();
    bed.udp = false;
    for _ in 0..7 {
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(secs(1));
    }
    assert!(bed.events.contains(&Event::Interrupted));
    assert_eq!(bed.dialled, [], "the server would close it when it looks for ways anew");
    bed.reconnect();
    bed.run(ms(20));
    bed.open_tcp(Target::Publisher);
    bed.open_tcp(Target::Subscriber);
    bed.run(secs(4));
    assert!(bed.events.contains(&Event::Restored), "{:?}", bed.events);
    bed.client.send_frame(bed.track, &[7], 0, Level::Silent, bed.now).unwrap();
    bed.run(ms(100));
    assert_eq!(bed.frames, [[7]]);
}

#[test]
fn a_tcp_connection_in_use_that_ends_interrupts_at_once() {
    let mut bed = blocked();
    bed.open_tcp(Target::Publisher);
    bed.open_tcp(Target::Subscriber);
    bed.run(secs(8));
    let (_, publisher) = *bed.dialled.iter().find(|(of, _)| *of == Target::Publisher).unwrap();
    bed.client.handle_tcp_end(Target::Publisher, publisher, bed.now);
    bed.run(ms(10));
    assert!(bed.events.contains(&Event::Interrupted));
    assert_eq!(bed.dialled.len(), 2);
    bed.run(secs(2));
    assert_eq!(bed.dialled.len(), 3, "it is dialled anew");
}

#[test]
fn what_comes_over_a_tcp_connection_that_is_not_ours_is_ignored() {
    let mut bed = blocked();
    let datagram = Received {
        target: Target::Publisher,
        protocol: Protocol::Tcp,
        source: "192.0.2.1:3".parse().unwrap(),
        destination: "192.0.2.1:11".parse().unwrap(),
        contents: &[0; 20],
    };
    bed.client.handle_datagram(&datagram, bed.now);
    bed.run(ms(10));
    assert_eq!(ended(&bed), None);
}
