//! From a message to a command. Pure.
//!
//! A line is for us if it begins with the prefix, or with our name; in a direct chat it always is.
//! The words are those that people know from other jukeboxes.

use serde::{Deserialize, Serialize};
use url::Url;

/// The longest prefix, in characters. Nobody types more before each command.
const PREFIX_LEN_MAX: usize = 8;

/// How far a word may be from a command to be taken for a misspelling of it.
const TYPO_MAX: usize = 2;

/// What commands begin with, such as `!`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Prefix(String);

/// A prefix nobody could type, or that begins every message.
#[derive(Debug, thiserror::Error)]
#[error("a prefix has 1 to {PREFIX_LEN_MAX} characters and no spaces, for example \"!\"")]
pub(crate) struct NotAPrefix;

impl Prefix {
    /// As it is typed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("!".to_owned())
    }
}

impl TryFrom<String> for Prefix {
    type Error = NotAPrefix;

    fn try_from(text: String) -> Result<Self, NotAPrefix> {
        let is_short = (1..=PREFIX_LEN_MAX).contains(&text.chars().count());
        let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_short && is_plain { Ok(Self(text)) } else { Err(NotAPrefix) }
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

/// What the bot can be told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Play this instead of what plays.
    Play(Wanted),
    /// Be silent, and stay in the call.
    Stop,
    /// Join the call, or start one.
    Join,
    /// Leave the call.
    Leave,
    /// Say whether you are there.
    Ping,
    /// Say what you can do.
    Help,
}

/// What somebody wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Something in the library, by its name or words of it.
    Name(String),
    /// Something on the web; `http` or `https`.
    Link(Url),
}

/// What a message means to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is not for us.
    Nothing,
    /// A command.
    Command(Command),
    /// For us, and not understood; the sender is told.
    Misunderstood(Misunderstood),
}

/// Why a message for us is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misunderstood {
    /// No command has this name; `closest` may be meant.
    Unknown {
        /// What was written.
        word: String,
        /// The command nearest to it.
        closest: Option<&'static str>,
    },
    /// `play` without saying what.
    PlayWhat,
    /// Something like a link that is none that we follow: `ftp://…`, `http://`.
    BadLink,
}

/// How a message reaches us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addressing<'a> {
    /// What commands begin with here.
    pub(crate) prefix: &'a Prefix,
    /// Our user id, `@music:example.org`.
    pub(crate) me: &'a str,
    /// The name that people see.
    pub(crate) display_name: Option<&'a str>,
    /// Whether the message names us (`m.mentions`).
    pub(crate) mentions_us: bool,
    /// Whether the room is a direct chat with us.
    pub(crate) direct: bool,
}

type Build = fn(&str) -> Result<Command, Misunderstood>;

/// Each command: its name, other words for it, and what is made of the rest of the line.
const COMMANDS: &[(&str, &[&str], Build)] = &[
    ("play", &["p"], play),
    ("stop", &[], |_| Ok(Command::Stop)),
    ("join", &["summon"], |_| Ok(Command::Join)),
    ("leave", &["dc", "disconnect"], |_| Ok(Command::Leave)),
    ("ping", &[], |_| Ok(Command::Ping)),
    ("help", &["h", "commands"], |_| Ok(Command::Help)),
];

/// Reads a message.
pub(crate) fn parse(body: &str, how: &Addressing<'_>) -> Heard {
    let Some(line) = first_line(body) else { return Heard::Nothing };
    let called = addressed(line, how);
    // Some clients mention us without writing our name in the text.
    let Some(text) = called.or(how.mentions_us.then_some(line)) else { return Heard::Nothing };
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match command(&word.to_lowercase(), rest.trim()) {
        Ok(command) => Heard::Command(command),
        // Somebody talks about us ("I like @music"), not to us.
        Err(Misunderstood::Unknown { .. }) if called.is_none() => Heard::Nothing,
        Err(why) => Heard::Misunderstood(why),
    }
}

/// The first line with text, past the quotation that clients put before a reply's text.
fn first_line(body: &str) -> Option<&str> {
    body.lines().skip_while(|line| line.starts_with('>')).map(str::trim).find(|l| !l.is_empty())
}

