//! Stations that several rooms hear: received, decoded and encoded once, whatever the number of rooms.
//!
//! ```text
//!   station -> reader -> mixer --packets of 20 ms--> (each room) deck of packets -> mixer -> call
//! ```
//!
//! A room's own mixer passes the packets on as they are while nothing acts on them there; each call
//! encrypts them for itself. What the station says beside its sound goes to all.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use phonograph_media::playback::{
    Begin, Config, Deck, Info, Mixer, MixerEvent, OpenError, Pulled, SILENCE, TrackId,
};
use tokio::{
    runtime::Handle,
    sync::{broadcast, watch},
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tracing::{Instrument, info, info_span};
use url::Url;

use super::{
    error::PlayError,
    open::{Follow, Opened, Supply},
    reading::Reading,
};
use crate::command::{Barred, Title};

/// The time of one packet.
const TICK: Duration = Duration::from_millis(20);
/// What a room gets at once when it tunes in, so that its clock and ours may drift apart: 240 ms.
const HEAD_START: usize = 12;
/// Packets that wait for a room. One that is a second late goes on with what is sent now.
const LATE_MAX: usize = 50;
/// The station's name in its own mixer, which plays nothing else.
const STATION: TrackId = TrackId(0);

/// The stations that are received. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Broadcasts {
    on_air: Arc<Mutex<BTreeMap<Name, Weak<Broadcast>>>>,
    config: Config,
    /// The hosts that no link leads to.
    barred: Barred,
}

/// What a station is known by. It may have come by hosts that other rooms bar, so only rooms that bar
/// the same share it.
type Name = (Url, Barred);

/// One station. Receiving ends when the last room has let go of it.
#[derive(Debug)]
pub(super) struct Broadcast {
    title: Title,
    info: Info,
    titles: watch::Receiver<Option<Title>>,
    packets: broadcast::Sender<Bytes>,
    recent: Mutex<VecDeque<Bytes>>,
    failure: Mutex<Option<Arc<PlayError>>>,
    task: Mutex<Option<AbortHandle>>,
}

/// One room's share of a station.
#[derive(Debug)]
pub(crate) struct Tuned {
    station: Arc<Broadcast>,
    packets: broadcast::Receiver<Bytes>,
}

impl Broadcasts {
    /// None yet; what has to be encoded is encoded so.
    pub(super) fn new(config: Config) -> Self {
        Self { on_air: Arc::default(), config, barred: Barred::default() }
    }

    /// The same, for rooms where no link leads to these hosts.
    pub(super) fn barring(&self, barred: Barred) -> Self {
        Self { barred, ..self.clone() }
    }

    /// Tunes in to a station that another room hears.
    pub(super) fn tune_in(&self, url: &Url) -> Option<Result<Opened, OpenError>> {
        let station = lock(&self.on_air).get(&self.name(url)).and_then(Weak::upgrade)?;
        let has_failed = lock(&station.failure).is_some();
        (!has_failed).then(|| station.tune_in())
    }

    /// Lets other rooms hear a station that was opened for one.
    ///
    /// # Errors
    /// Out of memory, if at all.
    pub(super) fn begin(&self, url: &Url, opened: Opened) -> Result<Opened, PlayError> {
        let Opened { title, supply, deck, follow, titles, .. } = opened;
        let (Supply::Reader(reader), Some(titles)) = (supply, titles) else {
            return Err(PlayError::Media {
                title,
                is_endless: true,
                source: OpenError::NoAudioTrack,
            });
        };
        let (packets, _) = broadcast::channel(LATE_MAX);
        let station = Arc::new(Broadcast {
            title: title.clone(),
            info: deck.info().clone(),
            titles,
            packets,
            recent: Mutex::default(),
            failure: Mutex::default(),
            task: Mutex::default(),
        });
        let media = |source| PlayError::Media { title: title.clone(), is_endless: true, source };
        let tuned = station.tune_in().map_err(media)?;
        let mut mixer = Mixer::new(&self.config)
            .map_err(|error| media(OpenError::Io(std::io::Error::other(error))))?;
        mixer.play(STATION, deck, Begin::default());
        let work = Work { mixer, reading: Reading::new(reader), follow };
        let span = info_span!("station", %url);
        let task = tokio::spawn(work.run(Arc::downgrade(&station)).instrument(span));
        *lock(&station.task) = Some(task.abort_handle());
        let mut on_air = lock(&self.on_air);
        on_air.retain(|_, station| station.strong_count() > 0);
        on_air.insert(self.name(url), Arc::downgrade(&station));
        Ok(tuned)
    }

    fn name(&self, url: &Url) -> Name {
        (url.clone(), self.barred.clone())
    }
}

