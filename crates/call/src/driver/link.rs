//! The sockets of one connection to an SFU: a WebSocket and, for each peer connection, UDP.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use phonograph_livekit::{Addresses, Datagram, Target};
use phonograph_matrixrtc::transport::Grant;
use tokio::{
    net::{TcpStream, UdpSocket},
    sync::mpsc,
    task::AbortHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use tracing::{Instrument, debug, warn};

use crate::{end::SfuError, machine, network::Network};

/// From dialling to the opened WebSocket (LiveKit's own clients: 5 to 15 s).
const OPEN_WITHIN: Duration = Duration::from_secs(7);
/// A message that cannot be written for that long means a dead connection.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long saying goodbye may take: the end of the process waits for it.
const CLOSE_WITHIN: Duration = Duration::from_millis(300);
/// Messages that wait for the socket, each way. More than that is a dead connection, or a server
/// that floods us: either ends it.
const SIGNALS_MAX: usize = 128;
/// The server's own limit for a message.
const SIGNAL_BYTES_MAX: usize = 2 << 20;
/// The longest datagram that is looked at; WebRTC keeps below an Ethernet frame.
const DATAGRAM_MAX: usize = 2048;
/// Local addresses that are offered; a machine with more has them for containers.
const ADDRESSES_MAX: usize = 8;
/// Datagrams taken at one waking, so that a flood cannot keep us from our own clock.
const BATCH_MAX: usize = 64;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What came.
pub(super) enum Received {
    /// A message over the WebSocket.
    Signal(Vec<u8>),
    /// The WebSocket has ended.
    SignalEnd,
    /// Datagrams: [`Link::next_datagram`] hands them out.
    Datagrams,
}

/// Opened sockets, and the addresses that they have.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) addresses: Addresses,
}

/// The sockets. Dropping them closes them once what was sent is on its way.
pub(super) struct Link {
    to_server: mpsc::Sender<Vec<u8>>,
    from_server: mpsc::Receiver<Vec<u8>>,
    reader: AbortHandle,
    sockets: Vec<Udp>,
    buffer: Box<[u8; DATAGRAM_MAX]>,
    /// How many more datagrams this waking may hand out.
    batch: usize,
}

struct Udp {
    target: Target,
    local: SocketAddr,
    socket: UdpSocket,
}

/// Opens the WebSocket that the grant names, and UDP sockets on this machine's addresses.
pub(super) async fn open(network: &Network, grant: &Grant) -> Result<Opened, SfuError> {
    let socket = dial(network, grant).await?;
    let local = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream.local_addr(),
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0.local_addr(),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    let local = local.map_err(|error| SfuError::NoAddress(error.to_string()))?.ip();
    let mut sockets = Vec::new();
    for address in local_addresses(local) {
        for target in [Target::Publisher, Target::Subscriber] {
            match bind(address, target).await {
                Ok(udp) => sockets.push(udp),
                Err(error) => debug!(%address, %error, "no UDP socket on this address"),
            }
        }
    }
    if sockets.is_empty() {
        return Err(SfuError::NoAddress("no UDP socket could be opened".to_owned()));
    }
    let of = |target| {
        let matching = sockets.iter().filter(move |udp: &&Udp| udp.target == target);
        matching.map(|udp| udp.local).collect()
    };
    let addresses =
        Addresses { publisher: of(Target::Publisher), subscriber: of(Target::Subscriber) };
    Ok(Opened { link: Link::new(socket, sockets), addresses })
}

async fn dial(network: &Network, grant: &Grant) -> Result<Socket, SfuError> {
    // Nothing is received yet, so nothing is subscribed to.
    let url = phonograph_livekit::signal_url(&grant.url, false)?;
    let unreachable = |text: &dyn ToString| SfuError::Unreachable(text.to_string());
    let mut request = url.as_str().into_client_request().map_err(|error| unreachable(&error))?;
    let mut token = HeaderValue::try_from(format!("Bearer {}", grant.token))
        .map_err(|_| unreachable(&"the token is no header"))?;
    token.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, token);
    let config = WebSocketConfig::default()
        .max_message_size(Some(SIGNAL_BYTES_MAX))
        .max_frame_size(Some(SIGNAL_BYTES_MAX));
    let dialling = tokio_tungstenite::connect_async_tls_with_config(
        request,
        Some(config),
        true,
        Some(network.connector()),
    );
    match tokio::time::timeout(OPEN_WITHIN, dialling).await {
        Ok(Ok((socket, _response))) => Ok(socket),
        // Its body may repeat the token (livekit-server 1.13.5 on 401), so only the status is kept.
        Ok(Err(tungstenite::Error::Http(response))) => {
            Err(SfuError::Refused(response.status().as_u16()))
        }
        Ok(Err(error)) => Err(unreachable(&error)),
        Err(_elapsed) => Err(unreachable(&format!("no answer within {OPEN_WITHIN:?}"))),
    }
}

