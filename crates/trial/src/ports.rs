//! Free ports of loopback, so that several trials run side by side.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

/// How often a server is given new ports before we give up: somebody else took one between our
/// asking and its binding, which is rare, and twice in a row something else is wrong.
pub(crate) const ATTEMPTS: usize = 3;

/// Different TCP ports that were free a moment ago.
pub(crate) fn tcp<const N: usize>() -> io::Result<[u16; N]> {
    // All are held until the last one is known, else one could be given twice.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// A UDP port that was free a moment ago.
pub(crate) fn udp() -> io::Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
