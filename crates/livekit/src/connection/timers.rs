//! What a connection waits for, and how long.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
/// How long nothing may come over a media path. str0m checks a path that stands every 3 s and gets an
/// answer, the server checks every 2 s, and reports come every second while media flows.
const PATH_SILENCE: Duration = Duration::from_secs(5);
/// From the server's address for TCP until it is dialled, if UDP has not got through by then.
const UDP_HEAD_START: Duration = Duration::from_millis(1500);
/// How long the reason may come after the server closed a media path. The two travel by different
/// ways, and without the reason a participant of our name that replaced us would be fought.
const REASON_WITHIN: Duration = Duration::from_secs(1);
/// Far beyond the end of any connection.
pub(super) const NEVER: Duration = Duration::from_hours(24 * 365);

/// What has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The next step of a resume is due, or its last was not taken.
    Resume,
    /// The reason for a closed media path did not come.
    Closed,
    /// Nothing came over that media path for too long.
    Path(Target),
    /// UDP has had its time.
    Tcp(Target),
}

#[derive(Debug)]
pub(super) struct Timers {
    due: BTreeMap<Timer, Instant>,
    ping_interval: Duration,
    ping_timeout: Duration,
    publisher: Instant,
    subscriber: Instant,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: BTreeMap::from([(Timer::Join, now + JOIN_WITHIN)]),
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
        self.stop(Timer::Join);
        self.due.insert(Timer::MediaPath, now + MEDIA_PATH_WITHIN);
        self.signal_up(now);
    }

    /// Begins to ask whether the server is there.
    pub(super) fn signal_up(&mut self, now: Instant) {
        self.due.insert(Timer::Ping, now + self.ping_interval);
        self.due.insert(Timer::Silence, now + self.ping_timeout);
    }

    /// Nothing is said to the server, nor expected from it.
    pub(super) fn signal_down(&mut self) {
        for timer in [Timer::Ping, Timer::Silence, Timer::Answer] {
            self.stop(timer);
        }
    }

    /// Takes over that something came from the server.
    pub(super) fn heard(&mut self, now: Instant) {
        let silence = now + self.ping_timeout;
        self.due.entry(Timer::Silence).and_modify(|at| *at = silence);
    }

    /// Begins to wait for the answer to an offer.
    pub(super) fn offered(&mut self, now: Instant) {
        self.due.insert(Timer::Answer, now + ANSWER_WITHIN);
    }

    /// Takes over that something came over a media path that stands.
    pub(super) fn path_heard(&mut self, target: Target, now: Instant) {
        self.due.insert(Timer::Path(target), now + PATH_SILENCE);
    }

    /// Gives UDP its time, if that has not begun yet.
    pub(super) fn tcp_known(&mut self, target: Target, now: Instant) {
        self.due.entry(Timer::Tcp(target)).or_insert(now + UDP_HEAD_START);
    }

    /// Begins to wait for the reason of a closed media path.
    pub(super) fn closed(&mut self, now: Instant) {
        self.due.entry(Timer::Closed).or_insert(now + REASON_WITHIN);
    }

    /// The next step of a resume.
    pub(super) fn resume(&mut self, at: Instant) {
        self.due.insert(Timer::Resume, at);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.due.remove(&timer);
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
        let timer = *self.due.iter().find(|(_, at)| **at <= now)?.0;
        self.due.remove(&timer);
        if timer == Timer::Ping {
            self.due.insert(timer, now + self.ping_interval);
        }
        Some(timer)
    }

    pub(super) fn next(&self) -> Instant {
        let peers = self.publisher.min(self.subscriber);
        self.due.values().copied().fold(peers, Instant::min)
    }
}
