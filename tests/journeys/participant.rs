//! A participant made of the library alone, as another bot would be: it plays a tone, and hears
//! everybody.

use std::{
    collections::BTreeMap,
    f64::consts::TAU,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use phonograph_call::{
    AudioSource, Call, Config, Event, Heard, Network, Pulled, Track, TrackId, TrackInfo,
    Undecryptable, Workers,
    livekit::Level,
    matrixrtc::{RoomId, session::Saved},
};
use phonograph_matrix::{Account, Credentials, Settings};
use phonograph_trial::stage::WITHIN;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    ear::Ear,
    keychain::{Keychain, Tap},
    support::Journey,
};

/// Orders that wait for a call; a journey gives a handful.
const ORDERS_MAX: usize = 16;
const PASSWORD: &str = "a password";

/// A device that is logged in and syncs. It ends with its drop.
pub(crate) struct Participant {
    pub(crate) user_id: String,
    /// The media keys that came to it or that it sent, in whatever call.
    pub(crate) keychain: Keychain,
    account: Arc<Account>,
    network: Arc<Network>,
    workers: Arc<Workers>,
    sync: JoinHandle<()>,
    /// Homeserver and user.
    settings: (String, String),
    store: tempfile::TempDir,
}

impl Participant {
    /// Somebody new, who trusts these certificates besides the system's.
    pub(crate) async fn new(journey: &Journey, name: &str) -> Result<Self> {
        Self::at(journey.stage.stack.homeserver(), name, &[]).await
    }

