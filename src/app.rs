//! Builds the parts of the bot, runs them, and ends them in order.

use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use phonograph_call::{Network, Workers, matrix::Matrix, matrixrtc::RoomId};
use phonograph_matrix::{Account, Incoming, Invite, StartError, Upgraded};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
};
use tracing::{Instrument, info, warn};

use crate::{
    config::{Config, Credentials},
    jukebox::{Library, Resolver},
    room::{self, Said, Shared},
    store::Store,
    uploads::Uploads,
};

/// Rooms that we are active in at once. Beyond it a room's messages are not heard, and the log says
/// so.
const ROOMS_MAX: usize = 1000;
/// The pause between two tries to reach the homeserver at the start.
const START_PAUSE: Duration = Duration::from_secs(2);
/// How long ending may take in all: people see an empty call within two seconds.
const END_WITHIN: Duration = Duration::from_millis(1900);
/// Of that, how long what was said last may take to be sent.
const FLUSH_WITHIN: Duration = Duration::from_millis(300);

/// The homeserver could not be reached (`EX_UNAVAILABLE` of sysexits.h): starting again later helps.
const UNREACHABLE: u8 = 69;
/// The store cannot be used (`EX_IOERR`): the operator has to look at it.
const BAD_STORE: u8 = 74;
/// Our account was not let in (`EX_NOPERM`): only other settings help.
const NOT_LET_IN: u8 = 77;

/// Invites that are answered at the same time. One more is left unanswered until the next start.
const INVITES_MAX: usize = 32;
/// How long answering one may take: joining a large room on another server takes its time.
const INVITE_WITHIN: Duration = Duration::from_mins(1);

/// Runs the bot until it is told to end.
///
/// # Errors
/// Why it could not start, or had to end.
pub(crate) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if provider.install_default().is_err() {
        warn!("another crypto provider was installed already");
    }
    let mut stop = Stop::listen().context("cannot listen for signals")?;
    let started = tokio::select! {
        started = start(&config) => started?,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    let (account, incoming) = match started {
        Ok(started) => started,
        Err(failure) => return Ok(failure),
    };
    let shared = build(config, &account)?;
    serve(Arc::new(account), incoming, shared, &mut stop).await
}

type Started = (Account, mpsc::Receiver<Incoming>);

/// Logs in; waits for a homeserver that does not answer, as long as the settings say.
async fn start(config: &Config) -> anyhow::Result<Result<Started, ExitCode>> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        let error = match Account::start(settings(config)?).await {
            Ok(started) => return Ok(Ok(started)),
            Err(error) => error,
        };
        let chain = phonograph_call::chain(&error);
        let code = match error {
            StartError::Unreachable(_) => None,
            StartError::Store { .. } => Some(BAD_STORE),
            // The enum belongs to the library and is open.
            StartError::WrongPassword
            | StartError::TokenRefused
            | StartError::StoreLost
            | StartError::Homeserver(_)
            | _ => Some(NOT_LET_IN),
        };
        if let Some(code) = code {
            tracing::error!(error = chain, "cannot log in");
            return Ok(Err(ExitCode::from(code)));
        }
        if begun.elapsed() + START_PAUSE > config.homeserver.wait {
            tracing::error!(error = chain, "the homeserver did not answer in time: giving up");
            return Ok(Err(ExitCode::from(UNREACHABLE)));
        }
        if !told {
            let wait = humantime_serde::re::humantime::format_duration(config.homeserver.wait);
            warn!(error = chain, limit = %wait, "the homeserver does not answer: waiting for it");
            told = true;
        }
        tokio::time::sleep(START_PAUSE).await;
    }
}

fn settings(config: &Config) -> anyhow::Result<phonograph_matrix::Settings> {
    let homeserver = &config.homeserver;
    let credentials = match homeserver.credentials()? {
        Credentials::Password(secret) => {
            phonograph_matrix::Credentials::Password(secret.expose().to_owned())
        }
        Credentials::Token(secret) => {
            phonograph_matrix::Credentials::Token(secret.expose().to_owned())
        }
    };
    Ok(phonograph_matrix::Settings {
        homeserver: homeserver.url.clone(),
        user: homeserver.user.clone(),
        credentials,
        store: config.store.join("matrix"),
        display_name: homeserver.display_name.clone(),
    })
}

