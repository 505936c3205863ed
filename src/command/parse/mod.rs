//! From a message to a command. Pure.
//!
//! A line is for us if it begins with the prefix, or with our name; in a direct chat it always is.
//! The words are those that people know from other jukeboxes.

use phonograph_matrixrtc::UserId;

use super::{
    Command, Prefix, Word,
    closest::closest,
    words::{Said, WORDS},
};

/// The fewest letters of a word that stand for it, if they begin no other.
const BEGINNING_LEN_MIN: usize = 3;

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
    /// `play` or a word like it, without saying what.
    PlayWhat,
    /// Something like a link that is none that we follow: `ftp://…`, `http://`.
    BadLink,
    /// What follows the word is missing, or cannot be read.
    Usage {
        /// The word, by its name.
        word: &'static str,
    },
    /// Somebody is meant, and it is not clear who: the name that people see is no id.
    Who,
    /// No setting has this name; `closest` may be meant.
    UnknownSetting {
        /// What was written.
        word: String,
        /// The setting nearest to it.
        closest: Option<&'static str>,
    },
}

impl Misunderstood {
    /// No command has this name.
    pub(super) fn unknown(word: &str) -> Self {
        let closest = closest(word, WORDS.iter().map(|word| word.name));
        Self::Unknown { word: word.to_owned(), closest }
    }
}

/// How a message reaches us.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
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
    /// Whether the message answers one of ours: then a number alone picks from a list.
    pub(crate) answers_us: bool,
    /// Whether the message brings a file, or answers one that does.
    pub(crate) attached: bool,
    /// Whom it mentions, but for us.
    pub(crate) mentioned: &'a [UserId],
}

/// Reads a message.
pub(crate) fn parse(body: &str, how: &Addressing<'_>) -> Heard {
    let Some(line) = first_line(body) else { return Heard::Nothing };
    if let Some(number) = number(line).filter(|_| how.answers_us) {
        return Heard::Command(Command::Pick(number));
    }
    let called = called(line, how);
    // Some clients mention us without writing our name in the text.
    let is_ours = how.direct || how.mentions_us;
    let Some(text) = called.or(is_ours.then_some(line)) else { return Heard::Nothing };
    match read(text, called.is_some(), how) {
        Ok(command) => Heard::Command(command),
        // Somebody talks about us ("I like @music"), not to us.
        Err(Misunderstood::Unknown { .. }) if called.is_none() && !how.direct => Heard::Nothing,
        Err(why) => Heard::Misunderstood(why),
    }
}

/// Reads the text of a command, without prefix or name.
///
/// Only who was clearly speaking to us (`called`) may shorten words: any sentence could begin so.
pub(super) fn read(
    text: &str,
    called: bool,
    how: &Addressing<'_>,
) -> Result<Command, Misunderstood> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if let Some(number) = number(first).filter(|_| rest.trim().is_empty()) {
        return Ok(Command::Pick(number));
    }
    let first = first.to_lowercase();
    let said = Said { rest: rest.trim(), attached: how.attached, mentioned: how.mentioned };
    match Word::named(&first).or_else(|| called.then(|| begun(&first))?) {
        Some(word) => word.command(said),
        None => Err(Misunderstood::unknown(&first)),
    }
}

/// The only word that begins with these letters.
fn begun(letters: &str) -> Option<&'static Word> {
    let mut fitting = WORDS.iter().filter(|word| word.name.starts_with(letters));
    let first = fitting.next().filter(|_| letters.len() >= BEGINNING_LEN_MIN)?;
    fitting.next().is_none().then_some(first)
}

/// A number that counts from 1, with nothing around it.
fn number(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|number| *number > 0)
}

/// The first line with text, past the quotation that clients put before a reply's text.
fn first_line(body: &str) -> Option<&str> {
    body.lines().skip_while(|line| line.starts_with('>')).map(str::trim).find(|l| !l.is_empty())
}

