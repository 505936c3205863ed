//! Going on with the same presence after the WebSocket or a media path was lost.
//!
//! ```text
//!        socket ended, silence, Leave(RESUME)      pause over          shell: open
//!   Up --------------------------------> Waiting -----------> Opening -----------> Opened
//!    ^   media path silent, TCP ended      ^  ^                  |                   |
//!    |                                     |  '- shell: failed --+-- socket ended ---+
//!    |                                     |        10 s              5 s            | `reconnect`:
//!    |                                     '---------------------------------.       | state, restart
//!    |                                        8 s, socket ended, Leave(RESUME) \      v
//!    '------------------ both media paths up by the restart -------------------- Restarting
//!
//!   too often, too long, 401, 404, any other Leave, a change of ours unanswered --> Ended
//! ```
//!
//! Media goes on meanwhile as far as it gets through. What is to be told to the server is not kept in
//! a queue: once up, everything that differs from what it knows is told.

use std::time::{Duration, Instant};

use livekit_protocol::{LeaveRequest, SyncState};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracing::{debug, info};

use super::{Connection, Event, Output, Request, Response, State, Target, Timer, Why};
use crate::{
    ReconnectReason, Resume,
    ended::{Ended, Verdict},
    peer::Described,
};

/// The pause before the first attempt is anything up to this.
const FIRST_PAUSE_MS: u64 = 500;
/// The pauses before the next, each half as long to half as long again: those of LiveKit's own
/// clients, but never so long that a server which is there again waits for us for 5 s.
const PAUSES_MS: [u64; 3] = [300, 1200, 2700];
/// So many attempts, and none is begun later than that: by then the server has forgotten us.
const ATTEMPTS_MAX: u32 = 10;
const ATTEMPTS_WITHIN: Duration = Duration::from_secs(20);
/// A connection that was up for so long has its attempts again.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// From [`Output::Reopen`] to the shell's answer.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// From the opened socket to `reconnect`.
const RECONNECT_WITHIN: Duration = Duration::from_secs(5);
/// From `reconnect` to both media paths. Checks become rare after some seconds, and livekit-server
/// 1.13.5 gives up its own: then beginning anew is faster than waiting on.
const RESTART_WITHIN: Duration = Duration::from_secs(8);

/// How the WebSocket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Up,
    Waiting,
    Opening,
    Opened,
    Restarting,
}

/// How far a media path is with a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Path {
    /// The other side has agreed to it.
    is_agreed: bool,
    /// It got through since.
    is_fresh: bool,
}

#[derive(Debug)]
pub(super) struct Resumption {
    stage: Stage,
    rng: ChaCha8Rng,
    attempts: u32,
    /// When this row of attempts began.
    since: Option<Instant>,
    up_since: Instant,
    reason: ReconnectReason,
    publisher: Path,
    subscriber: Path,
    /// Whether the application was told that media does not get through.
    pub(super) is_interrupted: bool,
}

impl Resumption {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            stage: Stage::Up,
            rng: ChaCha8Rng::seed_from_u64(seed),
            attempts: 0,
            since: None,
            up_since: now,
            reason: ReconnectReason::Unknown,
            publisher: Path::default(),
            subscriber: Path::default(),
            is_interrupted: false,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    pub(super) fn is_restarting(&self) -> bool {
        self.stage == Stage::Restarting
    }

    /// Whether the server is to say yet whether it knows us still.
    pub(super) fn is_awaiting(&self) -> bool {
        self.stage == Stage::Opened
    }

    /// Whether messages come from a socket that stands.
    pub(super) fn is_listening(&self) -> bool {
        !matches!(self.stage, Stage::Waiting | Stage::Opening)
    }

    /// The connection is up for the first time.
    pub(super) fn up(&mut self, now: Instant) {
        self.up_since = now;
    }

    fn path(&mut self, target: Target) -> &mut Path {
        match target {
            Target::Publisher => &mut self.publisher,
            Target::Subscriber => &mut self.subscriber,
        }
    }

