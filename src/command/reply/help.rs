//! Help: what this person may do here, and what one word does.

use crate::command::{
    Group, Misunderstood, Person, RoomRules,
    words::{Form, Topic, WORDS, Word, sample, words_for},
};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Help {
    /// The words that the person may use here, by their names, in the order of the table.
    All(Vec<&'static str>),
    /// One word, by its name.
    Word(&'static str),
}

impl Help {
    /// What this person may do in a room with these rules.
    pub(crate) fn for_person(person: &Person, rules: &RoomRules) -> Self {
        Self::All(words_for(person, rules))
    }

    /// The word that somebody asks about, by its name or another word for it.
    ///
    /// # Errors
    /// If there is none; the person is told the closest one.
    pub(crate) fn for_word(text: &str) -> Result<Self, Misunderstood> {
        match Word::named(text) {
            Some(word) => Ok(Self::Word(word.name)),
            None => Err(Misunderstood::unknown(text)),
        }
    }
}

pub(super) fn text(help: &Help, p: &str) -> String {
    match help {
        Help::All(names) => all(names, p),
        Help::Word(name) => Word::named(name).map_or_else(|| all(&[], p), |word| one(word, p)),
    }
}

fn all(names: &[&str], p: &str) -> String {
    let mut lines = vec![format!("I play music into this room's call. You may, here:")];
    for topic in Topic::ALL {
        let of_topic = WORDS.iter().filter(|word| word.topic == topic);
        let known: Vec<_> = of_topic
            .filter(|word| names.contains(&word.name))
            .map(|word| format!("{p}{}", word.name))
            .collect();
        if !known.is_empty() {
            lines.push(format!("{}: {}", topic.title(), known.join(" ")));
        }
    }
    lines.push(format!(
        "“{p}help WORD” says more about one of them. You can also write my name in place of {p}"
    ));
    lines.join("\n")
}

fn one(word: &Word, p: &str) -> String {
    let line = |form: &Form| {
        let right = match sample(word, form).group() {
            Group::Listen | Group::Request => "",
            Group::Control => " (for who may control)",
            Group::Manage => " (for who may manage)",
        };
        format!("{} – {}{right}", way(word, form, p), form.help)
    };
    let mut lines: Vec<_> = word.forms.iter().map(line).collect();
    if !word.aliases.is_empty() {
        let aliases: Vec<_> = word.aliases.iter().map(|alias| format!("{p}{alias}")).collect();
        lines.push(format!("Also: {}", aliases.join(", ")));
    }
    lines.join("\n")
}

/// How a command is written, in all ways: `!seek TIME, !seek +TIME or !seek -TIME`.
pub(super) fn ways(word: &Word, p: &str) -> String {
    let mut ways: Vec<_> = word.forms.iter().map(|form| way(word, form, p)).collect();
    let last = ways.pop().unwrap_or_default();
    if ways.is_empty() { last } else { format!("{} or {last}", ways.join(", ")) }
}

fn way(word: &Word, form: &Form, p: &str) -> String {
    format!("{p}{} {}", word.name, form.usage).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Levels, Prefix, Reply};

    #[test]
    fn help_names_each_command_once() {
        let moderator = Person { level: 50, in_call: true, ..Person::default() };
        let text = said(Help::for_person(&moderator, &rules()));
        let named =
            |name: &str| text.split([' ', '\n']).filter(|w| *w == format!("!{name}")).count();
        for word in WORDS {
            assert_eq!(named(word.name), 1, "{}", word.name);
        }
        assert!(text.len() < 1000 && text.lines().count() <= Topic::ALL.len() + 2, "{text}");
    }

    #[test]
    fn help_names_only_what_the_person_may_do() {
        let anybody = Person { in_call: true, ..Person::default() };
        let text = said(Help::for_person(&anybody, &rules()));
        for may in ["!play ", "!skip", "!remove ", "!undo", "!set ", "!volume", "!join "] {
            assert!(text.contains(may), "{may}: {text}");
        }
        for may_not in ["!stop", "!clear", "!say", "!forceskip", "!unblock"] {
            assert!(!text.contains(may_not), "{may_not}: {text}");
        }
        let nobody = Person { level: -1, ..Person::default() };
        assert!(!said(Help::for_person(&nobody, &rules())).contains("!play"));
    }

    #[test]
    fn help_about_a_word_shows_all_ways_and_what_they_need() {
        let expected = "!volume – says how loud it is\n\
                        !volume N – makes it so loud, from 0 to 200 % (for who may control)\n\
                        !volume +N or -N – makes it louder or quieter (for who may control)\n\
                        Also: !vol, !v";
        assert_eq!(said(Help::for_word("v").unwrap()), expected);
        assert!(matches!(
            Help::for_word("volme"),
            Err(Misunderstood::Unknown { closest: Some("volume"), .. })
        ));
    }

    fn said(help: Help) -> String {
        Reply::Help(help).text(&Prefix::default())
    }

    fn rules() -> RoomRules {
        RoomRules { levels: Levels::default(), control_in_call_only: false, vote_skip: true }
    }
}
