//! One actor per room: where chat, call and jukebox meet.
//!
//! It alone knows whether we are in this room's call and what plays there, so nothing guards its
//! state. What takes time (finding, opening, sending) happens beside it. Every input changes the
//! state at most once; [`Room::settle`] then brings the desk, the store and the panel after it.

mod answer;
mod ask;
mod call;
mod describe;
mod finding;
mod jumps;
mod kept;
mod obey;
mod panel;
mod playing;
mod rule;
mod speech;
mod trouble;
mod tuning;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::pending,
    sync::Arc,
};

use phonograph_call::{
    Event, Network, Workers,
    matrix::Matrix,
    matrixrtc::{EventId, Member, RoomId, UserId},
};
use phonograph_matrix::{Calls, Message, Outbox, Reaction, ReplyTo, Rooms};
use phonograph_media::playback;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tracing::{error, info_span};

use crate::{
    command::{Cooldown, Flood, Reply},
    config::Config,
    jukebox::{
        News, Player, Resolver,
        queue::{EntryId, Lists, Queue, Votes},
    },
    store::Store,
};

use call::Ongoing;
use finding::{Looked, Picking};
use kept::Kept;
use panel::Panel;
use playing::Stage;

/// Messages that wait for a room's actor; each is handled in microseconds, but for leaving. A
/// further one is dropped with a warning. More than a sync brings of one room.
pub(crate) const INBOX_MAX: usize = 128;

/// What all rooms share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) me: UserId,
    pub(crate) matrix: Arc<dyn Matrix>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) rooms: Rooms,
    pub(crate) outbox: Outbox,
    pub(crate) network: Arc<Network>,
    pub(crate) workers: Workers,
    pub(crate) resolver: Resolver,
    pub(crate) store: Store,
}

/// What comes from the room.
#[derive(Debug)]
pub(crate) enum Said {
    /// Somebody wrote.
    Message(Box<Message>),
    /// Somebody reacted.
    Reaction(Reaction),
    /// We are no longer in the room.
    Gone,
}

/// Runs until the inbox is closed, then leaves the call.
pub(crate) async fn run(room: RoomId, shared: Arc<Shared>, mut inbox: mpsc::Receiver<Said>) {
    let mut actor = match Room::open(room, shared).await {
        Ok(actor) => actor,
        Err(error) => return error!(%error, "the room cannot play"),
    };
    actor.come_back().await;
    loop {
        actor.settle().await;
        match actor.wait(&mut inbox).await {
            Input::Said(Some(Said::Message(message))) => actor.hear(&message).await,
            Input::Said(Some(Said::Reaction(reaction))) => actor.see(&reaction).await,
            Input::Said(Some(Said::Gone)) => {
                actor.end_call(call::Stay::Out).await;
                break;
            }
            Input::Said(None) => break,
            Input::Call(event) => actor.handle_call(event).await,
            Input::News(news) => actor.handle_news(news),
            Input::Looked(looked) => actor.looked(looked).await,
            Input::Opened(opened) => actor.opened(opened),
            Input::Prepared(prepared) => actor.prepared(prepared),
            Input::Spoken(spoken) => actor.spoken(spoken),
            Input::Sent(sent) => actor.sent(sent).await,
            Input::Described(done) => actor.described(done),
            Input::StationTitle => actor.station_title(),
            Input::Typing => actor.show_typing(true),
            Input::Alone => actor.leave_alone().await,
            Input::Panel => actor.show_panel(),
        }
    }
    actor.end_call(call::Stay::Back).await;
    actor.settle().await;
}

/// One input.
enum Input {
    Said(Option<Said>),
    Call(Event),
    News(News),
    Looked(Result<Looked, JoinError>),
    Opened(Result<playing::Opening, JoinError>),
    Prepared(Result<playing::Opening, JoinError>),
    Spoken(Result<speech::Spoken, JoinError>),
    Sent(Result<panel::Sent, JoinError>),
    Described(Result<bool, JoinError>),
    StationTitle,
    Typing,
    Alone,
    Panel,
}

