//! Adding.

use phonograph_matrixrtc::UserId;

use super::{
    AddError, Entry, EntryId, LeftOut, Limits, Queue, Why,
    undo::{Change, Skipped},
};
use crate::jukebox::Item;

/// Where something is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind all that waits.
    End,
    /// Before all that waits and all turns.
    Next,
    /// In place of the current entry, which is skipped.
    Now,
}

/// Who asked for something, when and for which place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Who asked.
    pub(crate) by: UserId,
    /// Where it is to be put.
    pub(crate) place: Place,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// What was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    /// The new entries, in the order in which they were given.
    pub(crate) ids: Vec<EntryId>,
    /// Whether the first of them became the current entry, which is to be opened now.
    pub(crate) begins: bool,
    /// The position of the first that waits.
    pub(crate) position: Option<usize>,
    /// What had to make way.
    pub(crate) skipped: Option<EntryId>,
    /// What did not fit.
    pub(crate) left_out: LeftOut,
}

impl Queue {
    /// Adds what somebody asked for, as far as it fits.
    ///
    /// If nothing plays, the first of it begins at once, whatever waits: who stops a queue and asks
    /// for something else wants to hear that.
    ///
    /// # Errors
    /// [`AddError`], if none of it fits; then nothing has changed.
    pub(crate) fn add(
        &mut self,
        items: Vec<Item>,
        asked: &Asked,
        limits: &Limits,
    ) -> Result<Added, AddError> {
        let (items, left_out) = limits.admit(self, &asked.by, items)?;
        let ahead = asked.place != Place::End;
        let entries: Vec<_> = items
            .into_iter()
            .map(|item| Entry { ahead, ..self.entry(item, Some(asked)) })
            .collect();
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let begins = self.current.is_none() || asked.place == Place::Now;
        let mut entries = entries.into_iter();
        let first = if begins { entries.next() } else { None };
        let at = if ahead { 0 } else { self.waiting.len() };
        self.waiting.splice(at..at, entries);
        let skipped = first.and_then(|first| self.begin_instead(first));
        self.record(Change::Added { ids: ids.clone(), skipped });
        let skipped = skipped.map(|skipped| skipped.id);
        let position = ids.iter().find_map(|&id| self.position(id));
        Ok(Added { ids, begins, position, skipped, left_out })
    }

    /// Makes an entry current in place of another, which is skipped.
    fn begin_instead(&mut self, entry: Entry) -> Option<Skipped> {
        let at_ms = self.current.as_ref().map_or(0, |current| current.position_ms);
        let skipped = self.retire(Why::Skipped).map(|id| Skipped { id, at_ms });
        self.failures = 0;
        self.begin(entry);
        skipped
    }

    /// A new entry.
    pub(super) fn entry(&mut self, item: Item, asked: Option<&Asked>) -> Entry {
        let id = EntryId(self.next_id);
        self.next_id += 1;
        Entry {
            id,
            item,
            by: asked.map(|asked| asked.by.clone()),
            asked_at_ms: asked.map_or(0, |asked| asked.at_ms),
            resume_ms: 0,
            ahead: false,
            ended_in: 0,
        }
    }

    /// Where an entry waits.
    pub(crate) fn position(&self, id: EntryId) -> Option<usize> {
        self.upcoming().position(|entry| entry.id == id).map(|before| before + 1)
    }
}
