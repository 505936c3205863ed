//! One SFU's side of a call: token, sockets, connection, and what to do when one of them fails.
//!
//! ```text
//!            granted          socket open              media path up
//!   Asking ----------> Opening ----------> Up (joining) -----------> Up (connected)
//!     ^  | refused       |  ^ refused         | ended                    | ended
//!     |  '---------------+--|-----------------+--------------------------+
//!     |                     | ended, and a token is left: at once         |
//!     |                     '--------------------------------------------'
//!     '---- pause over ---- Pausing <---- each failure ---- too often: Over
//! ```

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use phonograph_livekit::{
    Addresses, Connection, Event as Said, Frame, Level, Output, SendError, State as Reached,
    TrackConfig, TrackId as OwnTrack, TrackSid,
};
use phonograph_matrixrtc::{
    Now, ServiceUrl,
    transport::{Grant, Recovery},
};
use tracing::{debug, info};

use super::{Action, Actions, links::LinkId, retry::Retry};
use crate::{
    call::Role,
    end::{EndReason, SfuError, TokenError},
};

/// How long an SFU is left alone that refused us for good, and that only others publish on.
const FOREIGN_PAUSE: Duration = Duration::from_mins(1);

/// A connection to one SFU, or the way there.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) service: ServiceUrl,
    /// Whether it is the one that we publish on; the call cannot do without.
    pub(super) home: bool,
    state: State,
    retry: Retry,
    /// A grant that was good: its token, as the SFU renewed it, may open the next connection.
    grant: Option<Grant>,
}

#[derive(Debug)]
enum State {
    Asking,
    Opening {
        grant: Grant,
        renewed: bool,
    },
    Up(Box<Up>),
    /// Until then; with a grant that is left it is opened, else one is asked for.
    Pausing {
        until: Instant,
        grant: Option<Grant>,
    },
    Over,
}

#[derive(Debug)]
struct Up {
    connection: Connection,
    own: BTreeMap<Role, OwnTrack>,
    /// When the sockets were open.
    opened: Instant,
    /// When the connection wants to be called.
    timeout: Instant,
}

/// What is to be decided elsewhere.
#[derive(Debug)]
pub(super) enum LinkSaid {
    Event(Said),
    Frame(Frame),
}

/// What came of a failure.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is being tried again.
    Again,
    /// It is over for good.
    Over(EndReason),
}

impl Link {
    /// A link that asks for its token.
    pub(super) fn new(
        id: LinkId,
        (service, home): (ServiceUrl, bool),
        seed: u64,
        actions: &mut Actions,
    ) -> Self {
        actions.push_back(Action::Ask(id, service.clone()));
        Self { id, service, home, state: State::Asking, retry: Retry::new(seed), grant: None }
    }

    /// Takes over what the token service said.
    pub(super) fn handle_grant(
        &mut self,
        answer: Result<Grant, TokenError>,
        actions: &mut Actions,
        now: Now,
    ) -> Verdict {
        if !matches!(self.state, State::Asking) {
            return Verdict::Again;
        }
        match answer {
            Ok(grant) => {
                self.retry.granted();
                self.grant = None;
                self.open(grant, false, actions);
                Verdict::Again
            }
            Err(error) => match error.recovery() {
                Recovery::NewOpenIdToken if self.retry.may_renew() => {
                    self.ask(actions);
                    Verdict::Again
                }
                Recovery::Later => self.again(EndReason::TokenService(error), now),
                Recovery::NewOpenIdToken | Recovery::GiveUp => {
                    self.over(EndReason::TokenService(error), now)
                }
            },
        }
    }

    /// Takes over that the sockets are open, and publishes what there is to publish.
    pub(super) fn handle_open(
        &mut self,
        addresses: Addresses,
        own: &[(Role, TrackConfig)],
        now: Now,
    ) {
        let State::Opening { grant, .. } = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        self.grant = Some(grant);
        let config = phonograph_livekit::Config { addresses, seed: self.retry.seed() };
        let connection = Connection::new(&config, now.instant);
        let opened = now.instant;
        let up = Up { connection, own: BTreeMap::new(), opened, timeout: opened };
        self.state = State::Up(Box::new(up));
        for (role, track) in own {
            self.publish(*role, track.clone(), now);
        }
    }

