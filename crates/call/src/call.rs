//! The handle that an application holds.

use std::{fmt, sync::Arc};

use phonograph_livekit::{Quality, Source, SubscriptionProblem};
use phonograph_matrixrtc::{
    Intent, Member, MemberInfo, RoomId, ServiceUrl, roster::Selection, session::Saved,
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::{
    driver::{self, Command, Setup},
    end::EndReason,
    matrix::Matrix,
    network::Network,
    password::Password,
    source::AudioSource,
    track::{Track, TrackId, TrackInfo, Undecryptable},
    worker::Workers,
};

/// Commands that wait for the driver. It takes them at once; more than that means that its worker
/// is stuck, and a further command is dropped with a warning.
const COMMANDS_MAX: usize = 64;
/// Events that wait for the application. When it does not take them, the driver drops further
/// ones, but for the last.
const EVENTS_MAX: usize = 256;

/// Which call, and how to be in it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The room whose call it is.
    pub room: RoomId,
    /// What we mean to send, as others are told.
    pub intent: Intent,
    /// Whether others are to be heard. If not, no track of theirs is told of, and no SFU is connected
    /// to but the one that we publish on.
    pub listens: bool,
    /// A token service to be used instead of the homeserver's: a last resort for homeservers that
    /// announce none.
    pub fallback_transport: Option<ServiceUrl>,
    /// How the SFU is chosen that we publish on: our homeserver's, or the oldest member's for the
    /// sake of clients from before Element Call 0.17.
    pub selection: Selection,
    /// What the last [`Event::Saved`] said, in this process or an earlier one.
    pub saved: Option<Saved>,
    /// The call's password, if it has one: all media is then encrypted with it, whatever the room
    /// is, and no keys are exchanged.
    pub password: Option<Password>,
    /// Whether keys go to, and are taken from, only devices that their owner has signed
    /// (cross-signing). Web clients without a recovery key are then neither heard nor hear us.
    pub signed_devices_only: bool,
    /// Whether the token service is asked to end our membership when the SFU loses us (MSC4195). With
    /// lk-jwt-service and livekit-server 1.13.5 a crash shows after 21 s then, and after at most 18 s
    /// without.
    pub delegate_leave: bool,
}

impl Config {
    /// A room's call as most applications want it: others are heard, nothing is delegated.
    pub fn new(room: RoomId) -> Self {
        Self {
            room,
            intent: Intent::Audio,
            listens: true,
            fallback_transport: None,
            selection: Selection::Own,
            saved: None,
            password: None,
            signed_devices_only: false,
            delegate_leave: false,
        }
    }
}

/// As what something of ours is published. Element Call plays one track of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The microphone: what makes our tile light up.
    Microphone,
    /// What a shared screen plays.
    ScreenShareAudio,
}

impl Role {
    pub(crate) const ALL: [Self; 2] = [Self::Microphone, Self::ScreenShareAudio];

    pub(crate) const fn source(self) -> Source {
        match self {
            Self::Microphone => Source::Microphone,
            Self::ScreenShareAudio => Source::ScreenShareAudio,
        }
    }
}

/// What happens in a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// We are in it: the homeserver has our membership, and the SFU our media path.
    Joined,
    /// Somebody is in the call, newly or anew.
    MemberJoined(MemberInfo),
    /// Somebody is no longer in it.
    MemberLeft(Member),
    /// How many other members there are, now and after each change.
    Others(usize),
    /// Somebody on the SFU receives us: from here on we are heard.
    Heard,
    /// A member publishes a track; [`Call::subscribe`] receives it.
    TrackPublished(TrackInfo),
    /// A track was muted, unmuted, or is otherwise not what it was.
    TrackChanged(TrackInfo),
    /// A track's frames cannot be decrypted, and why, or can be again (`None`).
    TrackUndecryptable {
        /// Which.
        track: TrackId,
        /// Why not.
        why: Option<Undecryptable>,
    },
    /// The SFU does not let us receive a track that we subscribed to, and why, or does again (`None`).
    TrackRefused {
        /// Which.
        track: TrackId,
        /// What is in the way.
        problem: Option<SubscriptionProblem>,
    },
    /// A track is no longer published, or its publisher is no longer a member.
    TrackEnded(TrackId),
    /// Somebody began to speak, or fell silent, as the SFU measures it.
    Speaking {
        /// Who.
        member: Member,
        /// Whether they speak now.
        active: bool,
        /// How loud, 0 to 1; the server sends up to 1.5 right after an unmute.
        level: f32,
    },
    /// How well somebody is connected, as the SFU measures it.
    Quality {
        /// Who; ourselves too.
        member: Member,
        /// How well.
        quality: Quality,
    },
    /// Our own media path was lost and is being restored (`false`), or is back (`true`). A signalling
    /// connection that is lost while media goes on is not told.
    Connected(bool),
    /// What was published under that role has nothing more to give.
    SourceEnded(Role),
    /// This is to be kept for the next join of the same room: [`Config::saved`].
    Saved(Saved),
    /// It is over; no event follows.
    Ended(EndReason),
}

