//! The task that drives one call: sockets, timers and requests around the machine.
//!
//! It decides nothing about the call. One input, then every action that follows from it, then wait.

mod link;
mod playing;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use phonograph_matrixrtc::{
    KeyMessage, Now, Request, RequestError, RequestId, Response, ServiceUrl, Timestamp,
    transport::Grant,
};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tracing::{Instrument, debug, debug_span, info_span, warn};

use self::{
    link::{Link, Opened, Received},
    playing::Playing,
};
use crate::{
    call::{Config, Event},
    end::{EndReason, SfuError, TokenError},
    machine::{self, Action, Machine, Seed},
    matrix::{Matrix, MatrixError, RoomFeed, RoomState},
    network::Network,
    source::AudioSource,
};

/// How long leaving may take: after that the homeserver ends our membership by itself. Stopping the
/// process promises two seconds.
const LEAVE_WITHIN: Duration = Duration::from_millis(1500);
/// The longest that nothing is looked at.
const IDLE: Duration = Duration::from_mins(1);

/// What the application wants.
pub(crate) enum Command {
    Play(Box<dyn AudioSource>),
    Stop,
    Leave,
}

/// All that a driver is given.
pub(crate) struct Setup {
    pub(crate) matrix: Arc<dyn Matrix>,
    pub(crate) config: Config,
    pub(crate) network: Arc<Network>,
    /// Where requests run: Matrix has its timers and connections there.
    pub(crate) control: Handle,
    pub(crate) events: mpsc::Sender<Event>,
}

/// Drives a call from its beginning to its end.
pub(crate) async fn run(setup: Setup, commands: mpsc::Receiver<Command>) -> EndReason {
    let span = info_span!("call", room = %setup.config.room);
    drive(setup, commands).instrument(span).await
}

async fn drive(setup: Setup, mut commands: mpsc::Receiver<Command>) -> EndReason {
    let mut playing = Playing::new(Instant::now());
    let begun = {
        let begin = begin(&setup);
        tokio::pin!(begin);
        loop {
            tokio::select! {
                begun = &mut begin => break begun,
                command = commands.recv() => match command {
                    Some(Command::Play(source)) => playing.start(source, Instant::now()),
                    Some(Command::Stop) => playing.stop(),
                    Some(Command::Leave) | None => return EndReason::Left,
                },
            }
        }
    };
    match begun {
        Ok((machine, feed)) => Driver::new(setup, commands, machine, feed, playing).run().await,
        Err(reason) => reason,
    }
}

/// What is found out before anything is decided: the room's state, and where to publish.
async fn begin(setup: &Setup) -> Result<(Machine, RoomFeed), EndReason> {
    let (matrix, room) = (Arc::clone(&setup.matrix), setup.config.room.clone());
    let fallback = setup.config.fallback_transport.clone();
    let span = tracing::Span::current();
    let found = async move {
        tokio::try_join!(
            timed("read the room", async { matrix.attach(&room).await.map_err(EndReason::Matrix) }),
            timed("find the transport", discover(matrix.as_ref(), fallback)),
        )
    };
    let found = setup.control.spawn(found.instrument(span));
    let (feed, service) = found.await.map_err(|_ended| EndReason::Aborted)??;
    let state = feed.state.borrow().clone();
    if !state.power.suffices() {
        return Err(EndReason::NotAllowed { power: state.power });
    }
    let setup = machine::Setup {
        me: setup.matrix.me(),
        room: setup.config.room.clone(),
        state,
        service,
        last_key_index: setup.config.last_key_index,
        seed: seed()?,
    };
    Ok((Machine::new(setup, now()), feed))
}

/// The homeserver's first transport, else the configured one (MSC4143).
async fn discover(
    matrix: &dyn Matrix,
    fallback: Option<ServiceUrl>,
) -> Result<ServiceUrl, EndReason> {
    match (matrix.transports().await, fallback) {
        (Ok(announced), fallback) => {
            announced.into_iter().next().or(fallback).ok_or(EndReason::NoTransport)
        }
        (Err(error), Some(fallback)) => {
            warn!(%error, "the homeserver announces no transport: using the configured one");
            Ok(fallback)
        }
        (Err(error), None) => Err(EndReason::Matrix(error)),
    }
}

