//! What people can set for their room, by chat. Pure; stored as it is.

#[cfg(test)]
mod tests;
mod value;

pub(super) use value::{autoplay, switch};

use std::{collections::BTreeSet, fmt, time::Duration};

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Serialize};

use super::{Autoplay, Blocked, Group, Host, Levels, Prefix, RoomRules, Title};

/// The settings of one room. What is read from the store lacks what is newer than it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that have nothing to do with each other"
)]
pub(crate) struct RoomSettings {
    /// In percent, up to [`VOLUME_MAX`].
    pub(crate) volume: u16,
    /// In kbit/s; `None` is as the operator set it.
    pub(crate) bitrate_kbps: Option<u32>,
    /// How long two pieces overlap; none at zero.
    pub(crate) crossfade: Duration,
    /// How long the sound fades on pause, skip and stop.
    pub(crate) fade: Duration,
    /// Whether all pieces are made equally loud.
    pub(crate) loudness: bool,
    /// By how many percent the music gets quieter while somebody speaks; not at all at 0.
    pub(crate) duck: u8,
    /// Whether people take turns in the queue.
    pub(crate) fair: bool,
    /// The share of those in the call, in percent, whose votes skip; `None`: there are no votes.
    pub(crate) vote_skip: Option<u8>,
    /// The longest piece; any, if `None`.
    pub(crate) track_length_max: Option<Duration>,
    /// Entries of one person in the queue.
    pub(crate) per_person_max: usize,
    /// Entries in the queue.
    pub(crate) queue_max: usize,
    /// What is played when the queue is empty.
    pub(crate) autoplay: Autoplay,
    /// Whether each piece is announced with a message.
    pub(crate) announce: bool,
    /// Whether answers are left out that say no more than that it was done.
    pub(crate) quiet: bool,
    /// Whether there is a panel.
    pub(crate) panel: bool,
    /// What commands begin with; `None` is as the operator set it.
    pub(crate) prefix: Option<Prefix>,
    /// The power levels that commands need.
    pub(crate) levels: Levels,
    /// Whether only those in the call may control.
    pub(crate) in_call_only: bool,
    /// How long a person waits between two requests.
    pub(crate) cooldown: Duration,
    /// How long we stay in a call without others; `None` is as the operator set it.
    pub(crate) leave_when_alone: Option<Duration>,
    /// Who may control whatever their power level; at most [`DJS_MAX`].
    pub(crate) djs: BTreeSet<UserId>,
    /// Who is not heard here, and whose links are not opened; at most [`BLOCKED_MAX`].
    pub(crate) blocked: BTreeSet<Blocked>,
}

/// People on a DJ list. Who trusts more of them lowers the level.
pub(crate) const DJS_MAX: usize = 100;
/// People and hosts that one room blocks.
pub(crate) const BLOCKED_MAX: usize = 1000;
/// The loudest volume, in percent.
pub(crate) const VOLUME_MAX: u16 = 200;

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            volume: 100,
            bitrate_kbps: None,
            crossfade: Duration::ZERO,
            fade: Duration::from_millis(50),
            loudness: true,
            duck: 0,
            fair: false,
            vote_skip: Some(50),
            track_length_max: None,
            per_person_max: 50,
            queue_max: 500,
            autoplay: Autoplay::Off,
            announce: false,
            quiet: false,
            panel: true,
            prefix: None,
            levels: Levels::default(),
            in_call_only: false,
            cooldown: Duration::ZERO,
            leave_when_alone: None,
            djs: BTreeSet::new(),
            blocked: BTreeSet::new(),
        }
    }
}

