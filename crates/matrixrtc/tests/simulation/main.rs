//! Some sessions and a homeserver that fails them, for a thousand seeds, in virtual time: requests
//! fail, with and without effect; answers, room state and keys come late, keys also twice, in another
//! order or not at all; the homeserver is away for a while; processes crash and come back; members
//! leave and join again, or are removed once. When all that has ended, everybody must soon agree on who is there, and
//! hold the key that each of the others seals with.
//!
//! The homeserver is written from MSC4140 and what Synapse does, not from our machines.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;
mod coming;
mod homeserver;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use phonograph_matrixrtc::{
    KeyMessage, Now, Request, RequestError, RequestId, Response, Timestamp, UserId,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use client::Client;
use coming::{Coming, Fault};
use homeserver::Homeserver;

const SEEDS: u64 = 1_000;
/// When everything begins to work.
const CALM: Duration = Duration::from_secs(30);
/// When everybody must agree: a missing key is noticed after 15 s, and asked for 65 s after the last
/// time at the latest.
const END: Duration = Duration::from_secs(110);
/// How often a client looks whether it can decrypt the others.
const LISTEN_INTERVAL: Duration = Duration::from_secs(5);

struct World {
    rng: ChaCha20Rng,
    start: Instant,
    at: Duration,
    coming: BTreeMap<(Duration, u64), Coming>,
    count: u64,
    homeserver: Homeserver,
    clients: Vec<Client>,
    /// How likely a request fails before the calm.
    faults: f64,
    /// When the homeserver is away.
    outage: std::ops::Range<Duration>,
}

impl World {
    fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let start = Instant::now(); // the beginning of virtual time
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let begin = Duration::from_millis(rng.random_range(0..25_000));
        let length = Duration::from_millis(rng.random_range(0..30_000));
        let outage =
            if rng.random_bool(0.3) { begin..(begin + length).min(CALM) } else { begin..begin };
        let count = rng.random_range(2..4);
        let homeserver = Homeserver::new(rng.random_bool(0.8), rng.random_bool(0.5));
        let delegate = rng.random_bool(0.3);
        let clients = (0..count).map(|n| Client::new(n, delegate)).collect();
        let faults = [0.0, 0.05, 0.2][rng.random_range(0..3)];
        let coming = BTreeMap::new();
        let at = Duration::ZERO;
        let mut world =
            Self { rng, start, at, coming, count: 0, homeserver, clients, faults, outage };
        for who in 0..count {
            world.plan(who);
        }
        world
    }

    /// What one member does of itself.
    fn plan(&mut self, who: usize) {
        let begin = self.random(0, 10_000);
        self.later(begin, Coming::Start { who });
        self.later(begin + LISTEN_INTERVAL, Coming::Listen { who });
        if self.rng.random_bool(0.4) {
            let crash = begin + self.random(0, 20_000);
            let back = crash + self.random(100, 25_000);
            self.later(crash, Coming::Crash { who });
            self.later(back.min(CALM), Coming::Start { who });
        } else if self.rng.random_bool(0.3) {
            let leave = begin + self.random(0, 20_000);
            self.later(leave.min(CALM), Coming::Leave { who });
        } else if self.rng.random_bool(0.35) {
            let removed = begin + self.random(0, 20_000);
            self.later(removed, Coming::Remove { who });
        }
    }

