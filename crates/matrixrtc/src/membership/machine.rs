//! The machine that the module's picture shows.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    content::Content,
    delegation::Delegation,
    fuse::Fuse,
    joined::{Joined, Sight},
    outcome::{Config, Event},
    step::{Progress, Step},
};
use crate::{
    DelayId, MemberInfo, Now, ServiceUrl, event,
    request::{Request, RequestError, Response},
    roster::DEFAULT_EXPIRY,
};

/// How long a membership lasts that no delayed leave guards: a ghost for that long after a crash.
pub(super) const UNGUARDED_EXPIRY: Duration = Duration::from_mins(10);
/// Which of the two ways a request goes; its answer comes back on the same. Each has one request
/// under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Our membership and the leave that we restart.
    Own,
    /// Handing the leave over to the token service.
    Delegation,
}

/// Our membership of one call.
#[derive(Debug)]
pub struct Membership {
    pub(super) config: Config,
    pub(super) transport: Option<ServiceUrl>,
    pub(super) state: State,
    pub(super) step: Progress,
    /// A step that gave way to a restart, and when it is tried again.
    pub(super) put_off: Option<(Step, Instant)>,
    /// How often the current step has failed in a row.
    pub(super) failures: u32,
    pub(super) fuse: Fuse,
    pub(super) delegation: Delegation,
    /// Set by [`Membership::leave`] and [`Membership::hand_over`] until we are out.
    pub(super) parting: Option<Parting>,
    pub(super) standing: Standing,
    pub(super) probably_left: bool,
    pub(super) events: VecDeque<Event>,
}

/// Which membership of this device may stand in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    None,
    /// One of an earlier run, which has to go before ours comes.
    Stale,
    Ours,
}

/// How we get out when we are told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// With our membership.
    Leave,
    /// Without it.
    HandOver,
}

#[derive(Debug)]
pub(super) enum State {
    Out,
    Entering,
    In(Joined),
    Leaving,
}

impl Membership {
    /// A membership that we do not have yet. The homeserver may still hold the leaves `known`, of
    /// an earlier run.
    pub fn new(config: Config, known: &[DelayId]) -> Self {
        Self {
            config,
            transport: None,
            state: State::Out,
            step: Progress::Nothing,
            put_off: None,
            failures: 0,
            fuse: Fuse::new(known),
            delegation: Delegation::new(),
            parting: None,
            standing: Standing::None,
            probably_left: false,
            events: VecDeque::new(),
        }
    }

    /// Joins with that transport, if we are out. `stale` says that a membership of this device may
    /// be there already.
    pub fn join(&mut self, transport: ServiceUrl, stale: bool) {
        if !self.is_out() {
            return;
        }
        self.transport = Some(transport);
        self.standing = if stale { Standing::Stale } else { Standing::None };
        self.parting = None;
        self.set_probably_left(false);
        self.fuse = Fuse::new(self.fuse.known());
        self.delegation = Delegation::new();
        self.state = State::Entering;
        self.go(Step::List);
    }

    /// Leaves, as soon as a request that is under way has been answered.
    pub fn leave(&mut self) {
        self.part(Parting::Leave);
    }

    /// Gets out and leaves the membership standing: another of the same device has it now. What would
    /// end it is cancelled.
    pub fn hand_over(&mut self) {
        self.part(Parting::HandOver);
    }

    fn part(&mut self, parting: Parting) {
        self.parting = Some(parting);
        if !matches!(self.step, Progress::Asked(_)) {
            self.begin_to_leave();
        }
    }

    /// Sends our membership as if we had joined just now, so that everybody sends us a key.
    pub fn announce_anew(&mut self, now: Now) {
        if let State::In(joined) = &mut self.state {
            joined.anew = true;
            self.settle(now);
        }
    }

    /// Takes over whether our membership is among those that count.
    pub fn handle_own(&mut self, own: Option<&MemberInfo>, now: Now) {
        if let State::In(joined) = &mut self.state {
            joined.see(own);
            if own.is_some() {
                self.standing = Standing::Ours;
            }
            if joined.missing && matches!(self.step, Progress::Again(..)) {
                self.step = Progress::Nothing;
            }
            self.settle(now);
        }
    }

