//! The half of a player that makes the sound: a mixer, and the readers of what is on it.
//!
//! It is called every 20 ms and waits for nothing: orders are taken from a channel, files are read
//! on blocking threads, and what is done with is dropped there.

use std::{collections::BTreeMap, time::Duration};

use phonograph_call::{AudioSource, Pulled, livekit::Level};
use phonograph_media::playback::{
    self, Batch, Config, Deck, Ducking, EncodingError, Mixer, MixerEvent, ReadError, Reader,
    SeekError, TrackId,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tracing::{debug, warn};

use super::{
    broadcast::Tuned,
    error::PlayError,
    open::{Follow, Opened, Supply},
    player::{News, Order},
};

/// What others are shown as our loudness while music plays. It is not measured: it only lights up the
/// tile, and music that passes through is never decoded.
const LEVEL: Level = Level::Below(20);
/// How often the position is told, in ticks of 20 ms: once a second.
const POSITION_TICKS: u32 = 50;
/// How much room for news is left to those that must not be lost when a position is told.
const NEWS_RESERVE: usize = 64;

/// The mixer and its readers.
pub(super) struct Desk {
    mixer: Mixer,
    readings: BTreeMap<TrackId, Reading>,
    orders: mpsc::Receiver<Order>,
    news: mpsc::Sender<News>,
    blocking: Handle,
    fade: Duration,
    ticks: u32,
    /// Whether a frame was made since something was begun: a pause before that is a late beginning.
    begun: bool,
}

/// What reads one track.
struct Reading {
    state: State,
    follow: Follow,
    /// Where to go on once the reader is at rest.
    seek: Option<Duration>,
    /// Why the reader failed, to be told when all that was read has been played.
    failure: Option<PlayError>,
}

/// The reader, at rest or at work.
enum State {
    Resting(Box<Reader>),
    Reading(oneshot::Receiver<(Box<Reader>, Result<Batch, ReadError>)>),
    Seeking(oneshot::Receiver<(Box<Reader>, Result<Batch, SeekError>)>),
    /// No reader: the packets are those of a station.
    Tuned(Tuned),
    Over,
}

impl Desk {
    pub(super) fn new(
        config: &Config,
        orders: mpsc::Receiver<Order>,
        news: mpsc::Sender<News>,
        blocking: Handle,
    ) -> Result<Self, EncodingError> {
        Ok(Self {
            mixer: Mixer::new(config)?,
            readings: BTreeMap::new(),
            orders,
            news,
            blocking,
            fade: playback::FADE,
            ticks: 0,
            begun: false,
        })
    }

    /// Whether there is something to be heard.
    pub(super) fn is_wanted(&self) -> bool {
        self.mixer.is_audible()
    }

    /// Takes the desk in when it has come home: what fades out is heard by nobody any more.
    pub(super) fn come_home(&mut self) {
        self.mixer.cut();
        self.take_orders();
        self.tell_events();
    }

    /// Carries out an order while nobody hears it.
    pub(super) fn obey_at_home(&mut self, order: Order) {
        let is_clip = matches!(order, Order::Clip(..));
        self.obey(order);
        if !is_clip && !self.mixer.is_audible() {
            self.mixer.cut();
        }
        self.tell_events();
    }

    /// Carries out what was ordered since the last tick.
    pub(super) fn take_orders(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Begin(id, opened, begin) => {
                self.unfollow();
                let deck = self.take_in(id, *opened);
                self.mixer.play(id, deck, begin);
            }
            Order::Follow(id, opened, join) => {
                let deck = self.take_in(id, *opened);
                self.unfollow();
                self.mixer.enqueue(id, deck, join);
            }
            Order::Unfollow => self.unfollow(),
            Order::Clip(id, opened) => {
                let deck = self.take_in(id, *opened);
                if let Err(deck) = self.mixer.clip(id, deck) {
                    self.discard(*deck);
                    self.let_go(id, false);
                }
            }
            Order::SkipTo(id) if self.mixer.current() == Some(id) => {}
            Order::SkipTo(id) if self.mixer.enqueued() == Some(id) => self.mixer.skip(self.fade),
            // It is gone: the room decides anew.
            Order::SkipTo(id) => self.tell(News::Ended { id, finished: false, error: None }),
            Order::Pause => self.mixer.pause(),
            Order::Resume => self.mixer.resume(),
            Order::Stop => {
                self.unfollow();
                self.mixer.stop(self.fade);
            }
            Order::Seek(to) => self.seek(to),
            Order::Volume(volume) => self.mixer.set_volume(volume),
            Order::Duck(on) => self.mixer.duck(on),
            Order::DuckBy(depth_db) => {
                self.mixer.set_ducking(Ducking { depth_db, ..Ducking::default() });
            }
            Order::Fade(fade) => self.fade = fade,
            Order::Encoding(config) => {
                if let Err(error) = self.mixer.set_encoding(&config) {
                    warn!(%error, "the encoder keeps its settings");
                }
            }
        }
    }

    /// Puts a source's reader to work, and gives its deck.
    fn take_in(&mut self, id: TrackId, opened: Opened) -> Deck {
        let Opened { supply, deck, follow, .. } = opened;
        let state = match supply {
            Supply::Reader(reader) => State::Resting(reader),
            Supply::Packets(tuned) => State::Tuned(tuned),
        };
        self.readings.insert(id, Reading { state, follow, seek: None, failure: None });
        deck
    }

    fn unfollow(&mut self) {
        if let Some((id, deck)) = self.mixer.unqueue() {
            self.discard(deck);
            self.let_go(id, false);
        }
    }

    /// Goes to another place in what plays, as soon as its reader is at rest.
    fn seek(&mut self, to: Duration) {
        let current = self.mixer.current();
        let reading = current.and_then(|id| Some((id, self.readings.get_mut(&id)?)));
        match reading {
            Some((_, reading)) if !matches!(reading.state, State::Over | State::Tuned(_)) => {
                reading.seek = Some(to);
            }
            Some((id, _)) => self.tell(News::Sought { id, done: false }),
            None => {}
        }
    }

    /// Takes what was read, and has more read where little is left.
    fn read_ahead(&mut self) {
        let Self { mixer, readings, news, blocking, .. } = self;
        for (id, reading) in readings {
            let Some(deck) = mixer.deck_mut(*id) else { continue };
            reading.take_read(*id, deck, news);
            reading.go_on(deck, blocking);
        }
    }

    /// Tells the room what has happened.
    fn tell_events(&mut self) {
        while let Some(event) = self.mixer.poll_event() {
            let news = match event {
                MixerEvent::Began(id) => News::Began(id),
                MixerEvent::NearEnd(id) => News::NearEnd(id),
                MixerEvent::Ended { id, finished, faults } => {
                    if faults.packets_skipped > 0 || faults.gave_up.is_some() {
                        let gave_up =
                            faults.gave_up.as_ref().map(|error| phonograph_call::chain(error));
                        warn!(skipped = faults.packets_skipped, gave_up, "parts were left out");
                    }
                    let gave_up = faults.gave_up.is_some();
                    let error = self.let_go(id, gave_up);
                    News::Ended { id, finished, error }
                }
                MixerEvent::ClipEnded(id) => {
                    self.let_go(id, false);
                    continue;
                }
                MixerEvent::Drained => continue,
            };
            self.tell(news);
        }
        while let Some(deck) = self.mixer.take_dead() {
            self.discard(deck);
        }
    }

    /// Tells how far what plays has come, once a second.
    fn tell_position(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        let is_time = self.ticks.is_multiple_of(POSITION_TICKS) && !self.mixer.is_paused();
        if !is_time || self.news.capacity() <= NEWS_RESERVE {
            return;
        }
        if let (Some(id), Some(at)) = (self.mixer.current(), self.mixer.position()) {
            self.tell(News::Position { id, at });
        }
    }

    fn tell(&self, news: News) {
        if let Err(mpsc::error::TrySendError::Full(news)) = self.news.try_send(news) {
            warn!(?news, "news was lost: the room does not keep up");
        }
    }

    /// Lets go of a track's reader, where closing it may take a while; why it had failed.
    fn let_go(&mut self, id: TrackId, gave_up: bool) -> Option<PlayError> {
        let Reading { state, failure, follow, .. } = self.readings.remove(&id)?;
        let undecodable = || follow.explain(ReadError::Malformed("too much cannot be decoded"));
        let failure = failure.or_else(|| gave_up.then(undecodable));
        if let State::Resting(reader) = state {
            self.blocking.spawn_blocking(move || drop(reader));
        }
        failure
    }

    fn discard(&self, deck: Deck) {
        self.blocking.spawn_blocking(move || drop(deck));
    }
}

