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
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Counters,
    link::{Link, State},
    stream::{CONNECTIONS_MAX, pass_both},
};

/// The longest datagram that is passed: what fits in IP.
const DATAGRAM_BYTES: usize = 64 * 1024;

/// How many client addresses are known; for a further one, the one is forgotten that was silent for
/// longest. A browser has a few for each call.
pub(super) const CLIENTS_MAX: usize = 128;

/// An address of a client, and the socket that speaks for it.
struct Client {
    socket: Arc<UdpSocket>,
    spoke: Instant,
    _answers: AbortOnDropHandle<()>,
}

/// Passes datagrams. Each address of a client has a socket of its own towards the SFU, as behind a
/// NAT (RFC 4787), by which the SFU tells its peers apart.
pub(super) async fn serve_udp(
    socket: UdpSocket,
    sfu: SocketAddr,
    mut link: Link,
    passed: &Arc<Counters>,
) -> io::Result<()> {
    let socket = Arc::new(socket);
    let mut clients = HashMap::<SocketAddr, Client>::new();
    let mut clients_ever = 0;
    let mut datagram = vec![0; DATAGRAM_BYTES];
    loop {
        let (length, address) = socket.recv_from(&mut datagram).await?;
        if !link.lets_through() {
            passed.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if !clients.contains_key(&address) {
            make_room(&mut clients);
            clients_ever += 1;
            let back = Link::new(link.watch(), clients_ever);
            let new = Client::new(address, sfu, &socket, back, passed).await?;
            clients.insert(address, new);
        }
        let Some(client) = clients.get_mut(&address) else { continue };
        client.spoke = Instant::now();
        // What an SFU that is gone does not take is lost, as on any network.
        if client.socket.send(&datagram[..length]).await.is_ok() {
            passed.datagrams.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn make_room(clients: &mut HashMap<SocketAddr, Client>) {
    if clients.len() < CLIENTS_MAX {
        return;
    }
    let silent = clients.iter().min_by_key(|(_, client)| client.spoke).map(|(address, _)| *address);
    if let Some(address) = silent {
        clients.remove(&address);
    }
}

impl Client {
    async fn new(
        address: SocketAddr,
        sfu: SocketAddr,
        socket: &Arc<UdpSocket>,
        back: Link,
        passed: &Arc<Counters>,
    ) -> io::Result<Self> {
        let towards_sfu = Arc::new(connected(sfu).await?);
        let answers = answer(
            Arc::clone(&towards_sfu),
            (Arc::clone(socket), address),
            back,
            Arc::clone(passed),
        );
        let answers = AbortOnDropHandle::new(tokio::spawn(answers));
        Ok(Self { socket: towards_sfu, spoke: Instant::now(), _answers: answers })
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