    pub(crate) async fn at(
        homeserver: &phonograph_trial::homeserver::Homeserver,
        name: &str,
        roots: &[rustls::pki_types::CertificateDer<'static>],
    ) -> Result<Self> {
        // Another journey may have installed them.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        // Nothing, unless RUST_LOG says otherwise.
        let filter = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into());
        let log = tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy());
        drop(log.with_writer(std::io::stderr).try_init());
        let name = crate::support::unique(name);
        homeserver.register(&name, PASSWORD).await?;
        let whom = (homeserver.url().to_owned(), name);
        Self::with(tempfile::tempdir()?, whom, Network::new(roots)?).await
    }

    async fn with(
        store: tempfile::TempDir,
        (homeserver, user): (String, String),
        network: Arc<Network>,
    ) -> Result<Self> {
        let settings = Settings {
            homeserver: homeserver.clone(),
            user: user.clone(),
            credentials: Credentials::Password(PASSWORD.to_owned()),
            store: store.path().to_owned(),
            display_name: None,
        };
        let (account, mut chat) = Account::start(settings).await?;
        let account = Arc::new(account);
        let syncing = Arc::clone(&account);
        let sync = tokio::spawn(async move {
            let chat = async { while chat.recv().await.is_some() {} };
            tokio::join!(syncing.run(), chat);
        });
        Ok(Self {
            user_id: account.me().user.to_string(),
            keychain: Keychain::default(),
            account,
            settings: (homeserver, user),
            network,
            workers: Arc::new(Workers::start(1)?),
            sync,
            store,
        })
    }

    /// The same device once more, as if its store had been copied to another machine.
    pub(crate) async fn twin(&self) -> Result<Self> {
        let store = tempfile::tempdir()?;
        for entry in std::fs::read_dir(self.store.path())? {
            let entry = entry?;
            std::fs::copy(entry.path(), store.path().join(entry.file_name()))?;
        }
        Self::with(store, self.settings.clone(), Arc::clone(&self.network)).await
    }

    /// Accepts the invite to a room, once it has come.
    pub(crate) async fn accept(&self, room: &str) -> Result<()> {
        let began = Instant::now();
        while let Err(error) = self.account.accept(&RoomId::from(room)).await {
            ensure!(began.elapsed() < WITHIN, "no invite to {room}: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Enters the room's call, hears everybody in it, and waits until it is in.
    pub(crate) async fn enter(&self, room: &str) -> Result<Inside> {
        self.enter_with(Config::new(RoomId::from(room))).await
    }

    pub(crate) async fn enter_with(&self, config: Config) -> Result<Inside> {
        let inside = self.begin(config);
        inside.wait("being in the call", WITHIN, |seen| seen.joined).await?;
        Ok(inside)
    }

    /// Begins to enter a call.
    pub(crate) fn begin(&self, config: Config) -> Inside {
        let call = Call::join(Arc::new(self.tap()), config, &self.network, &self.workers);
        Inside::watch(call)
    }

    /// Takes the media keys of a room's call that have come since it was left.
    pub(crate) async fn gather_keys(&self, room: &str) -> Result<()> {
        Ok(self.tap().gather(&RoomId::from(room)).await?)
    }

    fn tap(&self) -> Tap {
        Tap { matrix: self.account.calls(), keychain: self.keychain.clone() }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.sync.abort();
    }
}

/// A call from the inside. It is left with its drop.
pub(crate) struct Inside {
    orders: mpsc::Sender<Order>,
    seen: Arc<Mutex<Seen>>,
    changed: watch::Receiver<()>,
    pump: JoinHandle<Option<Saved>>,
}

enum Order {
    Play(u32),
    Stop,
    Leave,
}

/// What was seen and heard.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) joined: bool,
    pub(crate) others: usize,
    /// Each loss of the media path, and each return.
    pub(crate) connected: Vec<(Instant, bool)>,
    pub(crate) tracks: BTreeMap<TrackId, TrackInfo>,
    pub(crate) undecryptable: Vec<(TrackId, Option<Undecryptable>)>,
    pub(crate) ears: BTreeMap<TrackId, Ear>,
    pub(crate) saved: Vec<Saved>,
    pub(crate) ended: Option<String>,
}

impl Inside {
    fn watch(call: Call) -> Self {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let (changes, changed) = watch::channel(());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let pump = tokio::spawn(pump(call, inbox, Arc::clone(&seen), changes));
        Self { orders, seen, changed, pump }
    }

    /// Plays a tone from now on.
    pub(crate) fn play(&self, hertz: u32) {
        drop(self.orders.try_send(Order::Play(hertz)));
    }

    /// Plays nothing any more.
    pub(crate) fn stop(&self) {
        drop(self.orders.try_send(Order::Stop));
    }

    /// Leaves, and answers with what is to be kept.
    pub(crate) async fn leave(self) -> Result<Option<Saved>> {
        drop(self.orders.send(Order::Leave).await);
        Ok(self.pump.await?)
    }

    /// What was seen by now.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Waits until something was seen.
    pub(crate) async fn wait(
        &self,
        what: &str,
        within: Duration,
        mut is: impl FnMut(&Seen) -> bool,
    ) -> Result<()> {
        let mut changed = self.changed.clone();
        let waiting = async {
            loop {
                changed.mark_unchanged();
                {
                    let seen = self.seen();
                    if is(&seen) {
                        return Ok(());
                    }
                    if let Some(reason) = &seen.ended {
                        bail!("the call ended before {what}: {reason}");
                    }
                }
                if changed.changed().await.is_err() {
                    bail!("the call is over before {what}");
                }
            }
        };
        match tokio::time::timeout(within, waiting).await {
            Ok(done) => done,
            Err(_elapsed) => bail!("not within {within:?}: {what}; {:#?}", self.seen().brief()),
        }
    }

    /// Waits until a user's tone is heard for a second as it should be, to two hertz.
    pub(crate) async fn hears(&self, user: &str, hertz: u32, within: Duration) -> Result<()> {
        let what = format!("hearing {user} at {hertz} Hz");
        self.wait(&what, within, |seen| {
            seen.newest(user).is_some_and(|ear| {
                let [left, _] = ear.last(1.0);
                (left.hertz() - f64::from(hertz)).abs() < 2.0 && left.rms() > 0.02
            })
        })
        .await
    }
}

impl Seen {
    /// The newest track of a user's sound.
    pub(crate) fn newest(&self, user: &str) -> Option<&Ear> {
        let theirs = self.ears.values().filter(|ear| ear.user == user && !ear.video);
        theirs.max_by_key(|ear| ear.arrivals.first().copied())
    }

    /// For messages: without samples.
    fn brief(&self) -> Vec<String> {
        let ears = self.ears.values().map(|ear| {
            let [left, right] = ear.last(1.0);
            let hertz = [left.hertz(), right.hertz()];
            format!("{}: {} frames, {} lost, {hertz:?} Hz", ear.user, ear.frames, ear.lost)
        });
        let state = format!("others {}, connected {:?}", self.others, self.connected.last());
        ears.chain([state, format!("{:?}", self.undecryptable)]).collect()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes events and orders until the call is over.
async fn pump(
    mut call: Call,
    mut inbox: mpsc::Receiver<Order>,
    seen: Arc<Mutex<Seen>>,
    changes: watch::Sender<()>,
) -> Option<Saved> {
    loop {
        tokio::select! {
            event = call.event() => match event {
                Some(event) => take(&call, event, &seen, &changes),
                None => return None,
            },
            order = inbox.recv() => match order {
                Some(Order::Play(hertz)) => call.publish(Box::new(Tone::new(hertz))),
                Some(Order::Stop) => call.stop(phonograph_call::Role::Microphone),
                Some(Order::Leave) | None => return call.leave().await,
            },
        }
        changes.send_replace(());
    }
}

fn take(call: &Call, event: Event, seen: &Arc<Mutex<Seen>>, changes: &watch::Sender<()>) {
    let mut now = lock(seen);
    match event {
        Event::Joined => now.joined = true,
        Event::Others(others) => now.others = others,
        Event::Connected(connected) => now.connected.push((Instant::now(), connected)),
        Event::TrackPublished(info) => {
            now.ears.insert(info.id.clone(), Ear::new(&info));
            let track = call.subscribe(&info.id);
            now.tracks.insert(info.id.clone(), info);
            tokio::spawn(listen(track, Arc::clone(seen), changes.clone()));
        }
        Event::TrackChanged(info) => drop(now.tracks.insert(info.id.clone(), info)),
        Event::TrackEnded(id) => drop(now.tracks.remove(&id)),
        Event::TrackUndecryptable { track, why } => now.undecryptable.push((track, why)),
        Event::Saved(saved) => now.saved.push(saved),
        Event::Ended(reason) => now.ended = Some(phonograph_call::chain(&reason)),
        _ => {}
    }
}

async fn listen(mut track: Track, seen: Arc<Mutex<Seen>>, changes: watch::Sender<()>) {
    let mut decoder =
        opus::Decoder::new(48_000, opus::Channels::Stereo).expect("a decoder can be made");
    while let Some(heard) = track.next().await {
        let mut now = lock(&seen);
        let Some(ear) = now.ears.get_mut(track.id()) else { return };
        match heard {
            Heard::Frame(frame) => ear.hear(&frame, &mut decoder),
            Heard::Muted(muted) => ear.muted = muted,
            _ => {}
        }
        drop(now);
        changes.send_replace(());
    }
}

/// A steady tone in both channels, of the level that the test files have.
pub(crate) struct Tone {
    hertz: u32,
    samples: u64,
    encoder: opus::Encoder,
}

impl Tone {
    pub(crate) fn new(hertz: u32) -> Self {
        let encoder = opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio)
            .expect("an encoder can be made");
        Self { hertz, samples: 0, encoder }
    }
}

impl AudioSource for Tone {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        let sample = |n: u64| {
            let turn = TAU * f64::from(self.hertz) * n as f64 / 48_000.0;
            (0.25 * turn.sin()) as f32
        };
        let block: Vec<f32> =
            (self.samples..self.samples + 960).flat_map(|n| [sample(n); 2]).collect();
        self.samples += 960;
        let packet = self.encoder.encode_vec_float(&block, 1275).expect("a block can be encoded");
        out.extend_from_slice(&packet);
        Pulled::Frame(Level::Below(15))
    }
}

/// What a journey with a context would want of an ear.
pub(crate) fn ear<'a>(seen: &'a Seen, user: &str) -> Result<&'a Ear> {
    seen.newest(user).with_context(|| format!("{user} is not heard at all"))
}
