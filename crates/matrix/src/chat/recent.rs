//! What was handed on a moment ago: so that nothing is handed on twice, and that a slip which is
//! corrected at once still counts.

use std::collections::{HashSet, VecDeque};

use phonograph_call::matrixrtc::EventId;

use super::{
    Incoming, Message, Read,
    read::{Edit, What},
};

/// Events remembered by their id. Beyond it the oldest could be handed on a second time, if a
/// homeserver repeated something that long ago.
const SEEN_MAX: usize = 1024;
/// How long a text may be changed with effect, by the clocks of its sender's homeserver. Later than
/// that it was obeyed as it was.
const EDITABLE_MS: u64 = 10_000;
/// Messages whose text may still change, over all rooms. Beyond it the oldest cannot any more.
const EDITABLE_MAX: usize = 256;

/// The events of the last moments.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    seen: HashSet<EventId>,
    order: VecDeque<EventId>,
    editable: VecDeque<(u64, Message)>,
}

impl Recent {
    /// What is to be handed on of an event; `None` if it was, or if it is an edit that does not
    /// count.
    pub(crate) fn admit(&mut self, read: Read) -> Option<Incoming> {
        if !self.is_new(&read.event) {
            return None;
        }
        match read.what {
            What::New(incoming) => {
                self.remember(&incoming, read.at_ms);
                Some(incoming)
            }
            What::Edit(edit) => self.apply(edit, read.at_ms).map(Incoming::Message),
        }
    }

    fn is_new(&mut self, event: &EventId) -> bool {
        if !self.seen.insert(event.clone()) {
            return false;
        }
        self.order.push_back(event.clone());
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    fn remember(&mut self, incoming: &Incoming, at_ms: u64) {
        match incoming {
            Incoming::Message(message) if message.attachment.is_none() => {
                if self.editable.len() == EDITABLE_MAX {
                    self.editable.pop_front();
                }
                self.editable.push_back((at_ms, message.clone()));
            }
            Incoming::Redacted(redacted) => {
                self.editable.retain(|(_, message)| message.event != redacted.event);
            }
            Incoming::Message(_)
            | Incoming::Reaction(_)
            | Incoming::Synced
            | Incoming::Invite(_)
            | Incoming::Gone(_)
            | Incoming::Upgraded(_) => {}
        }
    }

    /// The message with its new text. It counts once, so it is forgotten.
    fn apply(&mut self, edit: Edit, at_ms: u64) -> Option<Message> {
        let changes = |message: &Message| {
            message.event == edit.target
                && message.sender == edit.sender
                && message.body != edit.body
        };
        let at = self.editable.iter().position(|(sent_ms, message)| {
            changes(message) && at_ms.saturating_sub(*sent_ms) <= EDITABLE_MS
        })?;
        let (_, message) = self.editable.remove(at)?;
        Some(Message {
            body: edit.body,
            mentions_us: edit.mentions_us,
            mentions: edit.mentions,
            content_command: edit.content_command,
            edited: true,
            ..message
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;

    fn message(event: &str, body: &str) -> Read {
        let message = Message {
            room: ids::room("!r:x"),
            event: ids::event(event),
            sender: ids::user("@ann:x"),
            body: body.to_owned(),
            mentions_us: false,
            mentions: Vec::new(),
            direct: false,
            thread: Some(ids::event("$root")),
            reply_to: None,
            attachment: None,
            content_command: None,
            edited: false,
        };
        let what = What::New(Incoming::Message(message));
        Read { event: ids::event(event), at_ms: 5_000, what }
    }

    fn edit(event: &str, target: &str, body: &str, at_ms: u64) -> Read {
        let edit = Edit {
            target: ids::event(target),
            sender: ids::user("@ann:x"),
            body: body.to_owned(),
            mentions_us: false,
            mentions: Vec::new(),
            content_command: None,
        };
        Read { event: ids::event(event), at_ms, what: What::Edit(edit) }
    }

    #[test]
    fn an_event_is_handed_on_once() {
        let mut recent = Recent::default();
        assert!(recent.admit(message("$1", "!ping")).is_some());
        assert_eq!(recent.admit(message("$1", "!ping")), None);
    }

    #[test]
    fn no_more_ids_are_remembered_than_the_limit() {
        let mut recent = Recent::default();
        for n in 0..=SEEN_MAX {
            assert!(recent.admit(message(&format!("${n}"), "x")).is_some());
        }
        assert_eq!((recent.seen.len(), recent.order.len()), (SEEN_MAX, SEEN_MAX));
        assert_eq!(recent.editable.len(), EDITABLE_MAX);
    }

    #[test]
    fn a_text_that_is_changed_at_once_is_handed_on_again() {
        let mut recent = Recent::default();
        recent.admit(message("$1", "!plya tones"));
        let Some(Incoming::Message(edited)) = recent.admit(edit("$2", "$1", "!play tones", 15_000))
        else {
            panic!("not handed on")
        };
        assert_eq!(edited.body, "!play tones");
        assert!(edited.edited);
        assert_eq!(edited.event.as_str(), "$1", "answers belong to the original");
        assert_eq!(edited.thread, Some(ids::event("$root")));
    }

    #[test]
    fn an_edit_after_ten_seconds_is_left_out() {
        let mut recent = Recent::default();
        recent.admit(message("$1", "!plya tones"));
        assert_eq!(recent.admit(edit("$2", "$1", "!play tones", 15_001)), None);
    }

    #[test]
    fn a_second_edit_is_left_out() {
        let mut recent = Recent::default();
        recent.admit(message("$1", "a"));
        assert!(recent.admit(edit("$2", "$1", "b", 6_000)).is_some());
        assert_eq!(recent.admit(edit("$3", "$1", "c", 7_000)), None);
    }

    #[test]
    fn an_edit_that_keeps_the_text_is_left_out() {
        let mut recent = Recent::default();
        recent.admit(message("$1", "!ping"));
        assert_eq!(recent.admit(edit("$2", "$1", "!ping", 6_000)), None);
    }

    #[test]
    fn an_edit_by_somebody_else_is_left_out() {
        let mut recent = Recent::default();
        recent.admit(message("$1", "!ping"));
        let mut read = edit("$2", "$1", "!stop", 6_000);
        if let What::Edit(edit) = &mut read.what {
            edit.sender = ids::user("@eve:x");
        }
        assert_eq!(recent.admit(read), None);
    }

    #[test]
    fn an_edit_of_what_was_taken_back_is_left_out() {
        let mut recent = Recent::default();
        recent.admit(message("$1", "!ping"));
        let redacted = super::super::Redacted {
            room: ids::room("!r:x"),
            event: ids::event("$1"),
            sender: ids::user("@ann:x"),
        };
        let what = What::New(Incoming::Redacted(redacted));
        recent.admit(Read { event: ids::event("$2"), at_ms: 5_500, what });
        assert_eq!(recent.admit(edit("$3", "$1", "!stop", 6_000)), None);
    }
}
