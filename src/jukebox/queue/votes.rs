//! Votes to skip what plays.

use std::collections::BTreeSet;

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Serialize};

use super::EntryId;

/// The share of the people in the call whose votes skip, in per cent: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Share(u8);

impl Default for Share {
    /// Half of them.
    fn default() -> Self {
        Self(50)
    }
}

/// A share is 1 to 100 per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not from 1 to 100 per cent")]
pub(crate) struct NoShare(u8);

impl TryFrom<u8> for Share {
    type Error = NoShare;

    fn try_from(percent: u8) -> Result<Self, NoShare> {
        if (1..=100).contains(&percent) { Ok(Self(percent)) } else { Err(NoShare(percent)) }
    }
}

impl From<Share> for u8 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl Share {
    /// The votes needed of so many people: their share, rounded up, and at least one.
    pub(crate) fn of(self, people: usize) -> usize {
        (people * usize::from(self.0)).div_ceil(100).max(1)
    }
}

/// What came of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    /// There are enough: the entry is to be skipped. The votes are used up.
    Skipped,
    /// It counts.
    Counted {
        /// The votes so far.
        have: usize,
        /// The votes needed.
        need: usize,
    },
    /// The person has voted before.
    AlreadyVoted {
        /// The votes so far.
        have: usize,
        /// The votes needed.
        need: usize,
    },
    /// Who does not hear it has no vote.
    NotInCall,
}

/// The votes to skip one entry; those for another one are forgotten with the first for the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Votes {
    entry: Option<EntryId>,
    by: BTreeSet<UserId>,
}

impl Votes {
    /// Whether anybody has voted.
    pub(crate) fn is_open(&self) -> bool {
        !self.by.is_empty()
    }

    /// Counts a vote to skip an entry. `in_call` are the people in the call, without ourselves.
    pub(crate) fn vote(
        &mut self,
        entry: EntryId,
        who: &UserId,
        in_call: &BTreeSet<UserId>,
        share: Share,
    ) -> Vote {
        if !in_call.contains(who) {
            return Vote::NotInCall;
        }
        if self.entry != Some(entry) {
            *self = Self { entry: Some(entry), by: BTreeSet::new() };
        }
        let is_new = self.by.insert(who.clone());
        match self.recount(entry, in_call, share) {
            Vote::Counted { have, need } if !is_new => Vote::AlreadyVoted { have, need },
            outcome => outcome,
        }
    }

    /// Counts anew once people have come or gone, or something else plays: who left takes their
    /// vote along.
    pub(crate) fn recount(
        &mut self,
        entry: EntryId,
        in_call: &BTreeSet<UserId>,
        share: Share,
    ) -> Vote {
        if self.entry != Some(entry) {
            self.by.clear();
        }
        self.by.retain(|voter| in_call.contains(voter));
        let (have, need) = (self.by.len(), share.of(in_call.len()));
        if have < need {
            return Vote::Counted { have, need };
        }
        *self = Self::default();
        Vote::Skipped
    }
}
