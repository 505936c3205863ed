//! What a call decides: where what Matrix says and what the SFU says meet.
//!
//! ```text
//!          join                 granted           socket open          path up, member
//!   Idle ------> Asking (token) ------> Opening ----------> Up (joining) ----------> in
//!                  ^   | refused           | refused          | ended                 | ended
//!                  |   '-------------------+------------------+-----------------------'
//!                  |  pause over           v
//!                  '------------------ Pausing --- too often ---> leave Matrix --> Ended
//! ```
//!
//! Our membership goes its own way beside this ([`Session`]): both begin at once, and a lost SFU
//! costs no membership. It is pure; the driver carries out its [`Action`]s and hands in what comes
//! of them.

mod retry;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use phonograph_frame::{
    Codec,
    crypto::{NonceSeed, Sealer},
};
use phonograph_livekit::{
    Addresses, Connection, Datagram, Ended, Level, Output, Recovery as LinkRecovery, SendError,
    State as LinkState, Target, TrackConfig, TrackId, Why,
};
use phonograph_matrixrtc::{
    Intent, KeyMessage, Member, Now, Request, RequestError, RequestId, Response, RoomId,
    ServiceUrl, Session, identity,
    membership::{self, Failure},
    session::{self, Encryption},
    transport::{Grant, Recovery},
};
use tracing::{debug, info, warn};

use self::retry::Retry;
use crate::{
    call::Event,
    end::{EndReason, SfuError, TokenError},
    matrix::{Power, RoomState},
};

/// How long a track may be silent before it is shown as muted.
const MUTE_AFTER: Duration = Duration::from_secs(2);
/// How long a source waits for somebody to receive us, so that they hear its beginning. The SFU
/// needs 100 to 200 ms to bring a new track to those who are there.
const AUDIENCE_WITHIN: Duration = Duration::from_secs(1);

/// What a machine needs to begin.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) me: Member,
    pub(crate) room: RoomId,
    pub(crate) state: RoomState,
    pub(crate) service: ServiceUrl,
    pub(crate) last_key_index: Option<u8>,
    pub(crate) seed: Seed,
}

/// Random bytes for keys, IVs and jitter.
#[derive(Clone)]
pub(crate) struct Seed {
    pub(crate) session: [u8; 32],
    pub(crate) nonce: [u8; 12],
    pub(crate) jitter: [u8; 32],
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(***)")
    }
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(crate) enum Action {
    /// Have Matrix do this.
    Request(RequestId, Request),
    /// Ask the token service, with a new OpenID token.
    Ask,
    /// Open a WebSocket and UDP sockets.
    Open(Grant),
    /// Send over the WebSocket.
    Signal(Vec<u8>),
    /// Send over UDP.
    Datagram(Datagram),
    /// Close the sockets once all is sent.
    Close,
    /// Tell the application.
    Event(Event),
    /// The call is over.
    End(EndReason),
}

/// The way to the SFU.
#[derive(Debug)]
enum Link {
    Idle,
    Asking,
    Opening { url: String },
    Up(Box<Up>),
    Pausing { until: Instant },
}

#[derive(Debug)]
struct Up {
    url: String,
    connection: Connection,
    track: TrackId,
    /// When the sockets were open.
    opened: Instant,
    /// When the connection wants to be called.
    timeout: Instant,
    /// Until when a source waits for an audience, once the path is up.
    hold_until: Option<Instant>,
}

/// One call's decisions.
#[derive(Debug)]
pub(crate) struct Machine {
    me: Member,
    service: ServiceUrl,
    power: Power,
    session: Session,
    encrypted: bool,
    sealer: Sealer,
    sealed: Vec<u8>,
    link: Link,
    retry: Retry,
    /// Whether the token service was asked anew at once, after it refused an OpenID token.
    renewed: bool,
    is_member: bool,
    probably_left: bool,
    announced: bool,
    others: usize,
    playing: bool,
    mute_at: Option<Instant>,
    ending: Option<EndReason>,
    actions: VecDeque<Action>,
}

