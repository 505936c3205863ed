//! A network between clients and an SFU that can be made to fail: it loses, holds back and cuts what
//! passes, while both ends run.
//!
//! To clients it is the SFU. What goes over their `WebSockets` passes through, with the query and all
//! headers of the request, but for addresses: the SFU's candidates become the relay's own ports, and
//! the clients' candidates are taken out, so that the SFU knows a client only by the relay's socket
//! that speaks for it (RFC 8445 calls that peer-reflexive). Media pass as they are, over UDP and
//! over TCP (RFC 4571).
//!
//! `WebSockets` are without compression, and each end's pings are answered by the relay itself.
//! Signalling in JSON does not pass: no client of ours speaks it.

mod link;
mod media;
mod rewrite;
mod signalling;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use self::{
    link::{Link, State},
    rewrite::Told,
};
use crate::{background::Background, sfu::Sockets};

/// Which datagrams are lost, where some are.
const SEED: u64 = 20_260_401;

/// A running relay, which lets everything through at first. Dropping it closes its sockets.
///
/// It has a thread of its own, so that it goes on when the runtime of the test that started it ends.
#[derive(Debug)]
pub struct Relay {
    signalling: SocketAddr,
    told: Told,
    url: String,
    state: watch::Sender<State>,
    passed: Arc<Counters>,
    _thread: Background,
}

/// What a relay has let through, or not, since it was started, both ways together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// `WebSockets` that were opened.
    pub websockets: u64,
    /// Datagrams of media.
    pub datagrams: u64,
    /// Datagrams that it lost.
    pub lost: u64,
    /// Bytes of media over TCP.
    pub tcp_bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    websockets: AtomicU64,
    datagrams: AtomicU64,
    lost: AtomicU64,
    tcp_bytes: AtomicU64,
    http_bytes: AtomicU64,
}

impl Relay {
    /// Starts one on free ports of a loopback address, of either family, for an SFU.
    ///
    /// # Errors
    ///
    /// The address has no free port, or the thread cannot be started.
    pub fn start(sfu: Sockets, at: IpAddr) -> io::Result<Self> {
        let any = SocketAddr::new(at, 0);
        let signalling = TcpListener::bind(any)?;
        let (udp, tcp) = (UdpSocket::bind(any)?, TcpListener::bind(any)?);
        let address = signalling.local_addr()?;
        let told = Told { udp: udp.local_addr()?, tcp: tcp.local_addr()? };
        for listener in [&signalling, &tcp] {
            listener.set_nonblocking(true)?;
        }
        udp.set_nonblocking(true)?;
        let (state, link) = watch::channel(State::default());
        let passed = Arc::new(Counters::default());
        let (link, counters) = (Link::new(link, SEED), Arc::clone(&passed));
        let thread = Background::start("relay", async move {
            let signalling = tokio::net::TcpListener::from_std(signalling)?;
            let (udp, tcp) =
                (tokio::net::UdpSocket::from_std(udp)?, tokio::net::TcpListener::from_std(tcp)?);
            tokio::try_join!(
                signalling::serve(signalling, sfu.signalling, told, link.clone(), &counters),
                media::serve_udp(udp, sfu.udp, link.clone(), &counters),
                media::serve_tcp(tcp, sfu.tcp, link, &counters),
            )
            .map(drop)
        })?;
        let url = format!("ws://{address}");
        Ok(Self { signalling: address, told, url, state, passed, _thread: thread })
    }

    /// Where clients find it, without a slash at the end: `ws://127.0.0.1:…`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its signalling listens.
    pub fn signalling(&self) -> SocketAddr {
        self.signalling
    }

    /// Where clients are told that media go over UDP.
    pub fn udp(&self) -> SocketAddr {
        self.told.udp
    }

    /// Where clients are told that media go over TCP.
    pub fn tcp(&self) -> SocketAddr {
        self.told.tcp
    }

    /// Loses all datagrams, or no longer.
    pub fn drop_udp(&self, drops: bool) {
        self.state.send_modify(|state| state.drops_udp = drops);
    }

    /// Lets nothing through over media's TCP connections, old and new, as a firewall that drops
    /// packets; or no longer: what was held back arrives then.
    pub fn drop_tcp(&self, drops: bool) {
        self.state.send_modify(|state| state.holds_tcp = drops);
    }

    /// Loses this share of the datagrams, each way: 0 is none, 1 is all. Which ones, the relay's
    /// own seed decides.
    pub fn loss(&self, share: f32) {
        self.state.send_modify(|state| state.loss = share);
    }

    /// Closes all `WebSockets` without a closing handshake. Media go on, and new `WebSockets` may open.
    pub fn cut_websockets(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Closes new connections to the signalling port without an answer, those of plain HTTP too; or
    /// no longer. `WebSockets` that are open stay.
    pub fn refuse_websockets(&self, refuses: bool) {
        self.state.send_modify(|state| state.refuses_websockets = refuses);
    }

    /// Lets nothing through and closes nothing, as if the cable were out; or no longer. What went
    /// over TCP meanwhile arrives then, datagrams are lost.
    pub fn freeze(&self, frozen: bool) {
        self.state.send_modify(|state| state.frozen = frozen);
    }

    /// What it has let through and lost so far.
    pub fn passed(&self) -> Passed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Passed {
            websockets: read(&self.passed.websockets),
            datagrams: read(&self.passed.datagrams),
            lost: read(&self.passed.lost),
            tcp_bytes: read(&self.passed.tcp_bytes),
        }
    }
}
