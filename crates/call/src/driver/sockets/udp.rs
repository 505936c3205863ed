//! UDP: a socket on each address of this machine, for each peer connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use phonograph_livekit::Target;
use tracing::{debug, warn};

use super::readable::Readable;

/// Local addresses that are offered; a machine with more has them for containers.
const ADDRESSES_MAX: usize = 8;

pub(super) struct Udp {
    pub(super) target: Target,
    pub(super) local: SocketAddr,
    pub(super) socket: Readable,
}

/// Sockets on the addresses that the SFU may reach us at. Loopback only where the signalling itself
/// goes over it: the SFU is on this machine then.
pub(super) fn bind_all(signalling: IpAddr) -> Vec<Udp> {
    let mut sockets = Vec::new();
    for address in local_addresses(signalling) {
        for target in [Target::Publisher, Target::Subscriber] {
            match bind(address, target) {
                Ok(udp) => sockets.push(udp),
                Err(error) => debug!(%address, %error, "no UDP socket on this address"),
            }
        }
    }
    sockets
}

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

fn bind(address: IpAddr, target: Target) -> io::Result<Udp> {
    let socket = Readable::bind(address)?;
    let local = socket.local_address()?;
    Ok(Udp { target, local, socket })
}

impl Udp {
    pub(super) fn send(&self, contents: &[u8], destination: SocketAddr) {
        if let Err(error) = self.socket.send(contents, destination) {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }
}
