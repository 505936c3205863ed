//! Lists that a room has saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{command::Title, jukebox::Item};

/// The lists of one room.
pub(crate) const LISTS_MAX: usize = 50;
/// The entries of one list, as many as a queue takes by default.
pub(crate) const LIST_ITEMS_MAX: usize = 500;
/// The longest name, in characters: it is typed on a telephone and shown beside others.
pub(crate) const NAME_LEN_MAX: usize = 60;

/// The lists that a room has saved, found by their names whatever the case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Lists(BTreeMap<String, List>);

/// A saved list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct List {
    /// Its name, as it was written.
    pub(crate) name: Title,
    /// What it holds, in its order.
    pub(crate) items: Vec<Item>,
}

/// How a list was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Whether it took the place of another of its name.
    pub(crate) replaced: bool,
    /// How many items it holds.
    pub(crate) items: usize,
    /// How many items did not fit.
    pub(crate) left_out: usize,
}

/// Why nothing was done with a list. Another name helps, or a look at those there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListError {
    /// The name has neither a letter nor a digit.
    #[error("the list has no name")]
    NoName,
    /// The name is too long.
    #[error("a name has at most {max} characters")]
    NameTooLong {
        /// The most characters.
        max: usize,
    },
    /// There is no list of that name.
    #[error("there is no list {name}")]
    NoSuchList {
        /// The name that was given.
        name: Title,
    },
    /// Another list has that name.
    #[error("there is a list {name} already")]
    Taken {
        /// The other list's name.
        name: Title,
    },
    /// Nothing plays or waits that could be saved.
    #[error("there is nothing to save")]
    Empty,
    /// The room has as many lists as it may have; one has to go first.
    #[error("there are {max} lists")]
    TooMany {
        /// The most lists.
        max: usize,
    },
}

impl Lists {
    /// Saves items under a name, in place of a list of that name.
    ///
    /// # Errors
    /// [`ListError`], but for `NoSuchList` and `Taken`; then nothing has changed.
    pub(crate) fn save(&mut self, name: &str, mut items: Vec<Item>) -> Result<Saved, ListError> {
        let (key, name) = checked(name)?;
        if items.is_empty() {
            return Err(ListError::Empty);
        }
        if self.0.len() >= LISTS_MAX && !self.0.contains_key(&key) {
            return Err(ListError::TooMany { max: LISTS_MAX });
        }
        let left_out = items.len().saturating_sub(LIST_ITEMS_MAX);
        items.truncate(LIST_ITEMS_MAX);
        let kept = items.len();
        let replaced = self.0.insert(key, List { name, items }).is_some();
        Ok(Saved { replaced, items: kept, left_out })
    }

    /// The list of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&List> {
        self.0.get(&key(name))
    }

    /// Forgets a list and returns it.
    ///
    /// # Errors
    /// [`ListError::NoSuchList`].
    pub(crate) fn delete(&mut self, name: &str) -> Result<List, ListError> {
        self.0.remove(&key(name)).ok_or_else(|| no_such(name))
    }

    /// Gives a list another name, or writes its name anew.
    ///
    /// # Errors
    /// [`ListError`], but for `Empty` and `TooMany`; then nothing has changed.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), ListError> {
        let (from_key, (to_key, name)) = (key(from), checked(to)?);
        if from_key != to_key
            && let Some(other) = self.0.get(&to_key)
        {
            return Err(ListError::Taken { name: other.name.clone() });
        }
        let list = self.0.remove(&from_key).ok_or_else(|| no_such(from))?;
        self.0.insert(to_key, List { name, ..list });
        Ok(())
    }

    /// All lists, by name.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &List> {
        self.0.values()
    }
}

/// What a list is found by: its clean name, in which neither case counts nor how accents are written.
pub(super) fn key(name: &str) -> String {
    Title::new(name).to_string().nfc().collect::<String>().to_lowercase()
}

fn checked(name: &str) -> Result<(String, Title), ListError> {
    if !name.chars().any(char::is_alphanumeric) {
        return Err(ListError::NoName);
    }
    let title = Title::new(name);
    if title.to_string().chars().count() > NAME_LEN_MAX {
        return Err(ListError::NameTooLong { max: NAME_LEN_MAX });
    }
    Ok((key(name), title))
}

fn no_such(name: &str) -> ListError {
    ListError::NoSuchList { name: Title::new(name) }
}
