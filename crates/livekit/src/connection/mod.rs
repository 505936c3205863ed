//! The connection as a state machine.
//!
//! ```text
//!                 join: announce tracks, offer            media path up        lost: resumed
//!   Joining ------------------------------------> Joined ---------------> Connected ---------.
//!      |  no join in 5 s                             |  no path in 15 s       | ^            |
//!      |  leave, socket ended                        |  no answer, leave      | '------------'
//!      '---------------------------------------------+------------------------'  no answer,
//!                                                    v                           leave, not resumed
//!                                                  Ended
//! ```
//!
//! Beside it run the machines of its parts, each drawn where it stands: `publishing` (our tracks),
//! `hearing` (those of others), `resume` (the WebSocket, and new paths) and `tcp`.
//!
//! Tracks are announced and offered in the same breath as the join is read: the server handles
//! messages in order, so one round trip answers both, and the media path's own begin after it.

mod chatter;
mod hearing;
mod output;
mod publishing;
mod resume;
mod tcp;
mod timers;

use std::{collections::VecDeque, fmt, time::Instant};

use livekit_protocol::{JoinResponse, SessionDescription};
use str0m::{
    RtcError,
    net::{Protocol as NetProtocol, Transmit},
};
use tracing::{debug, trace};

pub use self::output::{Addresses, Config, Datagram, Event, Output, Protocol, Received, State};
use self::{
    hearing::Hearing,
    publishing::Publishing,
    resume::Resumption,
    tcp::Tcp,
    timers::{Timer, Timers},
};
use crate::{
    DataError, ParticipantSid, ReconnectReason, Reliability, TrackSid,
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
    resumption: Resumption,
    publisher_tcp: Tcp,
    subscriber_tcp: Tcp,
    /// The number of the last reliable packet of data that we sent.
    data_sequence: u32,
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
            resumption: Resumption::new(config.seed, now),
            publisher_tcp: Tcp::default(),
            subscriber_tcp: Tcp::default(),
            data_sequence: 0,
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

    /// The identities of all others that the server has, as it names them.
    pub fn identities(&self) -> impl Iterator<Item = &str> {
        self.hearing.roster.identities()
    }

    /// All tracks of others that the server has.
    pub fn tracks(&self) -> impl Iterator<Item = &crate::RemoteTrack> {
        self.hearing.roster.tracks()
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
        if self.state == State::Ended || !self.resumption.is_listening() {
            return;
        }
        self.timers.heard(now);
        match signal::decode(message) {
            Ok(Some(response)) if self.resumption.is_awaiting() => self.greeted(&response, now),
            Ok(Some(response)) => self.handle_response(response, now),
            Ok(None) => trace!("a message of an unknown kind"),
            Err(error) => self.end(Why::Protocol(error.to_string())),
        }
    }

    /// Takes a datagram that came to one of a peer connection's addresses, or over its TCP
    /// connection.
    pub fn handle_datagram(&mut self, datagram: &Received<'_>, now: Instant) {
        let target = datagram.target;
        let (local, remote) = (datagram.destination, datagram.source);
        let is_tcp = datagram.protocol == Protocol::Tcp;
        if self.state == State::Ended || is_tcp && !self.tcp(target).carries(local, remote) {
            return;
        }
        match self.peer(target).handle_datagram(datagram, now) {
            Ok(true) => self.timers.path_heard(target, now),
            Ok(false) => {}
            // Who can put our peer's address on a datagram must not be able to end the connection.
            // If encryption is really broken, the path will fall silent.
            Err(error) => {
                debug!(%error, "a datagram could not be taken");
                self.troubles.count(Trouble::BrokenDatagram, now);
            }
        }
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
        while self.state != State::Ended
            && let Some(timer) = self.timers.expired(now)
        {
            self.handle_timer(timer, now);
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

    fn handle_timer(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Join => self.end(Why::NoJoin),
            Timer::Answer if self.resumption.is_up() => self.end(Why::NoAnswer),
            // The resume has a time of its own.
            Timer::Answer => {}
            Timer::MediaPath => self.end(Why::NoMediaPath),
            Timer::Silence => self.lost(ReconnectReason::SignalLost, now),
            Timer::Resume => self.resume_due(now),
            Timer::Closed => self.end(Why::MediaLost),
            Timer::Path(target) => self.path_lost(target, now),
            Timer::Tcp(target) => self.tcp_due(target),
            Timer::Ping => {
                let elapsed = now.duration_since(self.started).as_millis();
                self.send(signal::ping(elapsed as i64, self.rtt_ms));
            }
        }
    }

    fn handle_response(&mut self, response: Response, now: Instant) {
        match response {
            Response::Join(join) if self.state == State::Joining => self.joined(&join, now),
            Response::Answer(answer) => self.answered(&answer, now),
            Response::Offer(offer) => self.offered(&offer, now),
            Response::Trickle(trickle) => {
                if let Some((target, candidate)) = signal::candidate(&trickle) {
                    let tcp = self.peer(target).add_candidate(&candidate);
                    self.learn_tcp(target, tcp.as_slice(), now);
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
            Response::SpeakersChanged(changed) => self.speakers_changed(&changed),
            Response::ConnectionQuality(update) => self.quality_changed(&update),
            Response::Mute(mute) => self.muted_by_server(&mute.sid, mute.muted),
            Response::RequestResponse(answer) => self.refused(answer),
            Response::PongResp(pong) => {
                let elapsed = now.duration_since(self.started).as_millis() as i64;
                self.rtt_ms = elapsed.saturating_sub(pong.last_ping_timestamp).max(0);
            }
            Response::RefreshToken(token) => self.token = Some(Token(token)),
            Response::RoomMoved(_) => self.end(Why::Moved),
            Response::Leave(leave) => self.dismissed(&leave, now),
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
        matches!(self.state, State::Joined | State::Connected) && self.resumption.is_up()
    }

    /// Takes over all that a peer connection has to say.
    fn drain(&mut self, target: Target, now: Instant) {
        loop {
            match self.peer(target).poll_output() {
                Ok(PeerOutput::Transmit(transmit)) => self.transmit(target, transmit),
                Ok(PeerOutput::Connected) => self.connected(target, now),
                Ok(PeerOutput::Data(reliability, message)) => {
                    self.data_came(reliability, &message, now);
                }
                Ok(PeerOutput::PathUp) => self.path_up(target, now),
                Ok(PeerOutput::PathLost) => self.path_lost(target, now),
                Ok(PeerOutput::Closed) if self.state != State::Ended => self.timers.closed(now),
                Ok(PeerOutput::Closed) => {}
                Ok(PeerOutput::Packet(ssrc, packet)) => self.heard(ssrc, packet, now),
                Ok(PeerOutput::Report(ssrc, report)) => self.reported(ssrc, report),
                Ok(PeerOutput::Timeout(at)) => return self.timers.set_peer(target, at),
                Err(error) => {
                    self.check(Err(error));
                    return self.timers.set_peer(target, now + timers::NEVER);
                }
            }
        }
    }

    fn transmit(&mut self, target: Target, transmit: Transmit) {
        let Transmit { source, destination, proto, contents } = transmit;
        let protocol = match proto {
            NetProtocol::Udp => Protocol::Udp,
            NetProtocol::Tcp if self.tcp(target).carries(source, destination) => Protocol::Tcp,
            // A check to an address that was not dialled, or a way that we do not have.
            NetProtocol::Tcp | NetProtocol::SslTcp | NetProtocol::Tls => return,
        };
        let contents = Vec::from(contents);
        // Checks go over every way, the rest over the one in use (RFC 7983).
        if contents.first().is_some_and(|first| *first >= 20) {
            self.tcp(target).used = Some((protocol, destination));
        }
        let datagram = Datagram { target, protocol, source, destination, contents };
        self.outputs.push_back(Output::Datagram(datagram));
    }

    fn connected(&mut self, target: Target, now: Instant) {
        debug!(?target, "a media path is up");
        self.timers.path_heard(target, now);
        if target == Target::Publisher && self.state == State::Joined {
            self.state = State::Connected;
            self.resumption.up(now);
            self.emit(Event::Connected);
        }
        if self.publisher.is_up() && self.subscriber.is_up() == self.subscriber.has_remote() {
            self.timers.stop(Timer::MediaPath);
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
