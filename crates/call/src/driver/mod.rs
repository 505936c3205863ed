//! The task that drives one call: sockets, timers and requests around the machine.
//!
//! It decides nothing about the call. One input, then every action that follows from it, then wait.

mod begin;
mod clock;
mod hearers;
mod playing;
mod sockets;
mod tasks;
mod teller;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use phonograph_livekit::{Protocol, Received as Datagram};
use phonograph_matrixrtc::{KeyMessage, Now};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
};
use tracing::{Instrument, debug, info_span, warn};

use self::{
    clock::now,
    hearers::Hearers,
    playing::Sources,
    sockets::{Opened, Received, Sockets},
    tasks::{Done, timed},
    teller::Teller,
};
use crate::{
    alarm,
    call::{Config, Event, Role},
    end::EndReason,
    machine::{Action, LinkId, Machine},
    matrix::{Matrix, RoomFeed, RoomState},
    network::Network,
    source::AudioSource,
    track::{Heard, TrackId},
};

/// How long leaving may take: after that the homeserver ends our membership by itself. Stopping the
/// process promises two seconds.
const LEAVE_WITHIN: Duration = Duration::from_millis(1500);
/// How often it is looked for tracks that nobody receives any more.
const SWEEP: Duration = Duration::from_secs(1);
/// The longest that nothing is looked at.
const IDLE: Duration = Duration::from_mins(1);

/// What the application wants.
pub(crate) enum Command {
    Publish(Role, Box<dyn AudioSource>),
    Stop(Role),
    Unpublish(Role),
    Subscribe(TrackId, mpsc::Sender<Heard>),
    RequestKeyFrame(TrackId),
    WatchSpeakers(bool),
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
    let mut sources = Sources::new(Instant::now());
    let mut watches_speakers = false;
    let begun = {
        let begin = begin::begin(&setup);
        tokio::pin!(begin);
        loop {
            tokio::select! {
                begun = &mut begin => break begun,
                command = commands.recv() => match command {
                    Some(Command::Publish(role, source)) => {
                        sources.start(role, source, Instant::now());
                    }
                    Some(Command::Stop(role) | Command::Unpublish(role)) => sources.stop(role),
                    Some(Command::WatchSpeakers(watch)) => watches_speakers = watch,
                    // Nobody's track is known yet.
                    Some(Command::Subscribe(..) | Command::RequestKeyFrame(_)) => {}
                    Some(Command::Leave) | None => return EndReason::Left,
                },
            }
        }
    };
    match begun {
        Ok((mut machine, feed)) => {
            machine.watch_speakers(watches_speakers, now());
            Driver::new(setup, commands, machine, feed, sources).run().await
        }
        Err(reason) => reason,
    }
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
    sockets: BTreeMap<LinkId, Sockets>,
    /// Whose sockets were served last.
    served: LinkId,
    sources: Sources,
    hearers: Hearers,
    tasks: JoinSet<Done>,
    /// What opens sockets for a connection; of no use once that is closed.
    opening: BTreeMap<LinkId, Vec<AbortHandle>>,
    swept: Instant,
    teller: Teller,
    leave_by: Option<Instant>,
}

/// One input.
enum Input {
    Command(Option<Command>),
    State(Box<RoomState>),
    Key(Box<KeyMessage>),
    FeedEnd,
    Done(Result<Done, JoinError>),
    Received(LinkId, Received),
    Time,
}

impl Driver {
    fn new(
        setup: Setup,
        commands: mpsc::Receiver<Command>,
        machine: Machine,
        feed: RoomFeed,
        sources: Sources,
    ) -> Self {
        let teller = Teller::new(setup.events.clone());
        Self {
            setup,
            commands,
            machine,
            feed: Some(feed),
            sockets: BTreeMap::new(),
            served: LinkId(0),
            sources,
            hearers: Hearers::default(),
            tasks: JoinSet::new(),
            opening: BTreeMap::new(),
            swept: Instant::now(),
            teller,
            leave_by: None,
        }
    }

