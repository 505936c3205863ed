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

mod hearing;
mod output;
mod publishing;
mod timers;

use std::{collections::VecDeque, fmt, net::SocketAddr, time::Instant};

use livekit_protocol::{JoinResponse, SessionDescription};
use str0m::RtcError;
use tracing::{debug, trace};

pub use self::output::{Addresses, Config, Datagram, Event, Output, Protocol, Received, State};
use self::{
    hearing::Hearing,
    publishing::Publishing,
    timers::{Timer, Timers},
};
use crate::{
    DataError, ParticipantSid, Reliability, TrackSid, data,
    ended::{Ended, Why},
    peer::{FRAME_MAX, Peer, PeerOutput, Target},
    signal::{self, Request, Response},
    track::{Level, PublishError, SendError, TrackConfig, TrackId},
    trouble::{Trouble, Troubles},
};

/// A participant's connection to one SFU, from the opened WebSocket to its end.
#[derive(Debug)]
pub struct Connection {
    state: State,
    identity: String,
    sid: Option<ParticipantSid>,
    token: Option<Token>,
    publisher: Peer,
    subscriber: Peer,
    publishing: Publishing,
    hearing: Hearing,
    troubles: Troubles,
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
            identity: String::new(),
            sid: None,
            token: None,
            publisher: Peer::new(Target::Publisher, &addresses.publisher, now),
            subscriber: Peer::new(Target::Subscriber, &addresses.subscriber, now),
            publishing: Publishing::new(),
            hearing: Hearing::default(),
            troubles: Troubles::default(),
            timers: Timers::new(now),
            started: now,
            rtt_ms: 0,
            outputs: VecDeque::new(),
        };
        this.drain(Target::Publisher, now);
        this.drain(Target::Subscriber, now);
        this
    }

    /// Sends a packet of data to everybody. It is not encrypted end to end.
    ///
    /// # Errors
    /// [`DataError`]; nothing was sent.
    pub fn send_data(
        &mut self,
        topic: Option<&str>,
        payload: &[u8],
        _reliability: Reliability,
        _now: Instant,
    ) -> Result<(), DataError> {
        if payload.len() > data::PAYLOAD_MAX {
            return Err(DataError::TooLong(payload.len()));
        }
        if let Some(topic) = topic.filter(|topic| topic.len() > data::TOPIC_MAX) {
            return Err(DataError::TooLong(topic.len()));
        }
        Err(DataError::NotConnected)
    }

    /// The newest token that the server gave us; the one to resume with, and good for a new
    /// connection while it lasts (10 minutes). `None`: the caller's own is the newest.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.0.as_str())
    }

    /// Our name on the SFU, as the server says it; empty before it has let us in.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The server's name for our presence, once it has let us in.
    pub fn sid(&self) -> Option<&ParticipantSid> {
        self.sid.as_ref()
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
    pub fn handle_signal_end(&mut self, _now: Instant) {
        self.end(Why::SignalLost);
    }

    /// Takes over that the WebSocket of an [`Output::Reopen`] is open.
    pub fn handle_reopened(&mut self, _now: Instant) {}

    /// Takes over that the WebSocket of an [`Output::Reopen`] could not be opened, and the HTTP
    /// status if the server answered with one.
    pub fn handle_reopen_failure(&mut self, _status: Option<u16>, _now: Instant) {}

    /// Takes over that the TCP connection of an [`Output::DialTcp`] stands, and our end of it.
    pub fn handle_tcp_open(
        &mut self,
        _target: Target,
        _local: SocketAddr,
        _destination: SocketAddr,
        _now: Instant,
    ) {
    }

    /// Takes over that the TCP connection of an [`Output::DialTcp`] to that address could not be
    /// opened, or has ended.
    pub fn handle_tcp_end(&mut self, _target: Target, _destination: SocketAddr, _now: Instant) {}

    /// Takes a datagram that came to one of a peer connection's addresses.
    pub fn handle_datagram(&mut self, datagram: &Received<'_>, now: Instant) {
        if self.state == State::Ended || datagram.protocol == Protocol::Tcp {
            return;
        }
        let target = datagram.target;
        let (source, destination) = (datagram.source, datagram.destination);
        let peer = self.peer(target);
        let result = peer.handle_datagram(source, destination, datagram.contents, now);
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
        if self.hearing.timeout().is_some_and(|due| due <= now) {
            self.poll_streams(now);
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
        if self.outputs.is_empty() && self.may_talk() {
            for request in self.hearing.take_requests() {
                self.send(request);
            }
        }
        match self.outputs.pop_front() {
            Some(output) => output,
            None if self.state == State::Ended => Output::Done,
            None => {
                let timers = self.timers.next();
                Output::Timeout(self.hearing.timeout().map_or(timers, |due| due.min(timers)))
            }
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
                self.published(&published.cid, published.track.unwrap_or_default());
            }
            Response::TrackSubscribed(subscribed) => self.subscribed(&subscribed.track_sid),
            Response::Update(update) => self.updated(&update.participants, now),
            Response::SubscriptionResponse(response) => self.subscription_failed(&response),
            Response::SubscriptionPermissionUpdate(update) => self.subscription_permitted(&update),
            Response::Mute(mute) => self.muted_by_server(&mute.sid, mute.muted),
            Response::RequestResponse(answer) => self.refused(answer.request),
            Response::PongResp(pong) => {
                let elapsed = now.duration_since(self.started).as_millis() as i64;
                self.rtt_ms = (elapsed - pong.last_ping_timestamp).max(0);
            }
            Response::RefreshToken(token) => self.token = Some(Token(token)),
            Response::Leave(leave) => {
                self.close_peers(now);
                self.end_with(Ended::by_server(&leave));
            }
            other => trace!(kind = kind(&other), "nothing to do for a message"),
        }
    }

    fn joined(&mut self, join: &JoinResponse, now: Instant) {
        let own = join.participant.clone().unwrap_or_default();
        self.identity.clone_from(&own.identity);
        let sid = ParticipantSid::from(own.sid);
        self.hearing.roster.set_own(sid.clone(), own.identity.clone());
        self.sid = Some(sid);
        self.state = State::Joined;
        self.timers.joined(join.ping_interval, join.ping_timeout, now);
        let sif_trailer = join.sif_trailer.clone();
        self.emit(Event::Joined { identity: own.identity, sif_trailer });
        self.offer_changes(now);
        self.updated(&join.other_participants, now);
    }

    /// Whether the server is to be told anything.
    fn may_talk(&self) -> bool {
        matches!(self.state, State::Joined | State::Connected)
    }

    fn publisher_answered(&mut self, _sdp: &str) {}

    /// Takes over all that a peer connection has to say.
    fn drain(&mut self, target: Target, now: Instant) {
        loop {
            match self.peer(target).poll_output() {
                Ok(PeerOutput::Transmit(transmit)) => {
                    self.outputs.push_back(Output::Datagram(Datagram {
                        target,
                        protocol: Protocol::Udp,
                        source: transmit.source,
                        destination: transmit.destination,
                        contents: transmit.contents.into(),
                    }));
                }
                Ok(PeerOutput::Connected) if target == Target::Publisher => self.connected(),
                Ok(PeerOutput::Connected) => debug!("the subscriber connection is up"),
                Ok(PeerOutput::Packet(ssrc, packet)) => self.heard(ssrc, packet, now),
                Ok(PeerOutput::Report(ssrc, report)) => self.reported(ssrc, report),
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

/// What lets us in; no log is to have it.
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A message's name, for the log; its content may hold tokens.
fn kind(response: &Response) -> String {
    let text = format!("{response:.0?}");
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
