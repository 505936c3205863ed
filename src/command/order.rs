//! What the bot can be told to do.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Setting;

/// What the bot can be told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Play this, or queue it while something plays. Without anything: go on with what is paused.
    Play(Option<Wanted>),
    /// Play this after what plays.
    PlayNext(Wanted),
    /// Play this in place of what plays.
    PlayNow(Wanted),
    /// List what fits, to pick from.
    Search(String),
    /// Take this one of the list, counted from 1.
    Pick(usize),
    /// Queue an album, in its order.
    Album(String),
    /// Play a station, or queue it while something plays.
    Radio(Wanted),
    /// Queue an episode.
    Podcast {
        /// The feed.
        feed: Url,
        /// Which of its episodes.
        episode: Episode,
    },
    /// Be silent and keep the place.
    Pause,
    /// Go on from there.
    Resume,
    /// Be silent, or go on if it is: a button.
    Toggle,
    /// Be silent, and stay in the call.
    Stop,
    /// Go on to the next, or vote for it.
    Skip,
    /// Go on to the next, without a vote.
    ForceSkip,
    /// Go back to the one before.
    Previous,
    /// Begin again with what plays.
    Restart,
    /// Go to another place in what plays.
    Seek(Seek),
    /// Be louder or quieter; without a change, say how loud.
    Volume(Option<Change>),
    /// Repeat one, all or nothing; without a mode, take the next of these.
    Loop(Option<LoopMode>),
    /// Say what plays.
    NowPlaying,
    /// Show what is to come.
    Queue {
        /// Counted from 1.
        page: usize,
    },
    /// Show what has played.
    History {
        /// Counted from 1.
        page: usize,
    },
    /// Take something out of the queue.
    Remove(Which),
    /// Give an entry of the queue another place.
    Move {
        /// Its place now, counted from 1.
        from: usize,
        /// Its place then.
        to: usize,
    },
    /// Mix the queue.
    Shuffle,
    /// Empty the queue.
    Clear,
    /// Take back the last change of the queue.
    Undo,
    /// Let people take turns; without a choice, say whether they do.
    Fair(Option<bool>),
    /// What is played when the queue is empty; without a choice, say what.
    Autoplay(Option<Autoplay>),
    /// Something with saved lists.
    List(ListCommand),
    /// Play a short clip over the music; without a name, list the clips.
    Clip(Option<String>),
    /// Speak this.
    Say(String),
    /// Show or change this room's settings.
    Set(SetCommand),
    /// Something with the people who may control, whatever their power level.
    Dj(DjCommand),
    /// Hear this person, or open this host's links, no longer; without either, list them.
    Block(Option<Blocked>),
    /// Hear or open it again.
    Unblock(Blocked),
    /// Post the panel anew.
    Panel,
    /// Join the call, or start one.
    Join,
    /// Leave the call.
    Leave,
    /// Say whether you are there.
    Ping,
    /// Say what you can do, or what one word does.
    Help(Option<String>),
}

/// What somebody wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Something in the library, by its name or words of it.
    Name(String),
    /// Something on the web; `http` or `https`.
    Link(Url),
    /// The file that the message brings or answers.
    Upload,
}

/// An episode of a podcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Episode {
    /// The last one published.
    Latest,
    /// By its number: that of the feed, else counted from the newest, which is 1.
    Number(usize),
    /// By words of its title.
    Title(String),
}

/// A place in what plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seek {
    /// From the beginning.
    To(Duration),
    /// From here; backwards if negative.
    By {
        /// In milliseconds.
        ms: i64,
    },
}

/// A change of the volume, in percent; the room keeps it between 0 and 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// So loud.
    To(u16),
    /// So much louder, or quieter if negative.
    By(i16),
}

impl Change {
    /// The volume after the change; never over `volume_max`.
    pub(crate) fn apply(self, volume: u16, volume_max: u16) -> u16 {
        match self {
            Self::To(to) => to.min(volume_max),
            Self::By(by) => volume.saturating_add_signed(by).min(volume_max),
        }
    }
}

/// What is repeated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoopMode {
    /// Nothing.
    #[default]
    Off,
    /// What plays.
    One,
    /// The queue.
    All,
}

impl LoopMode {
    /// The mode that a button takes next.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Off => Self::All,
            Self::All => Self::One,
            Self::One => Self::Off,
        }
    }
}

/// What is played when the queue is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Autoplay {
    /// Nothing.
    #[default]
    Off,
    /// Something that has played here before.
    History,
    /// Something of this saved list.
    List(String),
}

/// Entries of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one in this place, counted from 1.
    One(usize),
    /// Those from the first to the last, both counted from 1; the first is not after the last.
    Range(usize, usize),
    /// All of this person's.
    Person(UserId),
    /// All of the sender's own.
    Mine,
}

/// Something with saved lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListCommand {
    /// Say which there are.
    Show,
    /// Save what plays and what is queued under this name.
    Save(String),
    /// Queue what was saved.
    Load(String),
    /// Forget it.
    Delete(String),
    /// Call it otherwise.
    Rename {
        /// As it is called.
        from: String,
        /// As it is to be called.
        to: String,
    },
}

/// Something with this room's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetCommand {
    /// Show all of them.
    ShowAll,
    /// Show this one.
    Show(Setting),
    /// Set it to a value, which is still to be read ([`RoomSettings::set`](super::RoomSettings::set)).
    Change(Setting, String),
}

/// Something with the people who may control, whatever their power level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DjCommand {
    /// Say who they are.
    Show,
    /// One more.
    Add(UserId),
    /// One less.
    Remove(UserId),
}

/// Who or what is blocked in a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blocked {
    /// A person: not heard.
    Person(UserId),
    /// The host of links, with all hosts under it: not opened.
    Host(Host),
}

/// The host of links, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Host(String);

impl Host {
    /// Of a link, or by itself; it has a dot or a colon in it, as a name of something else has not.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let host = match Url::parse(text) {
            Ok(url) if text.contains("://") => url.host_str()?.to_owned(),
            _ => url::Host::parse(text).ok()?.to_string(),
        };
        let host = host.trim_end_matches('.');
        host.contains(['.', ':']).then(|| Self(host.to_owned()))
    }

    /// Whether this host is it, or under it.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_lowercase();
        let above = host.strip_suffix(self.0.as_str());
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }
}

/// The hosts that no link of a room leads to, as operator and room block them. Clones share them, and
/// those of the same hosts are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Barred(Arc<[Host]>);

impl Barred {
    /// The host of a link, if it is one of these or under one.
    pub(crate) fn host<'a>(&self, url: &'a Url) -> Option<&'a str> {
        url.host_str().filter(|host| self.0.iter().any(|barred| barred.covers(host)))
    }
}

impl<'a> FromIterator<&'a Host> for Barred {
    fn from_iter<T: IntoIterator<Item = &'a Host>>(hosts: T) -> Self {
        let ordered: BTreeSet<_> = hosts.into_iter().collect();
        Self(ordered.into_iter().cloned().collect())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Blocked {
    /// Whether it is this person.
    pub(crate) fn is_person(&self, user: &UserId) -> bool {
        matches!(self, Self::Person(id) if id == user)
    }

    /// The host of links, if it is one.
    pub(crate) fn host(&self) -> Option<&Host> {
        match self {
            Self::Person(_) => None,
            Self::Host(host) => Some(host),
        }
    }
}
