//! Media: datagrams by the address of their client, and ICE over TCP as a stream of bytes.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

use super::{
    Counters,
    link::{Link, State},
    stream::{CONNECTIONS_MAX, pass_both},
};

/// The longest datagram that is passed: what fits in IP.
const DATAGRAM_BYTES: usize = 64 * 1024;

/// How many client addresses are known; datagrams from further ones are lost.
const CLIENTS_MAX: usize = 1024;

/// Passes datagrams. Each address of a client has a socket of its own towards the SFU, as behind a
/// NAT (RFC 4787), by which the SFU tells its peers apart.
pub(super) async fn serve_udp(
    socket: UdpSocket,
    sfu: SocketAddr,
    mut link: Link,
    passed: &Arc<Counters>,
) -> io::Result<()> {
    let socket = Arc::new(socket);
    let mut clients = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
    let mut answers = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES];
    loop {
        let (length, client) = socket.recv_from(&mut datagram).await?;
        if !link.lets_through() {
            passed.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if !clients.contains_key(&client) {
            if clients.len() == CLIENTS_MAX {
                tracing::warn!(%client, "the relay has no room for another address");
                continue;
            }
            let towards_sfu = Arc::new(connected(sfu).await?);
            let back = Link::new(link.watch(), clients.len() as u64);
            answers.spawn(answer(
                Arc::clone(&towards_sfu),
                (Arc::clone(&socket), client),
                back,
                Arc::clone(passed),
            ));
            clients.insert(client, towards_sfu);
        }
        // What an SFU that is gone does not take is lost, as on any network.
        if clients[&client].send(&datagram[..length]).await.is_ok() {
            passed.datagrams.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Passes the SFU's datagrams for one client back to it.
async fn answer(
    from: Arc<UdpSocket>,
    (to, client): (Arc<UdpSocket>, SocketAddr),
    mut link: Link,
    passed: Arc<Counters>,
) {
    let mut datagram = vec![0; DATAGRAM_BYTES];
    loop {
        // The error is an ICMP message about a datagram of ours, by an SFU that is gone.
        let Ok(length) = from.recv(&mut datagram).await else { continue };
        let arrives = link.lets_through() && to.send_to(&datagram[..length], client).await.is_ok();
        let counter = if arrives { &passed.datagrams } else { &passed.lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

async fn connected(sfu: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match sfu {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(sfu).await?;
    Ok(socket)
}

/// Passes TCP connections.
pub(super) async fn serve_tcp(
    listener: TcpListener,
    sfu: SocketAddr,
    link: Link,
    passed: &Arc<Counters>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let (client, _) = listener.accept().await?;
        let (mut link, passed) = (link.clone(), Arc::clone(passed));
        connections.spawn(async move {
            link.until(|state| !held(state)).await;
            client.set_nodelay(true)?;
            let towards_sfu = TcpStream::connect(sfu).await?;
            towards_sfu.set_nodelay(true)?;
            pass_both(client, towards_sfu, &link, held, &passed.tcp_bytes).await
        });
    }
}

fn held(state: &State) -> bool {
    state.frozen || state.holds_tcp
}
