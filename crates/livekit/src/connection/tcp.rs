//! Media over TCP, where UDP does not get through (RFC 6544, the server is passive).
//!
//! ```text
//!           the server's address, 1.5 s without a path
//!   Idle ---------------------------------------------> Dialling ----open----> Open
//!    ^       or a path fell silent                          |                   |
//!    '------------------------- could not be opened, ended -+-------------------'
//! ```

use std::{net::SocketAddr, time::Instant};

use super::{Connection, Output, Protocol, State, Target};

/// Addresses that are remembered for each peer connection; servers have one, or one for each
/// network.
const ADDRESSES_MAX: usize = 4;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    Dialling(SocketAddr),
    Open {
        local: SocketAddr,
        remote: SocketAddr,
    },
}

/// The TCP connection of one peer connection.
#[derive(Debug, Default)]
pub(super) struct Tcp {
    addresses: Vec<SocketAddr>,
    /// How many of them were dialled since there was a need to.
    tried: usize,
    stage: Stage,
    /// What is sent goes this way, TCP or not.
    pub(super) used: Option<(Protocol, SocketAddr)>,
}

impl Tcp {
    /// Whether there is a connection between these.
    pub(super) fn carries(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.stage == Stage::Open { local, remote }
    }

    /// Notes an address of the server's; whether it is to be dialled some time.
    fn learn(&mut self, address: SocketAddr) -> bool {
        if self.addresses.len() < ADDRESSES_MAX && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
        self.stage == Stage::Idle
    }

    /// The next address to dial, if there is nothing under way and one is left.
    fn dial(&mut self) -> Option<SocketAddr> {
        if self.stage != Stage::Idle {
            return None;
        }
        let address = *self.addresses.get(self.tried)?;
        self.tried += 1;
        self.stage = Stage::Dialling(address);
        Some(address)
    }
}

impl Connection {
    /// Takes over that the TCP connection of an [`Output::DialTcp`] stands, and our end of it.
    pub fn handle_tcp_open(
        &mut self,
        target: Target,
        local: SocketAddr,
        destination: SocketAddr,
        now: Instant,
    ) {
        if self.state == State::Ended || self.tcp(target).stage != Stage::Dialling(destination) {
            return;
        }
        let tcp = self.tcp(target);
        tcp.stage = Stage::Open { local, remote: destination };
        self.peer(target).add_tcp(local);
        self.timers.set_peer(target, now);
        self.drain(target, now);
    }

    /// Takes over that the TCP connection of an [`Output::DialTcp`] could not be opened, or has
    /// ended.
    pub fn handle_tcp_end(&mut self, target: Target, destination: SocketAddr, now: Instant) {
        if self.state == State::Ended {
            return;
        }
        match self.tcp(target).stage {
            Stage::Dialling(address) if address == destination => {
                self.tcp(target).stage = Stage::Idle;
                self.dial_tcp(target);
            }
            Stage::Open { local, remote } if remote == destination => {
                let tcp = self.tcp(target);
                tcp.stage = Stage::Idle;
                tcp.tried = 0;
                let was_used = tcp.used == Some((Protocol::Tcp, remote));
                self.peer(target).remove_tcp(local);
                self.drain(target, now);
                if was_used {
                    self.path_lost(target, now);
                }
                if self.needs_tcp(target) {
                    self.timers.tcp_known(target, now);
                }
            }
            Stage::Idle | Stage::Dialling(_) | Stage::Open { .. } => {}
        }
    }

    /// Takes over addresses at which the server listens for TCP.
    pub(super) fn learn_tcp(&mut self, target: Target, addresses: &[SocketAddr], now: Instant) {
        for address in addresses {
            let may_dial = self.tcp(target).learn(*address);
            if may_dial && self.needs_tcp(target) {
                self.timers.tcp_known(target, now);
            }
        }
    }

    /// Dials the server's addresses from the first on: UDP does not get through any more.
    pub(super) fn dial_tcp_anew(&mut self, target: Target) {
        self.tcp(target).tried = 0;
        self.dial_tcp(target);
    }

    /// Dials the next address of the server's, if there is one and need be.
    pub(super) fn dial_tcp(&mut self, target: Target) {
        if let Some(destination) = self.tcp(target).dial() {
            self.outputs.push_back(Output::DialTcp { target, destination });
        }
    }

    /// UDP has had its time.
    pub(super) fn tcp_due(&mut self, target: Target) {
        if self.needs_tcp(target) {
            self.dial_tcp(target);
        }
    }

    /// Whether UDP does not get through.
    fn needs_tcp(&mut self, target: Target) -> bool {
        self.resumption.is_interrupted || !self.peer(target).is_up()
    }

    pub(super) fn tcp(&mut self, target: Target) -> &mut Tcp {
        match target {
            Target::Publisher => &mut self.publisher_tcp,
            Target::Subscriber => &mut self.subscriber_tcp,
        }
    }
}