    fn pause(&mut self) -> Duration {
        let millis = match self.attempts.checked_sub(1) {
            None => self.rng.random_range(0..=FIRST_PAUSE_MS),
            Some(index) => {
                let longest = PAUSES_MS.len() - 1;
                let pause = PAUSES_MS[longest.min(index as usize)];
                self.rng.random_range(pause / 2..=pause * 3 / 2)
            }
        };
        Duration::from_millis(millis)
    }

    /// When the next attempt is due, if there is to be one.
    fn next_attempt(&mut self, now: Instant) -> Option<Instant> {
        let since = *self.since.get_or_insert(now);
        let at = now + self.pause();
        (self.attempts < ATTEMPTS_MAX && at <= since + ATTEMPTS_WITHIN).then_some(at)
    }

    fn why(&self) -> Why {
        match self.reason {
            ReconnectReason::Unknown | ReconnectReason::SignalLost => Why::SignalLost,
            ReconnectReason::PublisherFailed | ReconnectReason::SubscriberFailed => Why::MediaLost,
        }
    }
}

impl Connection {
    /// Takes over that the WebSocket has ended.
    pub fn handle_signal_end(&mut self, now: Instant) {
        if self.resumption.is_listening() {
            self.lost(ReconnectReason::SignalLost, now);
        }
    }

    /// Takes over that the WebSocket of an [`Output::Reopen`] is open.
    pub fn handle_reopened(&mut self, now: Instant) {
        if matches!(self.resumption.stage, Stage::Waiting | Stage::Opening) {
            self.resumption.stage = Stage::Opened;
            self.timers.resume(now + RECONNECT_WITHIN);
        }
    }

    /// Takes over that the WebSocket of an [`Output::Reopen`] could not be opened, and the HTTP
    /// status if the server answered with one.
    pub fn handle_reopen_failure(&mut self, status: Option<u16>, now: Instant) {
        if self.resumption.stage != Stage::Opening {
            return;
        }
        match status {
            // The token is not taken any more, or the room is gone with us.
            Some(401 | 404) => self.end(Why::Forgotten),
            _ => self.attempt_again(now),
        }
    }

    /// The WebSocket or a media path is lost: goes on with a new one, if that can be.
    pub(super) fn lost(&mut self, reason: ReconnectReason, now: Instant) {
        if self.state == State::Ended {
            return;
        }
        let resumption = &mut self.resumption;
        resumption.reason = reason;
        match resumption.stage {
            Stage::Waiting | Stage::Opening => return,
            Stage::Opened | Stage::Restarting => {}
            Stage::Up => {
                if now >= resumption.up_since + STABLE_AFTER {
                    resumption.attempts = 0;
                    resumption.since = None;
                }
            }
        }
        // The server forgets at once who never had a media path; and what it made of a change whose
        // answer is lost nobody knows.
        let can_resume = self.state == State::Connected && self.sid.is_some();
        if !can_resume || self.publishing.has_change_out() {
            return self.end(self.resumption.why());
        }
        info!(?reason, "the connection to the SFU is being resumed");
        self.attempt_again(now);
    }

    fn attempt_again(&mut self, now: Instant) {
        self.drop_offer();
        self.timers.signal_down();
        let Some(at) = self.resumption.next_attempt(now) else {
            return self.end(self.resumption.why());
        };
        self.resumption.stage = Stage::Waiting;
        self.timers.resume(at);
    }

    /// Takes the next step, or gives up the last.
    pub(super) fn resume_due(&mut self, now: Instant) {
        match self.resumption.stage {
            Stage::Up => {}
            Stage::Waiting => {
                let Some(sid) = self.sid.clone() else { return };
                let reason = self.resumption.reason;
                self.resumption.attempts += 1;
                self.resumption.stage = Stage::Opening;
                self.timers.resume(now + OPEN_WITHIN);
                self.outputs.push_back(Output::Reopen(Resume { sid, reason }));
            }
            Stage::Opening | Stage::Opened | Stage::Restarting => {
                debug!(stage = ?self.resumption.stage, "an attempt to resume took too long");
                self.attempt_again(now);
            }
        }
    }

