//! The machine that the module's picture shows.

use std::time::{Duration, Instant};

use serde_json::json;

use super::content::{Content, renewal};
use crate::{
    DelayId, Intent, Member, MemberInfo, Now, RoomId, ServiceUrl, Timestamp, event,
    request::{DelayedEvent, Request, RequestError, Response},
    roster::{DEFAULT_EXPIRY, Selection},
};

/// After how long the homeserver makes us leave unless we restart the delay. Long enough for a slow
/// homeserver, short enough that a crash is seen soon (Element Call 0.26.1: 18 s).
const LEAVE_DELAY: Duration = Duration::from_secs(18);
/// The shortest delay that is worth restarting every [`RESTART_INTERVAL`].
const LEAVE_DELAY_MIN: Duration = Duration::from_secs(8);
/// How often the delay is restarted (matrix-js-sdk 43).
const RESTART_INTERVAL: Duration = Duration::from_secs(5);
/// How long a membership lasts that no delayed leave guards: a ghost for that long after a crash.
const UNGUARDED_EXPIRY: Duration = Duration::from_mins(10);
/// A membership that somebody removes again this soon after we renewed it is left alone.
const REMOVED_AGAIN: Duration = Duration::from_mins(1);

/// Who joins where.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our user and device.
    pub me: Member,
    /// The room.
    pub room: RoomId,
    /// Its version, by which state keys differ.
    pub room_version: String,
    /// What we mean to send.
    pub intent: Intent,
    /// How we say that we choose our SFU.
    pub selection: Selection,
    /// Whether the token service is asked to end our membership as soon as the SFU has lost us.
    /// Element Call sees a crash no sooner by it (21 s instead of at most 18), and every lost
    /// connection to the SFU is a leave; so it is not the default anywhere.
    pub delegate: bool,
}

/// What became of our membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The homeserver has our membership.
    Joined,
    /// Whether the homeserver has probably made us leave, because it could not be reached in time.
    ProbablyLeft(bool),
    /// We are out.
    Left,
    /// We are not in, and will not be without somebody's help.
    Failed(Failure),
}

/// Why we cannot be a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The room does not let us send the membership; a moderator can.
    #[error("the room does not let us send our membership")]
    Forbidden,
    /// Somebody removed our membership twice; they mean it.
    #[error("somebody removed us from the call")]
    Removed,
    /// The homeserver refuses it; its words are for the log.
    #[error("the homeserver refuses our membership: {0}")]
    Refused(String),
}

/// Our membership of one call.
#[derive(Debug)]
pub struct Membership {
    config: Config,
    transport: Option<ServiceUrl>,
    state: State,
    step: Progress,
    leave: Leave,
    /// Set by [`Membership::leave`] while a request is under way.
    leaving: bool,
    standing: Standing,
    probably_left: bool,
    events: std::collections::VecDeque<Event>,
}

/// Which membership of this device may stand in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    None,
    /// One of an earlier run, which has to go before ours comes.
    Stale,
    Ours,
}

#[derive(Debug)]
enum State {
    Out,
    Entering,
    In(Joined),
    Leaving,
}

/// What is known while we are in.
#[derive(Debug)]
struct Joined {
    since: Instant,
    created: Timestamp,
    expiry: Duration,
    renewals: u32,
    seen: bool,
    /// Whether it is to be sent as a new one, though it stands.
    anew: bool,
    rejoined: Option<Instant>,
}

/// The leave that the homeserver holds for us.
#[derive(Debug)]
struct Leave {
    delay: Duration,
    /// Whether the homeserver can hold one.
    supported: bool,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    id: DelayId,
    restart_at: Instant,
    fires_at: Instant,
}

/// How far the current step is.
#[derive(Debug)]
enum Progress {
    Nothing,
    /// It can be polled.
    Ready(Step),
    /// Its answer is awaited.
    Asked(Step),
    /// It is tried again then.
    Again(Step, Instant),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    List,
    CancelLeftovers(Vec<DelayId>),
    Clear,
    Schedule,
    Send,
    Restart,
    SendLeaveNow,
    SendLeave,
}

