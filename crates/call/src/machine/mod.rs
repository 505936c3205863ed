//! What a call decides: where what Matrix says and what the SFUs say meet.
//!
//! ```text
//!   Matrix: Session (membership, roster, keys) --- Events --.       .--> Sending (mute, sealing)
//!                                                           v       |
//!                                                        Machine ---+--> Hearing (whose, decryption)
//!                                                           ^       |
//!   SFUs:   Links, a Link each (token, connection) -- Said -'       '--> Actions, for the driver
//! ```
//!
//! Our membership goes its own way beside the connections: both begin at once, and a lost SFU costs
//! no membership. It is pure; the driver carries out its [`Action`]s and hands in what comes of them.

mod events;
mod hearing;
mod link;
mod links;

mod retry;
mod sending;
mod speakers;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use phonograph_frame::crypto::{FrameKey, KeyIndex, NonceSeed};
use phonograph_livekit::{Addresses, Datagram, Level, Received, Resume, Target};
use phonograph_matrixrtc::{
    KeyMessage, Member, Now, Request, RequestError, RequestId, Response, ServiceUrl, Session,
    membership,
    session::{self, Encryption},
    transport::Grant,
};

pub(crate) use self::links::LinkId;
use self::{
    hearing::{Hearing, Secrecy},
    link::Verdict,
    links::Links,
    sending::Sending,
};
use crate::{
    call::{Config, Event, Role},
    end::{EndReason, SfuError, TokenError},
    matrix::{Power, RoomState},
    throttle::Throttle,
    track::{Heard, TrackId},
};

/// How long a source waits for somebody to receive us, so that they hear its beginning. The SFU
/// needs 100 to 200 ms to bring a new track to those who are there.
const AUDIENCE_WITHIN: Duration = Duration::from_secs(1);

/// What a machine needs to begin.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) me: Member,
    pub(crate) config: Config,
    pub(crate) state: RoomState,
    pub(crate) service: ServiceUrl,
    /// The key that the configured password gives.
    pub(crate) shared_key: Option<FrameKey>,
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
    /// Have Matrix, or the token service, do this.
    Request(RequestId, Request),
    /// Ask that token service, with a new OpenID token.
    Ask(LinkId, ServiceUrl),
    /// Open a WebSocket and UDP sockets.
    Open(LinkId, Grant),
    /// Open another WebSocket in the place of the one that is there.
    Reopen(LinkId, Grant, Resume),
    /// Open a TCP connection for media.
    DialTcp(LinkId, Target, SocketAddr),
    /// Send over the WebSocket.
    Signal(LinkId, Vec<u8>),
    /// Send over UDP or TCP.
    Datagram(LinkId, Datagram),
    /// Close the sockets once all is sent.
    Close(LinkId),
    /// Hand this to whoever subscribed to the track.
    Deliver(TrackId, Heard),
    /// Nothing comes of that track any more.
    EndTrack(TrackId),
    /// Tell the application.
    Event(Event),
    /// The call is over.
    End(EndReason),
}

type Actions = VecDeque<Action>;

/// Whether others see us in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Out,
    Member,
    /// The homeserver could not be reached for so long that it has ended our membership: keys may
    /// have changed without us.
    ProbablyLeft,
}

/// One call's decisions.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a state")]
pub(crate) struct Machine {
    me: Member,
    /// Our own transport.
    service: ServiceUrl,
    listens: bool,
    /// Whether it is told who speaks, although it does not listen.
    watches_speakers: bool,
    power: Power,
    session: Session,
    secrecy: Secrecy,
    links: Links,
    sending: Sending,
    hearing: Hearing,
    standing: Standing,
    /// Whether the application was told that we are in.
    announced: bool,
    /// Whether the application was told that the media path is lost.
    interrupted: bool,
    others: usize,
    /// Whether the roster may be another than the connections and tracks were made for.
    roster_changed: bool,
    /// Until when a source waits for an audience, once the path is up.
    hold_until: Option<Instant>,
    /// Whether somebody receives us; that may be known before the path is up, as the SFU tells others
    /// of a track as soon as it is announced.
    heard: bool,
    /// Keys that were not taken: anybody can send any number.
    refused_keys: Throttle,
    ending: Option<EndReason>,
    /// Whether Matrix is left.
    left: bool,
    actions: Actions,
}