fn seed() -> Result<Seed, EndReason> {
    fn random<const LEN: usize>() -> Result<[u8; LEN], EndReason> {
        let mut bytes = [0; LEN];
        let filled = getrandom::fill(&mut bytes);
        filled.map_err(|error| EndReason::Matrix(MatrixError::failed(error.to_string())))?;
        Ok(bytes)
    }
    Ok(Seed { session: random()?, nonce: random()?, jitter: random()? })
}

/// Both clocks.
fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    Now { instant: Instant::now(), wall: Timestamp::from_millis(millis) }
}

/// Runs a step in a span of its own, and says how long it took.
fn timed<F: Future>(step: &'static str, work: F) -> impl Future<Output = F::Output> {
    let span = debug_span!("step", step);
    let began = Instant::now();
    async move {
        let done = work.await;
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        debug!(step, took_ms, "done");
        done
    }
    .instrument(span)
}

/// What a task that was begun for the machine came back with.
enum Done {
    Request(RequestId, Result<Response, RequestError>),
    Grant(Result<Grant, TokenError>),
    Open(Result<Opened, SfuError>),
}

/// What the room says next; never, once it has ended. Cancel-safe.
async fn hear(feed: &mut Option<RoomFeed>) -> Input {
    let Some(feed) = feed else { return std::future::pending().await };
    tokio::select! {
        changed = feed.state.changed() => match changed {
            Ok(()) => Input::State(Box::new(feed.state.borrow_and_update().clone())),
            Err(_ended) => Input::FeedEnd,
        },
        key = feed.keys.recv() => key.map_or(Input::FeedEnd, |key| Input::Key(Box::new(key))),
    }
}

struct Driver {
    setup: Setup,
    commands: mpsc::Receiver<Command>,
    machine: Machine,
    /// What the room says; `None` once it says nothing more.
    feed: Option<RoomFeed>,
    link: Option<Link>,
    playing: Playing,
    tasks: JoinSet<Done>,
    leave_by: Option<Instant>,
}

/// One input.
enum Input {
    Command(Option<Command>),
    State(Box<RoomState>),
    Key(Box<KeyMessage>),
    FeedEnd,
    Done(Result<Done, JoinError>),
    Received(Received),
    Time,
}

impl Driver {
    fn new(
        setup: Setup,
        commands: mpsc::Receiver<Command>,
        machine: Machine,
        feed: RoomFeed,
        playing: Playing,
    ) -> Self {
        let (feed, tasks) = (Some(feed), JoinSet::new());
        Self { setup, commands, machine, feed, link: None, playing, tasks, leave_by: None }
    }

    async fn run(mut self) -> EndReason {
        let now_ = now();
        self.machine.set_playing(self.playing.is_playing(), now_);
        self.machine.join(now_);
        loop {
            if let Some(reason) = self.carry_out() {
                return reason;
            }
            if self.machine.is_ending() && self.leave_by.is_none() {
                self.leave_by = Some(Instant::now() + LEAVE_WITHIN);
            }
            if self.leave_by.is_some_and(|by| by <= Instant::now()) {
                warn!("leaving took too long: the homeserver ends our membership by itself");
                return self.machine.take_reason().unwrap_or(EndReason::Left);
            }
            let input = self.wait().await;
            self.take(input);
            self.play();
            self.machine.handle_timeout(now());
        }
    }

    async fn wait(&mut self) -> Input {
        let deadline = self.deadline().into();
        let Self { commands, feed, link, tasks, leave_by, .. } = self;
        tokio::select! {
            // The network comes last: whoever floods it must not keep us from leaving.
            biased;
            command = commands.recv(), if leave_by.is_none() => Input::Command(command),
            Some(done) = tasks.join_next() => Input::Done(done),
            input = hear(feed) => input,
            received = Link::receive(link) => Input::Received(received),
            () = tokio::time::sleep_until(deadline) => Input::Time,
        }
    }

    fn deadline(&self) -> Instant {
        let now = now();
        let machine = self.machine.poll_timeout(now);
        let tick = self.playing.next_tick().filter(|_| self.machine.may_send(now));
        let own = [machine, tick, self.leave_by];
        own.into_iter().flatten().fold(now.instant + IDLE, Instant::min)
    }

