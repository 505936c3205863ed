//! The connection as a state machine.
//!
//! ```text
//!                 join: announce tracks, offer            media path up
//!   Joining ------------------------------------> Joined ---------------> Connected
//!      |  no join in 5 s                             |  no path in 15 s       |  path lost
//!      |  leave, socket ended                        |  no answer in 15 s     |  silence, leave
//!      '---------------------------------------------+------------------------'
//!                                                    v
//!                                                  Ended
//! ```
//!
//! Tracks are announced and offered in the same breath as the join is read: the server handles
//! messages in order, so one round trip answers both, and the media path's own begin after it.

mod timers;

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use livekit_protocol::{JoinResponse, SessionDescription, request_response};
use str0m::RtcError;
use tracing::{debug, trace};

use self::timers::{Timer, Timers};
use crate::{
    ended::{Ended, Why},
    peer::{FRAME_MAX, Peer, PeerOutput, Target},
    signal::{self, Request, Response},
    track::{Level, PublishError, SendError, Track, TrackConfig, TrackId},
};

/// Our own tracks; a participant has one microphone, and Element Call shows no more than four.
const TRACKS_MAX: usize = 8;

/// The local addresses that each peer connection sends from and is reached at. No address may be
/// in both lists.
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
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The WebSocket is open, and the server's `join` awaited.
    Joining,
    /// We are a participant; the media path is on its way.
    Joined,
    /// Frames can be sent.
    Connected,
    /// It is over.
    Ended,
}

/// A datagram to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The peer connection that it belongs to.
    pub target: Target,
    /// From which of our addresses.
    pub source: SocketAddr,
    /// To which of the server's.
    pub destination: SocketAddr,
    /// What.
    pub contents: Vec<u8>,
}

/// What a connection says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server let us in, under this identity.
    Joined {
        /// Our name on the SFU, as the server says it.
        identity: String,
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
    /// It is over; what was still on its way out may follow.
    Ended(Ended),
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this as one binary message over the WebSocket.
    Signal(Vec<u8>),
    /// Send this datagram.
    Datagram(Datagram),
    /// This happened.
    Event(Event),
    /// Nothing to do until this moment, or the next input.
    Timeout(Instant),
    /// It is over, and nothing will come any more.
    Done,
}

/// A participant's connection to one SFU, from the opened WebSocket to its end.
#[derive(Debug)]
pub struct Connection {
    state: State,
    publisher: Peer,
    subscriber: Peer,
    tracks: Vec<Track>,
    configs: Vec<TrackConfig>,
    timers: Timers,
    started: Instant,
    rtt_ms: i64,
    outputs: VecDeque<Output>,
}

impl Connection {
    /// A connection whose WebSocket was opened just now.
    pub fn new(config: &Config, now: Instant) -> Self {
        let addresses = &config.addresses;
        let mut this = Self {
            state: State::Joining,
            publisher: Peer::new(Target::Publisher, &addresses.publisher, now),
            subscriber: Peer::new(Target::Subscriber, &addresses.subscriber, now),
            tracks: Vec::new(),
            configs: Vec::new(),
            timers: Timers::new(now),
            started: now,
            rtt_ms: 0,
            outputs: VecDeque::new(),
        };
        this.drain(Target::Publisher, now);
        this.drain(Target::Subscriber, now);
        this
    }

    /// Adds a track, to be announced on joining.
    ///
    /// # Errors
    /// [`PublishError`] once the connection has joined, or for a ninth track.
    pub fn publish(&mut self, track: TrackConfig) -> Result<TrackId, PublishError> {
        if self.state != State::Joining || self.configs.len() == TRACKS_MAX {
            return Err(PublishError::TooLate);
        }
        let id = TrackId(self.configs.len() as u8);
        self.configs.push(track);
        Ok(id)
    }

    /// Tells others that a track is silent on purpose, or that it speaks again. While it is muted
    /// the server forwards nothing.
    pub fn set_muted(&mut self, id: TrackId, muted: bool) {
        if let Some(config) = self.configs.get_mut(usize::from(id.0)) {
            config.muted = muted;
        }
        let track = self.tracks.iter_mut().find(|track| track.id == id);
        if let Some(track) = track.filter(|track| track.config.muted != muted) {
            track.config.muted = muted;
            if let Some(sid) = track.sid.clone() {
                self.send(signal::mute(sid, muted));
            }
        }
    }