/// The line without prefix or name, if it begins with one of them.
fn called<'a>(line: &'a str, how: &Addressing<'_>) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix(how.prefix.as_str()) {
        // "!!!" and "! no" are what people write; a command follows the prefix at once.
        return Some(rest).filter(|rest| rest.starts_with(char::is_alphanumeric));
    }
    after_name(line, how).filter(|rest| !rest.is_empty())
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

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::command::Wanted;

    #[test]
    fn commands_and_their_other_words_are_understood() {
        let cases = [
            ("!play tones", Command::Play(Some(Wanted::Name("tones".to_owned())))),
            ("!p tones", Command::Play(Some(Wanted::Name("tones".to_owned())))),
            ("!PLAY  Für Elise ", Command::Play(Some(Wanted::Name("Für Elise".to_owned())))),
            ("  !stop", Command::Stop),
            ("!stop please", Command::Stop),
            ("!join", Command::Join),
            ("!summon", Command::Join),
            ("!leave", Command::Leave),
            ("!dc", Command::Leave),
            ("!ping", Command::Ping),
            ("!help", Command::Help(None)),
            ("!stop\nor not", Command::Stop),
        ];
        for (body, command) in cases {
            assert_eq!(heard(body), Heard::Command(command), "{body}");
        }
    }

    #[test]
    fn a_word_may_be_cut_short_where_it_begins_no_other() {
        let cases = [
            ("!shu", Some(Command::Shuffle)),
            ("!pau", Some(Command::Pause)),
            ("!res", None), // resume, restart
            ("!pla", None), // play, playnext, playnow
            ("!hi", None),  // history, but of two letters
        ];
        for (body, command) in cases {
            match (heard(body), command) {
                (Heard::Command(heard), Some(command)) => assert_eq!(heard, command, "{body}"),
                (Heard::Misunderstood(Misunderstood::Unknown { .. }), None) => {}
                (heard, _) => panic!("{body}: {heard:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_clearly_said_to_us_is_not_taken_for_a_short_word() {
        let prefix = Prefix::default();
        let mentioned = Addressing { mentions_us: true, ..addressing(&prefix) };
        assert_eq!(parse("his music is nice", &mentioned), Heard::Nothing);
        let direct = Addressing { direct: true, ..addressing(&prefix) };
        assert!(matches!(parse("his music", &direct), Heard::Misunderstood(_)));
    }

    #[test]
    fn a_number_picks_from_a_list() {
        let prefix = Prefix::default();
        let answer = Addressing { answers_us: true, ..addressing(&prefix) };
        assert_eq!(parse("> <@music> 1. x\n\n2", &answer), Heard::Command(Command::Pick(2)));
        assert_eq!(heard("!3"), Heard::Command(Command::Pick(3)));
        assert_eq!(heard("2"), Heard::Nothing);
        for no_number in ["0", "2 please", "-1", "99999999999999999999999"] {
            assert_eq!(parse(no_number, &answer), Heard::Nothing, "{no_number}");
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
            let expected = Command::Play(Some(Wanted::Link(Url::parse(url).unwrap())));
            assert_eq!(heard(&body), Heard::Command(expected), "{body}");
        }
        for name in ["www.example.org", "what: a song", "AC/DC", "1 < 2"] {
            let expected = Command::Play(Some(Wanted::Name(name.to_owned())));
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
        for body in ["!pn", "!playnow  ", "!p <>"] {
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

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(body: String, mentions_us: bool, direct: bool) {
            let prefix = Prefix::default();
            let how = Addressing { mentions_us, direct, ..addressing(&prefix) };
            parse(&body, &how);
            parse(&format!("Jukebox{body}"), &how);
            for word in WORDS {
                parse(&format!("!{} {body}", word.name), &how);
            }
        }

        #[test]
        fn any_argument_of_numbers_and_signs_is_read_without_panic(
            text in "[-+−:%@. a-z0-9]{0,24}",
        ) {
            for word in WORDS {
                heard(&format!("!{} {text}", word.name));
            }
        }
    }

    pub(in crate::command) fn heard(body: &str) -> Heard {
        parse(body, &addressing(&Prefix::default()))
    }

    pub(in crate::command) fn addressing(prefix: &Prefix) -> Addressing<'_> {
        Addressing {
            prefix,
            me: "@music:example.org",
            display_name: Some("Jukebox"),
            mentions_us: false,
            direct: false,
            answers_us: false,
            attached: false,
            mentioned: &[],
        }
    }
}