impl Machine {
    /// A call that we are not in yet.
    pub(crate) fn new(setup: Setup, now: Now) -> Self {
        let Setup { me, config, state, service, shared_key, seed } = setup;
        let (secrecy, encryption) = match shared_key {
            Some(key) => (Secrecy::Shared(key), Encryption::SharedPassword),
            None if state.encrypted => (Secrecy::PerParticipant, Encryption::PerParticipant),
            None => (Secrecy::Clear, Encryption::None),
        };
        let membership = membership::Config {
            me: me.clone(),
            room: config.room.clone(),
            room_version: state.version.clone(),
            intent: config.intent,
            selection: config.selection,
            delegate: config.delegate_leave,
        };
        let session = session::Config {
            membership,
            encryption,
            signed_devices_only: config.signed_devices_only,
            saved: config.saved,
            seed: seed.session,
        };
        let mut sending = Sending::new(secrecy.is_encrypted(), NonceSeed::new(seed.nonce));
        if let Secrecy::Shared(key) = &secrecy {
            sending.set_key(KeyIndex::new(0), key.clone());
        }
        let mut this = Self {
            me,
            service,
            listens: config.listens,
            watches_speakers: false,
            power: state.power,
            session: Session::new(session),
            hearing: Hearing::new(secrecy.clone()),
            secrecy,
            links: Links::new(seed.jitter),
            sending,
            standing: Standing::Out,
            announced: false,
            interrupted: false,
            others: 0,
            roster_changed: false,
            hold_until: None,
            heard: false,
            refused_keys: Throttle::default(),
            ending: None,
            left: false,
            actions: Actions::new(),
        };
        this.handle_room_state(state, now);
        this
    }

    /// Becomes a member and connects to the SFU, both at once.
    pub(crate) fn join(&mut self, now: Now) {
        self.session.join(self.service.clone(), now);
        self.roster_changed = true;
        self.settle(now);
    }

    /// Leaves, both Matrix and the SFUs; [`Action::End`] follows when others can see it.
    pub(crate) fn leave(&mut self, now: Now) {
        self.end(EndReason::Left, now);
    }

    /// Takes over the room's state.
    pub(crate) fn handle_room_state(&mut self, state: RoomState, now: Now) {
        self.power = state.power;
        if state.encrypted && !self.secrecy.is_encrypted() {
            return self.end(EndReason::NowEncrypted, now);
        }
        self.session.handle_roster(state.memberships, state.joined, now);
        self.roster_changed = true;
        self.settle(now);
    }

    /// Takes over somebody's media key.
    pub(crate) fn handle_media_key(&mut self, message: &KeyMessage, now: Now) {
        self.session.handle_media_key(message, now);
        self.settle(now);
    }

    /// Takes over what came of a request.
    pub(crate) fn handle_response(
        &mut self,
        id: RequestId,
        answer: Result<Response, RequestError>,
        now: Now,
    ) {
        self.session.handle_response(id, answer, now);
        self.settle(now);
    }

    /// Takes over what a token service said.
    pub(crate) fn handle_grant(&mut self, id: LinkId, answer: Result<Grant, TokenError>, now: Now) {
        let verdict =
            self.links.get_mut(id).map(|link| link.handle_grant(answer, &mut self.actions, now));
        self.judge(verdict, now);
    }