    /// Takes over the answer to what was polled last on that lane.
    pub fn handle_response(
        &mut self,
        lane: Lane,
        answer: Result<Response, RequestError>,
        now: Now,
    ) {
        match lane {
            Lane::Own => self.handle_own_response(answer, now),
            Lane::Delegation => self.handle_delegation(answer, now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.fuse.fires_at().is_some_and(|at| at <= now.instant) && self.is_joined() {
            self.set_probably_left(true);
        }
        if let Progress::Again(step, at) = &self.step {
            if *at <= now.instant {
                self.step = Progress::Ready(step.clone());
            } else if step.gives_way() && self.is_restart_due(now.instant) {
                self.put_off = Some((step.clone(), *at));
                self.go(Step::Restart);
            }
        }
        self.delegation.handle_timeout(now.instant);
        self.settle(now);
    }

    /// The next request, if one is to be made; its answer comes back through
    /// [`Membership::handle_response`].
    pub fn poll_request(&mut self, now: Now) -> Option<(Lane, Request)> {
        if let Progress::Ready(step) = &self.step {
            let step = step.clone();
            self.step = Progress::Nothing;
            if let Some(request) = self.request(&step, now) {
                if step == Step::Send {
                    self.standing = Standing::Ours;
                }
                self.step = Progress::Asked(step);
                return Some((Lane::Own, request));
            }
        }
        let request = self.delegation.poll_request(&self.state_key())?;
        Some((Lane::Delegation, request))
    }

    /// What happened; to be drained.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Membership::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fuse = self.fuse.fires_at().filter(|_| self.is_joined() && !self.probably_left);
        let step = match &self.step {
            Progress::Again(step, at) => {
                let restart = self.fuse.restart_at().filter(|_| step.gives_way());
                Some(restart.map_or(*at, |restart| restart.min(*at)))
            }
            Progress::Nothing => self.next_due(),
            Progress::Ready(_) | Progress::Asked(_) => None,
        };
        [step, fuse, self.delegation.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether we are in, as far as we know.
    pub fn is_joined(&self) -> bool {
        matches!(self.state, State::In(_))
    }

    /// Whether the room's state has shown our membership.
    pub fn is_visible(&self) -> bool {
        matches!(&self.state, State::In(joined) if joined.sight == Sight::Seen)
    }

    /// Whether we are out: not in, not on the way in, and not on the way out.
    pub fn is_out(&self) -> bool {
        matches!(self.state, State::Out)
    }

    /// The leaves that the homeserver may hold for us, the newest last.
    pub fn delay_ids(&self) -> &[DelayId] {
        self.fuse.known()
    }

    /// Whether a membership of ours may stand in the room.
    pub fn may_stand(&self) -> bool {
        self.standing != Standing::None
    }

    pub(super) fn state_key(&self) -> String {
        event::state_key(&self.config.me, &self.config.room_version)
    }

    fn request(&self, step: &Step, now: Now) -> Option<Request> {
        let event_type = event::CALL_MEMBER;
        let state_key = self.state_key();
        Some(match step {
            Step::List => Request::ListDelayedEvents,
            Step::Cancel(ids) | Step::Withdraw(ids) => Request::CancelLeave(ids.first()?.clone()),
            Step::DropShort(id) => Request::CancelLeave(id.clone()),
            Step::Clear | Step::SendLeave => {
                Request::SendMembership { event_type, state_key, content: json!({}) }
            }
            Step::Schedule => {
                let delay = self.fuse.delay();
                Request::ScheduleLeave { event_type, state_key, delay, content: json!({}) }
            }
            Step::Send => {
                let content = self.content(now)?;
                Request::SendMembership { event_type, state_key, content }
            }
            Step::Restart => Request::RestartLeave(self.fuse.short()?.clone()),
            Step::Verify => Request::ReadMembership { event_type, state_key },
            Step::SendLeaveNow => Request::SendLeaveNow(self.fuse.held()?.clone()),
        })
    }

    fn content(&self, now: Now) -> Option<Value> {
        let (created, expires) = match &self.state {
            State::In(joined) if !joined.is_new() => {
                (Some(joined.created.min(now.wall)), joined.renewed_expiry())
            }
            State::In(joined) if joined.is_announcement() => {
                (None, self.expiry() + joined.variation())
            }
            State::In(_) | State::Entering | State::Out | State::Leaving => (None, self.expiry()),
        };
        let content = Content {
            me: &self.config.me,
            room: &self.config.room,
            transport: self.transport.as_ref()?,
            intent: self.config.intent,
            selection: self.config.selection,
            expires,
            created,
        };
        Some(content.to_json())
    }

    pub(super) fn expiry(&self) -> Duration {
        if self.fuse.is_supported() { DEFAULT_EXPIRY } else { UNGUARDED_EXPIRY }
    }

    pub(super) fn set_probably_left(&mut self, left: bool) {
        if self.probably_left != left {
            self.probably_left = left;
            self.events.push_back(Event::ProbablyLeft(left));
        }
    }

    /// Decides what is next when nothing is under way.
    pub(super) fn settle(&mut self, now: Now) {
        if !matches!(self.step, Progress::Nothing) {
            return;
        }
        match &self.state {
            State::In(joined) if joined.missing => return self.rejoin(now),
            State::In(_) | State::Entering => {}
            State::Out | State::Leaving => return,
        }
        self.step = match self.put_off.take() {
            Some((step, at)) if at <= now.instant => Progress::Ready(step),
            Some((step, at)) => Progress::Again(step, at),
            None => self.due(now.instant).map_or(Progress::Nothing, Progress::Ready),
        };
    }

    fn is_restart_due(&self, now: Instant) -> bool {
        self.fuse.restart_at().is_some_and(|at| at <= now)
    }

    /// The restart comes before a renewal: renewing first could bring back a membership that has no
    /// delayed leave behind it.
    fn due(&self, now: Instant) -> Option<Step> {
        let State::In(joined) = &self.state else { return None };
        if self.is_restart_due(now) {
            return Some(Step::Restart);
        }
        if joined.verify_at.is_some_and(|at| at <= now) {
            return Some(Step::Verify);
        }
        let renew = joined.is_announcement() || joined.renewal_at().is_some_and(|at| at <= now);
        renew.then_some(Step::Send)
    }

    fn next_due(&self) -> Option<Instant> {
        let State::In(joined) = &self.state else { return None };
        [self.fuse.restart_at(), joined.verify_at, joined.renewal_at()].into_iter().flatten().min()
    }

    pub(super) fn begin_to_leave(&mut self) {
        self.put_off = None;
        self.failures = 0;
        match self.state {
            State::Out => self.out(Event::Left),
            State::Leaving => {}
            State::Entering | State::In(_) => {
                self.delegation.abort();
                self.state = State::Leaving;
                if self.parting == Some(Parting::HandOver) {
                    return self.withdraw(self.fuse.known().to_vec());
                }
                match (self.fuse.held().is_some(), self.standing) {
                    (true, _) => self.go(Step::SendLeaveNow),
                    (false, Standing::None) => self.out(Event::Left),
                    (false, Standing::Stale | Standing::Ours) => self.go(Step::SendLeave),
                }
            }
        }
    }

    /// Cancels what the homeserver may hold for us, then is out.
    pub(super) fn withdraw(&mut self, leaves: Vec<DelayId>) {
        if leaves.is_empty() {
            self.out(Event::Left);
        } else {
            self.go(Step::Withdraw(leaves));
        }
    }

    pub(super) fn go(&mut self, step: Step) {
        self.step = Progress::Ready(step);
    }

    pub(super) fn out(&mut self, event: Event) {
        self.state = State::Out;
        self.step = Progress::Nothing;
        self.put_off = None;
        self.delegation.abort();
        self.fuse.put_out();
        let wanted = self.parting.take().is_some();
        self.events.push_back(if wanted { Event::Left } else { event });
    }
}