    fn random(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..to_ms))
    }

    fn is_calm(&self) -> bool {
        self.at >= CALM
    }

    fn now(&self) -> Now {
        let wall = Timestamp::from_millis(1_000_000).plus(self.at);
        Now { instant: self.start + self.at, wall }
    }

    fn later(&mut self, after: Duration, what: Coming) {
        self.coming.insert((self.at + after, self.count), what);
        self.count += 1;
    }

    fn run(&mut self) {
        loop {
            let next = self.coming.first_key_value().map(|((at, _), _)| *at);
            let now = self.now();
            let timeouts = self.clients.iter().filter_map(|client| client.poll_timeout(now));
            let timeout = timeouts.min().map(|at| at.saturating_duration_since(self.start));
            let at = next.into_iter().chain(timeout).min().unwrap_or(END).max(self.at);
            if at >= END {
                return;
            }
            self.at = at;
            if next.is_some_and(|next| next <= at) {
                let (_, what) = self.coming.pop_first().unwrap();
                self.happen(what);
            } else {
                let now = self.now();
                for who in 0..self.clients.len() {
                    self.clients[who].handle_timeout(now);
                    self.drain(who);
                }
            }
        }
    }

    fn happen(&mut self, what: Coming) {
        let now = self.now();
        match what {
            Coming::Request { from, run, id, request, fault } => {
                self.serve(from, run, id, request, fault);
            }
            Coming::Answer { to, run, id, answer } => {
                self.clients[to].handle_answer(run, id, answer, now);
                self.drain(to);
            }
            Coming::State { to } if self.outage.contains(&self.at) => {
                let back = self.outage.end.saturating_sub(self.at);
                self.later(back, Coming::State { to });
            }
            Coming::State { to } => {
                self.clients[to].handle_state(self.homeserver.state(), now);
                self.drain(to);
            }
            Coming::Key { to, message } => {
                self.clients[to].handle_key(message, now);
                self.drain(to);
            }
            Coming::Fire { delay_id, generation } if self.outage.contains(&self.at) => {
                let back = self.outage.end.saturating_sub(self.at);
                self.later(back, Coming::Fire { delay_id, generation });
            }
            Coming::Fire { delay_id, generation } => {
                self.homeserver.fire(&delay_id, generation, now.wall);
                self.spread();
            }
            Coming::Listen { who } => {
                self.listen(who);
                self.later(LISTEN_INTERVAL, Coming::Listen { who });
            }
            Coming::Crash { who } => {
                if let Some(delay_id) = self.clients[who].crash() {
                    // The token service sees it when the SFU does.
                    let generation = self.homeserver.generation(&delay_id);
                    self.later(Duration::from_secs(21), Coming::Fire { delay_id, generation });
                }
            }
            Coming::Start { who } => {
                let seed = self.rng.random();
                self.clients[who].start(seed, self.homeserver.state(), now);
                self.drain(who);
            }
            Coming::Leave { who } => {
                self.clients[who].leave(now);
                self.drain(who);
            }
            Coming::Remove { who } => {
                self.homeserver.remove(&self.clients[who].member().user, now.wall);
                self.spread();
            }
            Coming::Join { who, run } => {
                self.clients[who].join(run, now);
                self.drain(who);
            }
        }
    }

    /// Takes what a client wants to its homeserver.
    fn drain(&mut self, who: usize) {
        let outputs = self.clients[who].drain();
        for (id, request) in outputs.requests {
            let latency = self.random(5, 80);
            let run = self.clients[who].run();
            let fault = self.fault();
            self.later(latency, Coming::Request { from: who, run, id, request, fault });
        }
        if outputs.out {
            let (run, pause) = (self.clients[who].run(), self.random(500, 3_000));
            self.later(pause, Coming::Join { who, run });
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        if self.is_calm() || !self.rng.random_bool(self.faults) {
            return None;
        }
        Some([Fault::Lost, Fault::Limited, Fault::AnswerLost][self.rng.random_range(0..3)])
    }

    fn serve(
        &mut self,
        from: usize,
        run: u32,
        id: RequestId,
        request: Request,
        fault: Option<Fault>,
    ) {
        let fault = if self.outage.contains(&self.at) { Some(Fault::Lost) } else { fault };
        let (answer, after) = match fault {
            Some(Fault::Lost) => (Err(RequestError::Network), self.random(5, 500)),
            Some(Fault::Limited) => {
                let retry_after = Some(self.random(100, 3_000));
                (Err(RequestError::RateLimited { retry_after }), self.random(5, 80))
            }
            Some(Fault::AnswerLost) => {
                drop(self.carry_out(from, request));
                (Err(RequestError::Timeout), Duration::from_secs(2))
            }
            None => (self.carry_out(from, request), self.random(5, 80)),
        };
        self.later(after, Coming::Answer { to: from, run, id, answer });
    }

    fn carry_out(&mut self, from: usize, request: Request) -> Result<Response, RequestError> {
        let user = self.clients[from].member().user.clone();
        if let Request::SendKey { targets, content, .. } = request {
            let device = self.clients[from].member().device.clone();
            let message =
                KeyMessage { sender: user, sender_device: Some(device), signed: true, content };
            return Ok(self.send_key(&targets, &message));
        }
        if let Request::DelegateLeave { delay_id, .. } = request {
            let granted = self.rng.random_bool(0.7);
            if granted {
                self.homeserver.delegate(delay_id.as_str());
                self.clients[from].delegated = Some(delay_id.to_string());
            }
            return if granted { Ok(Response::Done) } else { Err(RequestError::Forbidden) };
        }
        let wall = self.now().wall;
        let answer = self.homeserver.handle(&user, request, wall);
        for (delay_id, generation, delay) in self.homeserver.take_timers() {
            self.later(delay, Coming::Fire { delay_id, generation });
        }
        self.spread();
        answer
    }

    /// Tells everybody that the room's state has changed, if it has.
    fn spread(&mut self) {
        if self.homeserver.take_changed() {
            for to in 0..self.clients.len() {
                let slow = !self.is_calm() && self.rng.random_bool(self.faults);
                let delay = self.random(20, if slow { 4_000 } else { 300 });
                self.later(delay, Coming::State { to });
            }
        }
    }

    fn send_key(
        &mut self,
        targets: &[phonograph_matrixrtc::Member],
        message: &KeyMessage,
    ) -> Response {
        let faults = if self.is_calm() { 0.0 } else { self.faults };
        let mut unserved = Vec::new();
        for target in targets {
            let to = self.clients.iter().position(|client| client.member() == target).unwrap();
            if self.rng.random_bool(faults) {
                unserved.push(target.clone());
            } else if !self.rng.random_bool(faults / 2.0) {
                let copies = if self.rng.random_bool(0.1) { 2 } else { 1 };
                for _ in 0..copies {
                    let delay = self.random(10, 400);
                    self.later(delay, Coming::Key { to, message: message.clone() });
                }
            }
        }
        Response::KeySent { unserved }
    }

    /// Whoever cannot decrypt another for 15 s asks for its key.
    fn listen(&mut self, who: usize) {
        let in_use =
            self.clients.iter().map(|other| (other.member().clone(), other.in_use().cloned()));
        let in_use: Vec<_> = in_use.collect();
        let (at, now) = (self.at, self.now());
        self.clients[who].listen(&in_use, at, now);
        self.drain(who);
    }

    /// What must hold at the end.
    fn check(&self) {
        let all: std::collections::BTreeSet<UserId> =
            self.clients.iter().map(|client| client.member().user.clone()).collect();
        assert_eq!(self.homeserver.present(), all, "memberships");
        for client in &self.clients {
            let name = client.member();
            // Crashes and leaves lose no key; only what is lost on the way has to be asked for.
            let whole = self.faults == 0.0 && self.outage.is_empty();
            assert!(!whole || client.asked == 0, "{name} had to ask for keys");
            assert!(client.is_in(), "{name} is not in");
            assert_eq!(client.sees(), all, "whom {name} sees");
            assert_eq!(self.homeserver.held_for(&name.user), 1, "leaves held for {name}");
            for other in self.clients.iter().filter(|other| other.member() != name) {
                assert!(other.in_use().is_some(), "{} has no key", other.member());
                assert!(client.can_hear(other), "{name} cannot decrypt {}", other.member());
            }
        }
    }
}

#[test]
fn whatever_fails_all_agree_and_decrypt_each_other_at_last() {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            world.check();
        });
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
