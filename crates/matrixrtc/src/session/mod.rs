//! One call of one room: roster, our membership and media keys put together.
//!
//! Whoever drives it hands in the room's state, media keys, answers and time, and after each input
//! drains [`Session::poll_request`] and [`Session::poll_event`], then waits until
//! [`Session::poll_timeout`]. Before [`Session::join`] it only watches.

mod held;
mod interface;
mod reannounce;
mod saved;
mod transports;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::{
    KeyMessage, Member, MemberInfo, MemberKey, Now, RawStateEvent, Request, RequestError,
    RequestId, Response, RoomId, Roster, ServiceUrl, UserId, event, identity,
    keys::{self, Action, Rollout},
    membership::{self, Lane, Membership},
    roster::Selection,
};

use reannounce::Reannounce;

pub use interface::{Config, Encryption, Event};
pub use saved::Saved;
pub use transports::{TRANSPORTS_MAX, Transports};

/// How often memberships that expire are looked at: they could be made to do so one after the
/// other, and each look is at all of them.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// A call as Matrix tells it.
#[derive(Debug)]
pub struct Session {
    me: Member,
    room: RoomId,
    encryption: Encryption,
    signed_devices_only: bool,
    selection: Selection,
    /// Our own transport, from joining to having left.
    own: Option<ServiceUrl>,
    transports: Transports,
    saved: Saved,
    roster: Roster,
    /// What the roster was made of; it is made anew when a membership expires.
    source: (Vec<RawStateEvent>, BTreeSet<UserId>),
    evaluated: Option<Instant>,
    membership: Membership,
    rollout: Rollout,
    held: held::Keys,
    reannounce: Reannounce,
    /// Whether we have been in since joining; being in once more is joining anew.
    entered: bool,
    visible: bool,
    next_request: u64,
    waiting: BTreeMap<RequestId, Asker>,
    requests: VecDeque<(RequestId, Request)>,
    events: VecDeque<Event>,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Membership(Lane),
    Rollout,
}

impl Session {
    /// A session that watches.
    pub fn new(config: Config) -> Self {
        let rng = ChaCha20Rng::from_seed(config.seed);
        let mut jitter = rng.clone();
        jitter.set_stream(1);
        let me = config.membership.me.clone();
        let saved = config.saved.unwrap_or_default();
        Self {
            room: config.membership.room.clone(),
            encryption: config.encryption,
            signed_devices_only: config.signed_devices_only,
            selection: config.membership.selection,
            own: None,
            transports: Transports::default(),
            roster: Roster::default(),
            source: Default::default(),
            evaluated: None,
            membership: Membership::new(config.membership, &saved.delay_ids),
            rollout: Rollout::new(me.clone(), saved.last_key_index, rng),
            saved,
            held: held::Keys::default(),
            reannounce: Reannounce::new(jitter),
            entered: false,
            visible: false,
            next_request: 0,
            waiting: BTreeMap::new(),
            requests: VecDeque::new(),
            events: VecDeque::new(),
            me,
        }
    }

    /// Joins, with that transport as our own, if we are out.
    pub fn join(&mut self, transport: ServiceUrl, now: Now) {
        if !self.membership.is_out() {
            return;
        }
        // Answers to what was asked before are not for what begins now.
        self.waiting.clear();
        let stale = self.saved.joined || self.roster.get(&self.me).is_some();
        self.own = Some(transport.clone());
        self.choose_transports();
        self.membership.join(transport, stale);
        // Those who see the old membership end forget what came with it.
        if !stale {
            self.make_key(now);
        }
        self.drain(now);
    }

    /// Leaves; [`Event::Left`] says when that is done.
    pub fn leave(&mut self, now: Now) {
        self.membership.leave();
        self.drain(now);
    }

    /// Ends and leaves our membership standing, as another of the same device has it now; what would
    /// end it is cancelled. [`Event::Left`] says when that is done.
    pub fn hand_over(&mut self, now: Now) {
        // The media key is the other's to send.
        self.rollout.stop();
        self.membership.hand_over();
        self.drain(now);
    }

