//! From what follows a word to its command.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use phonograph_matrixrtc::UserId;
use url::Url;

use crate::command::{
    Blocked, Change, Command, DjCommand, Episode, Host, ListCommand, LoopMode, Misunderstood, Seek,
    SetCommand, Setting, Wanted, Which,
    access::is_user_id,
    closest::closest,
    settings::{self, VOLUME_MAX},
    time,
};

/// How far `ff` and `rew` go if nothing is said, as players do.
const STEP: Duration = Duration::from_secs(10);
/// What telephones make of `-` before a number.
const MINUS: char = '−';
/// How much louder or quieter `up`, `down` and the buttons make it, in percent.
pub(in crate::command) const VOLUME_STEP: i16 = 10;

/// What follows a word, and what the message brings.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Said<'a> {
    /// The rest of the line, without white space around it.
    pub(in crate::command) rest: &'a str,
    /// Whether the message brings a file or answers one.
    pub(in crate::command) attached: bool,
    /// Whom it mentions, but for us.
    pub(in crate::command) mentioned: &'a [UserId],
}

/// Makes a command of it.
pub(super) type Build = fn(Said<'_>) -> Built;
type Built = Result<Command, Misunderstood>;

/// It cannot be read; the person is shown how the word is written.
fn usage(word: &'static str) -> Misunderstood {
    Misunderstood::Usage { word }
}

pub(super) fn play(said: Said<'_>) -> Built {
    if said.rest.is_empty() && !said.attached {
        return Ok(Command::Play(None));
    }
    wanted(said).map(|wanted| Command::Play(Some(wanted)))
}

pub(super) fn play_next(said: Said<'_>) -> Built {
    wanted(said).map(Command::PlayNext)
}

pub(super) fn play_now(said: Said<'_>) -> Built {
    wanted(said).map(Command::PlayNow)
}

fn wanted(said: Said<'_>) -> Result<Wanted, Misunderstood> {
    let bare = unquoted(said.rest);
    if bare.is_empty() {
        return if said.attached { Ok(Wanted::Upload) } else { Err(Misunderstood::PlayWhat) };
    }
    let scheme = bare.split_once("://").map(|(scheme, _)| scheme);
    let is_link = scheme.is_some_and(|s| s.chars().all(|c| c.is_ascii_alphanumeric() || c == '+'));
    if is_link { link(bare).map(Wanted::Link) } else { Ok(Wanted::Name(said.rest.to_owned())) }
}

/// Links are often put into <> so that clients show no preview.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text).trim()
}

fn link(text: &str) -> Result<Url, Misunderstood> {
    match Url::parse(unquoted(text)) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err(Misunderstood::BadLink),
    }
}

pub(super) fn search(said: Said<'_>) -> Built {
    named(said, "search").map(Command::Search)
}

pub(super) fn pick(said: Said<'_>) -> Built {
    counted(said.rest).map(Command::Pick).ok_or_else(|| usage("pick"))
}

pub(super) fn album(said: Said<'_>) -> Built {
    named(said, "album").map(Command::Album)
}

pub(super) fn radio(said: Said<'_>) -> Built {
    match said.rest {
        "" => Err(usage("radio")),
        _ => wanted(Said { attached: false, ..said }).map(Command::Radio),
    }
}

pub(super) fn podcast(said: Said<'_>) -> Built {
    let (feed, which) = split(said.rest);
    if feed.is_empty() {
        return Err(usage("podcast"));
    }
    let episode = match which {
        "" => Episode::Latest,
        _ if which.eq_ignore_ascii_case("latest") => Episode::Latest,
        _ => counted(which).map_or_else(|| Episode::Title(which.to_owned()), Episode::Number),
    };
    Ok(Command::Podcast { feed: link(feed)?, episode })
}

pub(super) fn seek(said: Said<'_>) -> Built {
    let by = |text: &str, forward| time::place(text.trim()).map(|time| step(time, forward));
    let seek = if let Some(text) = said.rest.strip_prefix('+') {
        by(text, true)
    } else if let Some(text) = said.rest.strip_prefix(['-', MINUS]) {
        by(text, false)
    } else {
        time::place(said.rest).map(Seek::To)
    };
    seek.map(Command::Seek).ok_or_else(|| usage("seek"))
}

pub(super) fn forward(said: Said<'_>) -> Built {
    by(said, "ff", true)
}

pub(super) fn rewind(said: Said<'_>) -> Built {
    by(said, "rew", false)
}

