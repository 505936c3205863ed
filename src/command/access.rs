//! Who may invite the bot and give it commands.

use std::{fmt, str::FromStr};

use phonograph_matrixrtc::UserId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Host, Title};
use crate::config;

/// Those who are heard: people, servers, rooms. Others get no answer, so that nobody can probe for
/// the bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Allow(Vec<Pattern>);

impl Allow {
    /// Whether this user is heard.
    pub(crate) fn allows(&self, user: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(user))
    }

    /// Whether this user is heard in this room, where everybody may be.
    pub(crate) fn allows_in(&self, user: &str, room: &str) -> bool {
        let is_room = |pattern: &Pattern| matches!(pattern, Pattern::Room(id) if id == room);
        self.allows(user) || self.0.iter().any(is_room)
    }
}

/// Those who are not heard in any room, and the hosts whose links are not opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Block(Vec<Unwanted>);

impl Block {
    /// Whether this user is not heard, though others like them may be.
    pub(crate) fn blocks_person(&self, user: &str) -> bool {
        self.0.iter().any(|entry| matches!(entry, Unwanted::People(who) if who.matches(user)))
    }

    /// The hosts whose links are not opened, with all that is under them.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.0.iter().filter_map(|entry| match entry {
            Unwanted::People(_) => None,
            Unwanted::Host(host) => Some(host),
        })
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        config::list(deserializer).map(Self)
    }
}

/// One entry of what is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unwanted {
    /// `@eve:example.org`, `*:example.org`
    People(Pattern),
    /// `ads.example.org`, with all under it.
    Host(Host),
}

/// The entry is neither people nor a host.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} can't be blocked: write @eve:example.org, *:example.org or a host, ads.example.org")]
struct NotToBlock(String);

impl FromStr for Unwanted {
    type Err = NotToBlock;

    fn from_str(text: &str) -> Result<Self, NotToBlock> {
        let wrong = || NotToBlock(text.to_owned());
        if text.starts_with(['@', '*', '!']) {
            let pattern = text.parse().map_err(|_| wrong())?;
            let names_people = matches!(pattern, Pattern::Server(_) | Pattern::User { .. });
            return names_people.then_some(Self::People(pattern)).ok_or_else(wrong);
        }
        Host::new(text).map(Self::Host).ok_or_else(wrong)
    }
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People(pattern) => pattern.fmt(f),
            Self::Host(host) => host.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Unwanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Unwanted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        config::list(deserializer).map(Self)
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `*`
    Everybody,
    /// `*:example.org`; in lower case.
    Server(String),
    /// `!room:example.org`: everybody in it.
    Room(String),
    /// `@ann:example.org`; its server in lower case.
    User { name: String, server: String },
}

/// The entry is none of the four forms.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a pattern: write @ann:example.org, *:example.org, !room:example.org or *")]
struct NotAPattern(String);

impl Pattern {
    /// The name before the colon is compared as it is: user ids with capitals exist and are others.
    /// The server is a host name, whose case means nothing.
    fn matches(&self, user: &str) -> bool {
        let Some((name, server)) = split(user) else { return false };
        match self {
            Self::Everybody => true,
            Self::Room(_) => false,
            Self::Server(allowed) => server.eq_ignore_ascii_case(allowed),
            Self::User { name: allowed, server: at } => {
                name == allowed && server.eq_ignore_ascii_case(at)
            }
        }
    }
}

/// Whether this is a user's id.
pub(super) fn is_user_id(text: &str) -> bool {
    split(text).is_some_and(|(name, _)| !name.is_empty())
}

/// The part of a user's id that people know them by, as it may be shown.
pub(super) fn local_name(id: &UserId) -> Title {
    split(id.as_str()).map_or_else(|| Title::new(id.as_str()), |(name, _)| Title::new(name))
}