    /// Takes over the room's membership events, and which of their senders are in the room.
    pub fn handle_roster(
        &mut self,
        events: Vec<RawStateEvent>,
        joined: BTreeSet<UserId>,
        now: Now,
    ) {
        self.source = (events, joined);
        self.evaluate(now);
    }

    /// Asks for the others' keys, for when the key of somebody whose media flows does not come
    /// (15 s are worth waiting for one): there is no message for that, but everybody sends a key to
    /// who joins, so our membership is sent as a new one. At most once a minute, after some
    /// seconds by chance, as it costs a roll-out of each of them.
    pub fn request_keys(&mut self, now: Now) {
        if self.encryption == Encryption::PerParticipant && self.membership.is_joined() {
            self.reannounce.want(now.instant);
        }
    }

    /// Takes over that an SFU has a member: keys go to those first, as anybody can invent others.
    pub fn handle_seen(&mut self, member: &Member, now: Now) {
        if self.rollout.handle_seen(member, now.instant) {
            self.drain(now);
        }
    }

    /// Takes over a media key.
    pub fn handle_media_key(&mut self, message: &KeyMessage, now: Now) {
        if self.encryption != Encryption::PerParticipant {
            return;
        }
        match message.accept(&self.room, &self.me, self.signed_devices_only) {
            Ok(key) => {
                self.held.hold(key, now.instant);
                self.tell_keys(now);
            }
            Err(reason) => {
                self.events.push_back(Event::KeyRefused { sender: message.sender.clone(), reason });
            }
        }
    }

    /// Takes over what came of a request.
    pub fn handle_response(
        &mut self,
        id: RequestId,
        answer: Result<Response, RequestError>,
        now: Now,
    ) {
        match self.waiting.remove(&id) {
            Some(Asker::Membership(lane)) => self.membership.handle_response(lane, answer, now),
            Some(Asker::Rollout) => match answer {
                Ok(Response::KeySent { unserved }) => {
                    self.rollout.handle_sent(&unserved.into_iter().collect(), now.instant);
                }
                Ok(_) => self.rollout.handle_failed(&RequestError::Unsupported, now.instant),
                Err(error) => self.rollout.handle_failed(&error, now.instant),
            },
            None => {}
        }
        self.drain(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.expiry_at(now).is_some_and(|at| at <= now.instant) {
            self.evaluate(now);
        }
        if self.reannounce.is_due(now.instant) {
            self.membership.announce_anew(now);
        }
        self.membership.handle_timeout(now);
        self.rollout.handle_timeout(now.instant);
        self.drain(now);
    }

    /// The next request to be made.
    pub fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        self.requests.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let machines = [
            self.membership.poll_timeout(),
            self.rollout.poll_timeout(),
            self.reannounce.poll_timeout(),
        ];
        machines.into_iter().flatten().chain(self.expiry_at(now)).min()
    }

    /// Who is in the call.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Where the call's media is to be sent and taken.
    pub fn transports(&self) -> &Transports {
        &self.transports
    }

    /// Whether anybody else is in the call.
    pub fn is_alone(&self) -> bool {
        self.roster.others(&self.me).next().is_none()
    }

    /// When memberships that have expired are looked for.
    fn expiry_at(&self, now: Now) -> Option<Instant> {
        let expiry = now.when(self.roster.next_expiry()?);
        Some(self.evaluated.map_or(expiry, |last| expiry.max(last + EXPIRY_INTERVAL)))
    }