    fn take(&mut self, input: Input) {
        let now = now();
        match input {
            Input::Command(Some(Command::Play(source))) => {
                self.playing.start(source, now.instant);
                self.machine.set_playing(true, now);
            }
            Input::Command(Some(Command::Stop)) => {
                self.playing.stop();
                self.machine.set_playing(false, now);
            }
            Input::Command(Some(Command::Leave) | None) => self.leave(now),
            Input::State(state) => self.machine.handle_room_state(*state, now),
            Input::Key(message) => self.machine.handle_media_key(&message, now),
            // Another call took over the room, or the Matrix side has ended.
            Input::FeedEnd => {
                self.feed = None;
                self.leave(now);
            }
            Input::Done(Ok(done)) => self.finish(done, now),
            Input::Done(Err(error)) => warn!(%error, "a request was aborted"),
            Input::Received(Received::Signal(message)) => {
                self.machine.handle_signal(&message, now);
            }
            Input::Received(Received::SignalEnd) => self.machine.handle_signal_end(now),
            Input::Received(Received::Datagrams) => self.take_datagrams(),
            Input::Time => {}
        }
    }

    fn take_datagrams(&mut self) {
        let Some(link) = &mut self.link else { return };
        while let Some(datagram) = link.next_datagram() {
            self.machine.handle_datagram(&datagram, now());
        }
    }

    fn leave(&mut self, now: Now) {
        if self.leave_by.is_none() {
            self.leave_by = Some(now.instant + LEAVE_WITHIN);
            self.playing.stop();
            self.machine.leave(now);
        }
    }

    fn finish(&mut self, done: Done, now: Now) {
        match done {
            Done::Request(id, answer) => self.machine.handle_response(id, answer, now),
            Done::Grant(answer) => self.machine.handle_grant(answer, now),
            Done::Open(Ok(Opened { link, addresses })) => {
                self.link = Some(link);
                self.machine.handle_open(addresses, now);
            }
            Done::Open(Err(error)) => self.machine.handle_open_failure(error, now),
        }
    }

    /// Sends what is due of the source.
    fn play(&mut self) {
        let now = now();
        if !self.machine.may_send(now) {
            return self.playing.skip(now.instant);
        }
        while let Some(frame) = self.playing.frame(now.instant) {
            self.machine.send(frame.packet, frame.units, frame.level, now);
        }
        if self.playing.take_ended() {
            self.machine.set_playing(false, now);
            self.tell(Event::SourceEnded);
        }
    }

    /// Does all that the machine wants; answers with the reason when the call is over.
    fn carry_out(&mut self) -> Option<EndReason> {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Request(id, request) => self.request(id, request),
                Action::Ask => self.ask(),
                Action::Open(grant) => self.open(grant),
                Action::Signal(message) => {
                    if let Some(link) = &self.link {
                        link.send_signal(message);
                    }
                }
                Action::Datagram(datagram) => {
                    if let Some(link) = &self.link {
                        link.send_datagram(&datagram);
                    }
                }
                Action::Close => self.link = None,
                Action::Event(event) => self.tell(event),
                Action::End(reason) => return Some(reason),
            }
        }
        None
    }

    fn request(&mut self, id: RequestId, request: Request) {
        let (matrix, room) = (Arc::clone(&self.setup.matrix), self.setup.config.room.clone());
        let step = timed(request.kind(), async move {
            Done::Request(id, matrix.perform(&room, request).await)
        });
        self.tasks.spawn_on(step, &self.setup.control);
    }

    fn ask(&mut self) {
        let (matrix, network) = (Arc::clone(&self.setup.matrix), Arc::clone(&self.setup.network));
        let room = self.setup.config.room.clone();
        let service = self.machine.service().clone();
        let grant = async move {
            let device = matrix.me().device;
            let token = matrix.openid_token().await.map_err(TokenError::OpenId)?;
            network.grant(&service, (&room, &device), &token).await
        };
        let step = timed("ask the token service", async move { Done::Grant(grant.await) });
        self.tasks.spawn_on(step, &self.setup.control);
    }

    fn open(&mut self, grant: Grant) {
        let network = Arc::clone(&self.setup.network);
        let step =
            timed(
                "open the sockets",
                async move { Done::Open(link::open(&network, &grant).await) },
            );
        self.tasks.spawn_local(step);
    }

    fn tell(&self, event: Event) {
        if let Err(error) = self.setup.events.try_send(event) {
            warn!(%error, "the application does not take the call's events");
        }
    }
}