impl Reading {
    /// Takes what the reader has read, or the place that it has gone to.
    fn take_read(&mut self, id: TrackId, deck: &mut Deck, news: &mpsc::Sender<News>) {
        match &mut self.state {
            State::Reading(receiver) => match receiver.try_recv() {
                Ok((reader, Ok(batch))) => {
                    deck.feed(batch);
                    self.state = State::Resting(reader);
                }
                Ok((reader, Err(error))) => self.fail(deck, reader, error),
                Err(oneshot::error::TryRecvError::Empty) => {}
                // The runtime ends.
                Err(oneshot::error::TryRecvError::Closed) => self.end(deck),
            },
            State::Seeking(receiver) => {
                let sought = match receiver.try_recv() {
                    Ok(sought) => sought,
                    Err(oneshot::error::TryRecvError::Empty) => return,
                    Err(oneshot::error::TryRecvError::Closed) => return self.end(deck),
                };
                let done = match sought {
                    (reader, Ok(batch)) => {
                        deck.feed(batch);
                        self.failure = None;
                        self.state = State::Resting(reader);
                        true
                    }
                    (reader, Err(SeekError::Read(error))) => {
                        self.fail(deck, reader, error);
                        false
                    }
                    // It plays on. The enum is the library's and open.
                    (reader, Err(_)) => {
                        self.state = State::Resting(reader);
                        false
                    }
                };
                // The room need not hear of it if it does not keep up.
                drop(news.try_send(News::Sought { id, done }));
            }
            State::Tuned(tuned) => {
                if !tuned.feed(deck) {
                    self.failure = tuned.failure();
                    self.end(deck);
                }
            }
            State::Resting(_) | State::Over => {}
        }
    }