impl Event {
    /// Whether it comes seldom and must not be lost; the others can come in any number.
    pub(crate) const fn is_rare(&self) -> bool {
        match self {
            Self::Joined
            | Self::Others(_)
            | Self::Heard
            | Self::TrackPublished(_)
            | Self::TrackEnded(_)
            | Self::Connected(_)
            | Self::SourceEnded(_)
            | Self::Saved(_)
            | Self::Ended(_) => true,
            Self::MemberJoined(_)
            | Self::MemberLeft(_)
            | Self::TrackChanged(_)
            | Self::TrackUndecryptable { .. }
            | Self::TrackRefused { .. }
            | Self::Speaking { .. }
            | Self::Quality { .. } => false,
        }
    }
}

/// One call that we are in, or on the way into.
///
/// Dropping it leaves the call, as [`Call::leave`] does, without waiting for it.
pub struct Call {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
    end: Option<oneshot::Receiver<EndReason>>,
}

impl Call {
    /// Joins a call, or starts it, on one of the workers. It returns at once: [`Event::Joined`] or
    /// [`Event::Ended`] says what came of it. Nobody is rung.
    ///
    /// Requests to Matrix run on the runtime that this is called in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn join(
        matrix: Arc<dyn Matrix>,
        config: Config,
        network: &Arc<Network>,
        workers: &Workers,
    ) -> Self {
        let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
        let (event_sender, events) = mpsc::channel(EVENTS_MAX);
        let (end_sender, end) = oneshot::channel();
        let setup = Setup {
            matrix,
            config,
            network: Arc::clone(network),
            control: tokio::runtime::Handle::current(),
            events: event_sender,
        };
        workers.spawn(async move {
            let reason = driver::run(setup, command_receiver).await;
            // Nobody may be left to hear of it.
            drop(end_sender.send(reason));
        });
        Self { commands, events, end: Some(end) }
    }

    /// Plays a source as our microphone, in the place of what plays. It begins with the first frame
    /// once we are connected, however long that takes.
    pub fn publish(&self, source: Box<dyn AudioSource>) {
        self.publish_as(Role::Microphone, source);
    }

    /// Plays a source under that role; its track is announced first if need be.
    pub fn publish_as(&self, role: Role, source: Box<dyn AudioSource>) {
        self.command(Command::Publish(role, source));
    }

    /// Ends what plays under that role: silent from the next frame on, and shown as muted two seconds
    /// later. The track stays.
    pub fn stop(&self, role: Role) {
        self.command(Command::Stop(role));
    }

    /// Takes the role's track back, so that others no longer see it. What plays ends.
    pub fn unpublish(&self, role: Role) {
        self.command(Command::Unpublish(role));
    }

    /// Receives a track. A further subscription to the same track takes the place of the earlier one.
    pub fn subscribe(&self, id: &TrackId) -> Track {
        let (track, heard) = Track::new(id.clone());
        self.command(Command::Subscribe(id.clone(), heard));
        track
    }

    /// Asks a track's publisher for a whole picture; the SFU passes on one such wish a second.
    pub fn request_key_frame(&self, id: &TrackId) {
        self.command(Command::RequestKeyFrame(id.clone()));
    }

    /// Whether to be told who speaks ([`Event::Speaking`]) in a call where nobody is listened to
    /// ([`Config::listens`]); it begins with no. An SFU tells this only to who subscribes to a
    /// microphone: those on the SFU that we publish on are subscribed to for it, and the SFU is asked
    /// to send no sound of them. Members on other SFUs are not told of.
    pub fn watch_speakers(&self, watch: bool) {
        self.command(Command::WatchSpeakers(watch));
    }

    /// The next event; `None` after [`Event::Ended`]. Cancel-safe.
    pub async fn event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.recv().await {
            return Some(event);
        }
        let end = self.end.take()?;
        Some(Event::Ended(end.await.unwrap_or(EndReason::Aborted)))
    }

    /// Leaves, and waits until others can see it: at most 1.5 s, after which the homeserver ends
    /// our membership by itself. Answers with the last [`Event::Saved`] that came meanwhile. Cancel-safe:
    /// leaving goes on.
    pub async fn leave(self) -> Option<Saved> {
        let Self { commands, mut events, end } = self;
        // Where there is no room for the command, the closed channel says the same.
        drop(commands.try_send(Command::Leave));
        drop(commands);
        let mut last = None;
        while let Some(event) = events.recv().await {
            if let Event::Saved(saved) = event {
                last = Some(saved);
            }
        }
        if let Some(end) = end {
            drop(end.await);
        }
        last
    }

    fn command(&self, command: Command) {
        match self.commands.try_send(command) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("a command was dropped: the call is stuck");
            }
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
