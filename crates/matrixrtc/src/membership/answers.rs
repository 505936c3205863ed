//! What each answer, and each loss, leads to.

use std::time::{Duration, Instant};

use super::{
    joined::Joined,
    machine::{Membership, Standing, State},
    outcome::{Event, Failure},
    step::{Progress, Step},
};
use crate::{
    DelayId, EventId, Now, event,
    request::{DelayedEvent, RequestError, Response},
};

/// A membership that somebody removes again this soon after we sent it again is left alone.
const REMOVED_AGAIN: Duration = Duration::from_mins(1);
/// After how many refusals for too many requests we join without a delayed leave: a homeserver with
/// too many delayed events of ours answers like that for ever (Synapse since 1.157).
const SCHEDULE_ATTEMPTS_MAX: u32 = 5;

impl Membership {
    pub(super) fn handle_own_response(&mut self, answer: Result<Response, RequestError>, now: Now) {
        let Progress::Asked(step) = std::mem::replace(&mut self.step, Progress::Nothing) else {
            return;
        };
        match answer {
            Ok(response) => {
                self.failures = 0;
                self.succeed(step, response, now);
            }
            Err(error) => self.fail(step, &error, now),
        }
        if self.parting.is_some() && !matches!(self.state, State::Leaving | State::Out) {
            self.begin_to_leave();
        }
        self.settle(now);
    }

    pub(super) fn handle_delegation(&mut self, answer: Result<Response, RequestError>, now: Now) {
        let (key, room) = (self.state_key(), &self.config.room);
        let ours = |event: &DelayedEvent| is_ours(event, room.as_str(), &key);
        let granted = self.delegation.handle_response(answer, &mut self.fuse, ours, now.instant);
        if let Some(long) = granted
            && let Some(short) = self.fuse.delegate(long)
        {
            self.put_off = Some((Step::DropShort(short), now.instant));
            if matches!(
                &self.step,
                Progress::Ready(Step::Restart) | Progress::Again(Step::Restart, _)
            ) {
                self.step = Progress::Nothing;
            }
        }
        self.settle(now);
    }

    fn succeed(&mut self, step: Step, response: Response, now: Now) {
        match (step, response) {
            (Step::List, Response::DelayedEvents(events)) => {
                let (key, room) = (self.state_key(), self.config.room.as_str());
                let ours = events.into_iter().filter(|event| is_ours(event, room, &key));
                let ours: Vec<DelayId> = ours.map(|event| event.delay_id).collect();
                self.fuse.learn_all(&ours);
                self.cancel(ours);
            }
            (Step::List, _) => self.cancel(self.fuse.known().to_vec()),
            (Step::Cancel(ids), _) => self.cancelled(ids),
            (Step::Withdraw(ids), _) => self.withdrawn(ids),
            (Step::DropShort(id), _) => self.fuse.forget(&id),
            (Step::Clear, _) => {
                self.standing = Standing::None;
                self.go(Step::Schedule);
            }
            (Step::Schedule, Response::Scheduled(id)) => {
                self.fuse.light(id, now.instant);
                self.after_schedule(now);
            }
            (Step::Schedule, _) => self.unguarded(now),
            (Step::Send, Response::Sent(event)) => self.sent(event, now),
            (Step::Send, _) => self.sent(EventId::from(""), now),
            (Step::Restart, _) => {
                self.fuse.restarted(now.instant);
                self.set_probably_left(false);
                if self.config.delegate && self.is_joined() && self.fuse.can_be_delegated() {
                    self.delegation.begin();
                }
            }
            (Step::Verify, Response::Membership(content)) if content.get("device_id").is_none() => {
                self.rejoin(now);
            }
            (Step::Verify, _) => self.verified(),
            (Step::SendLeaveNow | Step::SendLeave, _) => self.left(),
        }
    }

    fn fail(&mut self, step: Step, error: &RequestError, now: Now) {
        let (pause, step) = match step.after(error, self.failures) {
            Ok(again) => again,
            Err(step) => return self.refused(step, error, now),
        };
        self.failures += 1;
        if step == Step::Schedule && self.failures > SCHEDULE_ATTEMPTS_MAX {
            self.failures = 0;
            return self.unguarded(now);
        }
        self.step = Progress::Again(step, now.instant + pause);
    }

    /// What follows when trying again will not help.
    fn refused(&mut self, step: Step, error: &RequestError, now: Now) {
        self.failures = 0;
        match step {
            Step::List => self.cancel(self.fuse.known().to_vec()),
            Step::Cancel(ids) => self.cancelled(ids),
            Step::Withdraw(ids) => self.withdrawn(ids),
            Step::DropShort(id) => {
                self.fuse.forget(&id);
                self.verify(now);
            }
            Step::Schedule if self.fuse.shorten(error) => self.go(Step::Schedule),
            Step::Schedule => self.unguarded(now),
            Step::Clear | Step::Send => {
                self.out(Event::Failed(match error {
                    RequestError::Forbidden => Failure::Forbidden,
                    other => Failure::Refused(other.to_string()),
                }));
            }
            Step::Restart if *error == RequestError::Unsupported => self.unguarded(now),
            Step::Restart => self.lost(now),
            Step::Verify if *error == RequestError::NotFound => self.rejoin(now),
            // It cannot be read; the room's state will tell.
            Step::Verify => self.verified(),
            Step::SendLeaveNow => {
                self.fuse.put_out().iter().for_each(|id| self.fuse.forget(id));
                self.go(Step::SendLeave);
            }
            Step::SendLeave => self.out(Event::Left),
        }
    }

