//! The steps of the machine, and what each failure of one leads to.

use std::time::{Duration, Instant};

use crate::{DelayId, RequestError};

/// How far the current step is.
#[derive(Debug)]
pub(super) enum Progress {
    Nothing,
    /// It can be polled.
    Ready(Step),
    /// Its answer is awaited.
    Asked(Step),
    /// It is tried again then.
    Again(Step, Instant),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    List,
    /// The first of these, then the others.
    Cancel(Vec<DelayId>),
    Clear,
    Schedule,
    Send,
    Restart,
    Verify,
    /// The leave that guarded us before the token service took over.
    DropShort(DelayId),
    /// The first of these, then the others: what would end the membership that another has now.
    Withdraw(Vec<DelayId>),
    SendLeaveNow,
    SendLeave,
}

impl Step {
    /// Whether it waits while the delayed leave is restarted, which cannot.
    pub(super) fn gives_way(&self) -> bool {
        matches!(self, Self::Send | Self::Verify)
    }

    /// What is tried after an error, and how long after; itself back if trying again will not help.
    pub(super) fn after(
        self,
        error: &RequestError,
        failures: u32,
    ) -> Result<(Duration, Self), Self> {
        let limited = matches!(error, RequestError::RateLimited { .. });
        // The delay runs: no pause after a request that has cost two seconds already
        // (matrix-js-sdk 43), and none that grows.
        let pause = match (&self, error) {
            (Self::Restart, RequestError::Timeout) => Some(Duration::ZERO),
            (Self::Restart, error) => error.retry_after(0),
            (_, error) => error.retry_after(failures),
        };
        let Some(pause) = pause else { return Err(self) };
        // It may have been scheduled all the same, and would end our membership.
        let again = if self == Self::Schedule && !limited { Self::List } else { self };
        Ok((pause, again))
    }
}
