//! The sockets of one connection to an SFU: a WebSocket and, for each peer connection, UDP and where
//! that does not get through TCP.

mod readable;
mod tcp;
mod udp;
mod websocket;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    ops::Bound,
    task::{Context, Poll},
};

use phonograph_livekit::{self as livekit, Addresses, Datagram, Protocol, Resume, Target};
use phonograph_matrixrtc::transport::Grant;
use tokio_tungstenite::MaybeTlsStream;

use self::udp::Udp;
pub(super) use self::{tcp::Tcp, websocket::WebSocket};
use crate::{end::SfuError, machine::LinkId, network::Network};

/// The longest datagram that is looked at; WebRTC keeps below an Ethernet frame.
const DATAGRAM_MAX: usize = 2048;
/// Datagrams taken at one waking, so that a flood cannot keep us from our own clock.
const BATCH_MAX: usize = 64;
/// TCP connections for media: one for each peer connection, and one that is on its way out.
const TCP_MAX: usize = 4;

/// What came.
pub(super) enum Received {
    /// A message over the WebSocket.
    Signal(Vec<u8>),
    /// The WebSocket has ended.
    SignalEnd,
    /// Datagrams: [`Sockets::next_datagram`] hands them out.
    Datagrams,
    /// A packet over TCP: between which addresses, for which peer connection.
    Packet(tcp::Packet),
    /// A TCP connection has ended.
    TcpEnd(Target, std::net::SocketAddr),
}

/// Opened sockets, and the addresses that they have.
pub(super) struct Opened {
    pub(super) sockets: Sockets,
    pub(super) addresses: Addresses,
}

/// The sockets. Dropping them closes them once what was sent is on its way.
pub(super) struct Sockets {
    websocket: Option<WebSocket>,
    udp: Vec<Udp>,
    tcp: Vec<Tcp>,
    buffer: Box<[u8; DATAGRAM_MAX]>,
    /// How many more datagrams this waking may hand out.
    batch: usize,
}

/// Opens the WebSocket that the grant names, and UDP sockets on this machine's addresses.
pub(super) async fn open(network: &Network, grant: &Grant) -> Result<Opened, SfuError> {
    let socket = websocket::dial(network, grant, None).await?;
    let local = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream.local_addr(),
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0.local_addr(),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    let local = local.map_err(|error| SfuError::NoAddress(error.to_string()))?.ip();
    let udp = udp::bind_all(local);
    if udp.is_empty() {
        return Err(SfuError::NoAddress("no UDP socket could be opened".to_owned()));
    }
    let of = |target| {
        let matching = udp.iter().filter(move |udp: &&Udp| udp.target == target);
        matching.map(|udp| udp.local).collect()
    };
    let addresses =
        Addresses { publisher: of(Target::Publisher), subscriber: of(Target::Subscriber) };
    let websocket = Some(WebSocket::new(socket));
    let buffer = Box::new([0; DATAGRAM_MAX]);
    let sockets = Sockets { websocket, udp, tcp: Vec::new(), buffer, batch: 0 };
    Ok(Opened { sockets, addresses })
}

/// Opens another WebSocket, by which the server goes on with the same participant.
pub(super) async fn reopen(
    network: &Network,
    grant: &Grant,
    resume: &Resume,
) -> Result<WebSocket, SfuError> {
    websocket::dial(network, grant, Some(resume)).await.map(WebSocket::new)
}

/// The next thing that comes on any of the connections, beginning after the one that was served last,
/// so that a busy one leaves the others their turn. Cancel-safe.
pub(super) async fn receive(
    all: &mut BTreeMap<LinkId, Sockets>,
    last: LinkId,
) -> (LinkId, Received) {
    poll_fn(|context| {
        let mut received = all
            .range_mut((Bound::Excluded(last), Bound::Unbounded))
            .find_map(|(id, sockets)| ready(*id, sockets.poll(context)));
        if received.is_none() {
            received =
                all.range_mut(..=last).find_map(|(id, sockets)| ready(*id, sockets.poll(context)));
        }
        received.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

fn ready(id: LinkId, received: Poll<Received>) -> Option<(LinkId, Received)> {
    match received {
        Poll::Ready(received) => Some((id, received)),
        Poll::Pending => None,
    }
}

impl Sockets {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        if let Some(websocket) = &mut self.websocket {
            match websocket.poll(context) {
                Poll::Ready(Some(message)) => return Poll::Ready(Received::Signal(message)),
                Poll::Ready(None) => {
                    self.websocket = None;
                    return Poll::Ready(Received::SignalEnd);
                }
                Poll::Pending => {}
            }
        }
        for index in 0..self.tcp.len() {
            match self.tcp[index].poll(context) {
                Poll::Ready(Some(packet)) => return Poll::Ready(Received::Packet(packet)),
                Poll::Ready(None) => {
                    let ended = self.tcp.swap_remove(index);
                    return Poll::Ready(Received::TcpEnd(ended.target, ended.remote));
                }
                Poll::Pending => {}
            }
        }
        if self.udp.iter().any(|udp| udp.socket.poll_ready(context).is_ready()) {
            self.batch = BATCH_MAX;
            return Poll::Ready(Received::Datagrams);
        }
        Poll::Pending
    }

    /// The next datagram that has come; `None` once this waking's are taken.
    pub(super) fn next_datagram(&mut self) -> Option<livekit::Received<'_>> {
        self.batch = self.batch.checked_sub(1)?;
        // The two peer connections take turns.
        self.udp.rotate_left(1);
        for udp in &self.udp {
            if let Ok((len, source)) = udp.socket.receive(&mut self.buffer[..]) {
                return Some(livekit::Received {
                    target: udp.target,
                    protocol: Protocol::Udp,
                    source,
                    destination: udp.local,
                    contents: &self.buffer[..len],
                });
            }
        }
        None
    }

    /// Queues a message for the WebSocket.
    pub(super) fn send_signal(&self, message: Vec<u8>) {
        if let Some(websocket) = &self.websocket {
            websocket.send(message);
        }
    }

    /// Sends a datagram, or loses it, as the network may do too.
    pub(super) fn send_datagram(&self, datagram: Datagram) {
        match datagram.protocol {
            Protocol::Udp => {
                let from = self.udp.iter().find(|udp| udp.local == datagram.source);
                if let Some(udp) = from {
                    udp.send(&datagram.contents, datagram.destination);
                }
            }
            Protocol::Tcp => {
                let over = self.tcp.iter().find(|tcp| tcp.local == datagram.source);
                if let Some(tcp) = over {
                    tcp.send(datagram.contents);
                }
            }
        }
    }

    /// Takes the WebSocket away, as another will come in its place.
    pub(super) fn drop_websocket(&mut self) {
        self.websocket = None;
    }

    /// Puts a WebSocket in the place of the one that was there.
    pub(super) fn set_websocket(&mut self, websocket: WebSocket) {
        self.websocket = Some(websocket);
    }

    /// Adds a TCP connection; whether there was room for it.
    pub(super) fn add_tcp(&mut self, tcp: Tcp) -> bool {
        let room = self.tcp.len() < TCP_MAX;
        if room {
            self.tcp.push(tcp);
        }
        room
    }
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sockets")
            .field("udp", &self.udp.len())
            .field("tcp", &self.tcp.len())
            .finish_non_exhaustive()
    }
}