/// What the operator set for rooms that have not set it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// What commands begin with.
    pub(crate) prefix: Prefix,
    /// In kbit/s.
    pub(crate) bitrate_kbps: u32,
    /// How long we stay in a call without others.
    pub(crate) leave_when_alone: Duration,
}

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Setting {
    /// [`RoomSettings::volume`].
    Volume,
    /// [`RoomSettings::bitrate_kbps`].
    Bitrate,
    /// [`RoomSettings::crossfade`].
    Crossfade,
    /// [`RoomSettings::fade`].
    Fade,
    /// [`RoomSettings::loudness`].
    Loudness,
    /// [`RoomSettings::duck`].
    Duck,
    /// [`RoomSettings::fair`].
    Fair,
    /// [`RoomSettings::vote_skip`].
    VoteSkip,
    /// [`RoomSettings::track_length_max`].
    TrackLength,
    /// [`RoomSettings::per_person_max`].
    PerPerson,
    /// [`RoomSettings::queue_max`].
    QueueMax,
    /// [`RoomSettings::autoplay`].
    Autoplay,
    /// [`RoomSettings::announce`].
    Announce,
    /// [`RoomSettings::quiet`].
    Quiet,
    /// [`RoomSettings::panel`].
    Panel,
    /// [`RoomSettings::prefix`].
    Prefix,
    /// [`Levels::listen`].
    ListenLevel,
    /// [`Levels::request`].
    RequestLevel,
    /// [`Levels::control`].
    ControlLevel,
    /// [`Levels::manage`].
    ManageLevel,
    /// [`RoomSettings::in_call_only`].
    InCallOnly,
    /// [`RoomSettings::cooldown`].
    Cooldown,
    /// [`RoomSettings::leave_when_alone`].
    LeaveWhenAlone,
}

/// Each setting: how it is called, what it takes, and what it does.
const SETTINGS: &[(Setting, &str, &str, &str)] = &[
    (Setting::Volume, "volume", "0 to 200 %", "how loud the music is"),
    (Setting::Bitrate, "bitrate", "16 to 510 kbit/s, or default", "how well it is encoded"),
    (Setting::Crossfade, "crossfade", "0 to 12 s", "how long two pieces overlap"),
    (Setting::Fade, "fade", "0 to 2000 ms", "how long the sound fades on pause, skip and stop"),
    (Setting::Loudness, "loudness", "on or off", "whether all pieces are made equally loud"),
    (Setting::Duck, "duck", "0 to 100 %", "how much quieter the music gets while somebody speaks"),
    (Setting::Fair, "fair", "on or off", "whether people take turns in the queue"),
    (Setting::VoteSkip, "vote-skip", "1 to 100 %, or off", "which share of the call skips by vote"),
    (Setting::TrackLength, "track-length", "1 s to 24 h, or off", "the longest piece"),
    (Setting::PerPerson, "per-person", "1 to 1000", "entries of one person in the queue"),
    (Setting::QueueMax, "queue-max", "1 to 1000", "entries in the queue"),
    (
        Setting::Autoplay,
        "autoplay",
        "off, history or list NAME",
        "what plays when the queue is empty",
    ),
    (Setting::Announce, "announce", "on or off", "whether each piece is announced with a message"),
    (Setting::Quiet, "quiet", "on or off", "whether I answer only with what you don't hear anyway"),
    (Setting::Panel, "panel", "on or off", "whether I keep a message with what plays"),
    (
        Setting::Prefix,
        "prefix",
        "1 to 8 characters without spaces, or default",
        "what commands begin with",
    ),
    (Setting::ListenLevel, "listen-level", "a power level", "what looking needs"),
    (Setting::RequestLevel, "request-level", "a power level", "what asking for music needs"),
    (Setting::ControlLevel, "control-level", "a power level", "what controlling needs"),
    (Setting::ManageLevel, "manage-level", "a power level", "what changing settings needs"),
    (
        Setting::InCallOnly,
        "in-call-only",
        "on or off",
        "whether only those in the call may control",
    ),
    (Setting::Cooldown, "cooldown", "0 s to 1 h", "how long a person waits between two requests"),
    (
        Setting::LeaveWhenAlone,
        "leave-when-alone",
        "0 s to 24 h, or default",
        "how long I stay in a call without others",
    ),
];