impl Machine {
    /// A call that we are not in yet.
    pub(crate) fn new(setup: Setup, now: Now) -> Self {
        let Setup { me, room, state, service, last_key_index, seed } = setup;
        let encrypted = state.encrypted;
        let membership = membership::Config {
            me: me.clone(),
            room,
            room_version: state.version.clone(),
            intent: Intent::Audio,
        };
        let encryption = if encrypted { Encryption::PerParticipant } else { Encryption::None };
        let config = session::Config { membership, encryption, last_key_index, seed: seed.session };
        let mut this = Self {
            me,
            service,
            power: state.power,
            session: Session::new(config),
            encrypted,
            sealer: Sealer::new(NonceSeed::new(seed.nonce)),
            sealed: Vec::new(),
            link: Link::Idle,
            retry: Retry::new(seed.jitter),
            renewed: false,
            is_member: false,
            probably_left: false,
            announced: false,
            others: 0,
            playing: false,
            mute_at: None,
            ending: None,
            actions: VecDeque::new(),
        };
        this.handle_room_state(state, now);
        this
    }

    /// Becomes a member and connects to the SFU, both at once.
    pub(crate) fn join(&mut self, now: Now) {
        self.session.join(self.service.clone(), now);
        self.ask();
        self.drain_session(now);
    }

    /// Leaves, both Matrix and the SFU; [`Action::End`] follows when others can see it.
    pub(crate) fn leave(&mut self, now: Now) {
        self.end(EndReason::Left, now);
    }

    /// Takes over the room's state.
    pub(crate) fn handle_room_state(&mut self, state: RoomState, now: Now) {
        self.power = state.power;
        if state.encrypted && !self.encrypted {
            return self.end(EndReason::NowEncrypted, now);
        }
        self.session.handle_roster(state.memberships, state.joined, now);
        self.drain_session(now);
        let me = &self.me;
        let others = self.session.roster().others(me).count();
        if others != self.others {
            self.others = others;
            self.emit(Event::Others(others));
        }
    }

    /// Takes over somebody's media key.
    pub(crate) fn handle_media_key(&mut self, message: &KeyMessage, now: Now) {
        self.session.handle_media_key(message, now);
        self.drain_session(now);
    }

    /// Takes over what came of a request to Matrix.
    pub(crate) fn handle_response(
        &mut self,
        id: RequestId,
        answer: Result<Response, RequestError>,
        now: Now,
    ) {
        self.session.handle_response(id, answer, now);
        self.drain_session(now);
    }

    /// Takes over what the token service said.
    pub(crate) fn handle_grant(&mut self, answer: Result<Grant, TokenError>, now: Now) {
        if !matches!(self.link, Link::Asking) {
            return;
        }
        match answer {
            Ok(grant) => {
                if grant.identity != identity::plain(&self.me) {
                    warn!(identity = %grant.identity, "the token service names us otherwise");
                }
                self.renewed = false;
                self.link = Link::Opening { url: grant.url.clone() };
                self.actions.push_back(Action::Open(grant));
            }
            Err(error) => match error.recovery() {
                Recovery::NewOpenIdToken if !self.renewed => {
                    self.renewed = true;
                    self.ask();
                }
                Recovery::Later => self.again(EndReason::TokenService(error), now),
                Recovery::NewOpenIdToken | Recovery::GiveUp => {
                    self.end(EndReason::TokenService(error), now);
                }
            },
        }
    }

    /// Takes over that the sockets are open.
    pub(crate) fn handle_open(&mut self, addresses: Addresses, now: Now) {
        let Link::Opening { url } = std::mem::replace(&mut self.link, Link::Idle) else {
            self.actions.push_back(Action::Close);
            return;
        };
        let config = phonograph_livekit::Config { addresses };
        let mut connection = Connection::new(&config, now.instant);
        let track = connection.publish(TrackConfig {
            name: "music".to_owned(),
            encrypted: self.encrypted,
            stereo: true,
            muted: !self.playing,
        });
        let track = track.expect("a new connection takes its first track");
        let opened = now.instant;
        let up = Up { url, connection, track, opened, timeout: opened, hold_until: None };
        self.link = Link::Up(Box::new(up));
        self.drain_link(now);
    }

    /// Takes over that the sockets could not be opened.
    pub(crate) fn handle_open_failure(&mut self, why: SfuError, now: Now) {
        let Link::Opening { url } = std::mem::replace(&mut self.link, Link::Idle) else { return };
        self.again(EndReason::Sfu { url, why }, now);
    }

