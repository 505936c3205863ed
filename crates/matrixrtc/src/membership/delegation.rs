//! Handing our leave over to the token service, which sees when the SFU loses us (MSC4195).
//!
//! ```text
//!                      scheduled             granted
//!  Off --> Schedule ------------> Ask ----------------> Granted
//!              |                   |
//!              | answer lost       | refused, failed, or our short leave was lost
//!              v                   v
//!            Sweep ------------> Drop ----------------> GivenUp
//! ```
//!
//! A leave that is an hour away is kept only while the service has taken it over: Element Call
//! 0.26.1 keeps it when the service refuses, and is a ghost for that hour after a crash. The short
//! leave guards us until then, so this goes its own way beside it, with one request at a time. What
//! was given up is not tried again in this call: a service that ended our membership because the
//! connection to the SFU was made anew would do so each time.

use std::time::{Duration, Instant};

use serde_json::json;

use super::fuse::Fuse;
use crate::{DelayId, Request, RequestError, Response, event, request::DelayedEvent};

/// The delay of the leave that is handed over (MSC4195: at least an hour).
const DELAY: Duration = Duration::from_hours(1);

/// How far it is.
#[derive(Debug)]
pub(super) struct Delegation {
    progress: Progress,
    failures: u32,
    /// Whether it is to end as soon as the request under way has been answered.
    aborted: bool,
}

#[derive(Debug)]
enum Progress {
    Off,
    Ready(Step),
    Asked(Step),
    Again(Step, Instant),
    Granted,
    GivenUp,
}

#[derive(Debug, Clone)]
enum Step {
    Schedule,
    Ask(DelayId),
    Sweep,
    Drop(Vec<DelayId>),
}

impl Delegation {
    pub(super) fn new() -> Self {
        Self { progress: Progress::Off, failures: 0, aborted: false }
    }

    /// Begins, if it has not begun before.
    pub(super) fn begin(&mut self) {
        if matches!(self.progress, Progress::Off) {
            self.progress = Progress::Ready(Step::Schedule);
        }
    }

    /// Ends; a leave that was scheduled for it is cancelled.
    pub(super) fn abort(&mut self) {
        match &self.progress {
            Progress::Off | Progress::Granted | Progress::GivenUp => {
                self.progress = Progress::GivenUp;
            }
            Progress::Asked(_) => self.aborted = true,
            Progress::Ready(step) | Progress::Again(step, _) => match step {
                Step::Schedule | Step::Sweep => self.progress = Progress::GivenUp,
                Step::Ask(id) => self.progress = Progress::Ready(Step::Drop(vec![id.clone()])),
                Step::Drop(_) => {}
            },
        }
    }

    /// Whether the homeserver may hold a leave of it whose id is not known.
    pub(super) fn may_have_lost_one(&self) -> bool {
        match &self.progress {
            Progress::Asked(step) => matches!(step, Step::Schedule | Step::Sweep),
            Progress::Ready(step) | Progress::Again(step, _) => matches!(step, Step::Sweep),
            Progress::Off | Progress::Granted | Progress::GivenUp => false,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Progress::Again(step, at) = &self.progress
            && *at <= now
        {
            self.progress = Progress::Ready(step.clone());
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Again(_, at) => Some(*at),
            _ => None,
        }
    }

    pub(super) fn poll_request(&mut self, state_key: &str) -> Option<Request> {
        let Progress::Ready(step) = &self.progress else { return None };
        let step = step.clone();
        let request = match &step {
            Step::Schedule => Request::ScheduleLeave {
                event_type: event::CALL_MEMBER,
                state_key: state_key.to_owned(),
                delay: DELAY,
                content: json!({}),
            },
            Step::Ask(id) => Request::DelegateLeave { delay_id: id.clone(), delay: DELAY },
            Step::Sweep => Request::ListDelayedEvents,
            Step::Drop(ids) => Request::CancelLeave(ids.first()?.clone()),
        };
        self.progress = Progress::Asked(step);
        Some(request)
    }

    /// Takes over an answer; the id of a leave that the token service has just taken over. `ours`
    /// tells our leaves from others.
    pub(super) fn handle_response(
        &mut self,
        answer: Result<Response, RequestError>,
        fuse: &mut Fuse,
        ours: impl Fn(&DelayedEvent) -> bool,
        now: Instant,
    ) -> Option<DelayId> {
        let Progress::Asked(step) = &self.progress else { return None };
        let step = step.clone();
        self.progress = Progress::GivenUp;
        let aborted = std::mem::take(&mut self.aborted);
        if let Err(error) = &answer
            && !(aborted && matches!(step, Step::Schedule | Step::Sweep))
            && let Some(pause) = error.retry_after(self.failures)
            && let Some(step) = again(&step, error)
        {
            self.progress = Progress::Again(step, now + pause);
            self.failures += 1;
            return None;
        }
        self.failures = 0;
        match (step, answer) {
            (Step::Schedule, Ok(Response::Scheduled(id))) => {
                fuse.learn(&id);
                let next = if aborted { Step::Drop(vec![id]) } else { Step::Ask(id) };
                self.progress = Progress::Ready(next);
            }
            (Step::Ask(id), Ok(_)) if !aborted => {
                self.progress = Progress::Granted;
                return Some(id);
            }
            (Step::Ask(id), _) => self.progress = Progress::Ready(Step::Drop(vec![id])),
            (Step::Sweep, Ok(Response::DelayedEvents(events))) if !aborted => {
                let lost = events.iter().filter(|event| ours(event)).map(|event| &event.delay_id);
                self.drop(lost.filter(|id| fuse.held() != Some(id)).cloned().collect());
            }
            (Step::Drop(ids), _) => {
                ids.iter().take(1).for_each(|id| fuse.forget(id));
                self.drop(ids.into_iter().skip(1).collect());
            }
            // Refused: there is no leave of ours to be dropped.
            (Step::Schedule | Step::Sweep, _) => {}
        }
        None
    }

    fn drop(&mut self, ids: Vec<DelayId>) {
        self.progress =
            if ids.is_empty() { Progress::GivenUp } else { Progress::Ready(Step::Drop(ids)) };
    }
}

/// What is worth a try after that error.
fn again(step: &Step, error: &RequestError) -> Option<Step> {
    match step {
        Step::Schedule if matches!(error, RequestError::RateLimited { .. }) => Some(Step::Schedule),
        // It may be there all the same.
        Step::Schedule | Step::Sweep => Some(Step::Sweep),
        Step::Drop(ids) => Some(Step::Drop(ids.clone())),
        Step::Ask(_) => None,
    }
}