    async fn run(mut self) -> EndReason {
        let begun = now();
        for role in self.sources.playing() {
            self.machine.set_playing(role, true, begun);
        }
        self.machine.join(begun);
        loop {
            if let Some(reason) = self.carry_out() {
                return reason;
            }
            if self.machine.is_ending() && self.leave_by.is_none() {
                self.sources.stop_all();
                self.leave_by = Some(Instant::now() + LEAVE_WITHIN);
            }
            if self.leave_by.is_some_and(|by| by <= Instant::now()) {
                warn!("leaving took too long: the homeserver ends our membership by itself");
                return self.machine.take_reason().unwrap_or(EndReason::Left);
            }
            if self.sources.can_prepare() {
                // All calls of this worker send what is due before any makes more.
                tokio::task::yield_now().await;
                self.sources.prepare();
                self.tell_ended();
                continue;
            }
            let input = self.wait().await;
            self.take(input);
            self.play();
            self.sweep();
            self.machine.handle_timeout(now());
        }
    }

    async fn wait(&mut self) -> Input {
        let deadline = self.deadline();
        let Self { commands, feed, sockets, served, tasks, leave_by, .. } = self;
        tokio::select! {
            // The network comes last: whoever floods it must not keep us from leaving.
            biased;
            command = commands.recv(), if leave_by.is_none() => Input::Command(command),
            Some(done) = tasks.join_next() => Input::Done(done),
            input = hear(feed) => input,
            (id, received) = sockets::receive(sockets, *served) => {
                *served = id;
                Input::Received(id, received)
            }
            () = alarm::until(deadline) => Input::Time,
        }
    }

    fn deadline(&self) -> Instant {
        let now = now();
        let machine = self.machine.poll_timeout(now);
        let tick = self.sources.next_tick().filter(|_| self.machine.may_send(now));
        let own = [machine, tick, self.leave_by];
        own.into_iter().flatten().fold(now.instant + IDLE, Instant::min)
    }

    fn take(&mut self, input: Input) {
        let now = now();
        match input {
            Input::Command(Some(command)) => self.obey(command, now),
            Input::Command(None) => self.leave(now),
            Input::State(state) => self.machine.handle_room_state(*state, now),
            Input::Key(message) => self.machine.handle_media_key(&message, now),
            // Another call took over the room, or the Matrix side has ended.
            Input::FeedEnd => {
                self.feed = None;
                self.leave(now);
            }
            Input::Done(Ok(done)) => self.finish(done, now),
            Input::Done(Err(error)) if error.is_cancelled() => {}
            Input::Done(Err(error)) => warn!(%error, "a request was aborted"),
            Input::Received(id, received) => self.receive(id, received, now),
            Input::Time => {}
        }
    }

    fn obey(&mut self, command: Command, now: Now) {
        match command {
            Command::Publish(role, source) => {
                self.sources.start(role, source, now.instant);
                self.machine.set_playing(role, true, now);
            }
            Command::Stop(role) => {
                self.sources.stop(role);
                self.machine.set_playing(role, false, now);
            }
            Command::Unpublish(role) => {
                self.sources.remove(role);
                self.machine.unpublish(role, now);
            }
            Command::Subscribe(id, heard) => {
                self.hearers.add(id.clone(), heard);
                self.machine.subscribe(&id, now);
            }
            Command::RequestKeyFrame(id) => self.machine.request_key_frame(&id, now),
            Command::WatchSpeakers(watch) => self.machine.watch_speakers(watch, now),
            Command::Leave => self.leave(now),
        }
    }

    fn receive(&mut self, id: LinkId, received: Received, now: Now) {
        match received {
            Received::Signal(message) => self.machine.handle_signal(id, &message, now),
            Received::SignalEnd => self.machine.handle_signal_end(id, now),
            Received::Datagrams => {
                let Some(sockets) = self.sockets.get_mut(&id) else { return };
                while let Some(datagram) = sockets.next_datagram() {
                    self.machine.handle_datagram(id, &datagram, clock::now());
                }
            }
            Received::Packet(packet) => {
                let datagram = Datagram {
                    target: packet.target,
                    protocol: Protocol::Tcp,
                    source: packet.source,
                    destination: packet.destination,
                    contents: &packet.contents,
                };
                self.machine.handle_datagram(id, &datagram, now);
            }
            Received::TcpEnd(target, remote) => {
                self.machine.handle_tcp(id, (target, None, remote), now);
            }
        }
    }

