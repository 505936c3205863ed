//! A reader at work on blocking threads, as whoever plays its deck sees it: at each tick, without waiting.

use std::time::Duration;

use phonograph_media::playback::{Batch, Deck, ReadError, Reader, SeekError};
use tokio::{runtime::Handle, sync::oneshot};

use super::player::JumpId;

/// Reads ahead for one deck.
pub(super) struct Reading {
    state: State,
    /// Where to go on once the reader is at rest.
    seek: Option<(JumpId, Duration)>,
    /// Why it failed. What was read before that is whole, and it may still go back there.
    failure: Option<ReadError>,
}

/// The reader, at rest or at work.
enum State {
    Resting(Box<Reader>),
    Reading(oneshot::Receiver<(Box<Reader>, Result<Batch, ReadError>)>),
    Seeking(JumpId, oneshot::Receiver<(Box<Reader>, Result<Batch, SeekError>)>),
    /// The runtime ends.
    Over,
}

impl Reading {
    pub(super) fn new(reader: Box<Reader>) -> Self {
        Self { state: State::Resting(reader), seek: None, failure: None }
    }

    /// Goes to another place as soon as the reader is at rest, and not to one that was asked for before.
    pub(super) fn seek(&mut self, jump: JumpId, to: Duration) {
        self.seek = Some((jump, to));
    }

    /// Hands on to the deck what was read, and has more read where little is left. What came of a jump,
    /// once that is known: whether it plays from there now.
    pub(super) fn tick(&mut self, deck: &mut Deck, blocking: &Handle) -> Option<(JumpId, bool)> {
        let sought = self.take(deck);
        self.go_on(deck, blocking);
        sought
    }

    fn take(&mut self, deck: &mut Deck) -> Option<(JumpId, bool)> {
        use oneshot::error::TryRecvError::{Closed, Empty};
        match &mut self.state {
            State::Reading(receiver) => {
                match receiver.try_recv() {
                    Ok((reader, Ok(batch))) => {
                        deck.feed(batch);
                        self.state = State::Resting(reader);
                    }
                    Ok((reader, Err(error))) => self.fail(deck, reader, error),
                    Err(Empty) => {}
                    Err(Closed) => self.end(deck),
                }
                None
            }
            &mut State::Seeking(jump, ref mut receiver) => match receiver.try_recv() {
                Ok((reader, Ok(batch))) => {
                    deck.feed(batch);
                    self.failure = None;
                    self.state = State::Resting(reader);
                    Some((jump, true))
                }
                Ok((reader, Err(SeekError::Read(error)))) => {
                    self.fail(deck, reader, error);
                    Some((jump, false))
                }
                // It plays on. The enum is the library's and open.
                Ok((reader, Err(_))) => {
                    self.state = State::Resting(reader);
                    Some((jump, false))
                }
                Err(Empty) => None,
                Err(Closed) => {
                    self.end(deck);
                    Some((jump, false))
                }
            },
            State::Resting(_) => None,
            State::Over => self.seek.take().map(|(jump, _)| (jump, false)),
        }
    }

    /// Has the reader do what is next, if it is at rest.
    fn go_on(&mut self, deck: &Deck, blocking: &Handle) {
        if self.seek.is_none() && !deck.wants_packets() {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Resting(mut reader) => match self.seek.take() {
                Some((jump, to)) => {
                    State::Seeking(jump, run(blocking, move || (reader.seek(to), reader)))
                }
                None => State::Reading(run(blocking, move || (reader.read_ahead(), reader))),
            },
            other => other,
        };
    }

    fn fail(&mut self, deck: &mut Deck, reader: Box<Reader>, error: ReadError) {
        self.failure = Some(error);
        deck.end();
        self.state = State::Resting(reader);
    }

    fn end(&mut self, deck: &mut Deck) {
        deck.end();
        self.state = State::Over;
    }

    /// Lets go of the reader where closing it may take a while; why it had failed.
    pub(super) fn let_go(self, blocking: &Handle) -> Option<ReadError> {
        if let State::Resting(reader) = self.state {
            blocking.spawn_blocking(move || drop(reader));
        }
        self.failure
    }
}

/// Does something that may block; nobody waits for it any more when something else plays.
fn run<T: Send + 'static>(
    blocking: &Handle,
    work: impl FnOnce() -> (T, Box<Reader>) + Send + 'static,
) -> oneshot::Receiver<(Box<Reader>, T)> {
    let (sender, receiver) = oneshot::channel();
    blocking.spawn_blocking(move || {
        let (done, reader) = work();
        drop(sender.send((reader, done)));
    });
    receiver
}
