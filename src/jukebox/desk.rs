//! The half of a player that makes the sound: a mixer, and the readers of what is on it.
//!
//! It is called every 20 ms and waits for nothing: orders are taken from a channel, files are read
//! on blocking threads, and what is done with is dropped there.

use std::{collections::BTreeMap, time::Duration};

use phonograph_call::{AudioSource, Pulled, livekit::Level};
use phonograph_media::playback::{
    self, Config, Deck, Ducking, EncodingError, Mixer, MixerEvent, ReadError, TrackId,
};
use tokio::{runtime::Handle, sync::mpsc};
use tracing::{debug, warn};

use super::{
    broadcast::Tuned,
    error::PlayError,
    open::{Follow, Opened, Supply},
    player::{JumpId, News, Order, Tuning},
    reading::Reading,
};

/// What others are shown as our loudness while music plays. It is not measured: it only lights up the
/// tile, and music that passes through is never decoded.
const LEVEL: Level = Level::Below(20);
/// Silence, to an ear (what a mixer takes at most).
const DUCK_DB_MAX: f32 = 60.0;
/// How often the position is told, in ticks of 20 ms: once a second.
const POSITION_TICKS: u32 = 50;
/// How much room for news is left to those that must not be lost when a position is told.
const NEWS_RESERVE: usize = 64;

/// The mixer and its readers.
pub(super) struct Desk {
    mixer: Mixer,
    tracks: BTreeMap<TrackId, Track>,
    orders: mpsc::Receiver<Order>,
    news: mpsc::Sender<News>,
    blocking: Handle,
    fade: Duration,
    ticks: u32,
    /// Whether a frame was made since something was begun: a pause before that is a late beginning.
    begun: bool,
}

/// Where one track comes from.
struct Track {
    supply: Feed,
    follow: Follow,
}

/// What brings a track's packets.
enum Feed {
    Reader(Reading),
    /// Those of a station that other rooms may hear too.
    Station(Tuned),
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
            tracks: BTreeMap::new(),
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
        self.mixer.cut_fades();
        self.mixer.cut_clips();
        while let Ok(order) = self.orders.try_recv() {
            self.obey_at_home(order);
        }
        self.tell_events();
    }

    /// Carries out an order while nobody hears it.
    pub(super) fn obey_at_home(&mut self, order: Order) {
        self.obey(order);
        self.mixer.cut_fades();
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
                    self.tell(News::ClipRefused(id));
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
            Order::Seek(jump, to) => self.seek(jump, to),
            Order::Duck(on) => self.mixer.duck(on),
            Order::Tune(tuning) => self.tune(&tuning),
        }
    }

    fn tune(&mut self, tuning: &Tuning) {
        let Tuning { volume, duck_percent, fade, encoding } = tuning;
        self.mixer.set_volume(*volume);
        let left = 1.0 - f32::from(*duck_percent.min(&100)) / 100.0;
        let ducking = Ducking::default();
        // Where a room does not want it for speech, clips are still heard over quieter music.
        let depth_db = match duck_percent {
            0 => ducking.depth_db,
            _ => (-20.0 * left.log10()).min(DUCK_DB_MAX),
        };
        self.mixer.set_ducking(Ducking { depth_db, ..ducking });
        self.fade = *fade;
        if let Err(error) = self.mixer.set_encoding(encoding) {
            warn!(%error, "the encoder keeps its settings");
        }
    }

    /// Puts a source's reader to work, and gives its deck.
    fn take_in(&mut self, id: TrackId, opened: Opened) -> Deck {
        let Opened { supply, deck, follow, .. } = opened;
        let supply = match supply {
            Supply::Reader(reader) => Feed::Reader(Reading::new(reader)),
            Supply::Packets(tuned) => Feed::Station(tuned),
        };
        self.tracks.insert(id, Track { supply, follow });
        deck
    }

    fn unfollow(&mut self) {
        if let Some((id, deck)) = self.mixer.unqueue() {
            self.discard(deck);
            self.let_go(id, false);
        }
    }

    /// Goes to another place in what plays, as soon as its reader is at rest.
    fn seek(&mut self, jump: JumpId, to: Duration) {
        let current = self.mixer.current().and_then(|id| self.tracks.get_mut(&id));
        match current.map(|track| &mut track.supply) {
            Some(Feed::Reader(reading)) => reading.seek(jump, to),
            Some(Feed::Station(_)) | None => self.tell(News::Sought { jump, done: false }),
        }
    }

    /// Brings the packets of all tracks.
    fn feed(&mut self) {
        let Self { mixer, tracks, news, blocking, .. } = self;
        for (&id, track) in tracks {
            let Some(deck) = mixer.deck_mut(id) else { continue };
            match &mut track.supply {
                Feed::Reader(reading) => {
                    if let Some((jump, done)) = reading.tick(deck, blocking) {
                        tell(news, News::Sought { jump, done });
                    }
                }
                Feed::Station(tuned) => {
                    if !tuned.feed(deck) {
                        deck.end();
                    }
                }
            }
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
        tell(&self.news, news);
    }

    /// Lets go of a track; why it broke off, if it did.
    fn let_go(&mut self, id: TrackId, gave_up: bool) -> Option<PlayError> {
        let Track { supply, follow } = self.tracks.remove(&id)?;
        let failure = match supply {
            Feed::Reader(reading) => {
                reading.let_go(&self.blocking).map(|error| follow.explain(error))
            }
            Feed::Station(tuned) => tuned.failure(),
        };
        let undecodable = || follow.explain(ReadError::Malformed("too much cannot be decoded"));
        failure.or_else(|| gave_up.then(undecodable))
    }

    fn discard(&self, deck: Deck) {
        self.blocking.spawn_blocking(move || drop(deck));
    }
}

fn tell(room: &mpsc::Sender<News>, news: News) {
    if let Err(mpsc::error::TrySendError::Full(news)) = room.try_send(news) {
        warn!(?news, "news was lost: the room does not keep up");
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
        desk.feed();
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
