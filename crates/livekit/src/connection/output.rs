//! What a connection is told and what it says.

use std::{fmt, net::SocketAddr, time::Instant};

use crate::{
    DataPacket, Ended, Frame, Quality, RemoteTrack, Resume, SubscriptionProblem, Target, TrackId,
    TrackSid,
};

/// The local addresses that each peer connection sends from and is reached at by UDP. No address may
/// be in both lists.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// For what we send.
    pub publisher: Vec<SocketAddr>,
    /// For what we receive.
    pub subscriber: Vec<SocketAddr>,
}

/// What a connection needs to know before it begins.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Bound UDP sockets.
    pub addresses: Addresses,
    /// From which the pauses between attempts to resume are drawn. Connections of one process should
    /// have different ones, lest they all come back at the same moment.
    pub seed: u64,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The WebSocket is open, and the server's `join` awaited.
    Joining,
    /// We are a participant; the media path is on its way.
    Joined,
    /// Frames can be sent. It stays so while the connection resumes.
    Connected,
    /// It is over.
    Ended,
}

/// What a datagram travels by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// One datagram each.
    Udp,
    /// A stream, on which the shell puts the length before each (RFC 4571: two bytes, big-endian).
    Tcp,
}

/// A datagram to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// The peer connection that it belongs to.
    pub target: Target,
    /// What it travels by.
    pub protocol: Protocol,
    /// From which of our addresses; with TCP it tells the connection.
    pub source: SocketAddr,
    /// To which of the server's.
    pub destination: SocketAddr,
    /// What.
    pub contents: Vec<u8>,
}

/// A datagram that came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// The peer connection whose address it came to.
    pub target: Target,
    /// What it travelled by.
    pub protocol: Protocol,
    /// From which of the server's addresses.
    pub source: SocketAddr,
    /// To which of ours.
    pub destination: SocketAddr,
    /// What; with TCP without the length.
    pub contents: &'a [u8],
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("target", &self.target)
            .field("protocol", &self.protocol)
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("bytes", &self.contents.len())
            .finish()
    }
}

/// What a connection says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server let us in, under this identity.
    Joined {
        /// Our name on the SFU, as the server says it.
        identity: String,
        /// What the frames end with that the server itself puts into encrypted tracks. No frame
        /// with it is the publisher's; empty if the server makes none.
        sif_trailer: Vec<u8>,
    },
    /// The server accepted a track; others are told of it.
    Published(TrackId),
    /// The media path is up: frames leave from now on.
    Connected,
    /// Somebody receives that track: it is heard from the next frame on.
    Subscribed(TrackId),
    /// A moderator muted one of our tracks on the server, or it was unmuted again.
    Muted {
        /// Which.
        track: TrackId,
        /// Whether it is muted now.
        muted: bool,
    },
    /// The server refused a track: the token does not allow it.
    Refused(TrackId),
    /// A track that was unpublished is gone for the others too.
    Unpublished(TrackId),
    /// Nothing comes over the media path any more; it is being restored.
    Interrupted,
    /// The media path is there again.
    Restored,
    /// Somebody publishes a track. It is not heard until it is subscribed to.
    Appeared(RemoteTrack),
    /// Something about a track is different: muted, unmuted, its codec known.
    Changed(RemoteTrack),
    /// A track is gone: unpublished, or its participant has left.
    Vanished(TrackSid),
    /// The server will not let us receive a track that we asked for, or will again.
    Subscription {
        /// Which.
        track: TrackSid,
        /// What is in the way; `None`: nothing any more.
        problem: Option<SubscriptionProblem>,
    },
    /// Somebody's voice became louder, softer, or fell silent, as the server measures it. Who spoke
    /// already when we joined is not told until that changes.
    Speaking {
        /// Who, as the server says; ourselves too.
        identity: String,
        /// How loud, from 0; up to 1.5 has been seen right after an unmute.
        level: f32,
        /// Whether it counts as speaking.
        active: bool,
    },
    /// How well somebody is connected.
    Quality {
        /// Who, as the server says; ourselves too.
        identity: String,
        /// How well.
        quality: Quality,
    },
    /// A packet of data came.
    Data(DataPacket),
    /// It is over; what was still on its way out may follow.
    Ended(Ended),
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send this as one binary message over the WebSocket.
    Signal(Vec<u8>),
    /// Send this datagram.
    Datagram(Datagram),
    /// Open a TCP connection, and answer with
    /// [`handle_tcp_open`](crate::Connection::handle_tcp_open) or
    /// [`handle_tcp_end`](crate::Connection::handle_tcp_end). Datagrams by TCP then belong to it.
    DialTcp {
        /// The peer connection that it is for.
        target: Target,
        /// Where to.
        destination: SocketAddr,
    },
    /// Drop the WebSocket and open one at [`signal_url`](crate::signal_url) with this and
    /// [`Connection::token`](crate::Connection::token), and answer with
    /// [`handle_reopened`](crate::Connection::handle_reopened) or
    /// [`handle_reopen_failure`](crate::Connection::handle_reopen_failure). Another one replaces it:
    /// an attempt that is still under way is to be given up.
    Reopen(Resume),
    /// A frame of a track that is subscribed to.
    Frame(Frame),
    /// This happened.
    Event(Event),
    /// Nothing to do until this moment, or the next input.
    Timeout(Instant),
    /// It is over, and nothing will come any more.
    Done,
}
