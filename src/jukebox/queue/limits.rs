//! How much a queue takes, and why it does not take more.

use std::time::Duration;

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Serialize};

use super::{ENTRIES_MAX, Entry, Queue};
use crate::jukebox::Item;

/// What one room allows, as its people have set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "each is the most of something")]
pub(crate) struct Limits {
    /// The longest track; none allows any. What has no known length is always taken.
    pub(crate) length_max: Option<Duration>,
    /// The most entries of one person, the one that plays included.
    pub(crate) per_person_max: usize,
    /// The most entries of all, the one that plays included; more than [`ENTRIES_MAX`] counts as
    /// that.
    pub(crate) entries_max: usize,
}

impl Default for Limits {
    /// Enough for an evening of a few people.
    fn default() -> Self {
        Self { length_max: None, per_person_max: 50, entries_max: 500 }
    }
}

/// Why nothing was added. The person can ask for less, or for something else, or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddError {
    /// There was nothing to add.
    #[error("there is nothing to add")]
    Nothing,
    /// All of it is longer than the room allows. Something shorter will do.
    #[error("it is longer than {max:?}")]
    TooLong {
        /// The longest allowed.
        max: Duration,
    },
    /// The person's share is used up until one of their entries has played or is removed.
    #[error("one person may have {max} entries")]
    TooManyOfYours {
        /// The most allowed.
        max: usize,
    },
    /// The queue is full until something has played or is removed.
    #[error("the queue has {max} entries")]
    Full {
        /// The most allowed.
        max: usize,
    },
}

/// How much of what somebody wanted to add was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LeftOut {
    /// Tracks longer than the room allows.
    pub(crate) too_long: usize,
    /// Tracks beyond the person's share.
    pub(crate) too_many_of_yours: usize,
    /// Tracks beyond what the whole queue takes.
    pub(crate) beyond_full: usize,
}

impl LeftOut {
    /// All of them together.
    pub(crate) fn count(self) -> usize {
        self.too_long + self.too_many_of_yours + self.beyond_full
    }
}

impl Limits {
    /// Whether a track of this length may play; what has no known length may.
    ///
    /// # Errors
    /// [`AddError::TooLong`].
    pub(crate) fn check_length(&self, duration: Option<Duration>) -> Result<(), AddError> {
        match (duration, self.length_max) {
            (Some(duration), Some(max)) if duration > max => Err(AddError::TooLong { max }),
            _ => Ok(()),
        }
    }

    /// The items that fit into the queue, the first ones first, and how many do not.
    pub(super) fn admit(
        &self,
        queue: &Queue,
        by: &UserId,
        mut items: Vec<Item>,
    ) -> Result<(Vec<Item>, LeftOut), AddError> {
        let wanted = items.len();
        if wanted == 0 {
            return Err(AddError::Nothing);
        }
        items.retain(|item| self.check_length(item.duration).is_ok());
        let too_long = wanted - items.len();
        if let (true, Some(max)) = (items.is_empty(), self.length_max) {
            return Err(AddError::TooLong { max });
        }
        let is_theirs = |entry: &&Entry| entry.by.as_ref() == Some(by);
        let share = self.per_person_max.saturating_sub(queue.entries().filter(is_theirs).count());
        if share == 0 {
            return Err(AddError::TooManyOfYours { max: self.per_person_max });
        }
        let max = self.entries_max.min(ENTRIES_MAX);
        let room = max.saturating_sub(queue.entries().count());
        if room == 0 {
            return Err(AddError::Full { max });
        }
        let too_many_of_yours = items.len().saturating_sub(share);
        items.truncate(share);
        let beyond_full = items.len().saturating_sub(room);
        items.truncate(room);
        Ok((items, LeftOut { too_long, too_many_of_yours, beyond_full }))
    }
}