fn by(said: Said<'_>, word: &'static str, forward: bool) -> Built {
    let time = if said.rest.is_empty() { Some(STEP) } else { time::place(said.rest) };
    time.map(|time| Command::Seek(step(time, forward))).ok_or_else(|| usage(word))
}

fn step(time: Duration, forward: bool) -> Seek {
    let ms = i64::try_from(time.as_millis()).expect("a place is at most 1000 hours");
    Seek::By { ms: if forward { ms } else { -ms } }
}

pub(super) fn volume(said: Said<'_>) -> Built {
    if said.rest.is_empty() {
        return Ok(Command::Volume(None));
    }
    let change = change(said.rest.strip_suffix('%').unwrap_or(said.rest).trim());
    let change = change.filter(|change| !matches!(change, Change::To(to) if *to > VOLUME_MAX));
    change.map(|change| Command::Volume(Some(change))).ok_or_else(|| usage("volume"))
}

fn change(text: &str) -> Option<Change> {
    let by = |text: &str| counted_from_0(text.trim()).and_then(|by| i16::try_from(by).ok());
    if let Some(text) = text.strip_prefix('+') {
        return by(text).map(Change::By);
    }
    if let Some(text) = text.strip_prefix(['-', MINUS]) {
        return by(text).map(|by| Change::By(-by));
    }
    match text.to_lowercase().as_str() {
        "up" => Some(Change::By(VOLUME_STEP)),
        "down" => Some(Change::By(-VOLUME_STEP)),
        _ => counted_from_0(text).and_then(|to| u16::try_from(to).ok()).map(Change::To),
    }
}

pub(super) fn repeat(said: Said<'_>) -> Built {
    let mode = match said.rest.to_lowercase().as_str() {
        "" => None,
        "off" | "none" | "no" => Some(LoopMode::Off),
        "one" | "track" | "song" => Some(LoopMode::One),
        "all" | "queue" | "on" => Some(LoopMode::All),
        _ => return Err(usage("loop")),
    };
    Ok(Command::Loop(mode))
}

pub(super) fn queue(said: Said<'_>) -> Built {
    page(said, "queue").map(|page| Command::Queue { page })
}

pub(super) fn history(said: Said<'_>) -> Built {
    page(said, "history").map(|page| Command::History { page })
}

fn page(said: Said<'_>, word: &'static str) -> Result<usize, Misunderstood> {
    if said.rest.is_empty() { Ok(1) } else { counted(said.rest).ok_or_else(|| usage(word)) }
}

pub(super) fn remove(said: Said<'_>) -> Built {
    let which = if matches!(said.rest.to_lowercase().as_str(), "mine" | "my" | "me") {
        Some(Which::Mine)
    } else if let Some((from, to)) = said.rest.split_once('-').filter(|_| !has_id(said.rest)) {
        let ends = counted(from.trim()).zip(counted(to.trim()));
        ends.map(|(from, to)| Which::Range(from.min(to), from.max(to)))
    } else {
        counted(said.rest).map(Which::One)
    };
    let which = match which {
        Some(which) => which,
        None if said.rest.starts_with(|c: char| c.is_ascii_digit()) || said.rest.is_empty() => {
            return Err(usage("remove"));
        }
        None => Which::Person(person(said.rest, said)?),
    };
    Ok(Command::Remove(which))
}

pub(super) fn move_entry(said: Said<'_>) -> Built {
    let (from, to) = split(said.rest);
    let to = to.strip_prefix("to ").unwrap_or(to).trim();
    let ends = counted(from).zip(counted(to));
    ends.map(|(from, to)| Command::Move { from, to }).ok_or_else(|| usage("move"))
}

pub(super) fn fair(said: Said<'_>) -> Built {
    match said.rest {
        "" => Ok(Command::Fair(None)),
        text => {
            settings::switch(text).map(|on| Command::Fair(Some(on))).ok_or_else(|| usage("fair"))
        }
    }
}

pub(super) fn autoplay(said: Said<'_>) -> Built {
    match said.rest {
        "" => Ok(Command::Autoplay(None)),
        text => settings::autoplay(text)
            .map(|what| Command::Autoplay(Some(what)))
            .ok_or_else(|| usage("autoplay")),
    }
}

pub(super) fn lists(said: Said<'_>) -> Built {
    let (what, name) = split(said.rest);
    let named = Said { rest: name, ..said };
    match what.to_lowercase().as_str() {
        "" | "show" => Ok(Command::List(ListCommand::Show)),
        "save" => save(named),
        "load" => load(named),
        "delete" | "del" | "remove" | "rm" => {
            self::named(named, "lists").map(|name| Command::List(ListCommand::Delete(name)))
        }
        "rename" | "mv" => rename(name),
        _ => Err(usage("lists")),
    }
}

