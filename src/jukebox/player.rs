//! A room's player: the half that the room holds, and the desk that runs on a media worker.
//!
//! ```text
//!   room (control plane)                     media worker
//!   Player --orders, at most 64-->  Desk { Mixer, readers }  --frames--> call
//!          <--news, at most 256---
//! ```
//!
//! The desk works as the call's source for as long as there is something to be heard. Then it comes
//! home to the room, with whatever is paused still on it, and is published again when there is.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use phonograph_call::AudioSource;
use phonograph_media::playback::{Begin, Config, EncodingError, Join, TrackId, Volume};
use tokio::{runtime::Handle, sync::mpsc};
use tracing::warn;

use super::{
    desk::{Desk, OnCall},
    error::PlayError,
    open::Opened,
};

/// Orders that wait for the next tick. A person gives a few a second, and the desk takes all of them
/// every 20 ms; a further one is dropped with a warning.
const ORDERS_MAX: usize = 64;
/// Orders kept beyond that, while a call is connected again and takes none; the oldest is dropped.
const BACKLOG_MAX: usize = 512;
/// News that wait for the room. Positions are left out when it falls behind, so that the rest, of
/// which there are a few per track, always fits.
const NEWS_MAX: usize = 256;

/// How a room wants to hear what plays.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tuning {
    /// How loud.
    pub(crate) volume: Volume,
    /// By how many percent it is quieter while somebody speaks: 50 is half of the amplitude, 100
    /// silence.
    pub(crate) duck_percent: u8,
    /// How long the sound fades on skip and stop.
    pub(crate) fade: Duration,
    /// How it is encoded.
    pub(crate) encoding: Config,
}

/// What the desk is told.
#[derive(Debug)]
pub(super) enum Order {
    Begin(TrackId, Box<Opened>, Begin),
    Follow(TrackId, Box<Opened>, Join),
    Unfollow,
    Clip(TrackId, Box<Opened>),
    SkipTo(TrackId),
    Pause,
    Resume,
    Stop,
    Seek(Duration),
    Duck(bool),
    Tune(Tuning),
}

/// What a player tells its room.
#[derive(Debug)]
pub(crate) enum News {
    /// This is what is heard now.
    Began(TrackId),
    /// This one ends soon: time to prepare what follows.
    NearEnd(TrackId),
    /// This one is heard no longer.
    Ended {
        /// Which.
        id: TrackId,
        /// Whether it came to its end, and was not sent away.
        finished: bool,
        /// Why it broke off, if it did.
        error: Option<PlayError>,
    },
    /// How far this one has played; about once a second.
    Position {
        /// Which.
        id: TrackId,
        /// How far.
        at: Duration,
    },
    /// A jump came to this.
    Sought {
        /// Which.
        id: TrackId,
        /// Whether it plays from there now; otherwise it goes on as before.
        done: bool,
    },
    /// There is nothing to be heard: the call's source has ended.
    Silent,
}

/// What only its owner reaches, by an exclusive reference. Codecs can be sent to another thread but not
/// shared with one, and a room's task is shared in name only; the lock is never taken.
struct Own<T>(Mutex<T>);

impl<T> Own<T> {
    fn get(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room's half. Dropping it ends what plays.
pub(crate) struct Player {
    /// The desk, while nothing is to be heard.
    home: Own<Option<Box<Desk>>>,
    orders: mpsc::Sender<Order>,
    /// Orders for which the channel had no room.
    backlog: Own<VecDeque<Order>>,
    /// What it was told last.
    tuning: Option<Tuning>,
    ducks: bool,
    news: mpsc::Receiver<News>,
    returns: mpsc::Receiver<Box<Desk>>,
    back: mpsc::Sender<Box<Desk>>,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player").finish_non_exhaustive()
    }
}

impl Player {
    /// A player without anything to play. Readers work on the blocking threads of that runtime.
    ///
    /// # Errors
    /// If the Opus encoder refuses the settings.
    pub(crate) fn new(config: &Config, blocking: Handle) -> Result<Self, EncodingError> {
        let (orders, order_receiver) = mpsc::channel(ORDERS_MAX);
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        let (back, returns) = mpsc::channel(1);
        let desk = Desk::new(config, order_receiver, news_sender, blocking)?;
        let home = Own(Mutex::new(Some(Box::new(desk))));
        Ok(Self {
            home,
            orders,
            backlog: Own(Mutex::default()),
            tuning: None,
            ducks: false,
            news,
            returns,
            back,
        })
    }

