//! What must hold of our keys however members come and go and however slowly they are reached.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use phonograph_matrixrtc::{
    DeviceId, Member, RawStateEvent, RequestError, Roster, Timestamp, UserId,
    keys::{Action, Rollout, USE_DELAY},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::json;

const SEEDS: u64 = 1_000;
const STEPS: usize = 24;
const NAMES: [&str; 4] = ["@a:x", "@b:x", "@c:x", "@d:x"];

type Key = Vec<u8>;

/// A roll-out among members that come and go, and what it was seen to do.
struct Call {
    rollout: Rollout,
    rng: ChaCha20Rng,
    start: Instant,
    now: Instant,
    /// Who is there, and since when.
    members: BTreeMap<Member, Instant>,
    /// Who left last, and when.
    left: BTreeMap<Member, Instant>,
    /// The send under way, and when it ends.
    sending: Option<(Key, Vec<Member>, Instant)>,
    /// For each key: when it was made, and to whom it was sent when.
    sent: BTreeMap<Key, BTreeMap<Member, Instant>>,
    /// When each key was first sent, and when that had been answered.
    rolled: BTreeMap<Key, (Instant, Option<Instant>)>,
    in_use: Option<Key>,
}

fn member(name: &str) -> Member {
    Member { user: UserId::from(name), device: DeviceId::from("D") }
}

impl Call {
    fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let rng = ChaCha20Rng::seed_from_u64(seed);
        let mut rollout = Rollout::new(member("@me:x"), None, rng.clone());
        rollout.start(now);
        let mut call = Self {
            rollout,
            rng,
            start: now,
            now,
            members: BTreeMap::new(),
            left: BTreeMap::new(),
            sending: None,
            sent: BTreeMap::new(),
            rolled: BTreeMap::new(),
            in_use: None,
        };
        call.drain();
        call
    }

    fn any_name(&mut self) -> Member {
        member(NAMES[self.rng.random_range(0..NAMES.len())])
    }

    /// Somebody joins, leaves, or is back before anybody saw that it had left.
    fn change(&mut self) {
        // Never at the moment of a roll-out that came before it.
        self.now += Duration::from_micros(1);
        let who = self.any_name();
        match self.rng.random_range(0..5) {
            0 => _ = self.members.insert(who, self.now),
            1 | 2 => {
                self.members.entry(who).or_insert(self.now);
            }
            _ => {
                if self.members.remove(&who).is_some() {
                    self.left.insert(who, self.now);
                }
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        let events: Vec<RawStateEvent> = self
            .members
            .iter()
            .map(|(who, since)| {
                let created = since.duration_since(self.start).as_millis();
                RawStateEvent::from(json!({
                    "sender": who.user, "event_id": who.user,
                    "origin_server_ts": u64::try_from(created).unwrap(),
                    "content": {
                        "application": "m.call", "call_id": "", "device_id": "D",
                        "focus_active": { "type": "livekit" },
                    },
                }))
            })
            .collect();
        let joined: BTreeSet<UserId> = self.members.keys().map(|who| who.user.clone()).collect();
        let roster = Roster::evaluate(&events, &joined, Timestamp::from_millis(0));
        self.rollout.handle_roster(&roster, self.now);
        self.drain();
    }

    /// Lets time pass up to the next thing that is due, or a random while.
    fn pass(&mut self, most: Duration) {
        let until = self.now + most;
        loop {
            let ends = self.sending.as_ref().map(|(.., ends)| *ends);
            let next = ends.into_iter().chain(self.rollout.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if ends.is_some_and(|ends| ends <= self.now) {
                self.answer();
            }
            self.rollout.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn answer(&mut self) {
        let Some((key, targets, _)) = self.sending.take() else { return };
        let answered = &mut self.rolled.get_mut(&key).unwrap().1;
        answered.get_or_insert(self.now);
        match self.rng.random_range(0..8) {
            0 => self.rollout.handle_failed(&RequestError::Network, self.now),
            1 => {
                let unserved = targets.into_iter().filter(|_| self.rng.random()).collect();
                self.rollout.handle_sent(&unserved, self.now);
            }
            _ => self.rollout.handle_sent(&BTreeSet::new(), self.now),
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.rollout.poll_action() {
            match action {
                Action::Send { targets, key, .. } => {
                    assert!(self.sending.is_none(), "two roll-outs at once");
                    let key = key.as_bytes().to_vec();
                    self.rolled.entry(key.clone()).or_insert((self.now, None));
                    for target in &targets {
                        assert!(self.members.contains_key(target), "sent to who is not there");
                        let sent = self.sent.entry(key.clone()).or_default();
                        sent.insert(target.clone(), self.now);
                    }
                    let ends = self.now + Duration::from_millis(self.rng.random_range(5..900));
                    self.sending = Some((key, targets, ends));
                }
                Action::Use { key, .. } => self.begin_to_use(key.as_bytes().to_vec()),
            }
        }
    }

    /// Whoever was there when the key was rolled out was sent it before it is used.
    fn begin_to_use(&mut self, key: Key) {
        if let Some((rolled, _)) = self.rolled.get(&key) {
            for (who, since) in &self.members {
                if since <= rolled {
                    assert!(self.sent[&key].contains_key(who), "{who} was not sent the key in use");
                }
            }
        }
        self.in_use = Some(key);
    }

    /// Once a key that was rolled out after somebody left is due, no frame is sealed with one that
    /// the leaver was sent.
    fn check_leavers(&self) {
        let Some(sent) = self.in_use.as_ref().and_then(|key| self.sent.get(key)) else { return };
        for (who, left) in &self.left {
            if self.members.contains_key(who) || !sent.contains_key(who) {
                continue;
            }
            let due = self.rolled.values().any(|(rolled, answered)| {
                rolled >= left && answered.is_some_and(|at| at + USE_DELAY <= self.now)
            });
            assert!(!due, "{who} left and can still decrypt");
        }
    }
}

/// Runs a test for each seed, and says which one failed.
fn for_each_seed(test: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| test(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn who_left_cannot_decrypt_and_who_is_there_can() {
    for_each_seed(|seed| {
        let mut call = Call::new(seed);
        for _ in 0..STEPS {
            call.change();
            let most = if call.rng.random() { 12_000 } else { 900 };
            let most = call.rng.random_range(1..most);
            call.pass(Duration::from_millis(most));
            call.check_leavers();
        }
        call.pass(Duration::from_mins(2));

        let sent = call.in_use.as_ref().and_then(|key| call.sent.get(key));
        let holders: BTreeSet<&Member> = sent.into_iter().flat_map(|sent| sent.keys()).collect();
        assert_eq!(holders, call.members.keys().collect());
    });
}

#[test]
fn a_burst_of_leaves_makes_two_keys_at_most() {
    for_each_seed(|seed| {
        let mut call = Call::new(seed);
        call.members = NAMES.iter().map(|name| (member(name), call.now)).collect();
        call.tell();
        call.pass(Duration::from_secs(30));
        let before = call.rolled.len();
        let stays = call.any_name();
        for name in NAMES.map(member).into_iter().filter(|name| *name != stays) {
            call.members.remove(&name);
            call.tell();
            let pause = Duration::from_millis(call.rng.random_range(1..300));
            call.pass(pause);
        }
        call.pass(Duration::from_mins(1));
        assert!(call.rolled.len() - before <= 2, "{} keys", call.rolled.len() - before);
    });
}
