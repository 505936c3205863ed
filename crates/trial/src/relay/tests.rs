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

#[tokio::test]
async fn the_address_that_was_silent_for_longest_is_forgotten_for_a_new_one() {
    let (sfu, relay) = relayed().await;
    let mut clients = Vec::new();
    let mut first = None;
    for _ in 0..=media::CLIENTS_MAX {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        client.connect(relay.udp()).await.expect("an address");
        let seen_from = spoken_for(&client, &sfu).await;
        first.get_or_insert(seen_from);
        clients.push(client);
    }
    assert_ne!(Some(spoken_for(&clients[0], &sfu).await), first);
    let last = clients.last().expect("clients");
    assert_eq!(spoken_for(last, &sfu).await, spoken_for(last, &sfu).await);
}

#[tokio::test]
async fn a_head_without_an_end_is_not_read_for_ever() {
    let (_sfu, relay) = relayed().await;
    let mut client = connected(relay.signalling()).await;
    // The relay may close it before it has all of it.
    drop(client.write_all(&vec![b'a'; signalling::HEAD_BYTES_MAX + 1]).await);
    let read = timeout(SOON, client.read(&mut [0; 8])).await.expect("soon");
    assert_eq!(read.unwrap_or(0), 0);
}

/// The address that the SFU sees for a client that says something.
async fn spoken_for(client: &UdpSocket, sfu: &Sfu) -> SocketAddr {
    client.send(b"hello").await.expect("it is sent");
    let mut got = [0; 8];
    timeout(SOON, sfu.udp.recv_from(&mut got)).await.expect("soon").expect("a datagram").1
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