impl Setting {
    /// All of them, in the order in which they are shown.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        SETTINGS.iter().map(|(setting, ..)| *setting)
    }

    /// The setting of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        SETTINGS.iter().find(|(_, known, ..)| *known == name).map(|(setting, ..)| *setting)
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    /// What it can be set to.
    pub(crate) fn takes(self) -> &'static str {
        self.row().2
    }

    /// What it is for.
    pub(crate) fn help(self) -> &'static str {
        self.row().3
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        let row = SETTINGS.iter().find(|(setting, ..)| *setting == self);
        row.expect("a test finds every setting in the table")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a setting stays as it is. The person who asked can correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingError {
    /// It does not take this.
    #[error("“{given}” is no value for {setting}, which takes {}", setting.takes())]
    NotAValue {
        /// Which.
        setting: Setting,
        /// What was written.
        given: Title,
    },
    /// Nobody may ask for a higher power level than their own: they could not take it back.
    #[error("{setting} can't be above your own power level, which is {have}")]
    AboveOwnLevel {
        /// Which.
        setting: Setting,
        /// The level of the person who asked.
        have: i64,
    },
}

impl RoomSettings {
    /// Sets one. `level` is the power level of the person who asks.
    ///
    /// # Errors
    /// If it does not take this value; everything is as before then.
    pub(crate) fn set(
        &mut self,
        setting: Setting,
        text: &str,
        level: i64,
    ) -> Result<(), SettingError> {
        let mut changed = self.clone();
        value::set(&mut changed, setting, text.trim())
            .ok_or_else(|| SettingError::NotAValue { setting, given: Title::new(text) })?;
        let needed = |levels: &Levels| Group::ALL.map(|group| levels.of(group));
        let is_above = |(now, then): (i64, i64)| now != then && then > level;
        if needed(&self.levels).into_iter().zip(needed(&changed.levels)).any(is_above) {
            return Err(SettingError::AboveOwnLevel { setting, have: level });
        }
        *self = changed;
        Ok(())
    }

    /// One of them, as it is shown.
    pub(crate) fn show(&self, setting: Setting, defaults: &Defaults) -> String {
        value::show(self, setting, defaults)
    }

    /// Puts somebody on the DJ list; who is on it stays.
    ///
    /// # Errors
    /// If there are as many as may be.
    pub(crate) fn add_dj(&mut self, who: UserId) -> Result<(), ListFull> {
        insert(&mut self.djs, who, DJS_MAX)
    }

    /// Blocks a person or a host here; what is blocked stays so.
    ///
    /// # Errors
    /// If there are as many as may be.
    pub(crate) fn block(&mut self, what: Blocked) -> Result<(), ListFull> {
        insert(&mut self.blocked, what, BLOCKED_MAX)
    }

    /// Whether this person is not heard here.
    pub(crate) fn blocks_person(&self, who: &UserId) -> bool {
        self.blocked.iter().any(|blocked| blocked.is_person(who))
    }

    /// The hosts whose links are not opened here.
    pub(crate) fn blocked_hosts(&self) -> impl Iterator<Item = &Host> {
        self.blocked.iter().filter_map(Blocked::host)
    }

    /// What they say about rights.
    pub(crate) fn rules(&self) -> RoomRules {
        RoomRules {
            levels: self.levels,
            control_in_call_only: self.in_call_only,
            vote_skip: self.vote_skip.is_some(),
        }
    }
}

/// A list of people or hosts takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {max} already")]
pub(crate) struct ListFull {
    /// How many it takes.
    pub(crate) max: usize,
}

fn insert<T: Ord>(set: &mut BTreeSet<T>, item: T, max: usize) -> Result<(), ListFull> {
    if set.len() >= max && !set.contains(&item) {
        return Err(ListFull { max });
    }
    set.insert(item);
    Ok(())
}
