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

mod link;
mod retry;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use phonograph_frame::{
    Codec,
    crypto::{NonceSeed, Sealer},
};
use phonograph_livekit::{Datagram, Level, SendError, State as LinkState};
use phonograph_matrixrtc::{
    Intent, KeyMessage, Member, Now, Request, RequestError, RequestId, Response, RoomId,
    ServiceUrl, Session,
    membership::{self, Failure},
    session::{self, Encryption},
    transport::Grant,
};
use tracing::{debug, warn};

pub(crate) use self::link::Received;
use self::{link::Link, retry::Retry};
use crate::{
    call::Event,
    end::EndReason,
    matrix::{Power, RoomState},
};

/// How long a track may be silent before it is shown as muted.
const MUTE_AFTER: Duration = Duration::from_secs(2);
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

/// Whether others see us in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Out,
    Member,
    /// The homeserver could not be reached for so long that it has ended our membership: keys may
    /// have changed without us.
    ProbablyLeft,
}

/// Whether something plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    Playing,
    /// Nothing; others see us as muted from that time on, or already.
    Silent {
        mute_at: Option<Instant>,
    },
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
    standing: Standing,
    /// Whether the application was told that we are in.
    announced: bool,
    others: usize,
    sound: Sound,
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
            standing: Standing::Out,
            announced: false,
            others: 0,
            sound: Sound::Silent { mute_at: None },
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
        if self.mute_at().is_some_and(|at| at <= now.instant) {
            self.sound = Sound::Silent { mute_at: None };
            self.set_muted(true, now);
        }
    }

    /// Takes over whether something plays: others see us muted when nothing has for a while.
    pub(crate) fn set_playing(&mut self, playing: bool, now: Now) {
        if playing {
            self.sound = Sound::Playing;
            self.set_muted(false, now);
        } else if self.sound == Sound::Playing {
            self.sound = Sound::Silent { mute_at: Some(now.instant + MUTE_AFTER) };
        }
    }

    /// Whether a frame given now is sent: the path is up, we are a member, the key is there where
    /// one is needed, and somebody listens or had time to.
    pub(crate) fn may_send(&self, now: Now) -> bool {
        let keyed = !self.encrypted || self.sealer.key_index().is_some();
        let Link::Up(up) = &self.link else { return false };
        let connected = up.connection.state() == LinkState::Connected;
        let held = up.hold_until.is_some_and(|until| now.instant < until) && self.others > 0;
        keyed && connected && self.standing == Standing::Member && !held
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
            Link::Up(up) => {
                let hold = up.hold_until.filter(|until| *until > now.instant);
                Some(hold.map_or(up.timeout, |until| up.timeout.min(until)))
            }
            Link::Pausing { until } => Some(*until),
            Link::Idle | Link::Asking | Link::Opening { .. } => None,
        };
        [self.session.poll_timeout(now), link, self.mute_at()].into_iter().flatten().min()
    }

    /// Whether the call is being left, for whatever reason.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Why, for a driver that waits no longer.
    pub(crate) fn take_reason(&mut self) -> Option<EndReason> {
        self.ending.take()
    }

    /// The token service that we publish by.
    pub(crate) fn service(&self) -> &ServiceUrl {
        &self.service
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

    fn mute_at(&self) -> Option<Instant> {
        match self.sound {
            Sound::Playing => None,
            Sound::Silent { mute_at } => mute_at,
        }
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
                self.standing = Standing::Member;
                self.announce();
            }
            session::Event::UseKey { index, key } => {
                self.sealer.set_key(index, key.derive());
                self.emit(Event::KeyIndex(index.get()));
            }
            session::Event::ProbablyLeft(left) => {
                warn!(left, "the homeserver has probably ended our membership");
                self.standing = if left { Standing::ProbablyLeft } else { Standing::Member };
            }
            session::Event::Left => self.over(),
            session::Event::Failed(failure) => {
                let reason = self.failure(failure);
                self.standing = Standing::Out;
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

    /// Says once that we are in, on both sides.
    fn announce(&mut self) {
        let Link::Up(up) = &self.link else { return };
        let connected = up.connection.state() == LinkState::Connected;
        if connected && self.standing == Standing::Member && !self.announced {
            self.announced = true;
            self.emit(Event::Joined);
        }
    }

    fn emit(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }
}

#[cfg(test)]
mod tests;