    /// Takes a message from the SFU.
    pub(crate) fn handle_signal(&mut self, message: &[u8], now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.connection.handle_signal(message, now.instant);
            self.drain_link(now);
        }
    }

    /// Takes over that the WebSocket has ended.
    pub(crate) fn handle_signal_end(&mut self, now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.connection.handle_signal_end();
            self.drain_link(now);
        }
    }

    /// Takes a datagram.
    pub(crate) fn handle_datagram(&mut self, datagram: Received<'_>, now: Now) {
        if let Link::Up(up) = &mut self.link {
            let Received { target, source, destination, contents } = datagram;
            let path = (source, destination);
            up.connection.handle_datagram(target, path, contents, now.instant);
            self.drain_link(now);
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if self.session.poll_timeout(now).is_some_and(|at| at <= now.instant) {
            self.session.handle_timeout(now);
            self.drain_session(now);
        }
        match &mut self.link {
            Link::Up(up) if up.timeout <= now.instant => {
                up.connection.handle_timeout(now.instant);
                self.drain_link(now);
            }
            Link::Pausing { until } if *until <= now.instant => self.ask(),
            Link::Up(_)
            | Link::Pausing { .. }
            | Link::Idle
            | Link::Asking
            | Link::Opening { .. } => {}
        }
        if self.mute_at.is_some_and(|at| at <= now.instant) {
            self.mute_at = None;
            self.set_muted(true, now);
        }
    }

    /// Takes over whether something plays: others see us muted when nothing has for a while.
    pub(crate) fn set_playing(&mut self, playing: bool, now: Now) {
        self.playing = playing;
        if playing {
            self.mute_at = None;
            self.set_muted(false, now);
        } else {
            self.mute_at = Some(now.instant + MUTE_AFTER);
        }
    }

    /// Whether a frame given now is sent: the path is up, we are a member, the key is there where
    /// one is needed, and somebody listens or had time to.
    pub(crate) fn may_send(&self, now: Now) -> bool {
        let keyed = !self.encrypted || self.sealer.key_index().is_some();
        let Link::Up(up) = &self.link else { return false };
        let connected = up.connection.state() == LinkState::Connected;
        let held = up.hold_until.is_some_and(|until| now.instant < until) && self.others > 0;
        keyed && connected && self.is_member && !self.probably_left && !held
    }

    /// Seals a frame where the room is encrypted, and sends it. It is lost if it cannot be sent.
    pub(crate) fn send(&mut self, frame: &[u8], units: u64, level: Level, now: Now) {
        if !self.may_send(now) {
            return;
        }
        let frame = if self.encrypted {
            if let Err(error) = self.sealer.seal(Codec::Opus, frame, &mut self.sealed) {
                debug!(%error, "a frame was not sealed");
                return;
            }
            self.sealed.as_slice()
        } else {
            frame
        };
        let Link::Up(up) = &mut self.link else { return };
        match up.connection.send_frame(up.track, frame, units, level, now.instant) {
            Ok(()) | Err(SendError::NotConnected) => {}
            Err(error) => debug!(%error, "a frame was not sent"),
        }
        self.drain_link(now);
    }

    /// What is to be done; to be drained after each input.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Machine::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let link = match &self.link {
            Link::Up(up) => Some(up.timeout),
            Link::Pausing { until } => Some(*until),
            Link::Idle | Link::Asking | Link::Opening { .. } => None,
        };
        [self.session.poll_timeout(now), link, self.mute_at].into_iter().flatten().min()
    }

    /// The token service that we publish by.
    pub(crate) fn service(&self) -> &ServiceUrl {
        &self.service
    }

    fn ask(&mut self) {
        self.link = Link::Asking;
        self.actions.push_back(Action::Ask);
    }

    /// Tries again after a pause, or ends the call if that was too often.
    fn again(&mut self, reason: EndReason, now: Now) {
        match self.retry.pause() {
            Some(pause) => {
                info!(error = %crate::end::chain(&reason), ?pause, "trying again to connect");
                self.link = Link::Pausing { until: now.instant + pause };
            }
            None => self.end(reason, now),
        }
    }

    /// Leaves both sides; the reason is given when Matrix is left.
    fn end(&mut self, reason: EndReason, now: Now) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(reason);
        if let Link::Up(up) = &mut self.link {
            up.connection.leave(now.instant);
            self.drain_link(now);
        }
        self.link = Link::Idle;
        self.session.leave(now);
        self.drain_session(now);
    }

    fn set_muted(&mut self, muted: bool, now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.connection.set_muted(up.track, muted);
            self.drain_link(now);
        }
    }

    fn drain_session(&mut self, now: Now) {
        while let Some((id, request)) = self.session.poll_request() {
            self.actions.push_back(Action::Request(id, request));
        }
        while let Some(event) = self.session.poll_event() {
            self.handle_session_event(event, now);
        }
    }

    fn handle_session_event(&mut self, event: session::Event, now: Now) {
        match event {
            session::Event::Joined => {
                self.is_member = true;
                self.announce();
            }
            session::Event::UseKey { index, key } => {
                self.sealer.set_key(index, key.derive());
                self.emit(Event::KeyIndex(index.get()));
            }
            session::Event::ProbablyLeft(left) => {
                warn!(left, "the homeserver has probably ended our membership");
                self.probably_left = left;
            }
            session::Event::Left => self.over(),
            session::Event::Failed(failure) => {
                let reason = self.failure(failure);
                self.is_member = false;
                self.end(reason, now);
            }
            session::Event::KeyRefused { sender, reason } => {
                debug!(%sender, %reason, "a media key was not taken");
            }
            // Nothing is received, so nobody's keys are needed.
            session::Event::PeerKey { .. }
            | session::Event::MemberJoined(_)
            | session::Event::MemberLeft(_)
            | session::Event::Visible => {}
            other => debug!(?other, "nothing to do"),
        }
    }

    fn failure(&self, failure: Failure) -> EndReason {
        match failure {
            Failure::Forbidden => EndReason::NotAllowed { power: self.power },
            Failure::Removed => EndReason::Removed,
            Failure::Refused(words) => EndReason::Refused(words),
            other => EndReason::Refused(other.to_string()),
        }
    }

    /// Both sides are left.
    fn over(&mut self) {
        if let Some(reason) = self.ending.take() {
            self.actions.push_back(Action::Close);
            self.actions.push_back(Action::End(reason));
        }
    }

    fn drain_link(&mut self, now: Now) {
        loop {
            let Link::Up(up) = &mut self.link else { return };
            match up.connection.poll_output() {
                Output::Signal(message) => self.actions.push_back(Action::Signal(message)),
                Output::Datagram(datagram) => self.actions.push_back(Action::Datagram(datagram)),
                Output::Event(event) => self.handle_link_event(event, now),
                Output::Timeout(at) => {
                    up.timeout = at;
                    return;
                }
                Output::Done => return,
            }
        }
    }

    fn handle_link_event(&mut self, event: phonograph_livekit::Event, now: Now) {
        use phonograph_livekit::Event as Said;
        match event {
            Said::Joined { identity } => debug!(identity, "joined the SFU"),
            Said::Published(_) => debug!("the SFU took our track"),
            Said::Connected => {
                let Link::Up(up) = &mut self.link else { return };
                up.hold_until = Some(now.instant + AUDIENCE_WITHIN);
                let took_ms = now.instant.duration_since(up.opened).as_secs_f64() * 1000.0;
                debug!(step = "connect the media path", took_ms, "done");
                self.retry.succeed();
                if self.announced {
                    self.emit(Event::Connected(true));
                }
                self.announce();
            }
            Said::Subscribed(_) => {
                let Link::Up(up) = &mut self.link else { return };
                up.hold_until = None;
                self.emit(Event::Heard);
            }
            Said::Muted { muted, .. } => info!(muted, "a moderator changed our microphone"),
            Said::Refused(_) => {
                let Link::Up(up) = &self.link else { return };
                let url = up.url.clone();
                self.end(EndReason::Sfu { url, why: SfuError::MayNotPublish }, now);
            }
            Said::Ended(ended) => self.handle_link_end(ended, now),
            other => debug!(?other, "nothing to do"),
        }
    }

    fn handle_link_end(&mut self, Ended { why, recovery }: Ended, now: Now) {
        let Link::Up(up) = std::mem::replace(&mut self.link, Link::Idle) else { return };
        self.actions.push_back(Action::Close);
        if self.ending.is_some() {
            return;
        }
        if self.announced {
            self.emit(Event::Connected(false));
        }
        let reason = match why {
            Why::DuplicateIdentity => EndReason::DuplicateIdentity,
            Why::Removed => EndReason::Removed,
            why => EndReason::Sfu { url: up.url, why: why.into() },
        };
        match recovery {
            LinkRecovery::Rejoin => self.again(reason, now),
            LinkRecovery::GiveUp => self.end(reason, now),
        }
    }

    /// Says once that we are in, on both sides.
    fn announce(&mut self) {
        let Link::Up(up) = &self.link else { return };
        let connected = up.connection.state() == LinkState::Connected;
        if connected && self.is_member && !self.announced {
            self.announced = true;
            self.emit(Event::Joined);
        }
    }

    fn emit(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }
}

/// A datagram that came.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) target: Target,
    pub(crate) source: std::net::SocketAddr,
    pub(crate) destination: std::net::SocketAddr,
    pub(crate) contents: &'a [u8],
}

#[cfg(test)]
mod tests;
