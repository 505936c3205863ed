//! The leave that the homeserver holds for us and sends unless its delay is restarted (MSC4140).

use std::time::{Duration, Instant};

use crate::{DelayId, RequestError};

/// After how long the homeserver makes us leave unless we restart the delay. Long enough for a slow
/// homeserver, short enough that a crash is seen soon (Element Call 0.26.1: 18 s).
pub(super) const LEAVE_DELAY: Duration = Duration::from_secs(18);
/// The shortest delay that is worth restarting.
const LEAVE_DELAY_MIN: Duration = Duration::from_secs(8);
/// How often the delay is restarted (matrix-js-sdk 43).
pub(super) const RESTART_INTERVAL: Duration = Duration::from_secs(5);
/// How many leaves are remembered that the homeserver may hold; there are one or two, and more only
/// if cancelling fails again and again. Beyond that the oldest is forgotten.
const KNOWN_MAX: usize = 8;

/// What ends our membership when we cannot.
#[derive(Debug)]
pub(super) struct Fuse {
    delay: Duration,
    supported: bool,
    guard: Guard,
    known: Vec<DelayId>,
    /// Whether the homeserver lists what it holds.
    listed: bool,
}

/// Which leave guards us.
#[derive(Debug)]
enum Guard {
    None,
    /// One that we restart.
    Short(Lit),
    /// One that the token service restarts.
    Delegated(DelayId),
}

#[derive(Debug)]
struct Lit {
    id: DelayId,
    restart_at: Instant,
    fires_at: Instant,
}

impl Fuse {
    /// No leave is held, but these may be left of an earlier run.
    pub(super) fn new(known: &[DelayId]) -> Self {
        let mut fuse = Self {
            delay: LEAVE_DELAY,
            supported: true,
            guard: Guard::None,
            known: Vec::new(),
            listed: false,
        };
        for id in known {
            fuse.learn(id);
        }
        fuse
    }

    /// The delay to ask for.
    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    /// Whether the homeserver can hold a leave for us.
    pub(super) fn is_supported(&self) -> bool {
        self.supported
    }

    /// It cannot.
    pub(super) fn give_up(&mut self) {
        self.supported = false;
        self.guard = Guard::None;
    }

    /// A leave was scheduled or restarted just now.
    pub(super) fn light(&mut self, id: DelayId, now: Instant) {
        self.learn(&id);
        let restart_at = now + RESTART_INTERVAL.min(self.delay / 2);
        self.guard = Guard::Short(Lit { id, restart_at, fires_at: now + self.delay });
    }

    /// The delay of the leave that we restart began anew.
    pub(super) fn restarted(&mut self, now: Instant) {
        if let Some(id) = self.short().cloned() {
            self.light(id, now);
        }
    }

    /// The token service has taken over that leave; the one that guarded us before is to be
    /// cancelled.
    pub(super) fn delegate(&mut self, id: DelayId) -> Option<DelayId> {
        match std::mem::replace(&mut self.guard, Guard::Delegated(id)) {
            Guard::Short(lit) => Some(lit.id),
            Guard::None | Guard::Delegated(_) => None,
        }
    }

    /// Whether another leave may be handed over to the token service: one whose id gets lost on the
    /// way must be found again, or it ends a later membership.
    pub(super) fn can_be_delegated(&self) -> bool {
        self.listed && matches!(self.guard, Guard::Short(_))
    }

    /// The leave that guards us, no longer taken for one that does.
    pub(super) fn put_out(&mut self) -> Option<DelayId> {
        match std::mem::replace(&mut self.guard, Guard::None) {
            Guard::Short(Lit { id, .. }) | Guard::Delegated(id) => Some(id),
            Guard::None => None,
        }
    }

    /// The leave that guards us.
    pub(super) fn held(&self) -> Option<&DelayId> {
        match &self.guard {
            Guard::Short(Lit { id, .. }) | Guard::Delegated(id) => Some(id),
            Guard::None => None,
        }
    }

    /// The leave that we restart.
    pub(super) fn short(&self) -> Option<&DelayId> {
        self.lit().map(|lit| &lit.id)
    }

    /// Whether the token service guards us.
    pub(super) fn is_delegated(&self) -> bool {
        matches!(self.guard, Guard::Delegated(_))
    }

    /// When it is to be restarted.
    pub(super) fn restart_at(&self) -> Option<Instant> {
        self.lit().map(|lit| lit.restart_at)
    }

    /// When the homeserver sends it, as far as we know.
    pub(super) fn fires_at(&self) -> Option<Instant> {
        self.lit().map(|lit| lit.fires_at)
    }

    fn lit(&self) -> Option<&Lit> {
        match &self.guard {
            Guard::Short(lit) => Some(lit),
            Guard::None | Guard::Delegated(_) => None,
        }
    }

    /// Takes a shorter delay if the homeserver refused this one for its length; `false` if it
    /// holds none that is long enough.
    pub(super) fn shorten(&mut self, error: &RequestError) -> bool {
        let wanted = match error {
            RequestError::MaxDelay(Some(max)) => *max,
            // Synapse since 1.157 says no more than that for a delay that is too long.
            RequestError::Forbidden | RequestError::MaxDelay(None) => self.delay / 2,
            _ => Duration::ZERO,
        };
        let shorter = wanted < self.delay && wanted >= LEAVE_DELAY_MIN;
        if shorter {
            self.delay = wanted;
        }
        shorter
    }

    /// The leaves that the homeserver may hold, the newest last.
    pub(super) fn known(&self) -> &[DelayId] {
        &self.known
    }

    /// The homeserver may hold this one from now on.
    pub(super) fn learn(&mut self, id: &DelayId) {
        if !self.known.contains(id) {
            if self.known.len() == KNOWN_MAX {
                self.known.remove(0);
            }
            self.known.push(id.clone());
        }
    }

    /// The homeserver does not hold this one any more.
    pub(super) fn forget(&mut self, id: &DelayId) {
        self.known.retain(|known| known != id);
    }

    /// The homeserver holds these of ours and no others.
    pub(super) fn learn_all(&mut self, listed: &[DelayId]) {
        self.listed = true;
        self.known.retain(|known| listed.contains(known));
    }
}
