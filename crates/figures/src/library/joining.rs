//! How long joining takes, to the first packet.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use phonograph_call::{
    AudioSource, Call, Config, Event, Network, Pulled, Workers, livekit::Level, matrixrtc::RoomId,
};
use phonograph_matrix::{Account, Credentials, Settings};
use phonograph_trial::{
    homeserver::{Homeserver, NewRoom},
    stack::{Options, Stack},
};
use tokio::time::timeout;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::frame;
use crate::{figure::Figure, steps};

const PASSWORD: &str = "a password";
/// How long a join may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Between two joins: the SFU tells nobody any more that we are there.
const PAUSE: Duration = Duration::from_secs(1);

/// `join_to_accepted_ms_p95`: from [`Call::join`], in an encrypted room of a real homeserver in which
/// nobody else is in the call, until the first packet leaves on a media path that the SFU has
/// completed: ICE, and DTLS both ways, without which no packet is pulled from the source. Nothing lies
/// between that and the SFU on loopback, which says nothing of a first packet. The account is logged
/// in and synced. `join_accepted_steps_ms`: the median of each step, by the library's log.
pub(crate) async fn measure(runs: u32) -> Result<Vec<Figure>> {
    let log = Log::default();
    // For all threads: a call lives on one of its own.
    let logging = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("phonograph_call=debug"))
        .with_writer(log.clone())
        .try_init();
    logging.map_err(|error| anyhow!(error)).context("logging")?;
    let stack = Stack::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let (account, room) = prepare(&stack, folder.path()).await?;
    let (network, workers) = (Network::new(&[])?, Workers::start(1)?);
    let mut samples = Vec::new();
    for _ in 0..runs {
        let (pulled, began) = (Pull::default(), Instant::now());
        let config = Config::new(room.clone());
        let mut call = Call::join(account.calls(), config, &network, &workers);
        call.publish(Box::new(pulled.clone()));
        let first = timeout(WITHIN, first(&mut call, &pulled)).await.context("joining")??;
        samples.push(first.duration_since(began).as_secs_f64() * 1000.0);
        call.leave().await;
        tokio::time::sleep(PAUSE).await;
    }
    let mut figures = Vec::from(Figure::p95("join_to_accepted_ms_p95", &samples, "ms", 400.0));
    figures.extend(steps::medians(&log.text(), "join_accepted_steps_ms"));
    Ok(figures)
}

/// An account that syncs, in an encrypted room.
async fn prepare(stack: &Stack, folder: &Path) -> Result<(Arc<Account>, RoomId)> {
    let homeserver = stack.homeserver();
    homeserver.register("host", PASSWORD).await?;
    let host = homeserver.login("host", PASSWORD).await?;
    let account = account(homeserver, "joiner", folder).await?;
    let invite = [account.me().user.as_str()];
    let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
    let room = RoomId::from(homeserver.create_room(&host, &room).await?);
    enter(&account, &room).await?;
    Ok((account, room))
}

/// A new account, signed in, which syncs until the process ends.
pub(crate) async fn account(
    homeserver: &Homeserver,
    name: &str,
    folder: &Path,
) -> Result<Arc<Account>> {
    let user = homeserver.register(name, PASSWORD).await?;
    let (account, mut incoming) = Account::start(Settings {
        homeserver: homeserver.url().to_owned(),
        user,
        credentials: Credentials::Password(PASSWORD.to_owned()),
        store: folder.join("store"),
        display_name: None,
    })
    .await?;
    let account = Arc::new(account);
    let syncing = Arc::clone(&account);
    tokio::spawn(async move { syncing.run().await });
    // Chat is nothing to us, but it has to be taken.
    tokio::spawn(async move { while incoming.recv().await.is_some() {} });
    Ok(account)
}

/// Accepts the invite to a room, once it has come.
pub(crate) async fn enter(account: &Account, room: &RoomId) -> Result<()> {
    let entering = async {
        while !account.joined_rooms().contains(room) {
            if account.pending_invites().await.iter().any(|invite| invite.room == *room) {
                account.accept(room).await?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    timeout(WITHIN, entering).await.context("entering the room")?
}

/// When the first frame was pulled.
async fn first(call: &mut Call, pulled: &Pull) -> Result<Instant> {
    while let Some(event) = call.event().await {
        match event {
            Event::Joined => break,
            Event::Ended(reason) => bail!("the call ended: {}", phonograph_call::chain(&reason)),
            _ => {}
        }
    }
    loop {
        if let Some(at) = pulled.0.get() {
            return Ok(*at);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Notes when it was first asked for a frame.
#[derive(Clone, Default)]
struct Pull(Arc<OnceLock<Instant>>);

impl AudioSource for Pull {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        self.0.get_or_init(Instant::now);
        out.extend_from_slice(&frame());
        Pulled::Frame(Level::Below(20))
    }
}

/// What the library logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
