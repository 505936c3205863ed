//! One actor per room: where chat, call and jukebox meet.
//!
//! It alone knows whether we are in this room's call and what plays there, so nothing guards its
//! state. What takes time (finding and opening a source) happens beside it; the last `!play` wins.

mod trouble;

use std::{future::pending, sync::Arc, time::Duration};

use phonograph_call::{
    AudioSource, Call, Config as CallConfig, EndReason, Event, Network, Role, Workers,
    matrix::Matrix,
    matrixrtc::{RoomId, UserId, session::Saved},
};
use phonograph_matrix::{Message, Notice, Outbox, ReplyTo};
use phonograph_media::playback;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tracing::{error, info, info_span, warn};

use crate::{
    command::{
        Addressing, Command, Heard, Help, Misunderstood, Reference, Reply, Title, Wanted, parse,
    },
    config::Config,
    jukebox::{Ended, Opened, PlayError, Playback, Resolver},
    store::Store,
};

/// Messages that wait for a room's actor; each is handled in microseconds, but for leaving. A
/// further one is dropped with a warning.
pub(crate) const INBOX_MAX: usize = 32;
/// How long a source may take to be found before we are shown as typing.
const TYPING_AFTER: Duration = Duration::from_secs(1);

/// What this room carries out so far.
const WORDS_OF_TODAY: &[&str] = &["play", "stop", "join", "leave", "ping", "help"];

/// What all rooms share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) me: UserId,
    pub(crate) matrix: Arc<dyn Matrix>,
    pub(crate) outbox: Outbox,
    pub(crate) network: Arc<Network>,
    pub(crate) workers: Workers,
    pub(crate) resolver: Resolver,
    pub(crate) store: Store,
}

/// Runs until the inbox is closed, then leaves the call.
pub(crate) async fn run(room: RoomId, shared: Arc<Shared>, mut inbox: mpsc::Receiver<Message>) {
    let mut actor = Room::new(room, shared);
    loop {
        let input = actor.wait(&mut inbox).await;
        match input {
            Input::Message(Some(message)) => actor.hear(&message).await,
            Input::Message(None) => break,
            Input::Call(event) => actor.handle_call(event).await,
            Input::Prepared(prepared) => actor.prepared(*prepared).await,
            Input::Ended(ended) => actor.source_ended(ended),
            Input::Typing => actor.show_typing(true),
            Input::Alone => actor.leave_alone().await,
        }
    }
    actor.end_call().await;
}

/// One input.
enum Input {
    Message(Option<Message>),
    Call(Event),
    Prepared(Box<Result<Prepared, JoinError>>),
    Ended(Option<Result<(), PlayError>>),
    Typing,
    Alone,
}

/// The room's state.
struct Room {
    id: RoomId,
    shared: Arc<Shared>,
    call: Option<Ongoing>,
    /// At most one source is being found; a further `!play` takes its place.
    preparing: JoinSet<Prepared>,
    typing_at: Option<Instant>,
    typing: bool,
    playing: Option<Playing>,
}

/// A call that we are in, or on the way into.
struct Ongoing {
    call: Call,
    joined: bool,
    others: usize,
    /// When we leave because nobody else is there.
    leave_at: Option<Instant>,
    /// Who waits to be told that we are in, and what of.
    waiting: Vec<(ReplyTo, Reply)>,
}

/// What plays, and who asked for it.
struct Playing {
    asked: ReplyTo,
    ended: Ended,
}

/// What came of looking for a source.
struct Prepared {
    asked: ReplyTo,
    opened: Result<Opened, PlayError>,
}

impl Room {
    fn new(id: RoomId, shared: Arc<Shared>) -> Self {
        Self {
            id,
            shared,
            call: None,
            preparing: JoinSet::new(),
            typing_at: None,
            typing: false,
            playing: None,
        }
    }

    async fn wait(&mut self, inbox: &mut mpsc::Receiver<Message>) -> Input {
        let leave_at = self.call.as_ref().and_then(|ongoing| ongoing.leave_at);
        tokio::select! {
            message = inbox.recv() => Input::Message(message),
            event = next_event(&mut self.call) => Input::Call(event),
            Some(prepared) = self.preparing.join_next() => Input::Prepared(Box::new(prepared)),
            ended = source_end(&mut self.playing) => Input::Ended(ended),
            () = at(self.typing_at) => Input::Typing,
            () = at(leave_at) => Input::Alone,
        }
    }

    async fn hear(&mut self, message: &Message) {
        if !self.shared.config.hears(message.sender.as_str(), self.id.as_str()) {
            return;
        }
        let how = Addressing {
            prefix: &self.shared.config.prefix,
            me: self.shared.me.as_str(),
            display_name: self.shared.config.homeserver.display_name.as_deref(),
            mentions_us: message.mentions_us,
            direct: message.direct,
            answers_us: false,
            attached: false,
            mentioned: &[],
        };
        let heard = parse(&message.body, &how);
        let asked = ReplyTo {
            event: message.event.clone(),
            sender: message.sender.clone(),
            thread: message.thread.clone(),
        };
        match heard {
            Heard::Nothing => return,
            Heard::Command(command) => self.obey(command, asked).await,
            Heard::Misunderstood(why) => self.say(&Reply::Misunderstood(why), Some(asked)),
        }
        self.shared.outbox.read(&self.id, message.event.clone());
    }