/// The name and the server of `@name:server`; the server may have a port.
fn split(user: &str) -> Option<(&str, &str)> {
    let (name, server) = user.strip_prefix('@')?.split_once(':')?;
    let has_space = user.contains(char::is_whitespace);
    (!server.is_empty() && !has_space).then_some((name, server))
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let wrong = || NotAPattern(text.to_owned());
        if text == "*" {
            return Ok(Self::Everybody);
        }
        if let Some(id) = text.strip_prefix('!') {
            // Newer room ids have no server in them.
            let is_id = !id.is_empty() && !id.contains(|c: char| c == '*' || c.is_whitespace());
            return is_id.then(|| Self::Room(text.to_owned())).ok_or_else(wrong);
        }
        let as_user = text.strip_prefix('*').map(|rest| format!("@{rest}"));
        let (name, server) = split(as_user.as_deref().unwrap_or(text)).ok_or_else(wrong)?;
        // Anything else with a star looks like a rule and would never match.
        let is_partial = as_user.is_some() && !name.is_empty();
        if is_partial || name.contains('*') || server.contains('*') {
            return Err(wrong());
        }
        let server = server.to_ascii_lowercase();
        match as_user {
            Some(_) => Ok(Self::Server(server)),
            None => Ok(Self::User { name: name.to_owned(), server }),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("*"),
            Self::Room(id) => f.write_str(id),
            Self::Server(server) => write!(f, "*:{server}"),
            Self::User { name, server } => write!(f, "@{name}:{server}"),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::Barred;

    #[test]
    fn patterns_match_whom_they_name() {
        let cases = [
            ("*", "@ann:example.org", true),
            ("*:example.org", "@ann:example.org", true),
            ("*:Example.ORG", "@ann:example.org", true),
            ("*:example.org", "@ann:EXAMPLE.org", true),
            ("*:example.org", "@ann:sub.example.org", false),
            ("*:example.org", "@ann:notexample.org", false),
            ("*:example.org", "@ann:example.org:8448", false),
            ("*:example.org:8448", "@ann:example.org:8448", true),
            ("*:example.org", "@eve:evil.net:example.org", false),
            ("@ann:example.org", "@ann:example.org", true),
            ("@ann:example.org", "@ann:EXAMPLE.org", true),
            ("@ann:example.org", "@Ann:example.org", false),
            ("@ann:example.org", "@anna:example.org", false),
            ("@ann:example.org", "@ann:example.com", false),
            ("*", "not a user", false),
            ("*", "", false),
            ("*:[::1]:8448", "@ann:[::1]:8448", true),
        ];
        for (pattern, user, expected) in cases {
            let allow = Allow(vec![pattern.parse().unwrap()]);
            assert_eq!(allow.allows(user), expected, "{pattern} {user}");
        }
    }

    #[test]
    fn an_empty_list_allows_nobody() {
        assert!(!Allow(Vec::new()).allows("@ann:example.org"));
    }

    #[test]
    fn any_of_several_patterns_suffices() {
        let allow = Allow(vec!["@bob:example.com".parse().unwrap(), "*:x".parse().unwrap()]);
        assert!(allow.allows("@ann:x"));
        assert!(allow.allows("@bob:example.com"));
        assert!(!allow.allows("@ann:example.com"));
    }

    #[test]
    fn what_would_never_match_is_no_pattern() {
        for text in
            ["", "ann", "@ann", "@ann:", "*:", "**", "*example.org", "@a*:x", "*:*.org", "@a b:x"]
        {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn in_a_room_that_is_allowed_everybody_is_heard() {
        let allow = Allow(vec!["!room:example.org".parse().unwrap(), "!abc".parse().unwrap()]);
        assert!(allow.allows_in("@eve:evil.net", "!room:example.org"));
        assert!(allow.allows_in("@eve:evil.net", "!abc"));
        assert!(!allow.allows_in("@eve:evil.net", "!other:example.org"));
        assert!(!allow.allows("@eve:evil.net"), "an invite is not from a room");
        for text in ["!", "!a b", "!*:example.org"] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn people_servers_and_hosts_can_be_blocked() {
        let entries = ["@eve:example.org", "*:evil.net", "ads.example.org"];
        let block = Block(entries.map(|entry| entry.parse().unwrap()).into());
        let people =
            [("@eve:example.org", true), ("@ann:evil.net", true), ("@ann:example.org", false)];
        for (user, blocked) in people {
            assert_eq!(block.blocks_person(user), blocked, "{user}");
        }
        let hosts =
            [("ads.example.org", true), ("x.ADS.example.org", true), ("example.org", false)];
        let barred: Barred = block.hosts().collect();
        for (host, blocked) in hosts {
            let url = format!("http://{host}/").parse().unwrap();
            assert_eq!(barred.host(&url).is_some(), blocked, "{host}");
        }
    }

    #[test]
    fn what_is_blocked_is_written_as_it_was_read() {
        for text in ["@eve:example.org", "*:evil.net", "ads.example.org", "[::1]"] {
            assert_eq!(text.parse::<Unwanted>().unwrap().to_string(), text);
        }
        for text in ["", "*", "!room:example.org", "Ann", "a b.c", "@eve"] {
            assert!(text.parse::<Unwanted>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn people_are_shown_by_the_part_of_their_id_that_is_a_name() {
        let shown = |id: &str| local_name(&UserId::from(id)).to_string();
        assert_eq!(shown("@ann:example.org"), "ann");
        assert_eq!(shown("@a\u{202e}nn\n:example.org"), "@ann :example.org");
        assert_eq!(shown("odd"), "odd");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_written_as_it_was_read(text in ".{0,40}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern);
            }
            prop_assert!(!Allow(Vec::new()).allows(&text));
        }
    }
}