    fn leave(&mut self, now: Now) {
        if self.leave_by.is_none() {
            self.leave_by = Some(now.instant + LEAVE_WITHIN);
            self.sources.stop_all();
            self.machine.leave(now);
        }
    }

    fn finish(&mut self, done: Done, now: Now) {
        match done {
            Done::Request(id, answer) => self.machine.handle_response(id, answer, now),
            Done::Grant(id, answer) => self.machine.handle_grant(id, answer, now),
            Done::Open(id, Ok(Opened { sockets, addresses })) => {
                self.sockets.insert(id, sockets);
                self.machine.handle_open(id, addresses, now);
            }
            Done::Open(id, Err(error)) => self.machine.handle_open_failure(id, error, now),
            Done::Reopen(id, opened) => {
                let Some(sockets) = self.sockets.get_mut(&id) else { return };
                match opened {
                    Ok(websocket) => {
                        sockets.set_websocket(websocket);
                        self.machine.handle_reopen(id, Ok(()), now);
                    }
                    Err(error) => self.machine.handle_reopen(id, Err(&error), now),
                }
            }
            Done::Dial(id, target, remote, dialled) => {
                let Some(sockets) = self.sockets.get_mut(&id) else { return };
                let local = match dialled {
                    Ok(tcp) => {
                        let local = tcp.local;
                        sockets.add_tcp(tcp).then_some(local)
                    }
                    Err(error) => {
                        debug!(%error, %remote, "no TCP connection for media");
                        None
                    }
                };
                self.machine.handle_tcp(id, (target, local, remote), now);
            }
        }
    }

    /// Sends what is due of the sources.
    fn play(&mut self) {
        let now = now();
        if !self.machine.may_send(now) {
            return self.sources.skip(now.instant);
        }
        let Self { sources, machine, .. } = self;
        sources.each_due(now.instant, |role, frame| {
            machine.send(role, frame.packet, frame.units, frame.level, now);
        });
        self.tell_ended();
    }

    fn tell_ended(&mut self) {
        let now = now();
        while let Some(role) = self.sources.take_ended() {
            self.machine.set_playing(role, false, now);
            self.teller.tell(Event::SourceEnded(role));
        }
    }

    /// Ends what nobody receives any more, and tells what was not told.
    fn sweep(&mut self) {
        let now = now();
        self.teller.tell_again();
        if now.instant.saturating_duration_since(self.swept) >= SWEEP {
            self.swept = now.instant;
            for id in self.hearers.take_closed() {
                self.machine.unsubscribe(&id, now);
            }
        }
    }

    /// Does all that the machine wants; answers with the reason when the call is over.
    fn carry_out(&mut self) -> Option<EndReason> {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Request(id, request) => self.request(id, request),
                Action::Ask(id, service) => self.ask(id, service),
                Action::Open(id, grant) => self.open(id, grant),
                Action::Reopen(id, grant, resume) => self.reopen(id, grant, resume),
                Action::DialTcp(id, target, remote) => self.dial(id, target, remote),
                Action::Signal(id, message) => {
                    if let Some(sockets) = self.sockets.get(&id) {
                        sockets.send_signal(message);
                    }
                }
                Action::Datagram(id, datagram) => {
                    if let Some(sockets) = self.sockets.get(&id) {
                        sockets.send_datagram(datagram);
                    }
                }
                Action::Close(id) => {
                    self.give_up_opening(id);
                    drop(self.sockets.remove(&id));
                }
                Action::Deliver(id, heard) => {
                    if !self.hearers.deliver(&id, heard) {
                        self.machine.unsubscribe(&id, now());
                    }
                }
                Action::EndTrack(id) => self.hearers.end(&id),
                Action::Event(event) => self.teller.tell(event),
                Action::End(reason) => return Some(reason),
            }
        }
        None
    }
}
