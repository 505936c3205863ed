//! The table.

use super::{
    Form, Kind, Parameter, Topic, Word,
    build::{self, Build},
};
use crate::command::Command;

/// All words, in the order of help.
pub(crate) const WORDS: &[Word] = &[
    word("play", &["p"], Topic::Play, build::play)
        .forms(&[
            form("NAME", "tones", "plays something from the library, or queues it"),
            form("LINK", "https://example.org/a.mp3", "plays a file or a station on the web"),
            form("", "", "goes on after a pause, or plays the file that the message answers"),
        ])
        .takes(&[text("what", "a name or a link").or_nothing()]),
    word("playnext", &["pn"], Topic::Play, build::play_next)
        .forms(&[form("NAME or LINK", "tones", "plays it after what plays now")])
        .takes(&[text("what", "a name or a link")]),
    word("playnow", &["pnow"], Topic::Play, build::play_now)
        .forms(&[form("NAME or LINK", "tones", "plays it in place of what plays now")])
        .takes(&[text("what", "a name or a link")]),
    word("search", &["find"], Topic::Play, build::search)
        .forms(&[form("WORDS", "tones", "lists what fits, to pick from")])
        .takes(&[text("words", "words of its name")]),
    word("pick", &[], Topic::Play, build::pick)
        .forms(&[form("N", "2", "takes that one of the list; its number alone does as well")])
        .takes(&[number("number", "its number in the list")]),
    word("album", &[], Topic::Play, build::album)
        .forms(&[form("NAME", "tones", "queues an album, in its order")])
        .takes(&[text("name", "its name")]),
    word("radio", &["station"], Topic::Play, build::radio)
        .forms(&[form("LINK", "https://example.org/live", "plays a station, or queues it")])
        .takes(&[text("link", "its address")]),
    word("podcast", &["pod"], Topic::Play, build::podcast)
        .forms(&[
            form("LINK", "https://example.org/feed", "queues the latest episode"),
            form("LINK N", "https://example.org/feed 3", "queues an episode by its number"),
            form("LINK WORDS", "https://example.org/feed a b", "queues one by its title"),
        ])
        .takes(&[
            text("link", "the address of the feed"),
            text("episode", "its number or words of its title").or_nothing(),
        ]),
    word("pause", &[], Topic::Steer, |_| Ok(Command::Pause)).forms(&[form(
        "",
        "",
        "is silent, and keeps the place",
    )]),
    word("resume", &["unpause"], Topic::Steer, |_| Ok(Command::Resume)).forms(&[form(
        "",
        "",
        "goes on from there",
    )]),
    word("stop", &[], Topic::Steer, |_| Ok(Command::Stop)).forms(&[form(
        "",
        "",
        "is silent, and stays in the call",
    )]),
    word("skip", &["s", "next"], Topic::Steer, |_| Ok(Command::Skip)).forms(&[form(
        "",
        "",
        "goes on to the next, or votes for it",
    )]),
    word("forceskip", &["fs"], Topic::Steer, |_| Ok(Command::ForceSkip)).forms(&[form(
        "",
        "",
        "goes on to the next without a vote",
    )]),
    word("previous", &["prev", "back"], Topic::Steer, |_| Ok(Command::Previous)).forms(&[form(
        "",
        "",
        "goes back to the one before",
    )]),
    word("restart", &["replay"], Topic::Steer, |_| Ok(Command::Restart)).forms(&[form(
        "",
        "",
        "begins again with what plays",
    )]),
    word("seek", &[], Topic::Steer, build::seek)
        .forms(&[
            form("TIME", "1:30", "goes to this place, such as 90, 1:30 or 1:02:03"),
            form("+TIME", "+30", "goes on by so much"),
            form("-TIME", "-10", "goes back by so much"),
        ])
        .takes(&[text("to", "such as 90, 1:30, +30 or -10")]),
    word("ff", &["forward"], Topic::Steer, build::forward)
        .forms(&[form("TIME", "30", "goes on by so much, 10 seconds if not said")])
        .takes(&[text("by", "such as 30 or 1:30").or_nothing()]),
    word("rew", &["rewind"], Topic::Steer, build::rewind)
        .forms(&[form("TIME", "30", "goes back by so much, 10 seconds if not said")])
        .takes(&[text("by", "such as 30 or 1:30").or_nothing()]),
    word("volume", &["vol", "v"], Topic::Steer, build::volume)
        .forms(&[
            form("", "", "says how loud it is"),
            form("N", "80", "makes it so loud, from 0 to 200 %"),
            form("+N or -N", "+10", "makes it louder or quieter"),
        ])
        .takes(&[text("to", "such as 80, +10 or -10").or_nothing()]),
    word("loop", &["lp", "repeat"], Topic::Steer, build::repeat)
        .forms(&[
            form("one, all or off", "one", "repeats what plays, the queue or nothing"),
            form("", "", "takes the next of these"),
        ])
        .takes(&[one_of("mode", &["one", "all", "off"], "what is repeated").or_nothing()]),
    word("nowplaying", &["np", "now"], Topic::Queue, |_| Ok(Command::NowPlaying)).forms(&[form(
        "",
        "",
        "says what plays, and how far it is",
    )]),
    word("queue", &["q"], Topic::Queue, build::queue)
        .forms(&[form("", "", "shows what comes next"), form("N", "2", "shows that page of it")])
        .takes(&[number("page", "which page").or_nothing()]),
    word("history", &[], Topic::Queue, build::history)
        .forms(&[form("", "", "shows what has played"), form("N", "2", "shows that page of it")])
        .takes(&[number("page", "which page").or_nothing()]),
    word("remove", &["rm"], Topic::Queue, build::remove)
        .forms(&[
            form("N", "3", "takes that one out of the queue"),
            form("N-N", "2-5", "takes those from the first to the last out"),
            form("mine", "mine", "takes out all that you asked for"),
            form("PERSON", "@ann:example.org", "takes out all that they asked for"),
        ])
        .takes(&[text("which", "such as 3, 2-5, mine or @ann:example.org")]),
    word("move", &["mv"], Topic::Queue, build::move_entry)
        .forms(&[form("N N", "5 1", "gives the first of these the place of the second")])
        .takes(&[number("from", "its place now"), number("to", "its place then")]),
    word("shuffle", &["sh"], Topic::Queue, |_| Ok(Command::Shuffle)).forms(&[form(
        "",
        "",
        "mixes the queue",
    )]),
    word("clear", &[], Topic::Queue, |_| Ok(Command::Clear)).forms(&[form(
        "",
        "",
        "empties the queue",
    )]),
    word("undo", &[], Topic::Queue, |_| Ok(Command::Undo)).forms(&[form(
        "",
        "",
        "takes back the last change of the queue",
    )]),
    word("fair", &[], Topic::Queue, build::fair)
        .forms(&[
            form("on or off", "on", "lets people take turns"),
            form("", "", "says whether they do"),
        ])
        .takes(&[one_of("on", &["on", "off"], "whether people take turns").or_nothing()]),
    word("autoplay", &["ap"], Topic::Queue, build::autoplay)
        .forms(&[
            form("history", "history", "plays what has played before when the queue is empty"),
            form("list NAME", "list evening", "plays a saved list then"),
            form("off", "off", "plays nothing then"),
            form("", "", "says which it is"),
        ])
        .takes(&[text("what", "history, list NAME or off").or_nothing()]),
    word("lists", &["list"], Topic::Lists, build::lists)
        .forms(&[
            form("", "", "says which lists are saved"),
            form("delete NAME", "delete evening", "forgets one"),
            form("rename NAME to NAME", "rename evening to night", "calls one otherwise"),
        ])
        .takes(&[
            one_of("do", &["save", "load", "delete", "rename"], "what to do").or_nothing(),
            text("name", "its name, or for rename: NAME to NAME").or_nothing(),
        ]),
    word("save", &[], Topic::Lists, build::save)
        .forms(&[form("NAME", "evening", "saves the queue as a list")])
        .takes(&[text("name", "the name of the list")]),
    word("load", &[], Topic::Lists, build::load)
        .forms(&[form("NAME", "evening", "queues a saved list")])
        .takes(&[text("name", "the name of the list")]),
    word("clip", &["sound", "sb"], Topic::Sounds, |said| Ok(Command::Clip(build::any(said))))
        .forms(&[
            form("", "", "says which clips there are"),
            form("NAME", "horn", "plays one over the music"),
        ])
        .takes(&[text("name", "its name").or_nothing()]),
    word("say", &["tts"], Topic::Sounds, build::say)
        .forms(&[form("TEXT", "good evening", "speaks it over the music")])
        .takes(&[text("text", "what to speak")]),
    word("join", &["summon"], Topic::Room, |_| Ok(Command::Join)).forms(&[form(
        "",
        "",
        "comes into the call, or starts one without ringing anybody",
    )]),
    word("leave", &["dc", "disconnect"], Topic::Room, |_| Ok(Command::Leave)).forms(&[form(
        "",
        "",
        "leaves the call",
    )]),
    word("panel", &[], Topic::Room, |_| Ok(Command::Panel)).forms(&[form(
        "",
        "",
        "posts the message with what plays anew",
    )]),
    word("set", &["settings"], Topic::Room, build::set)
        .forms(&[
            form("", "", "shows this room's settings"),
            form("SETTING", "crossfade", "shows one, and what it can be"),
            form("SETTING VALUE", "crossfade 4 s", "changes it"),
        ])
        .takes(&[
            text("setting", "which").or_nothing(),
            text("value", "what it shall be").or_nothing(),
        ]),
    word("dj", &["djs"], Topic::Room, build::dj)
        .forms(&[
            form("", "", "says who may control whatever their power level"),
            form("add PERSON", "add @ann:example.org", "lets somebody do so"),
            form("remove PERSON", "remove @ann:example.org", "does so no longer"),
        ])
        .takes(&[
            one_of("do", &["add", "remove"], "what to do").or_nothing(),
            person("person", "who").or_nothing(),
        ]),
    word("block", &[], Topic::Room, build::block)
        .forms(&[
            form("PERSON", "@eve:example.org", "hears them no longer"),
            form("HOST", "example.org", "opens no links to that host, or to one under it"),
            form("", "", "says who and what is blocked"),
        ])
        .takes(&[text("what", "a person's user id, or a host").or_nothing()]),
    word("unblock", &[], Topic::Room, build::unblock)
        .forms(&[form("PERSON or HOST", "example.org", "hears or opens it again")])
        .takes(&[text("what", "a person's user id, or a host")]),
    word("ping", &[], Topic::Room, |_| Ok(Command::Ping)).forms(&[form(
        "",
        "",
        "says that I'm there",
    )]),
    word("help", &["h", "commands"], Topic::Room, |said| Ok(Command::Help(build::asked(said))))
        .forms(&[
            form("", "", "says what you may do here"),
            form("WORD", "play", "says more about one of these"),
        ])
        .takes(&[text("word", "about which").or_nothing()]),
];

const fn word(
    name: &'static str,
    aliases: &'static [&'static str],
    topic: Topic,
    build: Build,
) -> Word {
    Word { name, aliases, topic, forms: &[], parameters: &[], build }
}

impl Word {
    const fn forms(self, forms: &'static [Form]) -> Self {
        Self { forms, ..self }
    }

    const fn takes(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }
}

const fn form(usage: &'static str, example: &'static str, help: &'static str) -> Form {
    Form { usage, example, help }
}

const fn text(key: &'static str, help: &'static str) -> Parameter {
    Parameter { key, kind: Kind::Text, optional: false, help }
}

const fn number(key: &'static str, help: &'static str) -> Parameter {
    Parameter { key, kind: Kind::Number, optional: false, help }
}

const fn person(key: &'static str, help: &'static str) -> Parameter {
    Parameter { key, kind: Kind::Person, optional: false, help }
}

const fn one_of(
    key: &'static str,
    words: &'static [&'static str],
    help: &'static str,
) -> Parameter {
    Parameter { key, kind: Kind::OneOf(words), optional: false, help }
}

impl Parameter {
    const fn or_nothing(self) -> Self {
        Self { optional: true, ..self }
    }
}
