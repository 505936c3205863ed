//! Keys that came before the membership of whoever sent them.
//!
//! A key travels by another way than the membership, and is often first. It is sent once, so it is
//! kept until its member appears. The key of somebody who leaves and comes back can be first by two
//! steps, and be there before the leave: so it is kept for a while after it was told, too.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{Member, MemberKey, UserId};

/// How many are kept. Beyond that the oldest of whoever sent most is dropped: a stranger can send any
/// number, and must not push out those of others.
const COUNT_MAX: usize = 256;
/// How long one is kept; a membership comes within seconds or not at all.
const AGE_MAX: Duration = Duration::from_mins(5);
/// How long one is kept that was told; a leave that it overtook comes within seconds.
const TOLD_AGE_MAX: Duration = Duration::from_secs(10);

/// The keys held.
#[derive(Debug, Default)]
pub(super) struct Keys(VecDeque<Held>);

#[derive(Debug)]
struct Held {
    at: Instant,
    key: MemberKey,
    told: bool,
}

impl Keys {
    /// Keeps a key until [`Keys::take`] tells it.
    pub(super) fn hold(&mut self, key: MemberKey, now: Instant) {
        self.0.retain(|held| (&held.key.member, held.key.index) != (&key.member, key.index));
        if self.0.len() == COUNT_MAX {
            self.drop_one();
        }
        self.0.push_back(Held { at: now, key, told: false });
    }

    fn drop_one(&mut self) {
        let mut counts = BTreeMap::<&UserId, usize>::new();
        for held in &self.0 {
            *counts.entry(&held.key.member.user).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let sent_most = |held: &Held| counts.get(&held.key.member.user).copied() == most;
        if let Some(oldest) = self.0.iter().position(sent_most) {
            self.0.remove(oldest);
        }
    }

    /// Takes over that a member left: what it sent just now may be for its next membership.
    pub(super) fn handle_left(&mut self, member: &Member, now: Instant) {
        self.drop_old(now);
        for held in self.0.iter_mut().filter(|held| held.key.member == *member) {
            held.told = false;
        }
    }

    fn drop_old(&mut self, now: Instant) {
        self.0.retain(|held| {
            now.duration_since(held.at) <= if held.told { TOLD_AGE_MAX } else { AGE_MAX }
        });
    }

    /// The keys of those that are present and have not been told, oldest first. Drops what is too
    /// old.
    pub(super) fn take(
        &mut self,
        present: impl Fn(&Member) -> bool,
        now: Instant,
    ) -> Vec<MemberKey> {
        self.drop_old(now);
        let wanted = self.0.iter_mut().filter(|held| !held.told && present(&held.key.member));
        let told = wanted.map(|held| {
            held.told = true;
            held.key.clone()
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use phonograph_frame::crypto::{KeyIndex, MediaKey};

    use super::*;
    use crate::DeviceId;

    fn key(user: &str) -> MemberKey {
        MemberKey {
            member: Member { user: UserId::from(user), device: DeviceId::from("D") },
            index: KeyIndex::new(0),
            key: MediaKey::from_random([1; 16]),
        }
    }

    #[test]
    fn a_flood_of_keys_pushes_out_the_oldest() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut keys = Keys::default();
        for n in 0..=COUNT_MAX {
            keys.hold(key(&n.to_string()), now);
        }
        let taken = keys.take(|_| true, now);
        assert_eq!(taken.len(), COUNT_MAX);
        assert_eq!(taken[0].member.user.as_str(), "1");
    }

    #[test]
    fn of_one_slot_the_last_key_is_kept() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut keys = Keys::default();
        keys.hold(key("a"), now);
        let newer = MemberKey { key: MediaKey::from_random([2; 16]), ..key("a") };
        keys.hold(newer.clone(), now);
        assert_eq!(keys.take(|_| true, now), [newer]);
    }

    #[test]
    fn a_key_is_told_again_when_its_member_left_and_came_back() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut keys = Keys::default();
        keys.hold(key("a"), now);
        assert_eq!(keys.take(|_| true, now), [key("a")]);
        assert_eq!(keys.take(|_| true, now), []);
        keys.handle_left(&key("a").member, now);
        assert_eq!(keys.take(|_| false, now), []);
        assert_eq!(keys.take(|_| true, now), [key("a")]);
    }

    #[test]
    fn a_told_key_is_forgotten_after_ten_seconds() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut keys = Keys::default();
        keys.hold(key("a"), now);
        assert_eq!(keys.take(|_| true, now), [key("a")]);
        let later = now + TOLD_AGE_MAX + Duration::from_millis(1);
        keys.handle_left(&key("a").member, later);
        assert_eq!(keys.take(|_| true, later), []);
    }

    #[test]
    fn an_old_key_is_forgotten() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut keys = Keys::default();
        keys.hold(key("a"), now);
        assert!(keys.take(|_| true, now + AGE_MAX + Duration::from_millis(1)).is_empty());
    }
}