/// The addresses that the SFU may reach us at. Loopback only where the signalling itself goes over
/// it: the SFU is on this machine then.
fn local_addresses(signalling: IpAddr) -> Vec<IpAddr> {
    let mut addresses = vec![signalling];
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        warn!(%error, "the network interfaces cannot be listed");
        Vec::new()
    });
    for interface in interfaces {
        let address = interface.ip();
        let usable = !interface.is_loopback() && !interface.is_link_local();
        if usable && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.truncate(ADDRESSES_MAX);
    addresses
}

async fn bind(address: IpAddr, target: Target) -> io::Result<Udp> {
    let socket = UdpSocket::bind((address, 0)).await?;
    let local = socket.local_addr()?;
    Ok(Udp { target, local, socket })
}

impl Link {
    fn new(socket: Socket, sockets: Vec<Udp>) -> Self {
        let (mut sink, mut stream) = socket.split();
        let (to_server, mut outgoing) = mpsc::channel::<Vec<u8>>(SIGNALS_MAX);
        let (incoming, from_server) = mpsc::channel(SIGNALS_MAX);
        let reading = async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Binary(bytes) = message
                    && incoming.send(bytes.into()).await.is_err()
                {
                    break;
                }
            }
        };
        let reader = tokio::task::spawn_local(reading.in_current_span()).abort_handle();
        let end_reading = reader.clone();
        let writing = async move {
            while let Some(message) = outgoing.recv().await {
                let sent = sink.send(Message::Binary(message.into()));
                match tokio::time::timeout(WRITE_WITHIN, sent).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        debug!(%error, "the WebSocket takes nothing any more");
                        break;
                    }
                    Err(_elapsed) => {
                        debug!(limit = ?WRITE_WITHIN, "the WebSocket took nothing");
                        break;
                    }
                }
            }
            // Ends quietly also when the server is gone.
            drop(tokio::time::timeout(CLOSE_WITHIN, sink.close()).await);
            end_reading.abort();
        };
        tokio::task::spawn_local(writing.in_current_span());
        let buffer = Box::new([0; DATAGRAM_MAX]);
        Self { to_server, from_server, reader, sockets, buffer, batch: 0 }
    }

    /// The next thing that comes; never, without sockets. Cancel-safe.
    pub(super) async fn receive(link: &mut Option<Self>) -> Received {
        match link {
            Some(link) => poll_fn(|context| link.poll(context)).await,
            None => std::future::pending().await,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        match self.from_server.poll_recv(context) {
            Poll::Ready(Some(message)) => return Poll::Ready(Received::Signal(message)),
            Poll::Ready(None) => return Poll::Ready(Received::SignalEnd),
            Poll::Pending => {}
        }
        let ready = self.sockets.iter().any(|udp| udp.socket.poll_recv_ready(context).is_ready());
        if ready {
            self.batch = BATCH_MAX;
            return Poll::Ready(Received::Datagrams);
        }
        Poll::Pending
    }

    /// The next datagram that has come; `None` once this waking's are taken.
    pub(super) fn next_datagram(&mut self) -> Option<machine::Received<'_>> {
        self.batch = self.batch.checked_sub(1)?;
        for udp in &self.sockets {
            if let Ok((len, source)) = udp.socket.try_recv_from(&mut self.buffer[..]) {
                return Some(machine::Received {
                    target: udp.target,
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
        if self.to_server.try_send(message).is_err() {
            // The reader's end is what the machine gets to know.
            self.reader.abort();
        }
    }

    /// Sends a datagram, or loses it, as the network may do too.
    pub(super) fn send_datagram(&self, datagram: &Datagram) {
        let from = |udp: &&Udp| udp.local == datagram.source;
        let Some(udp) = self.sockets.iter().find(from) else { return };
        if let Err(error) = udp.socket.try_send_to(&datagram.contents, datagram.destination) {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("sockets", &self.sockets.len()).finish_non_exhaustive()
    }
}
