//! Those who receive tracks.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::track::{HEARD_RESERVE, Heard, TrackId};

/// The sending ends of all [`Track`](crate::Track)s.
#[derive(Debug, Default)]
pub(super) struct Hearers(BTreeMap<TrackId, Hearer>);

#[derive(Debug)]
struct Hearer {
    heard: mpsc::Sender<Heard>,
    /// Frames that were not taken in time, to be counted in the next one.
    lost: u32,
}

impl Hearers {
    pub(super) fn add(&mut self, id: TrackId, heard: mpsc::Sender<Heard>) {
        self.0.insert(id, Hearer { heard, lost: 0 });
    }

    pub(super) fn end(&mut self, id: &TrackId) {
        self.0.remove(id);
    }

    /// Forgets the tracks that nobody receives any more, and answers with them.
    pub(super) fn take_closed(&mut self) -> Vec<TrackId> {
        let closed = self.0.extract_if(.., |_, hearer| hearer.heard.is_closed());
        closed.map(|(id, _)| id).collect()
    }

    /// Hands something to whoever receives that track; `false` once nobody does any more.
    pub(super) fn deliver(&mut self, id: &TrackId, heard: Heard) -> bool {
        let Some(hearer) = self.0.get_mut(id) else { return false };
        if hearer.heard.is_closed() {
            self.0.remove(id);
            return false;
        }
        hearer.deliver(heard);
        true
    }
}

impl Hearer {
    fn deliver(&mut self, heard: Heard) {
        let heard = match heard {
            Heard::Frame(mut frame) => {
                frame.lost = frame.lost.saturating_add(self.lost);
                if self.heard.capacity() <= HEARD_RESERVE {
                    self.lost = frame.lost.saturating_add(1);
                    return;
                }
                self.lost = 0;
                Heard::Frame(frame)
            }
            other => other,
        };
        if self.heard.try_send(heard).is_err() {
            tracing::debug!("what a track said was dropped: nobody takes it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use phonograph_frame::Codec;
    use phonograph_livekit::TrackSid;

    use super::*;
    use crate::track::{Frame, HEARD_MAX, Track};

    fn frame(units: u64) -> Heard {
        Heard::Frame(Frame {
            data: vec![1],
            codec: Codec::Opus,
            units,
            arrival: Instant::now(),
            captured: None,
            lost: 0,
        })
    }

    fn id() -> TrackId {
        TrackId { link: 0, sid: TrackSid::from("TR_1") }
    }

    #[tokio::test]
    async fn what_is_not_taken_in_time_is_counted_in_the_next_frame() {
        let mut hearers = Hearers::default();
        let (mut track, heard) = Track::new(id());
        hearers.add(id(), heard);
        let room = (HEARD_MAX - HEARD_RESERVE) as u64;
        for units in 0..room + 3 {
            assert!(hearers.deliver(&id(), frame(units)));
        }
        // What is said once only still has room.
        assert!(hearers.deliver(&id(), Heard::Muted(true)));
        for _ in 0..room {
            assert!(matches!(track.next().await, Some(Heard::Frame(frame)) if frame.lost == 0));
        }
        assert_eq!(track.next().await, Some(Heard::Muted(true)));
        assert!(track.is_muted());
        hearers.deliver(&id(), frame(999));
        assert!(matches!(track.next().await, Some(Heard::Frame(frame)) if frame.lost == 3));
    }

    #[tokio::test]
    async fn a_track_that_was_dropped_is_said_to_have_no_hearer() {
        let mut hearers = Hearers::default();
        let (track, heard) = Track::new(id());
        hearers.add(id(), heard);
        assert_eq!(hearers.take_closed(), []);
        drop(track);
        assert_eq!(hearers.take_closed(), [id()]);
        assert!(!hearers.deliver(&id(), frame(0)));
    }

    #[tokio::test]
    async fn a_track_that_ends_gives_nothing_more() {
        let mut hearers = Hearers::default();
        let (mut track, heard) = Track::new(id());
        hearers.add(id(), heard);
        hearers.end(&id());
        assert_eq!(track.next().await, None);
    }
}
