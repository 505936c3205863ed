//! A file that plays in a call as the jukebox plays it: read ahead on blocking threads, decoded at the
//! tick.

use std::{fs::File, path::Path};

use anyhow::Result;
use phonograph_call::{AudioSource, Pulled, livekit::Level};
use phonograph_media::playback::{self, Batch, Begin, Config, Mixer, ReadError, Reader, TrackId};
use tokio::{runtime::Handle, sync::oneshot};

/// The only deck there is.
const DECK: TrackId = TrackId(0);
const LEVEL: Level = Level::Below(20);

/// A mixer with one deck and its reader.
pub(crate) struct Played {
    mixer: Mixer,
    state: State,
    blocking: Handle,
}

/// The reader, at rest or at work.
enum State {
    Resting(Box<Reader>),
    Reading(oneshot::Receiver<(Box<Reader>, Result<Batch, ReadError>)>),
    Over,
}

impl Played {
    /// Opens a file. Blocking.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (mut reader, mut deck) = playback::open(Box::new(File::open(path)?))?;
        deck.feed(reader.read_ahead()?);
        let mut mixer = Mixer::new(&Config::default())?;
        mixer.play(DECK, deck, Begin::default());
        let (state, blocking) = (State::Resting(Box::new(reader)), Handle::current());
        Ok(Self { mixer, state, blocking })
    }

    fn read_ahead(&mut self) {
        let Some(deck) = self.mixer.deck_mut(DECK) else { return };
        if let State::Reading(receiver) = &mut self.state {
            match receiver.try_recv() {
                Ok((reader, Ok(batch))) => {
                    deck.feed(batch);
                    self.state = State::Resting(reader);
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
                Ok((_, Err(_))) | Err(oneshot::error::TryRecvError::Closed) => {
                    deck.end();
                    self.state = State::Over;
                }
            }
        }
        if !deck.wants_packets() {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Resting(mut reader) => {
                let (sender, receiver) = oneshot::channel();
                self.blocking.spawn_blocking(move || {
                    let batch = reader.read_ahead();
                    // The call may have ended meanwhile.
                    drop(sender.send((reader, batch)));
                });
                State::Reading(receiver)
            }
            other => other,
        };
    }
}

impl AudioSource for Played {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        self.read_ahead();
        match self.mixer.pull(out) {
            playback::Pulled::Frame => Pulled::Frame(LEVEL),
            playback::Pulled::Silent if self.mixer.current().is_none() => Pulled::Ended,
            playback::Pulled::Silent => Pulled::Starved,
        }
    }
}