    async fn obey(&mut self, command: Command, asked: ReplyTo) {
        match command {
            Command::Play(Some(wanted)) => self.prepare(wanted, asked),
            Command::Play(None) => {
                self.say(&Reply::Misunderstood(Misunderstood::PlayWhat), Some(asked));
            }
            Command::Stop => self.stop(asked),
            Command::Join => self.join_on_demand(asked).await,
            Command::Leave => self.leave(asked).await,
            Command::Ping => self.say(&Reply::Pong, Some(asked)),
            Command::Help(_) => {
                let help = Help::All(WORDS_OF_TODAY.to_vec());
                self.say(&Reply::Help(help), Some(asked));
            }
            _ => warn!("a command is not done yet"),
        }
    }

    /// Begins to look for a source, in the place of one that is looked for.
    fn prepare(&mut self, wanted: Wanted, asked: ReplyTo) {
        self.preparing = JoinSet::new();
        self.typing_at = Some(Instant::now() + TYPING_AFTER);
        let resolver = self.shared.resolver.clone();
        let audio = &self.shared.config.audio;
        let config = playback::Config {
            bitrate_bps: audio.bitrate_bps,
            complexity: audio.complexity as u8,
            ..playback::Config::default()
        };
        self.preparing.spawn(async move {
            let opened = open(&resolver, &wanted, config).await;
            Prepared { asked, opened }
        });
    }