    fn evaluate(&mut self, now: Now) {
        self.evaluated = Some(now.instant);
        let roster = Roster::evaluate(&self.source.0, &self.source.1, now.wall);
        let old = std::mem::replace(&mut self.roster, roster);
        let was = |info: &MemberInfo| old.get(&info.member).map(|old| old.created);
        for info in self.roster.others(&self.me) {
            if was(info) != Some(info.created) {
                self.events.push_back(Event::MemberJoined(info.clone()));
            }
        }
        for info in old.others(&self.me) {
            if self.roster.get(&info.member).is_none() {
                self.held.handle_left(&info.member, now.instant);
                self.events.push_back(Event::MemberLeft(info.member.clone()));
            }
        }
        self.choose_transports();
        self.tell_keys(now);
        self.rollout.handle_roster(&self.roster, now.instant);
        self.see_own(now);
        self.drain(now);
    }

    fn see_own(&mut self, now: Now) {
        self.membership.handle_own(self.roster.get(&self.me), now);
        if !self.visible && self.membership.is_visible() {
            self.visible = true;
            self.events.push_back(Event::Visible);
        }
    }

    fn choose_transports(&mut self) {
        let own = self.own.as_ref();
        let transports = Transports::of(&self.roster, &self.me, own, self.selection);
        if transports != self.transports {
            self.transports = transports;
            self.events.push_back(Event::TransportsChanged);
        }
    }

    /// What the next run has to know goes out before anything that follows from it.
    fn save(&mut self) {
        let saved = Saved {
            delay_ids: self.membership.delay_ids().to_vec(),
            last_key_index: self.rollout.last_index(),
            joined: self.membership.may_stand(),
        };
        if saved != self.saved {
            self.saved = saved.clone();
            self.events.push_back(Event::Saved(saved));
        }
    }

    /// Makes our first key, if there is to be one and is none yet.
    fn make_key(&mut self, now: Now) {
        if self.encryption == Encryption::PerParticipant && !self.rollout.is_started() {
            self.rollout.start(now.instant);
        }
    }

    /// Tells the keys of those that are there.
    fn tell_keys(&mut self, now: Now) {
        let present = |member: &Member| self.roster.get(member).is_some();
        for MemberKey { member, index, key } in self.held.take(present, now.instant) {
            let identity = identity::plain(&member);
            self.events.push_back(Event::PeerKey { identity, index, key });
        }
    }

    /// Turns what the machines want into requests and events.
    fn drain(&mut self, now: Now) {
        while let Some(event) = self.membership.poll_event() {
            self.handle_membership_event(event, now);
        }
        while let Some((lane, request)) = self.membership.poll_request(now) {
            self.ask(Asker::Membership(lane), request);
        }
        self.save();
        while let Some(action) = self.rollout.poll_action() {
            match action {
                Action::Use { index, key } => self.events.push_back(Event::UseKey { index, key }),
                Action::Send { targets, index, key } => {
                    let content = keys::content(&self.room, &self.me, (index, &key), now.wall);
                    let event_type = event::ENCRYPTION_KEYS;
                    let signed_only = self.signed_devices_only;
                    let request = Request::SendKey { targets, event_type, content, signed_only };
                    self.ask(Asker::Rollout, request);
                }
            }
        }
    }

    fn handle_membership_event(&mut self, event: membership::Event, now: Now) {
        match event {
            membership::Event::Joined => {
                if std::mem::replace(&mut self.entered, true) {
                    self.rollout.handle_rejoined(now.instant);
                } else {
                    self.make_key(now);
                }
                self.events.push_back(Event::Joined);
                // The room's state may have been faster than the answer.
                self.see_own(now);
            }
            membership::Event::ProbablyLeft(left) => {
                self.events.push_back(Event::ProbablyLeft(left));
            }
            membership::Event::Left => self.be_out(Event::Left),
            membership::Event::Failed(failure) => self.be_out(Event::Failed(failure)),
        }
    }

    fn be_out(&mut self, event: Event) {
        self.own = None;
        self.entered = false;
        self.visible = false;
        self.rollout.stop();
        self.events.push_back(event);
        self.choose_transports();
    }

    fn ask(&mut self, asker: Asker, request: Request) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.waiting.insert(id, asker);
        self.requests.push_back((id, request));
    }
}

#[cfg(test)]
mod tests;
