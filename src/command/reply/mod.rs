//! Every sentence that the bot says in a room. Pure.
//!
//! A failure gets one sentence with its reason, a hint, and a reference that the log repeats beside
//! the whole chain of errors. Neither text shows the other's.

mod help;
mod list;
mod panel;
#[cfg(test)]
mod tests;
mod text;
mod trouble;

use std::{fmt, time::Duration};

use phonograph_matrixrtc::UserId;

pub(crate) use help::Help;
pub(crate) use list::{HistoryPage, Line, PAGE_LEN, PICKS_MAX, Picks, QueuePage};
pub(crate) use panel::{Now, Panel, State};
pub(crate) use trouble::Trouble;

use super::{Autoplay, Blocked, LoopMode, Misunderstood, Refusal, Setting, SettingError, Title};

/// The most titles that one reply lists.
pub(crate) const CHOICES_MAX: usize = 5;

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// This has begun to play.
    Playing(Title),
    /// It was queued.
    Queued {
        /// What.
        title: Title,
        /// Its place, counted from 1.
        position: usize,
        /// When it is about to play; `None` where a piece before it has no known end.
        wait: Option<Duration>,
    },
    /// Several were queued: an album, a list, a playlist.
    QueuedMany {
        /// Of what.
        title: Title,
        /// How many.
        count: usize,
        /// The place of the first, counted from 1.
        position: usize,
        /// How many did not fit into the limits of the queue.
        left_out: usize,
        /// Whether the list that they are of is longer than what is read of one.
        is_cut: bool,
    },
    /// It was not queued, for this limit of the room.
    OverLimit(Limit),
    /// It is silent now.
    Stopped,
    /// There was nothing to stop, to pause, to skip.
    NothingPlays,
    /// The queue is empty.
    QueueEmpty,
    /// It is paused.
    Paused(Title),
    /// It is paused already.
    AlreadyPaused,
    /// It goes on.
    Resumed(Title),
    /// It plays already.
    NotPaused,
    /// This was skipped; what follows, if anything does.
    Skipped {
        /// What was skipped.
        title: Title,
        /// What plays now.
        next: Option<Title>,
    },
    /// So many in a row could not be played that it stopped.
    TooManyFailed(usize),
    /// There is nothing to go back to.
    NoPrevious,
    /// It begins again.
    Restarted(Title),
    /// It goes on from here.
    Sought(Duration),
    /// What plays has no places to go to: a station.
    NoSeeking,
    /// The piece is not as long as that.
    BeyondEnd {
        /// Its length.
        duration: Duration,
    },
    /// How loud it is, in percent.
    Volume(u16),
    /// What is repeated.
    Loop(LoopMode),
    /// Whether people take turns.
    Fair(bool),
    /// What is played when the queue is empty.
    Autoplay(Autoplay),
    /// What plays, at length.
    NowPlaying(Panel),
    /// A page of the queue.
    Queue(QueuePage),
    /// A page of what has played.
    History(HistoryPage),
    /// What fits, to pick from.
    Picks(Picks),
    /// Nobody can pick: there is no list, or it is too old.
    NothingToPick,
    /// The list ends before this number.
    NoSuchPick {
        /// The last number.
        last: usize,
    },
    /// The queue ends before this place.
    NoSuchPlace {
        /// The last place; 0 if the queue is empty.
        last: usize,
    },
    /// So many were taken out of the queue: the first of them, and how many.
    Removed {
        /// The first.
        title: Title,
        /// All of them.
        count: usize,
    },
    /// Nothing in the queue is of this person.
    NothingOf(Title),
    /// None of it is the sender's own, and others' they may not touch.
    NotYours,
    /// It has another place now.
    Moved {
        /// What.
        title: Title,
        /// Its place, counted from 1.
        position: usize,
    },
    /// It cannot have that place, since people take turns.
    MoveAgainstTurns,
    /// So many were mixed.
    Shuffled(usize),
    /// So many were taken out of the queue.
    Cleared(usize),
    /// The last change was taken back: this one.
    Undone(Edit),
    /// There is no change to take back.
    NothingToUndo,
    /// The saved lists: name and number of pieces.
    Lists(Vec<(Title, usize)>),
    /// What became of a saved list.
    List {
        /// Its name.
        name: Title,
        /// What was done.
        outcome: ListOutcome,
    },
    /// The room's settings, all of them or one: each with its value.
    Settings(Vec<(Setting, String)>),
    /// This setting has this value now.
    SettingChanged(Setting, String),
    /// A setting stays as it is.
    SettingRefused(SettingError),
    /// Those on the DJ list.
    Djs(Vec<UserId>),
    /// Somebody was put on the DJ list, or was on it.
    DjAdded(UserId),
    /// Somebody was taken off it.
    DjRemoved(UserId),
    /// Somebody was not on it.
    NoDj(UserId),
    /// Who and what is blocked here.
    BlockedList(Vec<Blocked>),
    /// This is blocked from now on.
    Blocked(Blocked),
    /// This is blocked no longer.
    Unblocked(Blocked),
    /// This was not blocked.
    NotBlocked(Blocked),
    /// So many DJs, or so much that is blocked, is all that is kept.
    ListFull(usize),
    /// Links to this host are blocked here.
    LinkBlocked(Title),
    /// They may not do that.
    Refused(Refusal),
    /// A vote to skip was counted.
    Voted {
        /// So many voted.
        have: usize,
        /// So many are needed.
        need: usize,
    },
    /// They voted before.
    AlreadyVoted {
        /// So many voted.
        have: usize,
        /// So many are needed.
        need: usize,
    },
    /// They asked for something a moment ago.
    Cooldown {
        /// How long they have to wait.
        left: Duration,
    },
    /// They send commands faster than anybody can mean them.
    TooFast,
    /// As much is looked for as can be at once, by them or by all here.
    StillLooking,
    /// Somebody stopped the music before what they asked for was found.
    StoppedLooking,
    /// The clips that there are.
    Clips(Vec<Title>),
    /// There is no such clip.
    NoClip(Title),
    /// The operator has not set up speech.
    NoSpeech,
    /// The message neither brings a file that could be played nor answers one.
    NoUpload,
    /// We are in the call now.
    Joined,
    /// We were in the call already.
    AlreadyJoined,
    /// We are out of the call now.
    Left,
    /// Everybody else left, and so did we.
    LeftAlone,
    /// There was no call to leave.
    NotInCall,
    /// We are there.
    Pong,
    /// What we can do.
    Help(Help),
    /// The message was for us, but is no command.
    Misunderstood(Misunderstood),
    /// Nothing in the library has that name.
    NotFound(Title),
    /// Several things have that name: the first few of them, and how many there are.
    Ambiguous {
        /// At most [`CHOICES_MAX`].
        titles: Vec<Title>,
        /// All of them.
        count: usize,
    },
    /// Something failed; the log says more under this reference.
    Failed(Trouble, Reference),
}