fn build(config: Config, account: &Account) -> anyhow::Result<Arc<Shared>> {
    let store = Store::open(&config.store).context("cannot open the store")?;
    let library =
        Library::start(&config.library, store.files()).context("cannot index the library")?;
    let uploads = Arc::new(Uploads(account.media()));
    let resolver = Resolver::new(&config, library, store.clone()).context("cannot set up links")?;
    let resolver = resolver.with_uploads(uploads);
    let roots = match &config.call.root_certificates {
        Some(path) => read_roots(path)
            .with_context(|| format!("cannot read the certificates in {}", path.display()))?,
        None => Vec::new(),
    };
    let network = Network::new(&roots).context("cannot set up the network")?;
    let workers = Workers::per_core().context("cannot start the media workers")?;
    let calls = account.calls();
    let matrix: Arc<dyn Matrix> = Arc::clone(&calls) as _;
    Ok(Arc::new(Shared {
        me: account.me().user.clone(),
        outbox: account.outbox(),
        config,
        matrix,
        calls,
        rooms: account.rooms(),
        network,
        workers,
        resolver,
        store,
    }))
}

/// The certificates in a PEM file; it must have one.
fn read_roots(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let roots = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!roots.is_empty(), "there is no certificate in it");
    Ok(roots)
}

/// Hands what comes to the rooms, until somebody ends it.
async fn serve(
    account: Arc<Account>,
    mut incoming: mpsc::Receiver<Incoming>,
    shared: Arc<Shared>,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    account.calls().end_stale_memberships().await;
    let mut rooms = Rooms::new(Arc::clone(&shared));
    let mut invites = Invites::new(Arc::clone(&account), Arc::clone(&shared));
    for invite in account.pending_invites().await {
        invites.answer(invite);
    }
    for upgraded in account.rooms().upgraded() {
        invites.follow(upgraded);
    }
    info!(user = %shared.me, device = %account.me().device, "ready");
    let sync = account.run();
    tokio::pin!(sync);
    let ended = loop {
        tokio::select! {
            ended = &mut sync => break Err(ended),
            () = stop.asked() => break Ok(()),
            Some(incoming) = incoming.recv() => match incoming {
                Incoming::Message(message) => {
                    let room = message.room.clone();
                    rooms.hand_on(&room, Said::Message(Box::new(message)));
                }
                Incoming::Reaction(reaction) => {
                    let room = reaction.room.clone();
                    rooms.hand_on(&room, Said::Reaction(reaction));
                }
                Incoming::Synced => rooms.come_back(&account).await,
                Incoming::Invite(invite) => invites.answer(invite),
                Incoming::Gone(room) => {
                    rooms.hand_on_if_open(&room, Said::Gone);
                    rooms.close(&room);
                }
                Incoming::Upgraded(upgraded) => invites.follow(upgraded),
                // A reaction that is taken back is no second press of the button.
                Incoming::Redacted(_) => {}
            },
            Some(ended) = rooms.tasks.join_next_with_id() => rooms.ended(ended),
            Some(_answered) = invites.tasks.join_next() => {}
        }
    };
    info!("ending");
    drop(invites);
    let ending = end(rooms, shared);
    tokio::pin!(ending);
    let end_by = tokio::time::Instant::now() + END_WITHIN;
    // The sync goes on meanwhile: requests on the way out may need what it brings.
    let mut syncs = ended.is_ok();
    loop {
        tokio::select! {
            () = &mut ending => break,
            _over = &mut sync, if syncs => syncs = false,
            () = tokio::time::sleep_until(end_by) => {
                warn!("ending took too long");
                break;
            }
        }
    }
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(over) => {
            tracing::error!(error = %over, "the homeserver ended our session");
            Ok(ExitCode::from(NOT_LET_IN))
        }
    }
}

/// Leaves all calls, sends what was said last, and ends the media workers.
async fn end(rooms: Rooms, shared: Arc<Shared>) {
    rooms.end().await;
    shared.outbox.flush(FLUSH_WITHIN).await;
    // The last one to let go of the workers waits for them.
    if let Err(error) = tokio::task::spawn_blocking(move || drop(shared)).await {
        warn!(%error, "the media workers did not end well");
    }
}

