//! When our own media key changes, and who gets it.
//!
//! ```text
//!            somebody joined, key young: Send          sent
//!        .------------------------------------> Sending -----.
//!        |                                                   v
//!      Idle <------------------------------------------------+
//!        ^   somebody left, or joined an old key:            |
//!        |   new key, Send                       sent        |
//!        |   .---------------------------> Sending ----------'  nobody here holds the old key: Use
//!        |   |                                 | sent
//!        |   |                                 v
//!        '---+------ 1 s later: Use ------- Waiting
//! ```
//!
//! One roll-out runs at a time; what changes meanwhile is looked at when it ends, so a burst of
//! leaves makes at most two. The rules are those that matrix-js-sdk 43 follows, as its peers expect
//! them; additions of ours are marked.
//!
//! Anybody can invent devices (ours: `queue`). Those that an SFU has are sent a key before all
//! others, and a new key waits for them alone before it is used; the others follow, some at a time, and no
//! more than 512 of them.

mod queue;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use phonograph_frame::crypto::{KeyIndex, MediaKey};
use rand::Rng;
use rand_chacha::ChaCha20Rng;

use self::queue::Queue;
use crate::{Member, RequestError, Roster, Timestamp};

/// How long after it was sent a later key is used (matrix-js-sdk 43; the class says 5 s, joining
/// sets 1 s).
pub const USE_DELAY: Duration = Duration::from_secs(1);
/// A key younger than this is shared with those who join; an older one is replaced, so that they
/// cannot read what was said before (matrix-js-sdk 43).
const GRACE: Duration = Duration::from_secs(10);
/// When those that could not be reached are tried again, after each failure. (Ours: matrix-js-sdk
/// leaves them unserved until the next change.)
const RETRIES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];
/// Our indices are 0 to 254: LiveKit's native SDKs keep 255 keys and abort at the 256th.
const INDEX_COUNT: u8 = 255;

/// What the roll-out wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this key to these members, then say how it went ([`Rollout::handle_sent`]).
    Send {
        /// Each member once, never ourselves.
        targets: Vec<Member>,
        /// The key's slot.
        index: KeyIndex,
        /// The key.
        key: MediaKey,
    },
    /// Seal with this key from now on.
    Use {
        /// The key's slot.
        index: KeyIndex,
        /// The key.
        key: MediaKey,
    },
}

/// Rolls our key out to the members of one call.
#[derive(Debug)]
pub struct Rollout {
    me: Member,
    rng: ChaCha20Rng,
    key: Option<OwnKey>,
    last_index: Option<u8>,
    state: State,
    /// The other members and when each joined.
    members: BTreeMap<Member, Timestamp>,
    /// Those of them that an SFU has.
    seen: BTreeSet<Member>,
    /// Who is still to be sent the key.
    queue: Queue,
    unserved: BTreeMap<Member, Retry>,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct OwnKey {
    index: KeyIndex,
    key: MediaKey,
    made: Instant,
    /// Who was sent it, and when that member had joined: a member that joined anew lost it.
    shared: BTreeMap<Member, Timestamp>,
}

#[derive(Debug)]
enum State {
    Idle,
    Sending { targets: Vec<Member>, then: Then },
    Waiting { until: Instant },
}

/// What follows when a key was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It is in use already.
    Nothing,
    /// Nobody present holds the old key, so nobody loses a frame by an early change. (Ours.)
    UseAtOnce,
    UseLater,
}

#[derive(Debug)]
struct Retry {
    failures: usize,
    at: Instant,
}

impl Rollout {
    /// A roll-out that has not begun. `last_index` is the last one used in this room by this
    /// device: going on after it keeps a late key of an earlier run from overwriting a new one.
    pub fn new(me: Member, last_index: Option<u8>, rng: ChaCha20Rng) -> Self {
        Self {
            me,
            rng,
            key: None,
            last_index,
            state: State::Idle,
            members: BTreeMap::new(),
            seen: BTreeSet::new(),
            queue: Queue::default(),
            unserved: BTreeMap::new(),
            actions: VecDeque::new(),
        }
    }

    /// Makes the first key, which is used at once, and sends it to whoever is there.
    pub fn start(&mut self, now: Instant) {
        self.make_key(now);
        self.use_key();
        self.evaluate(now);
    }

    /// Whether there is a key.
    pub fn is_started(&self) -> bool {
        self.key.is_some()
    }

    /// Takes over that we joined anew: the others forgot our keys when we were gone.
    pub fn handle_rejoined(&mut self, now: Instant) {
        // Whoever has left meanwhile still has the key: it is to be replaced for their sake.
        let members = &self.members;
        self.queue.clear();
        if let Some(key) = &mut self.key {
            key.shared.retain(|member, _| !members.contains_key(member));
        }
        self.evaluate(now);
    }

    /// Ends: the key is forgotten, and nobody is sent one until the next start.
    pub fn stop(&mut self) {
        self.key = None;
        self.state = State::Idle;
        self.queue.clear();
        self.unserved.clear();
        self.actions.clear();
    }

    /// The index of the last key made, in this run or an earlier one.
    pub fn last_index(&self) -> Option<u8> {
        self.last_index
    }

    /// Takes over who is in the call.
    pub fn handle_roster(&mut self, roster: &Roster, now: Instant) {
        let others = roster.others(&self.me);
        self.members = others.map(|info| (info.member.clone(), info.created)).collect();
        let members = &self.members;
        self.seen.retain(|member| members.contains_key(member));
        self.evaluate(now);
    }

