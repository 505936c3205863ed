//! Who is still to be sent the key, and in which order.
//!
//! A room's members can invent devices by the thousand, on homeservers that never answer. Whoever is really
//! there must not wait for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Member, Timestamp};

/// Members that are sent a key by one request; looking for their devices may take its full time.
pub(super) const TARGETS_MAX: usize = 128;
/// Members that a key is sent to at most, of those that an SFU has.
pub(super) const SEEN_MAX: usize = 2_000;
/// And of all others. One that is left out is sent it as soon as it is seen.
pub(super) const UNSEEN_MAX: usize = 512;

/// Members in the order in which they are sent the key.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Member>,
    /// How many of the first are to be served before the key is used.
    urgent: usize,
}

impl Queue {
    /// Puts those before the others; as many of them as `urgent`, or as fit into a request, are waited for.
    pub(super) fn push(&mut self, members: Vec<Member>, urgent: usize) {
        self.urgent = urgent.max(members.len().min(TARGETS_MAX));
        for member in members.into_iter().rev() {
            self.waiting.push_front(member);
        }
    }

    /// Puts one first that waits already: the key waits for it too.
    pub(super) fn put_first(&mut self, member: &Member) {
        let index = self.waiting.iter().position(|waiting| waiting == member);
        if let Some(index) = index
            && let Some(member) = self.waiting.remove(index)
        {
            self.waiting.push_front(member);
            self.urgent += usize::from(index >= self.urgent);
        }
    }

    /// Those who are next.
    pub(super) fn pop(&mut self) -> Vec<Member> {
        let count = self.waiting.len().min(TARGETS_MAX);
        self.urgent = self.urgent.saturating_sub(count);
        self.waiting.drain(..count).collect()
    }

    /// Whether somebody waits for whom the key is to wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent > 0 && !self.waiting.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes out those who are not to stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Member) -> bool) -> Vec<Member> {
        let (stay, gone) = std::mem::take(&mut self.waiting).into_iter().partition(stays);
        self.waiting = stay;
        gone.into()
    }
}

/// Which members are to be sent a key that those have already: first those who were seen.
pub(super) fn choose<'a>(
    members: impl Iterator<Item = &'a Member>,
    shared: &BTreeMap<Member, Timestamp>,
    seen: &BTreeSet<Member>,
) -> Vec<Member> {
    let missing = members.filter(|member| !shared.contains_key(member)).cloned();
    let (mut chosen, mut others): (Vec<_>, Vec<_>) = missing.partition(|it| seen.contains(it));
    let have = shared.keys().filter(|member| seen.contains(member)).count();
    chosen.truncate(SEEN_MAX.saturating_sub(have));
    others.truncate(UNSEEN_MAX.saturating_sub(shared.len() - have));
    chosen.append(&mut others);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceId, UserId};

    fn members(count: usize) -> Vec<Member> {
        let device = DeviceId::from("D");
        let user = |n| UserId::from(format!("@{n:05}:x"));
        (0..count).map(|n| Member { user: user(n), device: device.clone() }).collect()
    }

    #[test]
    fn of_ten_thousand_those_who_were_seen_come_first_and_of_the_others_only_some() {
        let all = members(10_000);
        let seen: BTreeSet<Member> = all[9_000..9_300].iter().cloned().collect();
        let chosen = choose(all.iter(), &BTreeMap::new(), &seen);
        assert_eq!(chosen.len(), 300 + UNSEEN_MAX);
        assert_eq!(chosen[..300], all[9_000..9_300]);
        // Who has it takes up room.
        let shared = chosen.into_iter().map(|member| (member, Timestamp::default())).collect();
        assert_eq!(choose(all.iter(), &shared, &seen), []);
        let seen = all[8_000..].iter().cloned().collect();
        let more = choose(all.iter(), &shared, &seen);
        assert_eq!(more.len(), SEEN_MAX - 300);
    }

    #[test]
    fn the_key_waits_for_those_who_were_seen_and_at_least_for_the_first_request() {
        let mut queue = Queue::default();
        queue.push(members(700), 200);
        assert_eq!((queue.pop().len(), queue.is_urgent()), (TARGETS_MAX, true));
        assert_eq!((queue.pop().len(), queue.is_urgent()), (TARGETS_MAX, false));
        queue.push(members(5), 0);
        assert!(queue.is_urgent());
        assert_eq!((queue.pop().len(), queue.is_urgent()), (TARGETS_MAX, false));
    }

    #[test]
    fn the_key_waits_for_who_is_seen_while_it_is_sent_and_still_for_those_before() {
        let mut queue = Queue::default();
        let all = members(3 * TARGETS_MAX);
        queue.push(all.clone(), TARGETS_MAX + 1);
        queue.pop();
        let late = &all[3 * TARGETS_MAX - 1];
        queue.put_first(late);
        assert_eq!(queue.urgent, 2);
        queue.put_first(late);
        assert_eq!(queue.urgent, 2, "it was waited for already");
        assert_eq!(queue.pop()[..2], [late.clone(), all[TARGETS_MAX].clone()]);
        assert!(!queue.is_urgent());
    }
}
