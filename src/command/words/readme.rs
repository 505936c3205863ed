//! The tables of the README, made from those of the code.

use std::fmt::Write;

use super::{Form, WORDS, Word, sample};
use crate::command::{Defaults, Group, Levels, Prefix, RoomSettings, Setting};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_has_the_commands_as_they_are() {
    let mut table =
        String::from("| in a room | also | what happens | right |\n|---|---|---|---|\n");
    for word in WORDS {
        let ways: Vec<_> = word.forms.iter().map(|form| code(word.name, form.usage)).collect();
        let also: Vec<_> = word.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let helps: Vec<_> = word.forms.iter().map(|form| form.help).collect();
        let row = [ways.join(", "), also.join(", "), helps.join("; "), rights(word)].join(" | ");
        writeln!(table, "| {row} |").unwrap();
    }
    assert!(README.contains(&table), "put this into README.md:\n\n{table}");
}

#[test]
fn the_readme_has_the_settings_as_they_are() {
    let defaults = Defaults {
        prefix: Prefix::default(),
        bitrate_kbps: 128,
        leave_when_alone: std::time::Duration::from_mins(1),
    };
    let settings = RoomSettings::default();
    let mut table = String::from("| `!set` | what it is | takes | at first |\n|---|---|---|---|\n");
    for setting in Setting::all() {
        let (help, takes) = (setting.help(), setting.takes());
        let shown = settings.show(setting, &defaults);
        writeln!(table, "| `{setting}` | {help} | {takes} | {shown} |").unwrap();
    }
    assert!(README.contains(&table), "put this into README.md:\n\n{table}");
}

#[test]
fn the_readme_has_the_levels_as_they_are() {
    for group in Group::ALL {
        let row = format!("| {} | {} |", name(group), Levels::default().of(group));
        assert!(README.contains(&row), "{row}");
    }
}

fn code(word: &str, usage: &str) -> String {
    format!("`!{}`", format!("{word} {usage}").trim_end())
}

/// Those that one of its ways needs, the least first.
fn rights(word: &Word) -> String {
    let needed = |form: &Form| sample(word, form).group();
    let mut groups: Vec<_> = word.forms.iter().map(needed).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.into_iter().map(name).collect::<Vec<_>>().join(", ")
}

fn name(group: Group) -> &'static str {
    match group {
        Group::Listen => "listen",
        Group::Request => "request",
        Group::Control => "control",
        Group::Manage => "manage",
    }
}