    /// Sends one encoded frame, encrypted where the track says so. `units` is its time on the
    /// track's 48 kHz clock, not wrapped; a pause shows as a jump.
    ///
    /// # Errors
    /// [`SendError`]; the frame is lost.
    pub fn send_frame(
        &mut self,
        id: TrackId,
        frame: &[u8],
        units: u64,
        level: Level,
        now: Instant,
    ) -> Result<(), SendError> {
        if frame.len() > FRAME_MAX {
            return Err(SendError::TooLong(frame.len()));
        }
        if self.state != State::Connected {
            return Err(SendError::NotConnected);
        }
        let track = self.tracks.iter().find(|track| track.id == id);
        let stream = track.and_then(|track| Some((track.mid, track.payload_type?)));
        let stream = stream.ok_or(SendError::NotConnected)?;
        let sent = self.publisher.write(stream, frame, units, level, now);
        self.drain(Target::Publisher, now);
        sent.map_err(|error| {
            debug!(%error, "the packetiser refused a frame");
            SendError::Refused
        })
    }

    /// Leaves: says so to the server and closes the media paths. [`Event::Ended`] follows at once.
    pub fn leave(&mut self, now: Instant) {
        if self.state == State::Ended {
            return;
        }
        self.send(signal::leave());
        self.close_peers(now);
        self.end(Why::Left);
    }

    /// Takes a message from the WebSocket.
    pub fn handle_signal(&mut self, message: &[u8], now: Instant) {
        if self.state == State::Ended {
            return;
        }
        self.timers.heard(now);
        match signal::decode(message) {
            Ok(Some(response)) => self.handle_response(response, now),
            Ok(None) => trace!("a message of an unknown kind"),
            Err(error) => self.end(Why::Protocol(error.to_string())),
        }
    }

    /// Takes over that the WebSocket has ended.
    pub fn handle_signal_end(&mut self) {
        self.end(Why::SignalLost);
    }