    /// Plays what was found, in the call; joins it first if need be.
    async fn prepared(&mut self, prepared: Result<Prepared, JoinError>) {
        self.typing_at = None;
        self.show_typing(false);
        let Prepared { asked, opened } = match prepared {
            Ok(prepared) => prepared,
            Err(error) if error.is_cancelled() => return,
            Err(error) => return error!(%error, "looking for a source failed"),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&error, asked),
        };
        let title = opened.title.clone();
        let (source, ended) = Playback::new(opened, Handle::current());
        self.playing = Some(Playing { asked: asked.clone(), ended });
        self.play(Box::new(source), title, asked).await;
    }

    async fn play(&mut self, source: Box<dyn AudioSource>, title: Title, asked: ReplyTo) {
        info!(%title, by = %asked.sender, "playing");
        if self.call.is_none() {
            self.join().await;
        }
        let Some(ongoing) = &mut self.call else { return };
        ongoing.call.publish(source);
        let reply = Reply::Playing(title);
        if ongoing.joined {
            self.say(&reply, Some(asked));
        } else {
            ongoing.waiting.push((asked, reply));
        }
    }

    fn stop(&mut self, asked: ReplyTo) {
        let was_looking = !self.preparing.is_empty();
        self.stop_looking();
        let was_playing = self.playing.take().is_some();
        if let Some(ongoing) = &mut self.call {
            ongoing.call.stop(Role::Microphone);
            ongoing.waiting.retain(|(_, reply)| !matches!(reply, Reply::Playing(_)));
        }
        let reply = if was_playing || was_looking { Reply::Stopped } else { Reply::NothingPlays };
        self.say(&reply, Some(asked));
    }

    async fn join_on_demand(&mut self, asked: ReplyTo) {
        if self.call.is_none() {
            self.join().await;
        }
        let Some(ongoing) = &mut self.call else { return };
        if ongoing.joined {
            self.say(&Reply::AlreadyJoined, Some(asked));
        } else {
            ongoing.waiting.push((asked, Reply::Joined));
        }
    }

    async fn join(&mut self) {
        let saved = self.shared.store.call_state(&self.id).await.unwrap_or_else(|error| {
            warn!(%error, "what the last call left behind is not known");
            None
        });
        let call = &self.shared.config.call;
        let config = CallConfig {
            // Nothing is received, so only the SFU is connected to that we publish on.
            listens: false,
            fallback_transport: call.transport.clone(),
            selection: call.selection.into(),
            signed_devices_only: call.signed_devices_only,
            delegate_leave: call.delegate_leave,
            saved,
            ..CallConfig::new(self.id.clone())
        };
        let matrix = Arc::clone(&self.shared.matrix);
        let call = Call::join(matrix, config, &self.shared.network, &self.shared.workers);
        self.call =
            Some(Ongoing { call, joined: false, others: 0, leave_at: None, waiting: Vec::new() });
    }

    async fn leave(&mut self, asked: ReplyTo) {
        let reply = if self.call.is_some() { Reply::Left } else { Reply::NotInCall };
        self.end_call().await;
        self.say(&reply, Some(asked));
    }

    async fn leave_alone(&mut self) {
        info!("leaving: nobody else is in the call");
        self.end_call().await;
        self.say(&Reply::LeftAlone, None);
    }

    async fn end_call(&mut self) {
        self.stop_looking();
        self.playing = None;
        if let Some(ongoing) = self.call.take()
            && let Some(saved) = ongoing.call.leave().await
        {
            self.keep(&saved).await;
        }
    }

    /// Stores what the next call of this room has to know.
    async fn keep(&self, saved: &Saved) {
        if let Err(error) = self.shared.store.set_call_state(&self.id, saved).await {
            warn!(%error, "what the next call has to know was not stored");
        }
    }

    async fn handle_call(&mut self, event: Event) {
        let alone_for = self.shared.config.call.leave_when_alone;
        let Some(ongoing) = &mut self.call else { return };
        match event {
            Event::Joined => {
                info!("joined the call");
                ongoing.joined = true;
                ongoing.be_alone_since_now(alone_for);
                for (asked, reply) in std::mem::take(&mut ongoing.waiting) {
                    self.say(&reply, Some(asked));
                }
            }
            Event::Others(others) => {
                ongoing.others = others;
                ongoing.be_alone_since_now(alone_for);
            }
            Event::Heard => info!("somebody hears us"),
            Event::Connected(connected) => info!(connected, "the connection to the call changed"),
            Event::Saved(saved) => self.keep(&saved).await,
            Event::Ended(reason) => self.call_ended(&reason),
            // The end of the source itself says more.
            Event::SourceEnded(_) => {}
            // The enum belongs to the library and is open.
            _ => {}
        }
    }

    fn call_ended(&mut self, reason: &EndReason) {
        let Some(ongoing) = self.call.take() else { return };
        self.playing = None;
        let Some(trouble) = trouble::of(reason, ongoing.joined) else { return };
        let reference = Reference::random();
        warn!(%reference, error = phonograph_call::chain(reason), "the call failed");
        let reply = Reply::Failed(trouble, reference);
        if ongoing.waiting.is_empty() {
            self.say(&reply, None);
        }
        for (asked, _) in ongoing.waiting {
            self.say(&reply, Some(asked));
        }
    }

    fn source_ended(&mut self, ended: Option<Result<(), PlayError>>) {
        let Some(playing) = self.playing.take() else { return };
        match ended {
            Some(Ok(())) => info!("played to the end"),
            Some(Err(error)) => self.refuse(&error, playing.asked),
            None => info!("what played was dropped"),
        }
    }

    /// Says why something cannot be played.
    fn refuse(&self, error: &PlayError, asked: ReplyTo) {
        let reference = Reference::random();
        let reply = error.reply(reference);
        let chain = phonograph_call::chain(error);
        warn!(%reference, error = chain, by = %asked.sender, "cannot play");
        self.say(&reply, Some(asked));
    }

    fn say(&self, reply: &Reply, reply_to: Option<ReplyTo>) {
        let text = reply.text(&self.shared.config.prefix);
        let notice = Notice { room: self.id.clone(), text, html: None, picture: None, reply_to };
        if let Err(error) = self.shared.outbox.send(notice) {
            warn!(%error, "an answer was lost");
        }
    }

    /// Gives up looking for a source.
    fn stop_looking(&mut self) {
        self.preparing = JoinSet::new();
        self.show_typing(false);
    }

    fn show_typing(&mut self, typing: bool) {
        self.typing_at = None;
        if typing != self.typing {
            self.typing = typing;
            self.shared.outbox.typing(&self.id, typing);
        }
    }
}

impl Ongoing {
    /// Counts the time anew for which nobody else has been there.
    fn be_alone_since_now(&mut self, alone_for: Duration) {
        let alone = self.joined && self.others == 0;
        self.leave_at = alone.then(|| Instant::now() + alone_for);
    }
}

/// Finds a source and prepares to play it.
async fn open(
    resolver: &Resolver,
    wanted: &Wanted,
    config: playback::Config,
) -> Result<Opened, PlayError> {
    let source = resolver.resolve(wanted).await?;
    let opening = tokio::task::spawn_blocking(move || source.open(&config));
    opening.await.map_err(PlayError::Unfinished)?
}

/// The call's next event; never, without a call.
async fn next_event(call: &mut Option<Ongoing>) -> Event {
    match call {
        Some(ongoing) => match ongoing.call.event().await {
            Some(event) => event,
            None => pending().await,
        },
        None => pending().await,
    }
}

/// How the source that plays ended, `None` if it was dropped before; never, while it plays.
async fn source_end(playing: &mut Option<Playing>) -> Option<Result<(), PlayError>> {
    match playing {
        Some(playing) => (&mut playing.ended).await.ok(),
        None => pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// The span that everything of a room is logged in.
pub(crate) fn span(room: &RoomId) -> tracing::Span {
    info_span!("room", id = %room)
}
