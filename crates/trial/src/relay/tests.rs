//! The relay between sockets of these tests: what passes, what is held back, what is lost.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

use super::*;

/// More than loopback ever takes.
const SOON: Duration = Duration::from_secs(10);

/// How long nothing has to arrive.
const WHILE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_request_reaches_the_sfu_with_its_query_and_headers() {
    let (sfu, relay) = relayed().await;
    let mut client = connected(relay.signalling()).await;
    let request = "GET /rtc/validate?access_token=a%2Fb HTTP/1.1\r\nAuthorization: Bearer t\r\n";
    client.write_all(format!("{request}\r\n").as_bytes()).await.expect("it is sent");

    let (mut there, _) = timeout(SOON, sfu.signalling.accept()).await.expect("soon").expect("one");
    let mut got = vec![0; request.len()];
    there.read_exact(&mut got).await.expect("the request");

    assert_eq!(String::from_utf8(got).expect("text"), request);
}

#[tokio::test]
async fn a_refused_connection_is_closed_without_an_answer() {
    let (_sfu, relay) = relayed().await;
    relay.refuse_websockets(true);
    let mut client = connected(relay.signalling()).await;
    let read = timeout(SOON, client.read(&mut [0; 8])).await.expect("soon");
    assert_eq!(read.expect("an end"), 0);
}

#[tokio::test]
async fn datagrams_are_lost_while_they_are_dropped_or_it_is_frozen() {
    let (sfu, relay) = relayed().await;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    client.connect(relay.udp()).await.expect("an address");
    let switches: [fn(&Relay, bool); 2] = [Relay::drop_udp, Relay::freeze];
    for (number, switch) in switches.into_iter().enumerate() {
        switch(&relay, true);
        client.send(b"lost").await.expect("it is sent");
        while relay.passed().lost <= number as u64 {
            tokio::task::yield_now().await;
        }
        switch(&relay, false);
        client.send(b"there").await.expect("it is sent");

        let mut got = [0; 16];
        let (length, from) =
            timeout(SOON, sfu.udp.recv_from(&mut got)).await.expect("soon").expect("a datagram");
        assert_eq!(&got[..length], b"there");
        sfu.udp.send_to(b"back", from).await.expect("it is sent");
        let length = timeout(SOON, client.recv(&mut got)).await.expect("soon").expect("an answer");
        assert_eq!(&got[..length], b"back");
    }
}

#[tokio::test]
async fn bytes_over_tcp_are_held_back_and_arrive_later() {
    let (sfu, relay) = relayed().await;
    let mut client = connected(relay.tcp()).await;
    let (mut there, _) = timeout(SOON, sfu.tcp.accept()).await.expect("soon").expect("one");
    let switches: [fn(&Relay, bool); 2] = [Relay::drop_tcp, Relay::freeze];
    for switch in switches {
        switch(&relay, true);
        client.write_all(b"held").await.expect("it is sent");
        let mut got = [0; 4];
        assert!(timeout(WHILE, there.read_exact(&mut got)).await.is_err());
        switch(&relay, false);
        timeout(SOON, there.read_exact(&mut got)).await.expect("soon").expect("bytes");
        assert_eq!(&got, b"held");
    }
}

/// Where the SFU would be.
struct Sfu {
    signalling: TcpListener,
    udp: UdpSocket,
    tcp: TcpListener,
}

/// An SFU behind a relay.
async fn relayed() -> (Sfu, Relay) {
    let any = "127.0.0.1:0";
    let sfu = Sfu {
        signalling: TcpListener::bind(any).await.expect("a port"),
        udp: UdpSocket::bind(any).await.expect("a port"),
        tcp: TcpListener::bind(any).await.expect("a port"),
    };
    let sockets = Sockets {
        signalling: sfu.signalling.local_addr().expect("an address"),
        udp: sfu.udp.local_addr().expect("an address"),
        tcp: sfu.tcp.local_addr().expect("an address"),
    };
    let relay = Relay::start(sockets, Ipv4Addr::LOCALHOST.into()).expect("the relay starts");
    (sfu, relay)
}

async fn connected(to: SocketAddr) -> TcpStream {
    timeout(SOON, TcpStream::connect(to)).await.expect("soon").expect("a connection")
}
