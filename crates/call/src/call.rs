//! The handle that an application holds.

use std::{fmt, sync::Arc};

use phonograph_matrixrtc::{RoomId, ServiceUrl};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::{
    driver::{self, Command, Setup},
    end::EndReason,
    matrix::Matrix,
    network::Network,
    source::AudioSource,
    worker::Workers,
};

/// Commands that wait for the driver. It takes them at once; more than that means that its worker
/// is stuck, and a further command is dropped with a warning.
const COMMANDS_MAX: usize = 16;
/// Events that wait for the application. When it does not take them, the driver drops further
/// ones, but for the last.
const EVENTS_MAX: usize = 64;

/// Which call, and how to be in it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The room whose call it is.
    pub room: RoomId,
    /// A token service to be used instead of the homeserver's: a last resort for homeservers that
    /// announce none.
    pub fallback_transport: Option<ServiceUrl>,
    /// The key index that the last [`Event::KeyIndex`] named, in this process or an earlier one.
    pub last_key_index: Option<u8>,
}

/// What happens in a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// We are in it: the homeserver has our membership, and the SFU our media path.
    Joined,
    /// How many other members there are, now and after each change.
    Others(usize),
    /// Somebody on the SFU receives us: from here on we are heard.
    Heard,
    /// The media path was lost and is being restored (`false`), or is back (`true`).
    Connected(bool),
    /// The source has nothing more to give.
    SourceEnded,
    /// Our media key has this index from now on: keep it for [`Config::last_key_index`].
    KeyIndex(u8),
    /// It is over; no event follows.
    Ended(EndReason),
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
        workers.spawn(move || async move {
            let reason = driver::run(setup, command_receiver).await;
            // Nobody may be left to hear of it.
            drop(end_sender.send(reason));
        });
        Self { commands, events, end: Some(end) }
    }

    /// Plays a source, in the place of what plays. It begins with the first frame once we are
    /// connected, however long that takes.
    pub fn play(&self, source: Box<dyn AudioSource>) {
        self.command(Command::Play(source));
    }

    /// Ends what plays; silent from the next frame on.
    pub fn stop(&self) {
        self.command(Command::Stop);
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
    /// our membership by itself. Cancel-safe: leaving goes on.
    pub async fn leave(self) {
        let Self { commands, mut events, end } = self;
        // Where there is no room for the command, the closed channel says the same.
        drop(commands.try_send(Command::Leave));
        drop(commands);
        while events.recv().await.is_some() {}
        if let Some(end) = end {
            drop(end.await);
        }
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
