//! Keys that came before the membership of whoever sent them.
//!
//! A key travels by another way than the membership, and is often first. It is sent once, so it is
//! kept until its member appears.

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

/// The keys held.
#[derive(Debug, Default)]
pub(super) struct Keys(VecDeque<(Instant, MemberKey)>);

impl Keys {
    pub(super) fn hold(&mut self, key: MemberKey, now: Instant) {
        self.0.retain(|(_, held)| (&held.member, held.index) != (&key.member, key.index));
        if self.0.len() == COUNT_MAX {
            self.drop_one();
        }
        self.0.push_back((now, key));
    }

    fn drop_one(&mut self) {
        let mut counts = BTreeMap::<&UserId, usize>::new();
        for (_, key) in &self.0 {
            *counts.entry(&key.member.user).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let oldest =
            self.0.iter().position(|(_, key)| counts.get(&key.member.user).copied() == most);
        if let Some(oldest) = oldest {
            self.0.remove(oldest);
        }
    }

    /// Takes out the keys of those that are present, oldest first, and drops what is too old.
    pub(super) fn take(
        &mut self,
        present: impl Fn(&Member) -> bool,
        now: Instant,
    ) -> Vec<MemberKey> {
        self.0.retain(|(at, _)| now.duration_since(*at) <= AGE_MAX);
        let (taken, kept) =
            self.0.drain(..).partition::<VecDeque<_>, _>(|(_, key)| present(&key.member));
        self.0 = kept;
        taken.into_iter().map(|(_, key)| key).collect()
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
    fn an_old_key_is_forgotten() {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let mut keys = Keys::default();
        keys.hold(key("a"), now);
        assert!(keys.take(|_| true, now + AGE_MAX + Duration::from_millis(1)).is_empty());
    }
}