    /// Takes over that the sockets could not be opened.
    pub(super) fn handle_open_failure(
        &mut self,
        why: SfuError,
        actions: &mut Actions,
        now: Now,
    ) -> Verdict {
        let State::Opening { grant, renewed } = std::mem::replace(&mut self.state, State::Over)
        else {
            return Verdict::Again;
        };
        self.grant = None;
        if renewed {
            // The old token, or the room that it is for, may be no more.
            self.ask(actions);
            return Verdict::Again;
        }
        self.again(EndReason::Sfu { url: grant.url, why }, now)
    }

    /// Takes over that the connection ended, and tries again if that makes sense.
    pub(super) fn handle_end(
        &mut self,
        reason: impl FnOnce(String) -> EndReason,
        rejoin: bool,
        actions: &mut Actions,
        now: Now,
    ) -> Verdict {
        let State::Up(up) = std::mem::replace(&mut self.state, State::Over) else {
            return Verdict::Again;
        };
        actions.push_back(Action::Close(self.id));
        let url = self.grant.as_ref().map(|grant| grant.url.clone()).unwrap_or_default();
        self.retry.end(now.instant);
        if !rejoin {
            return self.over(reason(url), now);
        }
        let token = up.connection.token().map(str::to_owned);
        let was_up = self.retry.was_up();
        match self.grant.take().filter(|_| was_up) {
            // A token that the SFU renewed spares the way over homeserver and token service.
            Some(grant) if self.retry.is_first() => {
                let until = now.instant + self.retry.first_pause();
                let grant = Some(renewed(grant, token));
                self.state = State::Pausing { until, grant };
                Verdict::Again
            }
            _ => self.again(reason(url), now),
        }
    }

    /// Takes over whether it is the one that we publish on. What failed for others does not count then.
    pub(super) fn set_home(&mut self, home: bool, actions: &mut Actions) {
        if home && !self.home {
            self.retry.begin_anew();
            if matches!(self.state, State::Pausing { .. } | State::Over) {
                self.ask(actions);
            }
        }
        self.home = home;
    }

    /// Ends it: says goodbye where somebody can hear it.
    pub(super) fn leave(&mut self, actions: &mut Actions, now: Now) {
        if let State::Up(up) = &mut self.state {
            up.connection.leave(now.instant);
            while self.poll(actions).is_some() {}
            actions.push_back(Action::Close(self.id));
        }
        self.state = State::Over;
    }

    /// Runs something on the connection, if there is one.
    pub(super) fn with<T>(&mut self, run: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        match &mut self.state {
            State::Up(up) => Some(run(&mut up.connection)),
            State::Asking | State::Opening { .. } | State::Pausing { .. } | State::Over => None,
        }
    }