/// The room's state.
struct Room {
    id: RoomId,
    shared: Arc<Shared>,
    kept: Kept,
    queue: Queue,
    lists: Lists,
    /// Whether queue, lists or settings differ from what is stored.
    unsaved: Unsaved,
    call: Option<Ongoing>,
    player: Player,
    stage: Stage,
    /// What is being looked for, at most [`finding::LOOKS_MAX`].
    looking: JoinSet<Looked>,
    /// For whom.
    looking_for: Vec<(AbortHandle, ReplyTo)>,
    /// What is being spoken or fetched to be played over the music.
    speaking: JoinSet<speech::Spoken>,
    typing_at: Option<Instant>,
    typing: bool,
    panel: Panel,
    /// Whether our commands were described to the end. One task in a run; it ends with the room.
    describing: JoinSet<bool>,
    /// Whether this run has begun to describe them.
    has_described: bool,
    /// What is sent, to learn its event id.
    sending: JoinSet<panel::Sent>,
    picking: Option<Picking>,
    votes: Votes,
    flood: Flood,
    /// Who is to be told what becomes of an entry that they asked for.
    asked: BTreeMap<EntryId, ReplyTo>,
    cooldown: Cooldown,
    /// Messages that were obeyed or answered, so that an edit does not repeat them.
    obeyed: VecDeque<EventId>,
    /// Whose beginning was told to whoever asked.
    told: Option<EntryId>,
    /// The position that is being stored.
    saving: JoinSet<()>,
    /// Who changed the queue last, and may take that back.
    changed_by: Option<UserId>,
    /// Who is to be told that something plays, once we are on the way into the call.
    on_joining: Vec<(ReplyTo, Reply)>,
}

/// What is to be stored.
#[derive(Debug, Default)]
struct Unsaved {
    queue: bool,
    settings: bool,
}

impl Room {
    async fn open(id: RoomId, shared: Arc<Shared>) -> Result<Self, playback::EncodingError> {
        let stored = kept::load(&shared.store, &id).await;
        let kept::Stored { kept, queue, lists, panel } = stored;
        let config = tuning::encoding(&shared.config.audio, &kept.settings);
        let player = Player::new(&config, tokio::runtime::Handle::current())?;
        let mut room = Self {
            id,
            shared,
            kept,
            queue,
            lists,
            unsaved: Unsaved::default(),
            call: None,
            player,
            stage: Stage::default(),
            looking: JoinSet::new(),
            looking_for: Vec::new(),
            speaking: JoinSet::new(),
            typing_at: None,
            typing: false,
            panel: Panel::new(panel),
            describing: JoinSet::new(),
            has_described: false,
            sending: JoinSet::new(),
            picking: None,
            votes: Votes::default(),
            flood: Flood::default(),
            asked: BTreeMap::new(),
            cooldown: Cooldown::default(),
            obeyed: VecDeque::new(),
            told: None,
            saving: JoinSet::new(),
            changed_by: None,
            on_joining: Vec::new(),
        };
        room.apply_settings();
        Ok(room)
    }

    async fn wait(&mut self, inbox: &mut mpsc::Receiver<Said>) -> Input {
        let leave_at = self.call.as_ref().and_then(|ongoing| ongoing.leave_at);
        tokio::select! {
            said = inbox.recv() => Input::Said(said),
            event = call::next_event(&mut self.call) => Input::Call(event),
            news = self.player.news() => Input::News(news),
            Some(looked) = self.looking.join_next() => Input::Looked(looked),
            Some(opened) = self.stage.opening.join_next() => Input::Opened(opened),
            Some(prepared) = self.stage.preparing.join_next() => Input::Prepared(prepared),
            Some(spoken) = self.speaking.join_next() => Input::Spoken(spoken),
            Some(sent) = self.sending.join_next() => Input::Sent(sent),
            Some(done) = self.describing.join_next() => Input::Described(done),
            () = playing::title_changed(&mut self.stage.titles) => Input::StationTitle,
            () = at(self.typing_at) => Input::Typing,
            () = at(leave_at) => Input::Alone,
            () = at(self.panel.due()) => Input::Panel,
        }
    }

    /// Brings everything after what has just changed.
    async fn settle(&mut self) {
        self.prepare_next();
        self.publish();
        self.count_votes_anew();
        self.forget_unqueued();
        self.save().await;
    }

    fn show_typing(&mut self, typing: bool) {
        self.typing_at = None;
        if typing != self.typing {
            self.typing = typing;
            self.shared.outbox.typing(&self.id, typing);
        }
    }

    /// The people in the call, without us.
    fn people(&self) -> BTreeSet<UserId> {
        let others = self.call.iter().flat_map(|call| &call.others);
        others.map(|member: &Member| member.user.clone()).collect()
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