impl Broadcast {
    fn tune_in(self: &Arc<Self>) -> Result<Opened, OpenError> {
        let mut deck = Deck::of_packets(self.info.clone())?;
        // Subscribed first: a packet may then come twice, but none is missing.
        let packets = self.packets.subscribe();
        for packet in lock(&self.recent).iter() {
            deck.feed_packet(packet);
        }
        Ok(Opened {
            title: self.title.clone(),
            supply: Supply::Packets(Tuned { station: Arc::clone(self), packets }),
            deck,
            follow: Follow::nothing(self.title.clone()),
            titles: Some(self.titles.clone()),
            cover: None,
            is_endless: true,
        })
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

impl Tuned {
    /// Hands on what has come; false once nothing comes any more.
    pub(super) fn feed(&mut self, deck: &mut Deck) -> bool {
        loop {
            match self.packets.try_recv() {
                Ok(packet) => deck.feed_packet(&packet),
                Err(broadcast::error::TryRecvError::Empty) => {
                    return lock(&self.station.failure).is_none();
                }
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Closed) => return false,
            }
        }
    }

    /// Why the station fell silent.
    pub(super) fn failure(&self) -> Option<PlayError> {
        lock(&self.station.failure).clone().map(PlayError::Station)
    }
}

/// Receives one station.
struct Work {
    mixer: Mixer,
    reading: Reading,
    follow: Follow,
}

impl Work {
    async fn run(mut self, station: Weak<Broadcast>) {
        let mut ticks = interval_at(Instant::now(), TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut packet = Vec::new();
        let blocking = Handle::current();
        loop {
            ticks.tick().await;
            if let Some(deck) = self.mixer.deck_mut(STATION) {
                // Nobody jumps in a station.
                self.reading.tick(deck, &blocking);
            }
            let pulled = self.mixer.pull(&mut packet);
            let Some(station) = station.upgrade() else { return };
            let is_over = self.is_over();
            if !is_over {
                let bytes = match pulled {
                    Pulled::Frame => Bytes::copy_from_slice(&packet),
                    Pulled::Silent => Bytes::from_static(&SILENCE),
                };
                station.send(bytes);
                continue;
            }
            let failure = self.reading.let_go(&blocking).map_or_else(
                || PlayError::StationEnded { title: station.title.clone() },
                |error| self.follow.explain(error),
            );
            info!(error = phonograph_call::chain(&failure), "the station fell silent");
            *lock(&station.failure) = Some(Arc::new(failure));
            return;
        }
    }

    /// Whether all that was received has been sent.
    fn is_over(&mut self) -> bool {
        let mut is_over = false;
        while let Some(event) = self.mixer.poll_event() {
            is_over |= matches!(event, MixerEvent::Ended { id: STATION, .. });
        }
        while let Some(deck) = self.mixer.take_dead() {
            drop(deck);
        }
        is_over
    }
}

impl Broadcast {
    fn send(&self, packet: Bytes) {
        let mut recent = lock(&self.recent);
        if recent.len() == HEAD_START {
            recent.pop_front();
        }
        recent.push_back(packet.clone());
        drop(recent);
        // Rooms may be about to tune in, or out.
        drop(self.packets.send(packet));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        command::Host,
        config::Config as Settings,
        jukebox::{
            Resolver, Sound, Want,
            server::{Server, Then},
        },
    };

    /// The time for packets that are due within a tick, on a busy machine.
    const WITHIN: Duration = Duration::from_secs(20);
    const SOUND: Sound = Sound { even_loudness: true };

    #[tokio::test(flavor = "multi_thread")]
    async fn rooms_that_hear_the_same_station_ask_for_it_once() {
        let server = station().await;
        let resolver = resolver();
        let url = server.url("/live");

        let mut first = tune_in(&resolver, &url).await;
        let (item, mut second) = resolver.on_air(&url).unwrap();

        assert_eq!(item.title, first.title);
        assert_eq!(item.duration, None);
        for opened in [&mut first, &mut second] {
            let Supply::Packets(tuned) = &mut opened.supply else { panic!("not shared") };
            let deck = &mut opened.deck;
            let fed = async {
                while !deck.is_ready() {
                    tuned.feed(deck);
                    tokio::time::sleep(TICK).await;
                }
            };
            tokio::time::timeout(WITHIN, fed).await.unwrap();
        }
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_station_is_received_until_the_last_room_has_let_go_of_it() {
        let server = station().await;
        let resolver = resolver();
        let url = server.url("/live");
        let first = tune_in(&resolver, &url).await;
        let second = resolver.on_air(&url).unwrap();
        drop(first);
        assert!(resolver.on_air(&url).is_some());
        drop(second);
        assert!(resolver.on_air(&url).is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_room_that_bars_other_hosts_asks_for_a_station_itself() {
        let server = station().await;
        let resolver = resolver();
        let url = server.url("/live");
        let _first = tune_in(&resolver, &url).await;
        let barring = |host| resolver.barring(Barred::from_iter(&Host::new(host)));
        assert!(barring("ads.example.org").on_air(&url).is_none());
        let _second = tune_in(&barring("ads.example.org"), &url).await;
        assert!(barring("ads.example.org").on_air(&url).is_some());
    }

    /// A server that sends some seconds and then keeps the connection.
    async fn station() -> Server {
        let sound = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial/tones.opus");
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\n\r\n";
        let answer = [&head[..], &fs::read(sound).unwrap()].concat();
        Server::start_and(Then::Listen, move |_| answer.clone()).await
    }

    fn resolver() -> Resolver {
        let mut settings = Settings::example();
        settings.links.allow_hosts = vec!["127.0.0.1".to_owned()];
        Resolver::of(&settings)
    }

    async fn tune_in(resolver: &Resolver, url: &Url) -> Opened {
        let found = resolver.find(Want::Link(url.clone())).await.unwrap();
        let (item, source) = (&found.items[0], found.opened.unwrap());
        resolver.look_into(item, source, SOUND, Duration::ZERO).await.unwrap()
    }
}
