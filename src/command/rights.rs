//! Who may do what in a room. Pure.
//!
//! Each command belongs to a [`Group`], and each group needs a power level. Those on the DJ list, and
//! whoever is alone in the call with us, control without it. What somebody asked for is theirs to
//! take out or to skip, whatever the levels.

use serde::{Deserialize, Serialize};

use super::{Command, DjCommand, ListCommand, SetCommand, Which};

/// Commands that need the same right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Group {
    /// To look: what plays, the queue, help.
    Listen,
    /// To ask for music.
    Request,
    /// To decide what others hear.
    Control,
    /// To change the room's settings, and who may do what.
    Manage,
}

/// The power level that each group needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Levels {
    /// For [`Group::Listen`].
    pub(crate) listen: i64,
    /// For [`Group::Request`].
    pub(crate) request: i64,
    /// For [`Group::Control`].
    pub(crate) control: i64,
    /// For [`Group::Manage`].
    pub(crate) manage: i64,
}

impl Default for Levels {
    fn default() -> Self {
        Self { listen: 0, request: 0, control: 50, manage: 50 }
    }
}

impl Levels {
    /// The level that a group needs.
    pub(crate) fn of(&self, group: Group) -> i64 {
        match group {
            Group::Listen => self.listen,
            Group::Request => self.request,
            Group::Control => self.control,
            Group::Manage => self.manage,
        }
    }
}

/// Who gives a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// Their power level in the room.
    pub(crate) level: i64,
    /// Whether they are on the room's DJ list.
    pub(crate) is_dj: bool,
    /// Whether what plays was asked for by them.
    pub(crate) owns_current: bool,
    /// Whether they are in the call, and nobody else is but us.
    pub(crate) alone_with_bot: bool,
    /// Whether they are in the call.
    pub(crate) in_call: bool,
}

/// What a room has decided about rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomRules {
    /// The level that each group needs.
    pub(crate) levels: Levels,
    /// Whether only those in the call may control.
    pub(crate) control_in_call_only: bool,
    /// Whether those without the right vote to skip.
    pub(crate) vote_skip: bool,
}

/// Whether a command is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is.
    Yes,
    /// As far as it concerns what is their own: their entries, their change.
    OwnOnly,
    /// It counts as a vote.
    Vote,
    /// It is not.
    No(Refusal),
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Their power level does not suffice.
    Level {
        /// What it was about.
        group: Group,
        /// Theirs.
        have: i64,
        /// The one needed.
        need: i64,
    },
    /// They are not in the call.
    NotInCall,
}

impl Command {
    /// The right that it needs.
    pub(crate) fn group(&self) -> Group {
        match self {
            Self::NowPlaying | Self::Queue { .. } | Self::History { .. } => Group::Listen,
            Self::Ping | Self::Help(_) => Group::Listen,
            Self::Volume(None) | Self::Fair(None) | Self::Autoplay(None) => Group::Listen,
            Self::Clip(None) | Self::List(ListCommand::Show) => Group::Listen,
            Self::Set(SetCommand::ShowAll | SetCommand::Show(_)) => Group::Listen,
            Self::Dj(DjCommand::Show) => Group::Listen,
            Self::Play(Some(_)) | Self::Search(_) | Self::Pick(_) | Self::Album(_) => {
                Group::Request
            }
            Self::Radio(_) | Self::Podcast { .. } | Self::Panel => Group::Request,
            // `play` brings us into the call too, so refusing this would protect nothing.
            Self::Join => Group::Request,
            Self::Remove(Which::Mine) | Self::List(ListCommand::Load(_)) => Group::Request,
            Self::Play(None) | Self::PlayNext(_) | Self::PlayNow(_) => Group::Control,
            Self::Pause | Self::Resume | Self::Stop | Self::Leave => Group::Control,
            Self::Skip | Self::ForceSkip | Self::Previous | Self::Restart => Group::Control,
            Self::Seek(_) | Self::Volume(Some(_)) | Self::Loop(_) | Self::Shuffle => Group::Control,
            Self::Remove(Which::One(_) | Which::Range(..) | Which::Person(_)) => Group::Control,
            Self::Move { .. } | Self::Clear | Self::Undo => Group::Control,
            Self::Fair(Some(_)) | Self::Autoplay(Some(_)) => Group::Control,
            Self::Clip(Some(_)) | Self::Say(_) | Self::List(ListCommand::Save(_)) => Group::Control,
            Self::List(ListCommand::Delete(_) | ListCommand::Rename { .. }) => Group::Manage,
            Self::Set(SetCommand::Change(..)) => Group::Manage,
            Self::Dj(DjCommand::Add(_) | DjCommand::Remove(_)) => Group::Manage,
            Self::Block(_) | Self::Unblock(_) => Group::Manage,
        }
    }
}

/// Decides about a command.
pub(crate) fn decide(person: &Person, command: &Command, rules: &RoomRules) -> Decision {
    let refused = match may(person, command.group(), rules) {
        Ok(()) => return Decision::Yes,
        Err(refusal) => refusal,
    };
    let may_request = may(person, Group::Request, rules).is_ok();
    match command {
        Command::Skip | Command::ForceSkip if person.owns_current => Decision::Yes,
        Command::Skip if rules.vote_skip && may_request => {
            if person.in_call {
                Decision::Vote
            } else {
                Decision::No(Refusal::NotInCall)
            }
        }
        Command::Remove(Which::Mine) => Decision::Yes,
        Command::Remove(_) | Command::Undo => Decision::OwnOnly,
        _ => Decision::No(refused),
    }
}

/// Whether somebody has the right to what a group of commands does.
pub(crate) fn may(person: &Person, group: Group, rules: &RoomRules) -> Result<(), Refusal> {
    let need = rules.levels.of(group);
    let is_trusted = match group {
        Group::Control => person.is_dj || person.alone_with_bot,
        Group::Listen | Group::Request => person.is_dj,
        Group::Manage => false,
    };
    if person.level < need && !is_trusted {
        return Err(Refusal::Level { group, have: person.level, need });
    }
    if group == Group::Control && rules.control_in_call_only && !person.in_call {
        return Err(Refusal::NotInCall);
    }
    Ok(())
}
