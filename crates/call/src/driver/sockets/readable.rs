//! A UDP socket of which only the receiving is waited for.
//!
//! Tokio's own is also told each time that what was sent has left the socket's buffer. For a call that
//! sends each 20 ms that is a second waking for nothing, with a look at the socket's state.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

#[cfg(unix)]
use tokio::io::{Interest, unix::AsyncFd};

/// See the module.
pub(super) struct Readable {
    #[cfg(unix)]
    socket: AsyncFd<std::net::UdpSocket>,
    #[cfg(not(unix))]
    socket: tokio::net::UdpSocket,
}

#[cfg(unix)]
impl Readable {
    /// Binds a free port of that address.
    #[expect(deprecated, reason = "its successor wants a promise that no compiler checks")]
    pub(super) fn bind(address: IpAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: AsyncFd::with_interest(socket, Interest::READABLE)? })
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    /// Whether something may have come.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(drop)
    }

    /// The next datagram; [`io::ErrorKind::WouldBlock`] if there is none.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_io(Interest::READABLE, |socket| socket.recv_from(buffer))
    }

    /// Sends a datagram, unless that would block.
    pub(super) fn send(&self, contents: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.get_ref().send_to(contents, to).map(drop)
    }
}

#[cfg(not(unix))]
impl Readable {
    pub(super) fn bind(address: IpAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: tokio::net::UdpSocket::from_std(socket)? })
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_recv_ready(context).map(drop)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_recv_from(buffer)
    }

    pub(super) fn send(&self, contents: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.try_send_to(contents, to).map(drop)
    }
}
