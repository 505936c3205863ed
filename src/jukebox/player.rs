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

/// A jump within what plays: its number, which rises from one to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JumpId(pub(crate) u64);

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
    Seek(JumpId, Duration),
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
    /// This clip is not heard: as many are as can be at once.
    ClipRefused(TrackId),
    /// This jump is done, and whatever was jumped before it.
    Sought {
        /// Which.
        jump: JumpId,
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
    last_jump: JumpId,
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
            last_jump: JumpId::default(),
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

    /// Plays this over the music, unless four are heard already: [`News::ClipRefused`] says so.
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

    /// Goes to another place in what plays. [`News::Sought`] tells what came of it, or of one that was
    /// asked for later and overtook it; nothing does if what plays ends before.
    pub(crate) fn seek(&mut self, to: Duration) -> JumpId {
        self.last_jump.0 += 1;
        self.order(Order::Seek(self.last_jump, to));
        self.last_jump
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use phonograph_call::Pulled;

    use super::*;
    use crate::{
        command::Title,
        jukebox::{Sound, open::tests::bare_wav, resolve::Source},
    };

    const FIRST: TrackId = TrackId(1);
    const SECOND: TrackId = TrackId(2);
    const THIRD: TrackId = TrackId(3);
    /// The time for what blocking threads do, on a busy machine.
    const WITHIN: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_track_is_heard_to_its_end_and_the_desk_comes_home() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        let told = play_out(&mut player).await;
        assert_eq!(began(&told), [FIRST]);
        assert!(ended(&told).contains(&(FIRST, true)), "{told:?}");
        assert!(player.source().is_none());
    }

    #[tokio::test]
    async fn what_follows_begins_before_the_desk_comes_home() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        player.follow(SECOND, opened(), Join::Gapless);
        assert_eq!(began(&play_out(&mut player).await), [FIRST, SECOND]);
    }

    #[tokio::test]
    async fn what_was_to_follow_does_not_follow_another() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        player.follow(SECOND, opened(), Join::Gapless);
        player.begin(THIRD, opened(), Begin::default());
        let told = play_out(&mut player).await;
        assert!(!began(&told).contains(&SECOND), "{told:?}");
        assert_eq!(began(&told).last(), Some(&THIRD));
    }

    #[tokio::test]
    async fn what_is_to_be_gone_on_to_and_is_gone_is_told() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        player.skip_to(SECOND);
        let told = play_out(&mut player).await;
        assert!(ended(&told).contains(&(SECOND, false)), "{told:?}");
    }

    #[tokio::test]
    async fn a_fifth_clip_at_once_is_refused_and_told() {
        let mut player = player();
        for number in 1..=5 {
            player.clip(TrackId(number), opened());
        }
        let told = play_out(&mut player).await;
        let refused = |news: &News| match news {
            News::ClipRefused(id) => Some(*id),
            _ => None,
        };
        assert_eq!(told.iter().filter_map(refused).collect::<Vec<_>>(), [TrackId(5)]);
    }

    #[tokio::test]
    async fn of_jumps_that_come_together_the_last_is_made_and_told() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        let source = player.source().expect("something to be heard");
        player.seek(Duration::from_millis(10));
        let last = player.seek(Duration::from_millis(20));
        assert_eq!(sought(&play(&mut player, source).await), [(last, true)]);
    }

    #[tokio::test]
    async fn a_jump_with_nothing_to_jump_in_is_told_to_have_failed() {
        let mut player = player();
        let jump = player.seek(Duration::from_secs(1));
        assert!(
            matches!(next(&mut player).await, News::Sought { jump: told, done: false } if told == jump)
        );
    }

    #[tokio::test]
    async fn a_call_that_ends_in_a_fade_leaves_nothing_to_be_heard_in_the_next() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        let mut source = player.source().expect("something to be heard");
        pull_frame(&mut source).await;
        player.stop();
        drop(source);
        while !matches!(next(&mut player).await, News::Silent) {}
        assert!(player.source().is_none(), "a fade is left");
    }

    #[tokio::test]
    async fn a_pause_brings_the_desk_home_and_resuming_sends_it_out() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        player.pause();
        assert!(player.source().is_none());
        player.resume();
        assert!(player.source().is_some());
    }

    #[tokio::test]
    async fn orders_beyond_the_channel_are_done_in_their_order_once_the_call_takes_them() {
        let mut player = player();
        player.begin(FIRST, opened(), Begin::default());
        let mut source = player.source().expect("something to be heard");
        // A call that is being connected again pulls nothing.
        for _ in 0..ORDERS_MAX {
            player.pause();
            player.resume();
        }
        player.pause();
        let paused = async {
            while source.pull(&mut Vec::new()) != Pulled::Ended {
                // What is kept is handed on with the next news or order.
                player.send_backlog();
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(WITHIN, paused).await.expect("the last order is a pause");
        drop(source);
        while !matches!(next(&mut player).await, News::Silent) {}
        player.resume();
        assert!(player.source().is_some(), "it was played to its end instead");
    }

    fn player() -> Player {
        Player::new(&Config::default(), Handle::current()).unwrap()
    }

    fn opened() -> Opened {
        let source = Source::of_media(Title::new("x"), Box::new(Cursor::new(bare_wav())));
        source.open_at(Sound { even_loudness: false }, Duration::ZERO).unwrap()
    }

    /// Plays until the desk comes home; what was told.
    async fn play_out(player: &mut Player) -> Vec<News> {
        let source = player.source().expect("something to be heard");
        play(player, source).await
    }

    async fn play(player: &mut Player, mut source: Box<dyn AudioSource>) -> Vec<News> {
        let play = async {
            while source.pull(&mut Vec::new()) != Pulled::Ended {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(WITHIN, play).await.expect("the end");
        drop(source);
        let mut told = Vec::new();
        loop {
            match next(player).await {
                News::Silent => return told,
                news => told.push(news),
            }
        }
    }

    async fn pull_frame(source: &mut Box<dyn AudioSource>) {
        let pull = async {
            while !matches!(source.pull(&mut Vec::new()), Pulled::Frame(_)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(WITHIN, pull).await.expect("a frame");
    }

    async fn next(player: &mut Player) -> News {
        tokio::time::timeout(WITHIN, player.news()).await.expect("news")
    }

    fn began(told: &[News]) -> Vec<TrackId> {
        let began = |news: &News| if let News::Began(id) = news { Some(*id) } else { None };
        told.iter().filter_map(began).collect()
    }

    fn sought(told: &[News]) -> Vec<(JumpId, bool)> {
        let sought = |news: &News| match news {
            News::Sought { jump, done } => Some((*jump, *done)),
            _ => None,
        };
        told.iter().filter_map(sought).collect()
    }

    fn ended(told: &[News]) -> Vec<(TrackId, bool)> {
        let ended = |news: &News| match news {
            News::Ended { id, finished, .. } => Some((*id, *finished)),
            _ => None,
        };
        told.iter().filter_map(ended).collect()
    }
}