    /// The connection, if there is one.
    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.state {
            State::Up(up) => Some(&up.connection),
            State::Asking | State::Opening { .. } | State::Pausing { .. } | State::Over => None,
        }
    }

    /// Asks for a track, or for it no longer.
    pub(super) fn subscribe(&mut self, track: &TrackSid, wanted: bool, now: Now) {
        self.with(|connection| {
            if wanted {
                connection.subscribe(track, now.instant);
            } else {
                connection.unsubscribe(track, now.instant);
            }
        });
    }

    /// Asks a track's publisher for a whole picture.
    pub(super) fn request_key_frame(&mut self, track: &TrackSid, now: Now) {
        self.with(|connection| connection.request_key_frame(track, now.instant));
    }

    /// Whether sockets that were opened for it are still wanted.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// Whether frames can be sent.
    pub(super) fn is_connected(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.connection.state() == Reached::Connected)
    }

    /// Takes over that the media path is up; how long that took.
    pub(super) fn handle_connected(&mut self, now: Now) {
        self.retry.succeed(now.instant);
        if let State::Up(up) = &self.state {
            let took_ms = now.instant.duration_since(up.opened).as_secs_f64() * 1000.0;
            debug!(service = %self.service, step = "connect the media path", took_ms, "done");
        }
    }

    /// Announces a track of ours, or announces it anew.
    pub(super) fn publish(&mut self, role: Role, track: TrackConfig, now: Now) {
        let State::Up(up) = &mut self.state else { return };
        if up.own.contains_key(&role) {
            return;
        }
        match up.connection.publish(track, now.instant) {
            Ok(id) => _ = up.own.insert(role, id),
            Err(error) => info!(%error, ?role, "a track cannot be published"),
        }
    }

    /// Takes a track of ours back.
    pub(super) fn unpublish(&mut self, role: Role, now: Now) {
        let State::Up(up) = &mut self.state else { return };
        if let Some(id) = up.own.remove(&role) {
            up.connection.unpublish(id, now.instant);
        }
    }

    /// Shows a track of ours as muted, or not.
    pub(super) fn set_muted(&mut self, role: Role, muted: bool) {
        let State::Up(up) = &mut self.state else { return };
        if let Some(id) = up.own.get(&role) {
            up.connection.set_muted(*id, muted);
        }
    }

    /// Under which role a track of ours is published.
    pub(super) fn role_of(&self, track: OwnTrack) -> Option<Role> {
        let State::Up(up) = &self.state else { return None };
        up.own.iter().find(|(_, id)| **id == track).map(|(role, _)| *role)
    }

    /// Sends a frame of ours, sealed where the call is encrypted.
    pub(super) fn send(&mut self, role: Role, frame: &[u8], units: u64, level: Level, now: Now) {
        let State::Up(up) = &mut self.state else { return };
        let Some(id) = up.own.get(&role) else { return };
        match up.connection.send_frame(*id, frame, units, level, now.instant) {
            Ok(()) | Err(SendError::NotConnected) => {}
            Err(error) => debug!(%error, "a frame was not sent"),
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, actions: &mut Actions, now: Now) {
        match &mut self.state {
            State::Up(up) if up.timeout <= now.instant => up.connection.handle_timeout(now.instant),
            State::Pausing { until, grant } if *until <= now.instant => match grant.take() {
                Some(grant) => self.open(grant, true, actions),
                None => self.ask(actions),
            },
            State::Up(_)
            | State::Pausing { .. }
            | State::Asking
            | State::Opening { .. }
            | State::Over => {}
        }
    }

    /// When [`Link::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Up(up) => Some(up.timeout),
            State::Pausing { until, .. } => Some(*until),
            State::Asking | State::Opening { .. } | State::Over => None,
        }
    }

    /// Carries out what the connection wants, up to the next thing that is to be decided elsewhere.
    pub(super) fn poll(&mut self, actions: &mut Actions) -> Option<LinkSaid> {
        let (id, State::Up(up)) = (self.id, &mut self.state) else { return None };
        loop {
            actions.push_back(match up.connection.poll_output() {
                Output::Signal(message) => Action::Signal(id, message),
                Output::Datagram(datagram) => Action::Datagram(id, datagram),
                Output::DialTcp { target, destination } => Action::DialTcp(id, target, destination),
                Output::Reopen(resume) => {
                    let grant = self.grant.clone()?;
                    let token = up.connection.token().map(str::to_owned);
                    Action::Reopen(id, renewed(grant, token), resume)
                }
                Output::Event(event) => return Some(LinkSaid::Event(event)),
                Output::Frame(frame) => return Some(LinkSaid::Frame(frame)),
                Output::Timeout(at) => {
                    up.timeout = at;
                    return None;
                }
                Output::Done => return None,
                // The enum belongs to another crate and is open.
                other => {
                    debug!(?other, "nothing to do");
                    continue;
                }
            });
        }
    }

    fn ask(&mut self, actions: &mut Actions) {
        self.state = State::Asking;
        actions.push_back(Action::Ask(self.id, self.service.clone()));
    }

    fn open(&mut self, grant: Grant, renewed: bool, actions: &mut Actions) {
        actions.push_back(Action::Open(self.id, grant.clone()));
        self.state = State::Opening { grant, renewed };
    }

    /// Tries again after a pause, unless that was too often.
    fn again(&mut self, reason: EndReason, now: Now) -> Verdict {
        match self.retry.pause(!self.home) {
            Some(pause) => {
                let error = crate::end::chain(&reason);
                info!(service = %self.service, error, ?pause, "trying again to connect");
                self.state = State::Pausing { until: now.instant + pause, grant: None };
                Verdict::Again
            }
            None => self.over(reason, now),
        }
    }

    /// What asking again does not help. An SFU that others chose may be put right while they use it.
    fn over(&mut self, reason: EndReason, now: Now) -> Verdict {
        if self.home {
            self.state = State::Over;
            return Verdict::Over(reason);
        }
        let error = crate::end::chain(&reason);
        info!(service = %self.service, error, "an SFU of other members cannot be used");
        self.state = State::Pausing { until: now.instant + FOREIGN_PAUSE, grant: None };
        Verdict::Again
    }
}

/// The grant with the token that the SFU sent last, if it sent one.
fn renewed(grant: Grant, token: Option<String>) -> Grant {
    match token {
        Some(token) => Grant { token, ..grant },
        None => grant,
    }
}