/// A limit of the queue that a request is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The piece is longer than this.
    Length(Duration),
    /// So many entries are theirs already.
    PerPerson(usize),
    /// So many entries are in the queue.
    Queue(usize),
}

/// A change of the queue that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// So many that were added are out again.
    Added(usize),
    /// So many that were taken out are in again.
    Removed(usize),
    /// The order is as it was.
    Reordered,
    /// This was skipped and is next; `None` if it is forgotten by now.
    Skipped(Option<Title>),
    /// This is repeated again.
    Loop(LoopMode),
    /// Whether people take turns again.
    Fair(bool),
    /// This plays again when the queue is empty.
    Autoplay(Autoplay),
}

/// What became of a saved list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListOutcome {
    /// It is kept.
    Saved {
        /// So many pieces are in it.
        count: usize,
        /// So many more did not fit.
        left_out: usize,
    },
    /// It is gone.
    Deleted,
    /// This is its name now.
    Renamed(Title),
    /// There is none of that name.
    Missing,
    /// One of that name is there already, and stays.
    Taken,
    /// Nothing plays and nothing is queued that could be saved.
    Nothing,
    /// There are so many lists that no more is kept.
    TooMany(usize),
    /// The name has neither a letter nor a digit.
    NoName,
    /// The name has more characters than this.
    NameTooLong(usize),
}

/// Joins a reply to the lines of the log that explain it; short enough to be read out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference(u16);

impl Reference {
    /// A new one, by chance. Two may be equal; the time tells them apart.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}
