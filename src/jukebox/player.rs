//! Plays one opened source into a call: reads ahead on blocking threads, decodes at the tick.

use phonograph_call::{AudioSource, Pulled, livekit::Level};
use phonograph_media::playback::{
    self, Batch, Begin, Deck, Mixer, MixerEvent, ReadError, Reader, TrackId,
};
use tokio::{runtime::Handle, sync::oneshot};
use tracing::{debug, warn};

use super::{
    error::PlayError,
    open::{Follow, Opened},
};

/// What others are shown as our loudness while music plays. It is not measured: it only lights up the
/// tile, and music that passes through is never decoded.
const LEVEL: Level = Level::Below(20);

/// The only deck there is.
const DECK: TrackId = TrackId(0);

/// How a source ended; told once.
pub(crate) type Ended = oneshot::Receiver<Result<(), PlayError>>;

/// A source that plays.
pub(crate) struct Playback {
    mixer: Mixer,
    /// Whether the deck has come to its end.
    is_over: bool,
    reading: Reading,
    follow: Follow,
    /// Why the reader failed, to be told when all that was read has been played.
    failure: Option<PlayError>,
    ended: Option<oneshot::Sender<Result<(), PlayError>>>,
    /// Whether a frame has been played: a pause before that is only a late beginning.
    begun: bool,
    blocking: Handle,
}

/// The reader, at rest or at work.
enum Reading {
    Resting(Box<Reader>),
    Working(oneshot::Receiver<(Box<Reader>, Result<Batch, ReadError>)>),
    Over,
}

impl Playback {
    /// Prepares to play; the reader works on the blocking threads of that runtime.
    ///
    /// What was read when the source was opened is not played yet, so the first frames come as soon
    /// as the reader has been called.
    pub(crate) fn new(opened: Opened, blocking: Handle) -> (Self, Ended) {
        let Opened { reader, deck, mut mixer, follow, .. } = opened;
        mixer.play(DECK, deck, Begin::default());
        let (sender, ended) = oneshot::channel();
        let reading = Reading::Resting(Box::new(reader));
        let mut this = Self {
            mixer,
            is_over: false,
            reading,
            follow,
            failure: None,
            ended: Some(sender),
            begun: false,
            blocking,
        };
        this.read_ahead();
        (this, ended)
    }

    /// Takes what was read, and has more read when little is left.
    fn read_ahead(&mut self) {
        if let Reading::Working(receiver) = &mut self.reading {
            match receiver.try_recv() {
                Ok((reader, Ok(batch))) => {
                    if let Some(deck) = self.mixer.deck_mut(DECK) {
                        deck.feed(batch);
                    }
                    self.reading = Reading::Resting(reader);
                }
                Ok((_, Err(error))) => self.fail(error),
                Err(oneshot::error::TryRecvError::Empty) => {}
                // The runtime ends.
                Err(oneshot::error::TryRecvError::Closed) => {
                    self.end_deck();
                    self.reading = Reading::Over;
                }
            }
        }
        if !self.mixer.deck(DECK).is_some_and(Deck::wants_packets) {
            return;
        }
        match std::mem::replace(&mut self.reading, Reading::Over) {
            Reading::Resting(mut reader) => {
                let (sender, receiver) = oneshot::channel();
                self.blocking.spawn_blocking(move || {
                    let batch = reader.read_ahead();
                    // Nobody waits any more when something else plays.
                    drop(sender.send((reader, batch)));
                });
                self.reading = Reading::Working(receiver);
            }
            other => self.reading = other,
        }
    }

    fn fail(&mut self, error: ReadError) {
        self.failure = Some(self.follow.explain(error));
        self.end_deck();
        self.reading = Reading::Over;
    }

    fn end_deck(&mut self) {
        if let Some(deck) = self.mixer.deck_mut(DECK) {
            deck.end();
        }
    }

    fn follow_events(&mut self) {
        while let Some(event) = self.mixer.poll_event() {
            let MixerEvent::Ended { faults, .. } = event else { continue };
            self.is_over = true;
            if faults.packets_skipped > 0 || faults.gave_up.is_some() {
                warn!(skipped = faults.packets_skipped, gave_up = ?faults.gave_up, "parts were left out");
            }
        }
    }

    fn end(&mut self) {
        let result = self.failure.take().map_or(Ok(()), Err);
        if let Some(ended) = self.ended.take() {
            drop(ended.send(result));
        }
    }
}

impl AudioSource for Playback {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        self.read_ahead();
        let pulled = self.mixer.pull(out);
        self.follow_events();
        match pulled {
            playback::Pulled::Frame => {
                self.begun = true;
                Pulled::Frame(LEVEL)
            }
            playback::Pulled::Silent if self.is_over => {
                self.end();
                Pulled::Ended
            }
            // Receivers would make something up for what does not come.
            playback::Pulled::Silent if self.begun => {
                out.extend_from_slice(&playback::SILENCE);
                Pulled::Frame(Level::Silent)
            }
            playback::Pulled::Silent => Pulled::Starved,
        }
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        debug!(position = ?self.mixer.position(), "a source is dropped");
        // Closing a file or a connection may take a while, and we are on a media worker.
        if let Reading::Resting(reader) = std::mem::replace(&mut self.reading, Reading::Over) {
            self.blocking.spawn_blocking(move || drop(reader));
        }
    }
}