/// Invites that are being answered, beside everything else: a slow server must not hold up the sync.
struct Invites {
    account: Arc<Account>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Invites {
    fn new(account: Arc<Account>, shared: Arc<Shared>) -> Self {
        Self { account, shared, tasks: JoinSet::new() }
    }

    /// Goes along into an upgraded room.
    fn follow(&mut self, upgraded: Upgraded) {
        if self.tasks.len() == INVITES_MAX {
            return warn!(room = %upgraded.old, "too many invites: an upgrade is not followed");
        }
        let (account, shared) = (Arc::clone(&self.account), Arc::clone(&self.shared));
        self.tasks.spawn(async move {
            if tokio::time::timeout(INVITE_WITHIN, follow(&account, &shared, &upgraded))
                .await
                .is_err()
            {
                warn!(room = %upgraded.old, "following an upgrade took too long");
            }
        });
    }

    fn answer(&mut self, invite: Invite) {
        if self.tasks.len() == INVITES_MAX {
            return warn!(room = %invite.room, "too many invites: one stays unanswered");
        }
        let (account, shared) = (Arc::clone(&self.account), Arc::clone(&self.shared));
        self.tasks.spawn(async move {
            let answer = answer(&account, &shared, &invite);
            if tokio::time::timeout(INVITE_WITHIN, answer).await.is_err() {
                warn!(room = %invite.room, "answering an invite took too long");
            }
        });
    }
}

/// Goes along into the room that takes another's place, with what was set and queued there.
async fn follow(account: &Account, shared: &Shared, upgraded: &Upgraded) {
    match account.rooms().follow(upgraded).await {
        Ok(()) => {
            info!(old = %upgraded.old, new = %upgraded.new, "followed into the upgraded room");
            if let Err(error) = shared.store.move_room(&upgraded.old, &upgraded.new).await {
                let error = phonograph_call::chain(&error);
                warn!(old = %upgraded.old, error, "the room's settings were not taken along");
            }
        }
        Err(error) => {
            let error = phonograph_call::chain(&error);
            warn!(old = %upgraded.old, new = %upgraded.new, error, "could not follow");
        }
    }
}

/// Accepts an invite of somebody who is allowed, and declines any other. Who upgrades a room invites
/// its people into the new one.
async fn answer(account: &Account, shared: &Shared, invite: &Invite) {
    let room = invite.room.as_str();
    let allowed =
        invite.inviter.as_ref().is_some_and(|who| shared.config.hears(who.as_str(), room));
    let mut upgraded = account.rooms().upgraded().into_iter();
    if let Some(upgraded) = upgraded.find(|upgraded| allowed && upgraded.new == invite.room) {
        return follow(account, shared, &upgraded).await;
    }
    let done = if allowed {
        account.accept(&invite.room).await
    } else {
        account.leave_room(&invite.room).await
    };
    let inviter = invite.inviter.as_ref().map(tracing::field::display);
    match done {
        Ok(()) => info!(room = %invite.room, inviter, allowed, "answered an invite"),
        Err(error) => {
            let error = phonograph_call::chain(&error);
            warn!(room = %invite.room, inviter, allowed, error, "could not answer an invite");
        }
    }
}

/// The actors of the rooms in which somebody has spoken to us.
struct Rooms {
    shared: Arc<Shared>,
    inboxes: BTreeMap<RoomId, mpsc::Sender<Said>>,
    names: BTreeMap<Id, RoomId>,
    tasks: JoinSet<()>,
}

impl Rooms {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, inboxes: BTreeMap::new(), names: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Wakes the rooms of which something is stored: what played there may go on.
    async fn come_back(&mut self, account: &Account) {
        let stored = self.shared.store.rooms_with_state().await.unwrap_or_else(|error| {
            warn!(
                error = phonograph_call::chain(&error),
                "the rooms of the last run are not known"
            );
            Vec::new()
        });
        let joined = account.joined_rooms();
        let (known, left): (Vec<_>, Vec<_>) = stored.iter().partition(|room| joined.contains(room));
        for room in left {
            if let Err(error) = self.shared.store.forget_room(room).await {
                warn!(%room, %error, "a room that we have left is not forgotten");
            }
        }
        for room in known.into_iter().take(ROOMS_MAX) {
            // Somebody may have spoken in it already.
            if !self.inboxes.contains_key(room) {
                self.open(room);
            }
        }
    }

    fn hand_on_if_open(&mut self, room: &RoomId, said: Said) {
        if self.inboxes.contains_key(room) {
            self.hand_on(room, said);
        }
    }

    fn hand_on(&mut self, room: &RoomId, said: Said) {
        if !self.inboxes.contains_key(room) {
            if self.inboxes.len() == ROOMS_MAX {
                return warn!(%room, "too many rooms: a message was not heard");
            }
            self.open(room);
        }
        if self.inboxes.get(room).is_some_and(|inbox| inbox.try_send(said).is_err()) {
            warn!(%room, "a message was dropped: the room does not keep up");
        }
    }

    fn open(&mut self, room: &RoomId) {
        let (inbox, receiver) = mpsc::channel(room::INBOX_MAX);
        let actor = room::run(room.clone(), Arc::clone(&self.shared), receiver);
        let task = self.tasks.spawn(actor.instrument(room::span(room)));
        self.names.insert(task.id(), room.clone());
        self.inboxes.insert(room.clone(), inbox);
    }

    /// Lets a room's actor leave its call and end.
    fn close(&mut self, room: &RoomId) {
        self.inboxes.remove(room);
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(room) = self.names.remove(&id) else { return };
        if self.inboxes.get(&room).is_some_and(mpsc::Sender::is_closed) {
            self.inboxes.remove(&room);
        }
        if let Err(error) = ended {
            tracing::error!(%room, %error, "a room's actor failed; its next message starts a new one");
            self.inboxes.remove(&room);
        }
    }

    /// Lets all actors leave their calls, at once, and waits for them.
    async fn end(mut self) {
        self.inboxes.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The signals that end us.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them. Cancel-safe.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