impl Membership {
    /// A membership that we do not have yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            transport: None,
            state: State::Out,
            step: Progress::Nothing,
            leave: Leave { delay: LEAVE_DELAY, supported: true, held: None },
            leaving: false,
            standing: Standing::None,
            probably_left: false,
            events: std::collections::VecDeque::new(),
        }
    }

    /// Joins with that transport. `stale` says that a membership of this device is there already.
    pub fn join(&mut self, transport: ServiceUrl, stale: bool) {
        self.transport = Some(transport);
        self.standing = if stale { Standing::Stale } else { Standing::None };
        self.leaving = false;
        self.state = State::Entering;
        self.step = Progress::Ready(Step::List);
    }

    /// Leaves, as soon as a request that is under way has been answered.
    pub fn leave(&mut self) {
        self.leaving = true;
        if !matches!(self.step, Progress::Asked(_)) {
            self.begin_to_leave();
        }
    }

    /// Sends our membership as if we had joined just now, so that everybody sends us a key.
    pub fn announce_anew(&mut self, now: Now) {
        if let State::In(joined) = &mut self.state {
            joined.anew = true;
            self.handle_timeout(now);
        }
    }

    /// The leaves that the homeserver may hold for us.
    pub fn delay_ids(&self) -> Vec<DelayId> {
        self.leave.held.iter().map(|held| held.id.clone()).collect()
    }

    /// Whether a membership of ours may stand in the room.
    pub fn may_stand(&self) -> bool {
        self.standing != Standing::None
    }

    /// Takes over whether our membership is among those that count.
    pub fn handle_own(&mut self, own: Option<&MemberInfo>, now: Now) {
        let State::In(joined) = &mut self.state else { return };
        match own {
            Some(info) => {
                joined.seen = true;
                joined.created = info.created;
            }
            None if joined.seen && matches!(self.step, Progress::Nothing) => self.rejoin(now),
            None => {}
        }
    }

    /// Takes over the answer to what was polled last.
    pub fn handle_response(&mut self, answer: Result<Response, RequestError>, now: Now) {
        let Progress::Asked(step) = std::mem::replace(&mut self.step, Progress::Nothing) else {
            return;
        };
        match answer {
            Ok(response) => self.succeed(step, response, now),
            Err(error) => self.fail(step, &error, now),
        }
        if self.leaving && !matches!(self.state, State::Leaving | State::Out) {
            self.begin_to_leave();
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if let Progress::Again(step, at) = &self.step
            && *at <= now.instant
        {
            self.step = Progress::Ready(step.clone());
        }
        self.watch_the_fuse(now);
        if matches!(self.step, Progress::Nothing) && matches!(self.state, State::In(_)) {
            self.step = self.due(now.instant).map_or(Progress::Nothing, Progress::Ready);
        }
    }

    /// The next request, if one is to be made; its answer comes back through
    /// [`Membership::handle_response`].
    pub fn poll_request(&mut self, now: Now) -> Option<Request> {
        let Progress::Ready(step) = &self.step else { return None };
        let step = step.clone();
        self.step = Progress::Nothing;
        let request = self.request(&step, now)?;
        if step == Step::Send {
            self.standing = Standing::Ours;
        }
        self.step = Progress::Asked(step);
        Some(request)
    }

    /// What happened; to be drained.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Membership::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fuse =
            self.leave.held.as_ref().filter(|_| !self.probably_left).map(|held| held.fires_at);
        let step = match &self.step {
            Progress::Again(_, at) => Some(*at),
            Progress::Nothing => self.next_due(),
            Progress::Ready(_) | Progress::Asked(_) => None,
        };
        step.into_iter().chain(fuse.filter(|_| matches!(self.state, State::In(_)))).min()
    }

    /// Whether we are in, as far as we know.
    pub fn is_joined(&self) -> bool {
        matches!(self.state, State::In(_))
    }

    fn request(&self, step: &Step, now: Now) -> Option<Request> {
        let event_type = event::CALL_MEMBER;
        let state_key = event::state_key(&self.config.me, &self.config.room_version);
        let held = self.leave.held.as_ref().map(|held| held.id.clone());
        Some(match step {
            Step::List => Request::ListDelayedEvents,
            Step::CancelLeftovers(ids) => Request::CancelLeave(ids.first()?.clone()),
            Step::Clear | Step::SendLeave => {
                Request::SendMembership { event_type, state_key, content: json!({}) }
            }
            Step::Schedule => {
                let delay = self.leave.delay;
                Request::ScheduleLeave { event_type, state_key, delay, content: json!({}) }
            }
            Step::Send => {
                let content = self.content(now)?.to_json();
                Request::SendMembership { event_type, state_key, content }
            }
            Step::Restart => Request::RestartLeave(held?),
            Step::SendLeaveNow => Request::SendLeaveNow(held?),
        })
    }

    fn content(&self, now: Now) -> Option<Content<'_>> {
        let (created, expires) = match &self.state {
            // Another expiry, or Synapse would take it for the one that is there.
            State::In(joined) if joined.anew && joined.seen => {
                (None, self.expiry() + Duration::from_millis(1))
            }
            State::In(joined) if !self.is_to_send_anew() => {
                let (_, expires) = renewal(joined.expiry, joined.renewals + 1);
                (Some(joined.created.min(now.wall)), expires)
            }
            State::In(_) | State::Entering | State::Out | State::Leaving => (None, self.expiry()),
        };
        Some(Content {
            me: &self.config.me,
            room: &self.config.room,
            transport: self.transport.as_ref()?,
            intent: self.config.intent,
            selection: self.config.selection,
            expires,
            created,
        })
    }

    /// Whether the membership to be sent is a new join, although we were in before.
    fn is_to_send_anew(&self) -> bool {
        matches!(&self.state, State::In(joined) if !joined.seen)
    }

    fn expiry(&self) -> Duration {
        if self.leave.supported { DEFAULT_EXPIRY } else { UNGUARDED_EXPIRY }
    }

    fn succeed(&mut self, step: Step, response: Response, now: Now) {
        match (step, response) {
            (Step::List, Response::DelayedEvents(events)) => self.cancel(self.leftovers(&events)),
            (Step::List, _) => self.cancel(Vec::new()),
            (Step::CancelLeftovers(ids), _) => self.cancel(ids.into_iter().skip(1).collect()),
            (Step::Clear, _) => {
                self.standing = Standing::None;
                self.go(Step::Schedule);
            }
            (Step::Schedule, Response::Scheduled(id)) => {
                self.hold(id, now.instant);
                self.after_schedule();
            }
            (Step::Schedule, _) => self.unguarded(),
            (Step::Send, _) => self.sent(now),
            (Step::Restart, _) => {
                if let Some(held) = self.leave.held.take() {
                    self.hold(held.id, now.instant);
                }
                self.set_probably_left(false);
            }
            (Step::SendLeaveNow | Step::SendLeave, _) => {
                self.standing = Standing::None;
                self.out(Event::Left);
            }
        }
    }

    fn fail(&mut self, step: Step, error: &RequestError, now: Now) {
        if let Some(pause) = error.retry_after() {
            self.step = Progress::Again(step, now.instant + pause);
            return;
        }
        match step {
            Step::List => self.cancel(Vec::new()),
            Step::CancelLeftovers(ids) => self.cancel(ids.into_iter().skip(1).collect()),
            Step::Schedule => self.shorten(error),
            Step::Clear | Step::Send => self.refused(error),
            // It fired or was dropped; whether we are still a member, the room's state will tell.
            Step::Restart => {
                self.leave.held = None;
                self.go(Step::Schedule);
            }
            Step::SendLeaveNow => self.go(Step::SendLeave),
            Step::SendLeave => self.out(Event::Left),
        }
    }

    /// Our delayed events for this very membership: an earlier run's leave would end this one.
    fn leftovers(&self, events: &[DelayedEvent]) -> Vec<DelayId> {
        let key = event::state_key(&self.config.me, &self.config.room_version);
        let ours = events.iter().filter(|event| {
            event.room_id == self.config.room && event.state_key.as_deref() == Some(key.as_str())
        });
        ours.map(|event| event.delay_id.clone()).collect()
    }

    fn cancel(&mut self, leftovers: Vec<DelayId>) {
        self.go(match (leftovers.is_empty(), self.standing == Standing::Stale) {
            (false, _) => Step::CancelLeftovers(leftovers),
            // Synapse would take an equal membership for the one that is there, and nobody would
            // send us a key.
            (true, true) => Step::Clear,
            (true, false) => Step::Schedule,
        });
    }

    fn hold(&mut self, id: DelayId, now: Instant) {
        let fires_at = now + self.leave.delay;
        self.leave.held = Some(Held { id, restart_at: now + RESTART_INTERVAL, fires_at });
    }

    fn after_schedule(&mut self) {
        match &self.state {
            State::In(joined) if joined.seen => self.set_probably_left(false),
            State::In(_) | State::Entering => self.go(Step::Send),
            State::Out | State::Leaving => {}
        }
    }

    /// A shorter delay if the homeserver wants one, else none.
    fn shorten(&mut self, error: &RequestError) {
        let wanted = match error {
            RequestError::MaxDelay(Some(max)) => *max,
            // Synapse since 1.157 says no more than that for a delay that is too long.
            RequestError::Forbidden | RequestError::MaxDelay(None) => self.leave.delay / 2,
            _ => Duration::ZERO,
        };
        if wanted < self.leave.delay && wanted >= LEAVE_DELAY_MIN {
            self.leave.delay = wanted;
            self.go(Step::Schedule);
        } else {
            self.unguarded();
        }
    }

    fn unguarded(&mut self) {
        self.leave.supported = false;
        self.after_schedule();
    }

    fn sent(&mut self, now: Now) {
        match &mut self.state {
            State::In(joined) if joined.anew && joined.seen => {
                joined.anew = false;
                joined.since = now.instant;
                joined.created = now.wall;
                joined.renewals = 0;
            }
            State::In(joined) if joined.seen => joined.renewals += 1,
            State::In(_) | State::Entering => {
                let rejoined = match &self.state {
                    State::In(joined) => joined.rejoined,
                    State::Entering | State::Out | State::Leaving => None,
                };
                self.state = State::In(Joined {
                    since: now.instant,
                    created: now.wall,
                    expiry: self.expiry(),
                    renewals: 0,
                    seen: false,
                    anew: false,
                    rejoined,
                });
                self.events.push_back(Event::Joined);
            }
            State::Out | State::Leaving => return,
        }
        // This also proves that the delayed leave survived our own event.
        if self.leave.held.is_some() {
            self.go(Step::Restart);
        }
    }

    fn refused(&mut self, error: &RequestError) {
        let failure = match error {
            RequestError::Forbidden => Failure::Forbidden,
            other => Failure::Refused(other.to_string()),
        };
        self.out(Event::Failed(failure));
    }

    /// Somebody, or our own delayed leave, removed our membership.
    fn rejoin(&mut self, now: Now) {
        let State::In(joined) = &mut self.state else { return };
        let again = |at: Instant| now.instant.duration_since(at) < REMOVED_AGAIN;
        if joined.rejoined.is_some_and(again) {
            return self.out(Event::Failed(Failure::Removed));
        }
        joined.rejoined = Some(now.instant);
        joined.seen = false;
        let held = self.leave.held.take().map(|held| held.id);
        self.standing = Standing::None;
        self.cancel(held.into_iter().collect());
    }

    fn watch_the_fuse(&mut self, now: Now) {
        let burnt = self.leave.held.as_ref().is_some_and(|held| held.fires_at <= now.instant);
        if burnt && matches!(self.state, State::In(_)) {
            self.set_probably_left(true);
        }
    }

    fn set_probably_left(&mut self, left: bool) {
        if self.probably_left != left {
            self.probably_left = left;
            self.events.push_back(Event::ProbablyLeft(left));
        }
    }

    /// The restart comes before a renewal: renewing first could bring back a membership that has no
    /// delayed leave behind it.
    fn due(&self, now: Instant) -> Option<Step> {
        let restart = self.leave.held.as_ref().is_some_and(|held| held.restart_at <= now);
        let anew = matches!(&self.state, State::In(joined) if joined.anew && joined.seen);
        let renew = anew || self.renewal_at().is_some_and(|at| at <= now);
        if restart { Some(Step::Restart) } else { renew.then_some(Step::Send) }
    }

    fn next_due(&self) -> Option<Instant> {
        let State::In(_) = self.state else { return None };
        let restart = self.leave.held.as_ref().map(|held| held.restart_at);
        restart.into_iter().chain(self.renewal_at()).min()
    }

    fn renewal_at(&self) -> Option<Instant> {
        match &self.state {
            State::In(joined) if joined.seen => {
                Some(joined.since + renewal(joined.expiry, joined.renewals + 1).0)
            }
            State::In(_) | State::Out | State::Entering | State::Leaving => None,
        }
    }

    fn begin_to_leave(&mut self) {
        match self.state {
            State::Out => self.out(Event::Left),
            State::Leaving => {}
            State::Entering if self.leave.held.is_none() => self.out(Event::Left),
            State::Entering | State::In(_) => {
                self.state = State::Leaving;
                let held = self.leave.held.is_some();
                self.go(if held { Step::SendLeaveNow } else { Step::SendLeave });
            }
        }
    }

    fn go(&mut self, step: Step) {
        self.step = Progress::Ready(step);
    }

    fn out(&mut self, event: Event) {
        self.state = State::Out;
        self.step = Progress::Nothing;
        self.leave.held = None;
        self.events.push_back(event);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
