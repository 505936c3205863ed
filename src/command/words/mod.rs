//! The words of the commands: one table from which all else comes, the parser, help, the
//! descriptions that clients show (MSC4391) and the README.

mod build;
#[cfg(test)]
mod readme;
mod table;
#[cfg(test)]
mod tests;

pub(super) use build::{Said, VOLUME_STEP};
pub(crate) use table::WORDS;

use super::{Command, Decision, Misunderstood, Person, RoomRules, decide};

/// A word that commands begin with.
#[derive(Debug)]
pub(crate) struct Word {
    /// As help names it.
    pub(crate) name: &'static str,
    /// What else people write for it.
    pub(crate) aliases: &'static [&'static str],
    /// Where it stands in help.
    pub(crate) topic: Topic,
    /// What can follow it.
    pub(crate) forms: &'static [Form],
    /// What clients ask for (MSC4391), in the order in which it is written.
    pub(crate) parameters: &'static [Parameter],
    /// What is made of the rest of the line.
    build: fn(Said<'_>) -> Result<Command, Misunderstood>,
}

/// What help puts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// What to hear.
    Play,
    /// How it is heard.
    Steer,
    /// What comes next.
    Queue,
    /// Saved lists.
    Lists,
    /// Over the music.
    Sounds,
    /// The bot itself, and who may do what.
    Room,
}

impl Topic {
    /// In the order of help.
    pub(crate) const ALL: [Self; 6] =
        [Self::Play, Self::Steer, Self::Queue, Self::Lists, Self::Sounds, Self::Room];

    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Play => "Play",
            Self::Steer => "Steer",
            Self::Queue => "Queue",
            Self::Lists => "Lists",
            Self::Sounds => "Over the music",
            Self::Room => "Me and this room",
        }
    }
}

/// One way to write a command.
#[derive(Debug)]
pub(crate) struct Form {
    /// What follows the word; capitals stand for what people put there.
    pub(crate) usage: &'static str,
    /// The same with something put there.
    pub(crate) example: &'static str,
    /// What it does, as a clause.
    pub(crate) help: &'static str,
}

/// Something that follows the word, as clients ask for it.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name, unique for the word.
    pub(crate) key: &'static str,
    /// What it can be.
    pub(crate) kind: Kind,
    /// Whether it can be left out.
    pub(crate) optional: bool,
    /// What it is for.
    pub(crate) help: &'static str,
}

/// What a parameter can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// A user id.
    Person,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl Word {
    /// The one of exactly this name, in lower case, or with this alias.
    pub(crate) fn named(text: &str) -> Option<&'static Self> {
        WORDS.iter().find(|word| word.name == text || word.aliases.contains(&text))
    }

    /// What the line means.
    pub(super) fn command(&self, said: Said<'_>) -> Result<Command, Misunderstood> {
        (self.build)(said)
    }
}

/// The names of those words that this person may use in a room with these rules, in the order of the
/// table.
pub(super) fn words_for(person: &Person, rules: &RoomRules) -> Vec<&'static str> {
    let may = |word: &Word| {
        let mut commands = word.forms.iter().map(|form| sample(word, form));
        commands.any(|command| !matches!(decide(person, &command, rules), Decision::No(_)))
    };
    WORDS.iter().filter(|word| may(word)).map(|word| word.name).collect()
}

/// The command that a form's example means.
pub(super) fn sample(word: &Word, form: &Form) -> Command {
    let said = Said { rest: form.example, attached: false, mentioned: &[] };
    word.command(said).expect("a test reads every example of the table")
}