    /// Plays this in the place of what plays.
    pub(crate) fn begin(&mut self, id: TrackId, opened: Opened, begin: Begin) {
        self.order(Order::Begin(id, Box::new(opened), begin));
    }

    /// Plays this after what plays, in the place of what was to follow.
    pub(crate) fn follow(&mut self, id: TrackId, opened: Opened, join: Join) {
        self.order(Order::Follow(id, Box::new(opened), join));
    }

    /// Nothing follows any more.
    pub(crate) fn unfollow(&mut self) {
        self.order(Order::Unfollow);
    }

    /// Plays this over the music.
    pub(crate) fn clip(&mut self, id: TrackId, opened: Opened) {
        self.order(Order::Clip(id, Box::new(opened)));
    }

    /// Goes on to this one, which was to follow. If it is gone by then, [`News::Ended`] says so.
    pub(crate) fn skip_to(&mut self, id: TrackId) {
        self.order(Order::SkipTo(id));
    }

    /// Is silent, and keeps the place.
    pub(crate) fn pause(&mut self) {
        self.order(Order::Pause);
    }

    /// Goes on from there.
    pub(crate) fn resume(&mut self) {
        self.order(Order::Resume);
    }

    /// Is silent, and lets go of what plays and of what follows.
    pub(crate) fn stop(&mut self) {
        self.order(Order::Stop);
    }

    /// Goes to another place in what plays. [`News::Sought`] tells what came of it.
    pub(crate) fn seek(&mut self, to: Duration) {
        self.order(Order::Seek(to));
    }

    /// Is heard so from the next frame on.
    pub(crate) fn tune(&mut self, tuning: Tuning) {
        if self.tuning.as_ref() != Some(&tuning) {
            self.tuning = Some(tuning.clone());
            self.order(Order::Tune(tuning));
        }
    }

    /// Is quieter while somebody speaks.
    pub(crate) fn duck(&mut self, on: bool) {
        if std::mem::replace(&mut self.ducks, on) != on {
            self.order(Order::Duck(on));
        }
    }

    /// The desk as a call's source, if something is to be heard and none is out yet.
    pub(crate) fn source(&mut self) -> Option<Box<dyn AudioSource>> {
        let desk = self.home().take_if(|desk| desk.is_wanted())?;
        Some(Box::new(OnCall::new(desk, self.back.clone())))
    }

    /// What happens next. Cancel-safe.
    pub(crate) async fn news(&mut self) -> News {
        tokio::select! {
            biased;
            Some(news) = self.news.recv() => {
                self.send_backlog();
                news
            }
            Some(desk) = self.returns.recv() => {
                let desk = self.home().insert(desk);
                // With the orders that came after its last tick.
                desk.come_home();
                self.send_backlog();
                News::Silent
            }
            else => std::future::pending().await,
        }
    }

    fn home(&mut self) -> &mut Option<Box<Desk>> {
        self.home.get()
    }

    fn order(&mut self, order: Order) {
        let backlog = self.backlog.get();
        backlog.push_back(order);
        if backlog.len() > BACKLOG_MAX {
            warn!("an order was dropped: the call takes none");
            backlog.pop_front();
        }
        self.send_backlog();
    }

    /// Hands on what was ordered while the channel was full: a call that is being connected again takes
    /// nothing.
    fn send_backlog(&mut self) {
        while let Some(order) = self.backlog.get().pop_front() {
            if let Some(desk) = self.home() {
                desk.obey_at_home(order);
            } else if let Err(mpsc::error::TrySendError::Full(order)) = self.orders.try_send(order)
            {
                self.backlog.get().push_front(order);
                return;
            }
        }
    }
}
