//! What a connection waits for, and how long.

use std::time::{Duration, Instant};

use crate::peer::Target;

/// From the opened socket to `join` (LiveKit's own clients wait as long).
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// From an offer of ours to its answer. The server gives us as long for its own.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// From `join` to a media path (LiveKit's clients: 15 s).
const MEDIA_PATH_WITHIN: Duration = Duration::from_secs(15);
/// Where the server names no interval of its own (1.13.5 names these).
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// Far beyond the end of any connection.
pub(super) const NEVER: Duration = Duration::from_hours(24 * 365);

/// What has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The server's `join` did not come.
    Join,
    /// The answer to our offer did not come.
    Answer,
    /// The media path did not come up.
    MediaPath,
    /// A ping is due.
    Ping,
    /// Nothing was heard from the server for too long.
    Silence,
}

#[derive(Debug)]
pub(super) struct Timers {
    join: Option<Instant>,
    answer: Option<Instant>,
    media_path: Option<Instant>,
    ping: Option<Instant>,
    silence: Option<Instant>,
    ping_interval: Duration,
    ping_timeout: Duration,
    publisher: Instant,
    subscriber: Instant,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            join: Some(now + JOIN_WITHIN),
            answer: None,
            media_path: None,
            ping: None,
            silence: None,
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            publisher: now,
            subscriber: now,
        }
    }

    /// Begins what follows a `join`; interval and timeout in seconds, as the server names them.
    pub(super) fn joined(&mut self, interval: i32, timeout: i32, now: Instant) {
        let seconds = |value: i32| u64::try_from(value).ok().filter(|seconds| *seconds > 0);
        self.ping_interval = seconds(interval).map_or(PING_INTERVAL, Duration::from_secs);
        self.ping_timeout = seconds(timeout).map_or(PING_TIMEOUT, Duration::from_secs);
        self.join = None;
        self.media_path = Some(now + MEDIA_PATH_WITHIN);
        self.ping = Some(now + self.ping_interval);
        self.silence = Some(now + self.ping_timeout);
    }

    /// Takes over that something came from the server.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.silence.is_some() {
            self.silence = Some(now + self.ping_timeout);
        }
    }

    /// Begins to wait for the answer to an offer.
    pub(super) fn offered(&mut self, now: Instant) {
        self.answer = Some(now + ANSWER_WITHIN);
    }

    pub(super) fn answered(&mut self) {
        self.answer = None;
    }

    pub(super) fn connected(&mut self) {
        self.media_path = None;
    }

    pub(super) fn set_peer(&mut self, target: Target, at: Instant) {
        match target {
            Target::Publisher => self.publisher = at,
            Target::Subscriber => self.subscriber = at,
        }
    }

    pub(super) fn peer_due(&self, target: Target, now: Instant) -> bool {
        now >= match target {
            Target::Publisher => self.publisher,
            Target::Subscriber => self.subscriber,
        }
    }

    /// The next timer that has run out; it does not come again, but for the ping.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let over = |at: &Option<Instant>| at.is_some_and(|at| at <= now);
        if over(&self.ping) {
            self.ping = Some(now + self.ping_interval);
            return Some(Timer::Ping);
        }
        for (slot, timer) in [
            (&mut self.join, Timer::Join),
            (&mut self.answer, Timer::Answer),
            (&mut self.media_path, Timer::MediaPath),
            (&mut self.silence, Timer::Silence),
        ] {
            if over(slot) {
                *slot = None;
                return Some(timer);
            }
        }
        None
    }

    pub(super) fn next(&self) -> Instant {
        let own = [self.join, self.answer, self.media_path, self.ping, self.silence];
        let peers = self.publisher.min(self.subscriber);
        own.into_iter().flatten().fold(peers, Instant::min)
    }
}
