//! The table and what is made of each word.

use std::collections::BTreeSet;

use phonograph_matrixrtc::UserId;

use super::*;
use crate::command::{
    Addressing, Autoplay, Blocked, Change, DjCommand, Episode, Heard, Host, ListCommand, LoopMode,
    Prefix, Seek, SetCommand, Setting, Wanted, Which, parse,
    parse::tests::{addressing, heard},
};

#[test]
fn no_two_words_are_written_alike() {
    let all: Vec<_> = WORDS.iter().flat_map(|w| [&[w.name], w.aliases].concat()).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn every_way_to_write_a_command_is_understood_by_each_of_its_words() {
    for word in WORDS {
        assert!(!word.forms.is_empty(), "{}", word.name);
        for form in word.forms {
            let by_name = heard(&format!("!{} {}", word.name, form.example));
            assert!(matches!(by_name, Heard::Command(_)), "{} {}", word.name, form.example);
            for alias in word.aliases {
                assert_eq!(heard(&format!("!{alias} {}", form.example)), by_name, "{alias}");
            }
        }
    }
}

#[test]
fn different_ways_to_write_a_command_mean_different_things() {
    for word in WORDS {
        let meanings: Vec<_> = word
            .forms
            .iter()
            .map(|form| format!("{:?}", heard(&format!("!{} {}", word.name, form.example))))
            .collect();
        let distinct: BTreeSet<_> = meanings.iter().collect();
        assert_eq!(distinct.len(), word.forms.len(), "{meanings:?}");
    }
}

#[test]
fn every_parameter_has_a_name_of_its_own_and_none_is_needed_after_one_that_is_not() {
    for word in WORDS {
        let keys: BTreeSet<_> = word.parameters.iter().map(|p| p.key).collect();
        assert_eq!(keys.len(), word.parameters.len(), "{}", word.name);
        assert!(word.parameters.is_sorted_by_key(|p| p.optional), "{}", word.name);
    }
}

#[test]
fn a_wrong_argument_is_answered_with_how_the_word_is_written() {
    let cases = [
        ("!search", "search"),
        ("!pick x", "pick"),
        ("!pick 0", "pick"),
        ("!radio", "radio"),
        ("!podcast", "podcast"),
        ("!seek", "seek"),
        ("!seek soon", "seek"),
        ("!seek 1:60", "seek"),
        ("!seek +", "seek"),
        ("!ff x", "ff"),
        ("!rew -3", "rew"),
        ("!vol loud", "volume"),
        ("!vol 201", "volume"),
        ("!vol +-3", "volume"),
        ("!loop twice", "loop"),
        ("!q x", "queue"),
        ("!history 0", "history"),
        ("!rm", "remove"),
        ("!rm 3-", "remove"),
        ("!rm 0", "remove"),
        ("!mv 3", "move"),
        ("!fair maybe", "fair"),
        ("!autoplay list", "autoplay"),
        ("!lists burn x", "lists"),
        ("!lists rename x", "lists"),
        ("!save", "save"),
        ("!say", "say"),
        ("!dj promote @ann:example.org", "dj"),
        ("!unblock", "unblock"),
    ];
    for (body, word) in cases {
        assert_eq!(heard(body), Heard::Misunderstood(Misunderstood::Usage { word }), "{body}");
    }
}

#[test]
fn places_and_steps_in_a_piece_are_understood() {
    let ms = |seconds: i64| Command::Seek(Seek::By { ms: seconds * 1000 });
    let to = |seconds| Command::Seek(Seek::To(std::time::Duration::from_secs(seconds)));
    understood(&[
        ("!seek 90", to(90)),
        ("!seek 1:30", to(90)),
        ("!seek 0:05", to(5)),
        ("!seek 1:02:03", to(3723)),
        ("!seek +30", ms(30)),
        ("!seek + 30", ms(30)),
        ("!seek -1:00", ms(-60)),
        ("!seek −10", ms(-10)),
        ("!ff", ms(10)),
        ("!ff 1:00", ms(60)),
        ("!rew 30", ms(-30)),
        ("!rewind", ms(-10)),
    ]);
}

#[test]
fn volumes_and_modes_are_understood() {
    understood(&[
        ("!v", Command::Volume(None)),
        ("!vol 0", Command::Volume(Some(Change::To(0)))),
        ("!volume 200 %", Command::Volume(Some(Change::To(200)))),
        ("!v +10%", Command::Volume(Some(Change::By(10)))),
        ("!v -5", Command::Volume(Some(Change::By(-5)))),
        ("!v down", Command::Volume(Some(Change::By(-10)))),
        ("!loop", Command::Loop(None)),
        ("!lp ALL", Command::Loop(Some(LoopMode::All))),
        ("!repeat song", Command::Loop(Some(LoopMode::One))),
        ("!fair off", Command::Fair(Some(false))),
        ("!autoplay list Late Night", Command::Autoplay(Some(Autoplay::List("Late Night".into())))),
    ]);
}

#[test]
fn entries_of_the_queue_are_understood() {
    understood(&[
        ("!rm 3", Command::Remove(Which::One(3))),
        ("!rm 5-2", Command::Remove(Which::Range(2, 5))),
        ("!rm 2 - 5", Command::Remove(Which::Range(2, 5))),
        ("!rm MINE", Command::Remove(Which::Mine)),
        ("!rm @a-b:example.org", Command::Remove(Which::Person("@a-b:example.org".into()))),
        ("!mv 5 to 1", Command::Move { from: 5, to: 1 }),
        ("!q 2", Command::Queue { page: 2 }),
        ("!q", Command::Queue { page: 1 }),
    ]);
}

#[test]
fn lists_are_understood_with_and_without_their_own_word() {
    let list = Command::List;
    let rename = |from: &str, to: &str| {
        list(ListCommand::Rename { from: from.to_owned(), to: to.to_owned() })
    };
    understood(&[
        ("!list save x", list(ListCommand::Save("x".to_owned()))),
        ("!load Late Night", list(ListCommand::Load("Late Night".to_owned()))),
        ("!list rm x", list(ListCommand::Delete("x".to_owned()))),
        ("!lists rename late night to day", rename("late night", "day")),
        ("!lists rename a b", rename("a", "b")),
    ]);
}

#[test]
fn episodes_are_named_by_number_or_title() {
    let feed: url::Url = "https://example.org/feed".parse().unwrap();
    let podcast = |episode| Command::Podcast { feed: feed.clone(), episode };
    understood(&[
        ("!podcast https://example.org/feed", podcast(Episode::Latest)),
        ("!podcast <https://example.org/feed> latest", podcast(Episode::Latest)),
        ("!podcast https://example.org/feed 12", podcast(Episode::Number(12))),
        ("!podcast https://example.org/feed On Time", podcast(Episode::Title("On Time".into()))),
    ]);
    let bad = Heard::Misunderstood(Misunderstood::BadLink);
    assert_eq!(heard("!podcast feed"), bad);
    assert_eq!(heard("!podcast file:///etc/passwd"), bad);
}

#[test]
fn settings_are_written_in_several_ways() {
    let crossfade = Command::Set(SetCommand::Change(Setting::Crossfade, "4 s".to_owned()));
    understood(&[
        ("!set", Command::Set(SetCommand::ShowAll)),
        ("!set vote_skip", Command::Set(SetCommand::Show(Setting::VoteSkip))),
        ("!set Crossfade 4 s", crossfade.clone()),
        ("!set crossfade=4 s", crossfade.clone()),
        ("!set crossfade: 4 s", crossfade),
    ]);
    let unknown = |word: &str, closest| {
        Heard::Misunderstood(Misunderstood::UnknownSetting { word: word.to_owned(), closest })
    };
    assert_eq!(heard("!set volme 3"), unknown("volme", Some("volume")));
    assert_eq!(heard("!set colour red"), unknown("colour", None));
}

#[test]
fn people_are_named_by_id_by_link_or_by_a_mention() {
    let ann = || UserId::from("@ann:example.org");
    understood(&[
        ("!dj add @ann:example.org", Command::Dj(DjCommand::Add(ann()))),
        ("!dj add https://matrix.to/#/@ann:example.org", Command::Dj(DjCommand::Add(ann()))),
        ("!dj rm https://matrix.to/#/%40ann%3Aexample.org", Command::Dj(DjCommand::Remove(ann()))),
        ("!block @ann:example.org", Command::Block(Some(Blocked::Person(ann())))),
    ]);
    let who = Heard::Misunderstood(Misunderstood::Who);
    assert_eq!(heard("!dj add Ann"), who);
    let prefix = Prefix::default();
    let mentioned = [ann()];
    let how = Addressing { mentioned: &mentioned, ..addressing(&prefix) };
    let expected = Heard::Command(Command::Dj(DjCommand::Add(ann())));
    assert_eq!(parse("!dj add Ann", &how), expected);
    let two = [ann(), UserId::from("@bob:example.org")];
    assert_eq!(parse("!dj add Ann", &Addressing { mentioned: &two, ..how }), who);
}

#[test]
fn hosts_are_named_alone_or_by_a_link() {
    let host = || Blocked::Host(Host::new("ads.example.org").unwrap());
    understood(&[
        ("!block ads.Example.org", Command::Block(Some(host()))),
        ("!block https://ads.example.org/x?y", Command::Block(Some(host()))),
        ("!unblock ads.example.org.", Command::Unblock(host())),
        ("!block", Command::Block(None)),
    ]);
    for nobody in ["!block Ann", "!block a b", "!block https://"] {
        assert_eq!(heard(nobody), Heard::Misunderstood(Misunderstood::Who), "{nobody}");
    }
}

#[test]
fn a_file_that_the_message_brings_or_answers_is_what_is_wanted() {
    let prefix = Prefix::default();
    let how = Addressing { attached: true, ..addressing(&prefix) };
    let cases = [
        ("!play", Command::Play(Some(Wanted::Upload))),
        ("!pn", Command::PlayNext(Wanted::Upload)),
        ("!playnow", Command::PlayNow(Wanted::Upload)),
        ("!play tones", Command::Play(Some(Wanted::Name("tones".to_owned())))),
    ];
    for (body, command) in cases {
        assert_eq!(parse(body, &how), Heard::Command(command), "{body}");
    }
    assert_eq!(heard("!play"), Heard::Command(Command::Play(None)));
}

fn understood(cases: &[(&str, Command)]) {
    for (body, command) in cases {
        assert_eq!(heard(body), Heard::Command(command.clone()), "{body}");
    }
}
