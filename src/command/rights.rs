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

impl Group {
    /// From the least right to the greatest.
    pub(crate) const ALL: [Self; 4] = [Self::Listen, Self::Request, Self::Control, Self::Manage];
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
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
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
            Self::Pause | Self::Resume | Self::Toggle | Self::Stop => Group::Control,
            Self::Leave => Group::Control,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{
        Change, Seek, Setting, Wanted,
        words::{WORDS, sample},
    };

    const NOBODY: Person = Person {
        level: 0,
        is_dj: false,
        owns_current: false,
        alone_with_bot: false,
        in_call: true,
    };
    const DJ: Person = Person { is_dj: true, ..NOBODY };
    const ALONE: Person = Person { alone_with_bot: true, ..NOBODY };
    const OWNER: Person = Person { owns_current: true, ..NOBODY };
    const MODERATOR: Person = Person { level: 50, ..NOBODY };
    const MUTED: Person = Person { level: -1, ..NOBODY };

    #[test]
    fn who_may_do_what() {
        use Decision::{OwnOnly, Vote, Yes};
        let no = |group, have, need| Decision::No(Refusal::Level { group, have, need });
        let control = no(Group::Control, 0, 50);
        let manage = no(Group::Manage, 0, 50);
        let skip = Command::Skip;
        let set = Command::Set(SetCommand::Change(Setting::Volume, "3".to_owned()));
        let cases = [
            (NOBODY, Command::NowPlaying, Yes),
            (NOBODY, Command::Search("x".to_owned()), Yes),
            (NOBODY, Command::Play(Some(Wanted::Upload)), Yes),
            (NOBODY, Command::Play(None), control),
            (NOBODY, Command::PlayNow(Wanted::Upload), control),
            (NOBODY, Command::Volume(None), Yes),
            (NOBODY, Command::Volume(Some(Change::To(3))), control),
            (NOBODY, Command::Seek(Seek::By { ms: 1 }), control),
            (NOBODY, skip.clone(), Vote),
            (NOBODY, Command::ForceSkip, control),
            (NOBODY, Command::Remove(Which::One(1)), OwnOnly),
            (NOBODY, Command::Remove(Which::Mine), Yes),
            (NOBODY, Command::Undo, OwnOnly),
            (NOBODY, Command::Clear, control),
            (NOBODY, set.clone(), manage),
            (NOBODY, Command::Set(SetCommand::ShowAll), Yes),
            (OWNER, skip.clone(), Yes),
            (OWNER, Command::ForceSkip, Yes),
            (OWNER, Command::Stop, control),
            (DJ, Command::Stop, Yes),
            (DJ, skip.clone(), Yes),
            (DJ, set.clone(), manage),
            (ALONE, Command::Stop, Yes),
            (ALONE, Command::Clear, Yes),
            (ALONE, set.clone(), manage),
            (MODERATOR, Command::Stop, Yes),
            (MODERATOR, set, Yes),
            (MUTED, Command::Ping, no(Group::Listen, -1, 0)),
            (MUTED, skip, no(Group::Control, -1, 50)),
            (MUTED, Command::Remove(Which::Mine), Yes),
        ];
        for (person, command, expected) in cases {
            assert_eq!(decide(&person, &command, &rules()), expected, "{person:?} {command:?}");
        }
    }

    #[test]
    fn without_votes_a_skip_is_refused() {
        let rules = RoomRules { vote_skip: false, ..rules() };
        let refused = Refusal::Level { group: Group::Control, have: 0, need: 50 };
        assert_eq!(decide(&NOBODY, &Command::Skip, &rules), Decision::No(refused));
    }

    #[test]
    fn who_is_not_in_the_call_has_no_vote() {
        let person = Person { in_call: false, ..NOBODY };
        let refused = Decision::No(Refusal::NotInCall);
        assert_eq!(decide(&person, &Command::Skip, &rules()), refused);
    }

    #[test]
    fn control_can_be_left_to_those_in_the_call() {
        let rules = RoomRules { control_in_call_only: true, ..rules() };
        let outside = Person { in_call: false, ..MODERATOR };
        let refused = Decision::No(Refusal::NotInCall);
        assert_eq!(decide(&outside, &Command::Pause, &rules), refused);
        assert_eq!(decide(&MODERATOR, &Command::Pause, &rules), Decision::Yes);
        // Otherwise nobody could call us, or take the setting back.
        assert_eq!(decide(&outside, &Command::Join, &rules), Decision::Yes);
        let back = Command::Set(SetCommand::Change(Setting::InCallOnly, "off".to_owned()));
        assert_eq!(decide(&outside, &back, &rules), Decision::Yes);
    }

    #[test]
    fn each_group_has_its_own_level() {
        let levels = Levels { listen: 1, request: 2, control: 3, manage: 4 };
        let rules = RoomRules { levels, ..rules() };
        for (group, need) in Group::ALL.into_iter().zip(1..) {
            let refused = Refusal::Level { group, have: need - 1, need };
            assert_eq!(may(&Person { level: need - 1, ..NOBODY }, group, &rules), Err(refused));
            assert_eq!(may(&Person { level: need, ..NOBODY }, group, &rules), Ok(()));
        }
    }

    #[test]
    fn whoever_may_manage_may_do_everything_by_default() {
        for form in WORDS.iter().flat_map(|word| word.forms.iter().map(move |form| (word, form))) {
            let command = sample(form.0, form.1);
            assert_eq!(decide(&MODERATOR, &command, &rules()), Decision::Yes, "{command:?}");
        }
    }

    fn rules() -> RoomRules {
        RoomRules { levels: Levels::default(), control_in_call_only: false, vote_skip: true }
    }
}