    /// Takes the first message on a new WebSocket. Until the server has said whether it knows us
    /// still, nothing else counts.
    pub(super) fn greeted(&mut self, response: &Response, now: Instant) {
        match response {
            Response::Reconnect(_) => self.reconnected(now),
            Response::Leave(leave) => self.dismissed(leave, now),
            // It has made a new presence of us.
            Response::Join(_) => self.end(Why::Forgotten),
            _ => {}
        }
    }

    fn reconnected(&mut self, now: Instant) {
        self.resumption.stage = Stage::Restarting;
        self.resumption.publisher = Path::default();
        self.resumption.subscriber = Path::default();
        self.timers.resume(now + RESTART_WITHIN);
        self.timers.signal_up(now);
        let (offer, answer) = self.hearing.agreed.clone().unzip();
        let state = SyncState {
            answer,
            offer,
            subscription: Some(self.hearing.sync()),
            publish_tracks: self.publishing.published(),
            ..SyncState::default()
        };
        self.send(Request::SyncState(state));
        self.offer(true, now);
    }

    /// Takes over what the other side says of the way to it.
    pub(super) fn described(&mut self, target: Target, described: &Described, now: Instant) {
        if described.is_restart && self.resumption.is_restarting() {
            self.resumption.path(target).is_agreed = true;
        }
        self.learn_tcp(target, &described.tcp, now);
        // UDP has just failed and is given no head start. Dialling before would be for nothing:
        // livekit-server closes the TCP connections of the way before.
        if described.is_restart && self.resumption.is_interrupted {
            self.dial_tcp_anew(target);
        }
    }

    /// A media path got through.
    pub(super) fn path_up(&mut self, target: Target, now: Instant) {
        // It may be another way than before.
        self.tcp(target).used = None;
        if self.state == State::Connected {
            self.timers.path_heard(target, now);
        }
        let path = self.resumption.path(target);
        path.is_fresh |= path.is_agreed;
        let is_whole = self.resumption.publisher.is_fresh
            && (self.resumption.subscriber.is_fresh || !self.subscriber.has_remote());
        if self.resumption.is_restarting() && is_whole {
            self.resumed(now);
        }
    }

    fn resumed(&mut self, now: Instant) {
        debug!(attempts = self.resumption.attempts, "the connection to the SFU was resumed");
        self.resumption.stage = Stage::Up;
        self.resumption.up_since = now;
        self.timers.stop(Timer::Resume);
        if std::mem::take(&mut self.resumption.is_interrupted) {
            self.emit(Event::Restored);
        }
        self.tell_mutes();
        self.offer_changes(now);
    }

    /// Takes the server's `leave`.
    pub(super) fn dismissed(&mut self, leave: &LeaveRequest, now: Instant) {
        match Ended::by_server(leave) {
            Verdict::Resume if self.resumption.is_listening() => {
                self.lost(ReconnectReason::Unknown, now);
            }
            Verdict::Resume => {}
            Verdict::End(ended) => {
                self.close_peers(now);
                self.end_with(ended);
            }
        }
    }

    /// Nothing comes over a media path any more.
    pub(super) fn path_lost(&mut self, target: Target, now: Instant) {
        if self.state != State::Connected {
            return;
        }
        if !self.resumption.is_interrupted {
            self.resumption.is_interrupted = true;
            self.emit(Event::Interrupted);
        }
        if self.resumption.is_up() {
            self.lost(
                match target {
                    Target::Publisher => ReconnectReason::PublisherFailed,
                    Target::Subscriber => ReconnectReason::SubscriberFailed,
                },
                now,
            );
        }
    }
}
