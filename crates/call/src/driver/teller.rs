//! What the application is told, which may not listen.

use std::time::Instant;

use phonograph_matrixrtc::session::Saved;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::warn;

use crate::{call::Event, throttle::Throttle};

/// Room among the events that what can come in any number leaves for what must not be lost.
const RESERVE: usize = 64;

/// The sending end of a call's events.
pub(super) struct Teller {
    events: mpsc::Sender<Event>,
    /// What was not told yet, as there was no room.
    unsaved: Option<Saved>,
    dropped: Throttle,
}

impl Teller {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, unsaved: None, dropped: Throttle::default() }
    }

    /// Tells something, or drops it where there is no room.
    pub(super) fn tell(&mut self, event: Event) {
        if event.is_rare() || self.events.capacity() > RESERVE {
            match self.events.try_send(event) {
                Err(TrySendError::Full(Event::Saved(saved))) => self.unsaved = Some(saved),
                Ok(()) | Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(_)) => {}
            }
        }
        if let Some(count) = self.dropped.count(Instant::now()) {
            warn!(count, "the application does not take the call's events");
        }
    }

    /// Tells what is to be saved, if there was no room for it.
    pub(super) fn tell_again(&mut self) {
        if let Some(saved) = self.unsaved.take() {
            self.tell(Event::Saved(saved));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrixrtc::{DeviceId, Member, UserId};

    fn speaking() -> Event {
        let member = Member { user: UserId::from("@ann:x"), device: DeviceId::from("D") };
        Event::Speaking { member, active: true, level: 1.0 }
    }

    #[test]
    fn a_flood_leaves_room_for_what_must_not_be_lost() {
        let (events, mut told) = mpsc::channel(RESERVE + 2);
        let mut teller = Teller::new(events);
        for _ in 0..1000 {
            teller.tell(speaking());
        }
        teller.tell(Event::Joined);
        let mut taken = Vec::new();
        while let Ok(event) = told.try_recv() {
            taken.push(event);
        }
        assert_eq!(taken.len(), 3);
        assert!(matches!(taken.last(), Some(Event::Joined)));
    }

    #[test]
    fn what_is_to_be_saved_is_told_as_soon_as_there_is_room() {
        let (events, mut told) = mpsc::channel(1);
        let mut teller = Teller::new(events);
        teller.tell(Event::Joined);
        let saved = Saved { last_key_index: Some(7), ..Saved::default() };
        teller.tell(Event::Saved(saved.clone()));
        teller.tell_again();
        assert!(matches!(told.try_recv(), Ok(Event::Joined)));
        teller.tell_again();
        assert!(matches!(told.try_recv(), Ok(Event::Saved(it)) if it == saved));
    }
}