    /// Takes over that an SFU has a member: somebody is really there. Whether that is news.
    pub fn handle_seen(&mut self, member: &Member, now: Instant) -> bool {
        let is_news = self.members.contains_key(member) && self.seen.insert(member.clone());
        if is_news {
            self.queue.put_first(member);
            self.evaluate(now);
        }
        is_news
    }

    /// Takes over how the last [`Action::Send`] went: who could not be reached.
    pub fn handle_sent(&mut self, unserved: &BTreeSet<Member>, now: Instant) {
        self.end_sending(unserved, None, now);
    }

    fn end_sending(&mut self, unserved: &BTreeSet<Member>, failed: Option<Duration>, now: Instant) {
        let State::Sending { targets, then } = std::mem::replace(&mut self.state, State::Idle)
        else {
            return;
        };
        for target in targets {
            if unserved.contains(&target) {
                self.retry_later(target, failed, now);
            } else {
                self.unserved.remove(&target);
            }
        }
        if self.queue.is_urgent() {
            return self.send_next(then);
        }
        match then {
            Then::Nothing => self.evaluate(now),
            Then::UseAtOnce => {
                self.use_key();
                self.evaluate(now);
            }
            Then::UseLater => self.state = State::Waiting { until: now + USE_DELAY },
        }
    }

    /// Takes over that the last [`Action::Send`] failed as a whole: it is not known who was
    /// reached, and a key that comes twice does no harm. Where that is no fault of theirs they are
    /// tried again without end.
    pub fn handle_failed(&mut self, error: &RequestError, now: Instant) {
        if let State::Sending { targets, .. } = &self.state {
            let targets = targets.iter().cloned().collect();
            self.end_sending(&targets, error.retry_after(0), now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Waiting { until } = self.state
            && until <= now
        {
            self.state = State::Idle;
            self.use_key();
            self.evaluate(now);
        }
        self.retry(now);
    }

    /// What to do next; to be drained.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Rollout::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Sending { .. } => None,
            State::Waiting { until } => Some(until),
            State::Idle => self.unserved.values().map(|retry| retry.at).min(),
        }
    }

    fn evaluate(&mut self, now: Instant) {
        let members = &self.members;
        self.unserved.retain(|member, _| members.contains_key(member));
        let (State::Idle, Some(key)) = (&self.state, &mut self.key) else { return };
        for gone in self.queue.retain(|member| members.contains_key(member)) {
            // It was never sent.
            key.shared.remove(&gone);
        }
        key.shared.retain(|member, joined| members.get(member).is_none_or(|now| now == joined));
        let somebody_left = key.shared.keys().any(|member| !members.contains_key(member));
        let joined = queue::choose(members.keys(), &key.shared, &self.seen);
        if somebody_left || (!joined.is_empty() && now.duration_since(key.made) >= GRACE) {
            self.rotate(now);
        } else if !joined.is_empty() {
            self.send(joined, Then::Nothing);
        } else if !self.queue.is_empty() {
            self.send_next(Then::Nothing);
        }
    }

    /// Replaces the key and sends the new one to all.
    fn rotate(&mut self, now: Instant) {
        let held = self
            .key
            .as_ref()
            .is_some_and(|key| key.shared.keys().any(|member| self.members.contains_key(member)));
        self.make_key(now);
        self.queue.clear();
        self.unserved.clear();
        if self.members.is_empty() {
            self.use_key();
            return;
        }
        let then = if held { Then::UseLater } else { Then::UseAtOnce };
        let targets = queue::choose(self.members.keys(), &BTreeMap::new(), &self.seen);
        self.send(targets, then);
    }

    fn make_key(&mut self, now: Instant) {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        let index = self.last_index.map_or(0, after);
        self.last_index = Some(index);
        let index = KeyIndex::new(index);
        let key = MediaKey::from_random(bytes);
        self.key = Some(OwnKey { index, key, made: now, shared: BTreeMap::new() });
    }

    /// Sends the key to those, the first of them at once.
    fn send(&mut self, targets: Vec<Member>, then: Then) {
        let Some(own) = &mut self.key else { return };
        for target in &targets {
            if let Some(joined) = self.members.get(target) {
                own.shared.insert(target.clone(), *joined);
            }
        }
        let seen = targets.iter().filter(|target| self.seen.contains(target)).count();
        self.queue.push(targets, seen);
        self.send_next(then);
    }

    fn send_next(&mut self, then: Then) {
        let Some(own) = &self.key else { return };
        let targets = self.queue.pop();
        let (index, key) = (own.index, own.key.clone());
        self.actions.push_back(Action::Send { targets: targets.clone(), index, key });
        self.state = State::Sending { targets, then };
    }

    fn use_key(&mut self) {
        if let Some(own) = &self.key {
            self.actions.push_back(Action::Use { index: own.index, key: own.key.clone() });
        }
    }

    /// `failed` says that the whole send failed, and the least pause after that.
    fn retry_later(&mut self, member: Member, failed: Option<Duration>, now: Instant) {
        let failures = self.unserved.get(&member).map_or(0, |retry| retry.failures);
        let last = RETRIES.last().filter(|_| failed.is_some());
        match RETRIES.get(failures).or(last) {
            Some(pause) => {
                let at = now + failed.unwrap_or_default().max(*pause);
                self.unserved.insert(member, Retry { failures: failures + 1, at });
            }
            None => _ = self.unserved.remove(&member),
        }
    }

    fn retry(&mut self, now: Instant) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        let due = self.unserved.iter().filter(|(_, retry)| retry.at <= now);
        let due: Vec<Member> = due.map(|(member, _)| member.clone()).collect();
        if !due.is_empty() {
            self.send(due, Then::Nothing);
        }
    }
}

fn after(index: u8) -> u8 {
    (index + 1) % INDEX_COUNT
}

#[cfg(test)]
mod tests;