    /// Cancels leaves that would end the membership to come, then goes on joining.
    fn cancel(&mut self, leftovers: Vec<DelayId>) {
        self.go(match (leftovers.is_empty(), self.standing) {
            (false, _) => Step::Cancel(leftovers),
            // Synapse would take an equal membership for the one that is there, and nobody would
            // send us a key.
            (true, Standing::Stale) => Step::Clear,
            (true, Standing::None | Standing::Ours) => Step::Schedule,
        });
    }

    fn cancelled(&mut self, mut ids: Vec<DelayId>) {
        if !ids.is_empty() {
            self.fuse.forget(&ids.remove(0));
        }
        self.cancel(ids);
    }

    fn withdrawn(&mut self, mut ids: Vec<DelayId>) {
        self.fuse.forget(&ids.remove(0));
        self.withdraw(ids);
    }

    fn after_schedule(&mut self, now: Now) {
        match &self.state {
            State::In(joined) if !joined.is_new() => self.verify(now),
            State::In(_) | State::Entering => {
                self.step = match self.put_off.take() {
                    Some((Step::Send, at)) => Progress::Again(Step::Send, at),
                    Some(_) | None => Progress::Ready(Step::Send),
                }
            }
            State::Out | State::Leaving => {}
        }
    }

    /// No leave guards us, and none will.
    fn unguarded(&mut self, now: Now) {
        self.fuse.give_up();
        self.delegation.abort();
        if let State::In(joined) = &mut self.state {
            joined.unguard(now.instant);
        }
        self.after_schedule(now);
    }

    /// The leave that guards us is gone: it was sent, or dropped when somebody else wrote our
    /// membership. Whether that stands is looked at once another leave guards it.
    fn lost(&mut self, now: Now) {
        let unknown = self.delegation.may_have_lost_one();
        self.delegation.abort();
        if self.fuse.is_delegated() {
            return self.verify(now);
        }
        self.fuse.put_out().iter().for_each(|id| self.fuse.forget(id));
        self.go(if unknown { Step::List } else { Step::Schedule });
    }

    fn verify(&mut self, now: Now) {
        if let State::In(joined) = &mut self.state {
            joined.verify_at = Some(now.instant);
        }
    }

    fn verified(&mut self) {
        if let State::In(joined) = &mut self.state {
            joined.verified();
            self.standing = Standing::Ours;
            self.set_probably_left(false);
        }
    }

    fn sent(&mut self, event: EventId, now: Now) {
        let expiry = self.expiry();
        match &mut self.state {
            State::In(joined) if joined.is_announcement() => joined.announced(expiry, now),
            State::In(joined) if !joined.is_new() => joined.renewed(now.instant),
            State::In(Joined { rejoined, .. }) => {
                let rejoined = *rejoined;
                self.enter(event, rejoined, now);
            }
            State::Entering => self.enter(event, None, now),
            State::Out | State::Leaving => return,
        }
        // This also proves that the delayed leave survived our own event.
        if self.fuse.short().is_some() {
            self.go(Step::Restart);
        }
    }

    fn enter(&mut self, event: EventId, rejoined: Option<Instant>, now: Now) {
        self.state = State::In(Joined::new(event, self.expiry(), rejoined, now));
        self.set_probably_left(false);
        self.events.push_back(Event::Joined);
    }

    /// Our membership is gone: somebody removed it, or a delayed leave did.
    pub(super) fn rejoin(&mut self, now: Now) {
        let burnt = self.fuse.fires_at().is_some_and(|at| at <= now.instant);
        let by_delay = burnt || self.probably_left || self.fuse.is_delegated();
        let State::In(joined) = &mut self.state else { return };
        if !by_delay {
            let again = |at: Instant| now.instant.duration_since(at) < REMOVED_AGAIN;
            if joined.rejoined.is_some_and(again) {
                return self.out(Event::Failed(Failure::Removed));
            }
            joined.rejoined = Some(now.instant);
        }
        joined.is_gone();
        self.standing = Standing::None;
        self.put_off = None;
        self.failures = 0;
        let unknown = self.delegation.may_have_lost_one();
        self.delegation.abort();
        self.fuse.put_out();
        let known = self.fuse.known().to_vec();
        if unknown { self.go(Step::List) } else { self.cancel(known) }
    }

    fn left(&mut self) {
        self.standing = Standing::None;
        self.fuse.put_out().iter().for_each(|id| self.fuse.forget(id));
        self.out(Event::Left);
    }
}

/// Whether that is a leave for this very membership.
fn is_ours(event: &DelayedEvent, room: &str, key: &str) -> bool {
    event.event_type == event::CALL_MEMBER
        && event.room_id.as_str() == room
        && event.state_key.as_deref() == Some(key)
}