    /// Has the reader do what is next, if it is at rest.
    fn go_on(&mut self, deck: &Deck, blocking: &Handle) {
        if self.seek.is_none() && !deck.wants_packets() {
            return;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Resting(mut reader) => {
                self.state = if let Some(to) = self.seek.take() {
                    let (sender, receiver) = oneshot::channel();
                    blocking.spawn_blocking(move || {
                        let batch = reader.seek(to);
                        // Nobody waits any more when something else plays.
                        drop(sender.send((reader, batch)));
                    });
                    State::Seeking(receiver)
                } else {
                    let (sender, receiver) = oneshot::channel();
                    blocking.spawn_blocking(move || {
                        let batch = reader.read_ahead();
                        drop(sender.send((reader, batch)));
                    });
                    State::Reading(receiver)
                };
            }
            other => self.state = other,
        }
    }

    fn fail(&mut self, deck: &mut Deck, reader: Box<Reader>, error: ReadError) {
        self.failure = Some(self.follow.explain(error));
        deck.end();
        // It may still go back to what can be read.
        self.state = State::Resting(reader);
    }

    fn end(&mut self, deck: &mut Deck) {
        deck.end();
        self.state = State::Over;
    }
}

/// A desk at work as a call's source. It goes home when nothing is to be heard, and when the call ends.
pub(super) struct OnCall {
    desk: Option<Box<Desk>>,
    home: mpsc::Sender<Box<Desk>>,
}

impl OnCall {
    pub(super) fn new(desk: Box<Desk>, home: mpsc::Sender<Box<Desk>>) -> Self {
        Self { desk: Some(desk), home }
    }
}

impl AudioSource for OnCall {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        let Some(desk) = &mut self.desk else { return Pulled::Ended };
        desk.take_orders();
        desk.read_ahead();
        let pulled = desk.mixer.pull(out);
        desk.tell_events();
        match pulled {
            playback::Pulled::Frame => {
                desk.begun = true;
                desk.tell_position();
                Pulled::Frame(LEVEL)
            }
            playback::Pulled::Silent if !desk.is_wanted() => {
                desk.begun = false;
                Pulled::Ended
            }
            // A reader is late. Receivers would make something up for what does not come.
            playback::Pulled::Silent if desk.begun => {
                out.extend_from_slice(&playback::SILENCE);
                Pulled::Frame(Level::Silent)
            }
            playback::Pulled::Silent => Pulled::Starved,
        }
    }
}

impl Drop for OnCall {
    fn drop(&mut self) {
        let Some(desk) = self.desk.take() else { return };
        debug!(position = ?desk.mixer.position(), "the desk goes home");
        if let Err(error) = self.home.try_send(desk) {
            // The room is gone. Closing files may take a while, and this is a media worker.
            let (mpsc::error::TrySendError::Full(desk) | mpsc::error::TrySendError::Closed(desk)) =
                error;
            let blocking = desk.blocking.clone();
            blocking.spawn_blocking(move || drop(desk));
        }
    }
}