/// The line without prefix or name, if it is for us.
fn addressed<'a>(line: &'a str, how: &Addressing<'_>) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix(how.prefix.as_str()) {
        // "!!!" and "! no" are what people write; a command follows the prefix at once.
        return Some(rest).filter(|rest| rest.starts_with(char::is_alphanumeric));
    }
    let named = after_name(line, how).filter(|rest| !rest.is_empty());
    named.or(how.direct.then_some(line))
}

/// The line after our name: "@music:example.org: play x", "Jukebox, play x", "@music play x".
///
/// A display name alone is an ordinary word ("Music is nice"), so it needs a mention or a colon.
fn after_name<'a>(line: &'a str, how: &Addressing<'_>) -> Option<&'a str> {
    let local = how.me.split_once(':').map_or(how.me, |(local, _)| local);
    let names = [Some(how.me), Some(local), how.display_name, local.strip_prefix('@')];
    names.into_iter().flatten().filter(|name| !name.is_empty()).find_map(|name| {
        let rest = strip_prefix_ignoring_case(line, name)?;
        let called = rest.trim_start().strip_prefix([':', ',']);
        let is_bare_enough = name.starts_with('@') || how.mentions_us;
        // A space must follow: "@music:" also begins the ids of users on other servers.
        called
            .or(is_bare_enough.then_some(rest))
            .filter(|rest| rest.starts_with(char::is_whitespace))
            .map(str::trim)
    })
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    (start.to_lowercase() == prefix.to_lowercase()).then(|| &text[prefix.len()..])
}

fn command(word: &str, rest: &str) -> Result<Command, Misunderstood> {
    let known = COMMANDS.iter().find(|(name, others, _)| *name == word || others.contains(&word));
    match known {
        Some((.., build)) => build(rest),
        None => Err(Misunderstood::Unknown { word: word.to_owned(), closest: closest(word) }),
    }
}

fn closest(word: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .map(|(name, ..)| (strsim::damerau_levenshtein(word, name), *name))
        .filter(|(distance, name)| *distance <= TYPO_MAX && *distance < name.len() - 1)
        .min()
        .map(|(_, name)| name)
}