    /// Takes a datagram that came to one of a peer connection's addresses.
    pub fn handle_datagram(
        &mut self,
        target: Target,
        (source, destination): (SocketAddr, SocketAddr),
        contents: &[u8],
        now: Instant,
    ) {
        if self.state == State::Ended {
            return;
        }
        let peer = self.peer(target);
        let result = peer.handle_datagram(source, destination, contents, now);
        self.check(result);
        self.drain(target, now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state == State::Ended {
            return;
        }
        for target in [Target::Publisher, Target::Subscriber] {
            if self.timers.peer_due(target, now) {
                let result = self.peer(target).handle_timeout(now);
                self.check(result);
                self.drain(target, now);
            }
        }
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Join => self.end(Why::NoJoin),
                Timer::Answer => self.end(Why::NoAnswer),
                Timer::MediaPath => self.end(Why::NoMediaPath),
                Timer::Silence => self.end(Why::SignalLost),
                Timer::Ping => {
                    let elapsed = now.duration_since(self.started).as_millis();
                    self.send(signal::ping(elapsed as i64, self.rtt_ms));
                }
            }
        }
    }

    /// What is to be done next; to be drained until it is a timeout, after each input.
    pub fn poll_output(&mut self) -> Output {
        match self.outputs.pop_front() {
            Some(output) => output,
            None if self.state == State::Ended => Output::Done,
            None => Output::Timeout(self.timers.next()),
        }
    }

    /// How far it is.
    pub fn state(&self) -> State {
        self.state
    }

    fn handle_response(&mut self, response: Response, now: Instant) {
        match response {
            Response::Join(join) if self.state == State::Joining => self.joined(&join, now),
            Response::Answer(answer) => self.answered(&answer, now),
            Response::Offer(offer) => self.offered(&offer, now),
            Response::Trickle(trickle) => {
                if let Some((target, candidate)) = signal::candidate(&trickle) {
                    self.peer(target).add_candidate(&candidate);
                    self.drain(target, now);
                }
            }
            Response::TrackPublished(published) => {
                let sid = published.track.unwrap_or_default().sid;
                self.published(&published.cid, sid);
            }
            Response::TrackSubscribed(subscribed) => {
                let sid = Some(subscribed.track_sid);
                if let Some(track) = self.tracks.iter().find(|track| track.sid == sid) {
                    self.emit(Event::Subscribed(track.id));
                }
            }
            Response::Mute(mute) => self.muted_by_server(mute.sid, mute.muted),
            Response::RequestResponse(answer) => self.refused(answer.request),
            Response::PongResp(pong) => {
                let elapsed = now.duration_since(self.started).as_millis() as i64;
                self.rtt_ms = (elapsed - pong.last_ping_timestamp).max(0);
            }
            Response::Leave(leave) => {
                self.close_peers(now);
                self.end_with(Ended::by_server(&leave));
            }
            other => trace!(kind = kind(&other), "nothing to do for a message"),
        }
    }

    fn joined(&mut self, join: &JoinResponse, now: Instant) {
        let identity = join.participant.as_ref().map(|own| own.identity.clone());
        self.state = State::Joined;
        self.timers.joined(join.ping_interval, join.ping_timeout, now);
        self.emit(Event::Joined { identity: identity.unwrap_or_default() });
        self.announce(now);
    }

    /// Announces our tracks, and offers the publisher connection with all of them.
    fn announce(&mut self, now: Instant) {
        let configs = self.configs.clone();
        let ids = (0..configs.len() as u8).map(TrackId);
        let streams: Vec<_> = ids.map(|id| ("phonograph".to_owned(), id.cid())).collect();
        let Some((offer, mids)) = self.publisher.offer(&streams) else { return };
        for (index, (config, mid)) in configs.into_iter().zip(mids).enumerate() {
            let id = TrackId(index as u8);
            self.send(Request::AddTrack(config.request(id)));
            let announced_muted = config.muted;
            let (sid, payload_type) = (None, None);
            self.tracks.push(Track { id, config, announced_muted, mid, sid, payload_type });
        }
        self.send(signal::offer(offer, 1));
        self.drain(Target::Publisher, now);
    }

    fn answered(&mut self, answer: &SessionDescription, now: Instant) {
        let result = self.publisher.accept_answer(&answer.sdp);
        self.check(result);
        self.timers.answered();
        for track in &mut self.tracks {
            track.payload_type = self.publisher.opus(track.mid);
        }
        self.drain(Target::Publisher, now);
    }

    fn offered(&mut self, offer: &SessionDescription, now: Instant) {
        match self.subscriber.accept_offer(&offer.sdp) {
            Ok(answer) => self.send(signal::answer(answer, offer.id)),
            Err(error) => self.end(Why::Protocol(format!("its offer: {error}"))),
        }
        self.drain(Target::Subscriber, now);
    }

    fn published(&mut self, cid: &str, sid: String) {
        let Some(track) = self.tracks.iter_mut().find(|track| track.id.cid() == cid) else {
            return;
        };
        let id = track.id;
        track.sid = Some(sid.clone());
        let (muted, announced) = (track.config.muted, track.announced_muted);
        self.emit(Event::Published(id));
        // It was muted or unmuted on the way here, when there was no name to do it by.
        if muted != announced {
            self.send(signal::mute(sid, muted));
        }
    }

    fn muted_by_server(&mut self, sid: String, muted: bool) {
        let sid = Some(sid);
        if let Some(track) = self.tracks.iter_mut().find(|track| track.sid == sid) {
            track.config.muted = muted;
            let track = track.id;
            self.emit(Event::Muted { track, muted });
        }
    }

    /// A request that the server did not carry out; only tracks are anything to us.
    fn refused(&mut self, request: Option<request_response::Request>) {
        let Some(request_response::Request::AddTrack(request)) = request else { return };
        let track = self.tracks.iter().find(|track| track.id.cid() == request.cid);
        if let Some(track) = track.filter(|track| track.sid.is_none()) {
            self.emit(Event::Refused(track.id));
        }
    }

    /// Takes over all that a peer connection has to say.
    fn drain(&mut self, target: Target, now: Instant) {
        loop {
            match self.peer(target).poll_output() {
                Ok(PeerOutput::Transmit(transmit)) => {
                    self.outputs.push_back(Output::Datagram(Datagram {
                        target,
                        source: transmit.source,
                        destination: transmit.destination,
                        contents: transmit.contents.into(),
                    }));
                }
                Ok(PeerOutput::Connected) if target == Target::Publisher => self.connected(),
                Ok(PeerOutput::Connected) => debug!("the subscriber connection is up"),
                Ok(PeerOutput::Lost) => self.end(Why::MediaLost),
                Ok(PeerOutput::Timeout(at)) => return self.timers.set_peer(target, at),
                Err(error) => {
                    self.check(Err(error));
                    return self.timers.set_peer(target, now + timers::NEVER);
                }
            }
        }
    }

    fn connected(&mut self) {
        self.timers.connected();
        if self.state == State::Joined {
            self.state = State::Connected;
            self.emit(Event::Connected);
        }
    }

    /// str0m's errors on input are a broken peer or a bug; neither can be gone on from.
    fn check(&mut self, result: Result<(), RtcError>) {
        if let Err(error) = result {
            self.end(Why::Protocol(error.to_string()));
        }
    }

    fn close_peers(&mut self, now: Instant) {
        for target in [Target::Publisher, Target::Subscriber] {
            self.peer(target).close();
            self.drain(target, now);
        }
    }

    fn end(&mut self, why: Why) {
        self.end_with(Ended::new(why));
    }

    fn end_with(&mut self, ended: Ended) {
        if self.state != State::Ended {
            self.state = State::Ended;
            self.emit(Event::Ended(ended));
        }
    }

    fn peer(&mut self, target: Target) -> &mut Peer {
        match target {
            Target::Publisher => &mut self.publisher,
            Target::Subscriber => &mut self.subscriber,
        }
    }

    fn send(&mut self, request: Request) {
        self.outputs.push_back(Output::Signal(signal::encode(request)));
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

/// A message's name, for the log; its content may hold tokens.
fn kind(response: &Response) -> String {
    let text = format!("{response:.0?}");
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