fn rename(names: &str) -> Built {
    // Names may have spaces in them; then only the word between tells them apart.
    let (from, to) = names.split_once(" to ").unwrap_or_else(|| split(names));
    let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
    let is_clear = !from.is_empty() && !to.is_empty();
    is_clear
        .then_some(Command::List(ListCommand::Rename { from, to }))
        .ok_or_else(|| usage("lists"))
}

pub(super) fn save(said: Said<'_>) -> Built {
    named(said, "save").map(|name| Command::List(ListCommand::Save(name)))
}

pub(super) fn load(said: Said<'_>) -> Built {
    named(said, "load").map(|name| Command::List(ListCommand::Load(name)))
}

/// The rest of the line, if there is any.
pub(super) fn any(said: Said<'_>) -> Option<String> {
    Some(said.rest.to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn say(said: Said<'_>) -> Built {
    named(said, "say").map(Command::Say)
}

pub(super) fn set(said: Said<'_>) -> Built {
    let end = said.rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | ':'));
    let (name, value) = said.rest.split_at(end.unwrap_or(said.rest.len()));
    let name = name.to_lowercase().replace('_', "-");
    let value = value.trim_start().trim_start_matches(['=', ':']).trim();
    if name.is_empty() {
        return Ok(Command::Set(SetCommand::ShowAll));
    }
    let Some(setting) = Setting::named(&name) else {
        let closest = closest(&name, Setting::all().map(Setting::name));
        return Err(Misunderstood::UnknownSetting { word: name, closest });
    };
    Ok(Command::Set(match value {
        "" => SetCommand::Show(setting),
        value => SetCommand::Change(setting, value.to_owned()),
    }))
}

pub(super) fn dj(said: Said<'_>) -> Built {
    let (what, who) = split(said.rest);
    Ok(Command::Dj(match what.to_lowercase().as_str() {
        "" | "list" => DjCommand::Show,
        "add" => DjCommand::Add(person(who, said)?),
        "remove" | "rm" | "del" => DjCommand::Remove(person(who, said)?),
        _ => return Err(usage("dj")),
    }))
}

pub(super) fn block(said: Said<'_>) -> Built {
    if said.rest.is_empty() {
        return Ok(Command::Block(None));
    }
    blocked(said).map(|blocked| Command::Block(Some(blocked)))
}

pub(super) fn unblock(said: Said<'_>) -> Built {
    if said.rest.is_empty() {
        return Err(usage("unblock"));
    }
    blocked(said).map(Command::Unblock)
}

fn blocked(said: Said<'_>) -> Result<Blocked, Misunderstood> {
    let text = unquoted(said.rest);
    if has_id(text) || !said.mentioned.is_empty() {
        return person(text, said).map(Blocked::Person);
    }
    Host::new(text).map(Blocked::Host).ok_or(Misunderstood::Who)
}

/// The word that help is asked about, with or without a prefix.
pub(super) fn asked(said: Said<'_>) -> Option<String> {
    let word = split(said.rest).0.trim_start_matches(|c: char| !c.is_alphanumeric());
    Some(word.to_lowercase()).filter(|word| !word.is_empty())
}

/// The word and the rest, trimmed.
fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

/// Any text, but for none.
fn named(said: Said<'_>, word: &'static str) -> Result<String, Misunderstood> {
    if said.rest.is_empty() { Err(usage(word)) } else { Ok(said.rest.to_owned()) }
}

/// A number that counts from 1.
fn counted(text: &str) -> Option<usize> {
    counted_from_0(text).filter(|number| *number > 0)
}

/// Only digits: `usize::from_str` would take a sign.
fn counted_from_0(text: &str) -> Option<usize> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Somebody by their id, by a link to them, or by the only mention.
fn person(text: &str, said: Said<'_>) -> Result<UserId, Misunderstood> {
    let last = unquoted(text).rsplit('/').next().unwrap_or(text);
    let id = percent_decode_str(last).decode_utf8_lossy();
    if is_user_id(&id) {
        return Ok(UserId::from(id.into_owned()));
    }
    match said.mentioned {
        [only] => Ok(only.clone()),
        _ => Err(Misunderstood::Who),
    }
}

/// A user's id, or a link to one, is meant.
fn has_id(text: &str) -> bool {
    text.contains('@') || text.contains("%40")
}
