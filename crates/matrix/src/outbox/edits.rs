//! The edits that wait in a room's queue: the newest of each message.
//!
//! A panel that changes each few seconds would fill the queue of a slow room with texts that nobody
//! will see.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use phonograph_call::matrixrtc::EventId;

use super::Edit;

/// Each has a place in the queue, so they are no more than that takes.
#[derive(Debug, Default)]
pub(super) struct Edits(Mutex<BTreeMap<EventId, Edit>>);

impl Edits {
    /// Keeps an edit; answers whether its message had none waiting, and it needs a place in the
    /// queue.
    pub(super) fn put(&self, edit: Edit) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(edit.event.clone(), edit).is_none()
    }

    /// Takes the newest edit of a message.
    pub(super) fn take(&self, event: &EventId) -> Option<Edit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;

    fn edit(event: &str, text: &str) -> Edit {
        Edit {
            room: ids::room("!r:x"),
            event: ids::event(event),
            text: text.to_owned(),
            html: None,
            picture: None,
        }
    }

    #[test]
    fn only_the_newest_edit_of_a_message_waits() {
        let edits = Edits::default();
        assert!(edits.put(edit("$1", "0:01")), "the first needs a place");
        assert!(!edits.put(edit("$1", "0:02")), "the second takes the first one's");
        assert_eq!(edits.take(&ids::event("$1")).unwrap().text, "0:02");
        assert!(edits.take(&ids::event("$1")).is_none());
    }

    #[test]
    fn edits_of_two_messages_both_wait() {
        let edits = Edits::default();
        assert!(edits.put(edit("$1", "a")) && edits.put(edit("$2", "b")));
        assert_eq!(edits.take(&ids::event("$1")).unwrap().text, "a");
        assert_eq!(edits.take(&ids::event("$2")).unwrap().text, "b");
    }
}