    /// Takes over that the sockets are open.
    pub(crate) fn handle_open(&mut self, id: LinkId, addresses: Addresses, now: Now) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_opening()) else {
            return self.actions.push_back(Action::Close(id));
        };
        let own = if link.home { self.sending.tracks() } else { Vec::new() };
        link.handle_open(addresses, &own, now);
        self.drain_link(id, now);
    }

    /// Takes over that the sockets could not be opened.
    pub(crate) fn handle_open_failure(&mut self, id: LinkId, why: SfuError, now: Now) {
        let link = self.links.get_mut(id);
        let verdict = link.map(|link| link.handle_open_failure(why, &mut self.actions, now));
        self.judge(verdict, now);
    }

    /// Takes over whether the WebSocket that was to take the place of another is open.
    pub(crate) fn handle_reopen(&mut self, id: LinkId, opened: Result<(), &SfuError>, now: Now) {
        self.on_link(id, now, |connection| match opened {
            Ok(()) => connection.handle_reopened(now.instant),
            Err(SfuError::Refused(status)) => {
                connection.handle_reopen_failure(Some(*status), now.instant);
            }
            Err(_) => connection.handle_reopen_failure(None, now.instant),
        });
    }

    /// Takes a message from an SFU.
    pub(crate) fn handle_signal(&mut self, id: LinkId, message: &[u8], now: Now) {
        self.on_link(id, now, |connection| connection.handle_signal(message, now.instant));
    }

    /// Takes over that the WebSocket has ended.
    pub(crate) fn handle_signal_end(&mut self, id: LinkId, now: Now) {
        self.on_link(id, now, |connection| connection.handle_signal_end(now.instant));
    }

    /// Takes a datagram.
    pub(crate) fn handle_datagram(&mut self, id: LinkId, datagram: &Received<'_>, now: Now) {
        self.on_link(id, now, |connection| connection.handle_datagram(datagram, now.instant));
    }

    /// Takes over what came of dialling: our own address, or nothing.
    pub(crate) fn handle_tcp(
        &mut self,
        id: LinkId,
        (target, local, destination): (Target, Option<SocketAddr>, SocketAddr),
        now: Now,
    ) {
        self.on_link(id, now, |connection| match local {
            Some(local) => connection.handle_tcp_open(target, local, destination, now.instant),
            None => connection.handle_tcp_end(target, destination, now.instant),
        });
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if self.session.poll_timeout(now).is_some_and(|at| at <= now.instant) {
            self.session.handle_timeout(now);
            self.settle(now);
        }
        for id in self.links.ids() {
            if let Some(link) = self.links.get_mut(id)
                && link.poll_timeout().is_some_and(|at| at <= now.instant)
            {
                link.handle_timeout(&mut self.actions, now);
                self.drain_link(id, now);
            }
        }
        while let Some(role) = self.sending.take_due(now.instant) {
            self.set_muted(role, true, now);
        }
        if self.hearing.poll_timeout().is_some_and(|at| at <= now.instant) {
            self.hearing.handle_timeout(now.instant);
            self.drain_hearing(now);
        }
    }

    /// Takes over whether something plays under that role; its track is announced if it is new, and
    /// others see it muted when nothing has played for a while.
    pub(crate) fn set_playing(&mut self, role: Role, playing: bool, now: Now) {
        let is_new = self.sending.set_playing(role, playing, now.instant);
        if is_new {
            let track = self.sending.track(role);
            self.on_home(now, |link| link.publish(role, track, now));
        } else if playing {
            self.set_muted(role, false, now);
        }
    }

    /// Takes a role's track back.
    pub(crate) fn unpublish(&mut self, role: Role, now: Now) {
        self.sending.remove(role);
        self.on_home(now, |link| link.unpublish(role, now));
    }

    /// Whether a frame given now is sent: the path is up, we are a member, the key is there where
    /// one is needed, and somebody listens or had time to.
    pub(crate) fn may_send(&self, now: Now) -> bool {
        let connected = self.links.home().is_some_and(link::Link::is_connected);
        let held = self.hold_until.is_some_and(|until| now.instant < until) && self.others > 0;
        self.sending.is_keyed() && connected && self.standing == Standing::Member && !held
    }

    /// Seals a frame where the call is encrypted, and sends it. It is lost if it cannot be sent.
    pub(crate) fn send(&mut self, role: Role, frame: &[u8], units: u64, level: Level, now: Now) {
        if !self.may_send(now) {
            return;
        }
        let Some(link) = self.links.home_mut() else { return };
        let Some(frame) = self.sending.seal(frame) else { return };
        link.send(role, frame, units, level, now);
        let id = link.id;
        self.drain_link(id, now);
    }

    /// Begins to receive a track.
    pub(crate) fn subscribe(&mut self, id: &TrackId, now: Now) {
        if !self.hearing.subscribe(id) {
            self.actions.push_back(Action::EndTrack(id.clone()));
        }
        self.drain_hearing(now);
    }

    /// Ends to receive a track.
    pub(crate) fn unsubscribe(&mut self, id: &TrackId, now: Now) {
        self.hearing.unsubscribe(id);
        self.drain_hearing(now);
    }

    /// Asks a track's publisher for a whole picture.
    pub(crate) fn request_key_frame(&mut self, id: &TrackId, now: Now) {
        self.on_link(LinkId(id.link), now, |connection| {
            connection.request_key_frame(&id.sid, now.instant);
        });
    }

    /// What is to be done; to be drained after each input.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Machine::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let hold = self.hold_until.filter(|until| *until > now.instant);
        let own = [
            self.session.poll_timeout(now),
            self.links.poll_timeout(),
            self.sending.poll_timeout(),
            self.hearing.poll_timeout(),
            hold,
        ];
        own.into_iter().flatten().min()
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
        self.session.transports().publish.as_ref().unwrap_or(&self.service)
    }

    /// Leaves both sides; the reason is given when Matrix is left.
    fn end(&mut self, reason: EndReason, now: Now) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(reason);
        for id in self.links.ids() {
            self.hearing.handle_link_end(id);
        }
        self.links.leave(&mut self.actions, now);
        self.drain_hearing(now);
        if matches!(self.ending, Some(EndReason::DuplicateIdentity)) {
            // The membership is the other's too: what we did to it would be done to the other.
            self.session.hand_over(now);
        } else {
            self.session.leave(now);
        }
        self.settle(now);
    }

    /// Ends the call if the connection that it cannot do without is over.
    fn judge(&mut self, verdict: Option<Verdict>, now: Now) {
        if let Some(Verdict::Over(reason)) = verdict {
            self.end(reason, now);
        }
    }

    fn is_home(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.home)
    }

    fn set_muted(&mut self, role: Role, muted: bool, now: Now) {
        self.on_home(now, |link| link.set_muted(role, muted));
    }

    fn on_home(&mut self, now: Now, run: impl FnOnce(&mut link::Link)) {
        let Some(link) = self.links.home_mut() else { return };
        run(link);
        let id = link.id;
        self.drain_link(id, now);
    }

    fn on_link(
        &mut self,
        id: LinkId,
        now: Now,
        run: impl FnOnce(&mut phonograph_livekit::Connection),
    ) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.with(run).is_some() {
            self.drain_link(id, now);
        }
    }

    fn emit(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }
}

#[cfg(test)]
mod tests;
