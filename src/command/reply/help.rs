//! Help: what this person may do here, and what one word does.

use crate::command::words::{Form, Topic, WORDS, Word};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Help {
    /// The words that the person may use here, by their names, in the order of the table.
    All(Vec<&'static str>),
    /// One word, by its name.
    Word(&'static str),
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
    let mut lines: Vec<_> =
        word.forms.iter().map(|form| format!("{} – {}", way(word, form, p), form.help)).collect();
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