fn play(what: &str) -> Result<Command, Misunderstood> {
    // Links are often put into <> so that clients show no preview.
    let bare = what.strip_prefix('<').and_then(|w| w.strip_suffix('>')).unwrap_or(what).trim();
    if bare.is_empty() {
        return Err(Misunderstood::PlayWhat);
    }
    let scheme = bare.split_once("://").map(|(scheme, _)| scheme);
    let is_link = scheme.is_some_and(|s| s.chars().all(|c| c.is_ascii_alphanumeric() || c == '+'));
    if !is_link {
        return Ok(Command::Play(Wanted::Name(what.to_owned())));
    }
    match Url::parse(bare) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Command::Play(Wanted::Link(url))),
        _ => Err(Misunderstood::BadLink),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_and_their_other_words_are_understood() {
        let cases = [
            ("!play tones", Command::Play(Wanted::Name("tones".to_owned()))),
            ("!p tones", Command::Play(Wanted::Name("tones".to_owned()))),
            ("!PLAY  Für Elise ", Command::Play(Wanted::Name("Für Elise".to_owned()))),
            ("  !stop", Command::Stop),
            ("!stop please", Command::Stop),
            ("!join", Command::Join),
            ("!summon", Command::Join),
            ("!leave", Command::Leave),
            ("!dc", Command::Leave),
            ("!ping", Command::Ping),
            ("!help", Command::Help),
            ("!stop\nor not", Command::Stop),
        ];
        for (body, command) in cases {
            assert_eq!(heard(body), Heard::Command(command), "{body}");
        }
    }

    #[test]
    fn links_are_told_from_names() {
        let url = "https://example.org/a.mp3";
        for body in [
            format!("!play {url}"),
            format!("!play <{url}>"),
            "!play HTTPS://example.org/a.mp3".to_owned(),
        ] {
            let expected = Command::Play(Wanted::Link(Url::parse(url).unwrap()));
            assert_eq!(heard(&body), Heard::Command(expected), "{body}");
        }
        for name in ["www.example.org", "what: a song", "AC/DC", "1 < 2"] {
            let expected = Command::Play(Wanted::Name(name.to_owned()));
            assert_eq!(heard(&format!("!play {name}")), Heard::Command(expected));
        }
    }

    #[test]
    fn links_that_are_not_followed_are_told() {
        for link in ["ftp://example.org/a.mp3", "file:///etc/passwd", "http://", "https://[::1"] {
            let expected = Heard::Misunderstood(Misunderstood::BadLink);
            assert_eq!(heard(&format!("!play {link}")), expected, "{link}");
        }
    }

    #[test]
    fn play_asks_what() {
        for body in ["!play", "!play  ", "!p <>"] {
            assert_eq!(heard(body), Heard::Misunderstood(Misunderstood::PlayWhat));
        }
    }

    #[test]
    fn a_misspelt_command_gets_the_closest_one() {
        let cases = [
            ("!paly x", Some("play")),
            ("!stpo", Some("stop")),
            ("!halp", Some("help")),
            ("!weather", None),
            ("!x", None),
        ];
        for (body, expected) in cases {
            let Heard::Misunderstood(Misunderstood::Unknown { closest, .. }) = heard(body) else {
                panic!("{body}");
            };
            assert_eq!(closest, expected, "{body}");
        }
    }

    #[test]
    fn what_is_not_for_us_is_left_alone() {
        for body in [
            "",
            "hello",
            "play x",
            "!",
            "!!!",
            "! play x",
            "!?",
            "a !play x",
            "jukebox is nice",
            "music is nice",
            "> !play x",
            "@musician: play x",
            "@music:example.com: play x",
        ] {
            assert_eq!(heard(body), Heard::Nothing, "{body}");
        }
    }

    #[test]
    fn our_name_serves_as_prefix() {
        for body in [
            "@music:example.org: ping",
            "@music:example.org ping",
            "@music ping",
            "Jukebox: ping",
            "jukebox, ping",
            "music: ping",
            "JUKEBOX : ping",
        ] {
            assert_eq!(heard(body), Heard::Command(Command::Ping), "{body}");
        }
    }

    #[test]
    fn a_mention_makes_the_bare_name_and_the_bare_command_enough() {
        let prefix = Prefix::default();
        let how = Addressing { mentions_us: true, ..addressing(&prefix) };
        for body in ["Jukebox ping", "ping"] {
            assert_eq!(parse(body, &how), Heard::Command(Command::Ping), "{body}");
        }
        assert_eq!(parse("I like Jukebox", &how), Heard::Nothing);
    }

    #[test]
    fn a_direct_chat_needs_no_prefix() {
        let prefix = Prefix::default();
        let how = Addressing { direct: true, ..addressing(&prefix) };
        assert_eq!(parse("ping", &how), Heard::Command(Command::Ping));
        assert_eq!(parse("!ping", &how), Heard::Command(Command::Ping));
    }

    #[test]
    fn the_quotation_before_a_reply_is_passed_over() {
        assert_eq!(heard("> <@ann:x> !stop\n> more\n\n!ping"), Heard::Command(Command::Ping));
    }

    #[test]
    fn another_prefix_replaces_the_first() {
        let prefix = Prefix::try_from("♪".to_owned()).unwrap();
        let how = addressing(&prefix);
        assert_eq!(parse("♪ping", &how), Heard::Command(Command::Ping));
        assert_eq!(parse("!ping", &how), Heard::Nothing);
    }

    #[test]
    fn a_prefix_has_to_be_typed_and_told_from_text() {
        for prefix in ["", " ", "a b", "123456789", "\n"] {
            assert!(Prefix::try_from(prefix.to_owned()).is_err(), "{prefix:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(body: String, mentions_us: bool, direct: bool) {
            let prefix = Prefix::default();
            let how = Addressing { mentions_us, direct, ..addressing(&prefix) };
            parse(&body, &how);
            parse(&format!("!play {body}"), &how);
            parse(&format!("Jukebox{body}"), &how);
        }
    }

    fn heard(body: &str) -> Heard {
        parse(body, &addressing(&Prefix::default()))
    }

    fn addressing(prefix: &Prefix) -> Addressing<'_> {
        Addressing {
            prefix,
            me: "@music:example.org",
            display_name: Some("Jukebox"),
            mentions_us: false,
            direct: false,
        }
    }
}
