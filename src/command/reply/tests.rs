//! Every reply as it reads.

use std::collections::BTreeSet;

use super::*;
use crate::command::{Group, Host, Prefix};

#[test]
fn the_replies_read_as_they_should() {
    for (reply, text) in replies() {
        assert_eq!(reply.text(&Prefix::default()), text);
    }
}

#[test]
fn no_reply_is_left_out_here() {
    let kinds: BTreeSet<_> = replies().iter().map(|(reply, _)| kind(reply)).collect();
    let elsewhere = ["NowPlaying", "Queue", "History", "Picks", "Help", "Ambiguous"];
    let source = include_str!("text.rs");
    let said = source.split("Self::").skip(1).map(|rest| {
        rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    });
    for name in said {
        assert!(kinds.contains(&name) || elsewhere.contains(&&*name), "{name}");
    }
}

#[test]
fn a_reply_is_a_line_and_names_commands_by_the_prefix_of_the_room() {
    let prefix = Prefix::try_from("♪".to_owned()).unwrap();
    for (reply, _) in replies() {
        let text = reply.text(&prefix);
        assert!(!text.contains('!'), "{text}");
        let is_list = matches!(reply, Reply::Settings(_));
        assert!(is_list || (!text.contains('\n') && text.len() < 200), "{text}");
    }
}

#[test]
fn in_a_quiet_room_what_cannot_be_heard_is_still_said() {
    let said = |reply: &Reply| !reply.is_confirmation();
    assert!(!said(&Reply::Paused(Title::new("x"))) && !said(&Reply::Stopped));
    for (reply, text) in replies() {
        let is_refusal = text.contains("can't") || text.contains("There is no");
        assert!(!is_refusal || said(&reply), "{text}");
    }
    assert!(said(&Reply::Queued { title: Title::new("x"), position: 1, wait: None }));
}

#[test]
fn a_misspelt_command_is_answered_with_the_closest_one() {
    let unknown = |closest| {
        Reply::Misunderstood(Misunderstood::Unknown { word: "paly\u{202e}".to_owned(), closest })
    };
    let text = |reply: Reply| reply.text(&Prefix::default());
    assert_eq!(text(unknown(Some("play"))), "I don't know !paly. Did you mean !play?");
    assert_eq!(text(unknown(None)), "I don't know !paly. !help says what I can do.");
}

#[test]
fn several_titles_are_listed_with_how_many_are_left_out() {
    let titles: Vec<_> = ["a", "b"].map(Title::new).into();
    let reply = Reply::Ambiguous { titles, count: 7 };
    let expected = "7 files fit. Say more of the name after !play:\n• a\n• b\nand 5 more";
    assert_eq!(reply.text(&Prefix::default()), expected);
}

#[test]
fn a_title_of_ten_megabytes_is_cut() {
    let title = Title::new(&"x".repeat(10 << 20));
    assert!(Reply::Playing(title).text(&Prefix::default()).len() < 200);
}

#[test]
fn the_settings_are_a_list_with_what_each_is_for() {
    let settings = vec![(Setting::Volume, "80 %".to_owned()), (Setting::Fair, "off".to_owned())];
    let expected = "Settings of this room; !set SETTING VALUE changes one:\n\
                    • volume: 80 % – how loud the music is\n\
                    • fair: off – whether people take turns in the queue";
    assert_eq!(Reply::Settings(settings).text(&Prefix::default()), expected);
}

/// Each with what it says, but for those that have tests of their own.
#[expect(clippy::too_many_lines, reason = "a table")]
fn replies() -> Vec<(Reply, &'static str)> {
    let x = || Title::new("Für\nElise");
    let ann = || UserId::from("@ann:example.org");
    let seconds = Duration::from_secs;
    let list = |outcome| Reply::List { name: Title::new("Late"), outcome };
    let host = || Blocked::Host(Host::new("ads.example.org").expect("it is one"));
    let undone = |edit| Reply::Undone(edit);
    let wrong = Reply::Misunderstood;
    let level = |group| Reply::Refused(Refusal::Level { group, have: 0, need: 50 });
    vec![
        (Reply::Playing(x()), "Now playing: Für Elise"),
        (
            Reply::Queued { title: x(), position: 2, wait: Some(seconds(190)) },
            "Queued as 2: Für Elise, in about 3:10.",
        ),
        (Reply::Queued { title: x(), position: 2, wait: None }, "Queued as 2: Für Elise."),
        (
            Reply::QueuedMany { title: x(), count: 12, position: 3, left_out: 0, is_cut: false },
            "Queued 12 of Für Elise, as 3 to 14.",
        ),
        (
            Reply::QueuedMany { title: x(), count: 12, position: 3, left_out: 4, is_cut: true },
            "Queued 12 of Für Elise, as 3 to 14. 4 more did not fit into the queue. The list goes on, \
             but I take no more of it.",
        ),
        (
            Reply::QueuedMany { title: x(), count: 1, position: 3, left_out: 4, is_cut: false },
            "Queued one of Für Elise as 3. 4 more did not fit into the queue.",
        ),
        (
            Reply::OverLimit(Limit::Length(seconds(600))),
            "That is longer than this room allows, which is 10:00. Try another one.",
        ),
        (
            Reply::OverLimit(Limit::PerPerson(50)),
            "You have 50 entries in the queue, and this room allows no more. !remove N makes room.",
        ),
        (
            Reply::OverLimit(Limit::Queue(500)),
            "The queue is full: it has 500 entries. Try again when some have played.",
        ),
        (Reply::Stopped, "Stopped."),
        (Reply::NothingPlays, "Nothing is playing. Start something with !play NAME or !play LINK."),
        (Reply::QueueEmpty, "The queue is empty. !play NAME puts something into it."),
        (Reply::Paused(x()), "Paused: Für Elise. !resume goes on."),
        (Reply::AlreadyPaused, "It's paused already. !resume goes on."),
        (Reply::Resumed(x()), "Playing on: Für Elise"),
        (Reply::NotPaused, "It isn't paused. !pause makes it so."),
        (
            Reply::Skipped { title: x(), next: Some(Title::new("b")) },
            "Skipped Für Elise. Now playing: b",
        ),
        (
            Reply::Skipped { title: x(), next: None },
            "Skipped Für Elise. Nothing is left in the queue.",
        ),
        (
            Reply::TooManyFailed(5),
            "5 in a row could not be played, so I stopped. !play tries the next.",
        ),
        (Reply::NoPrevious, "Nothing has played before. !restart begins this again."),
        (Reply::Restarted(x()), "From the beginning: Für Elise"),
        (Reply::Sought(seconds(90)), "Playing from 1:30."),
        (Reply::NoSeeking, "This is a station, so there is nowhere to go to in it."),
        (
            Reply::BeyondEnd { duration: seconds(190) },
            "It is only 3:10 long. !skip goes on to the next.",
        ),
        (Reply::Volume(80), "The volume is 80 %."),
        (Reply::Loop(LoopMode::Off), "Nothing is repeated."),
        (Reply::Loop(LoopMode::One), "Repeating what plays."),
        (Reply::Loop(LoopMode::All), "Repeating the queue."),
        (Reply::Fair(true), "People take turns in the queue."),
        (Reply::Fair(false), "The queue plays in the order in which things were added."),
        (Reply::Autoplay(Autoplay::Off), "When the queue is empty, I am silent."),
        (
            Reply::Autoplay(Autoplay::History),
            "When the queue is empty, I play what has played before.",
        ),
        (
            Reply::Autoplay(Autoplay::List("Late\nNight".to_owned())),
            "When the queue is empty, I play the list “Late Night”.",
        ),
        (
            Reply::NothingToPick,
            "There is nothing to pick from any more. !search WORDS lists what fits.",
        ),
        (Reply::NoSuchPick { last: 7 }, "The list ends at 7. Pick another number."),
        (Reply::NoSuchPlace { last: 7 }, "The queue ends at 7. !queue shows what is where."),
        (Reply::NoSuchPlace { last: 0 }, "The queue is empty. !play NAME puts something into it."),
        (Reply::Removed { title: x(), count: 1 }, "Removed Für Elise. !undo puts it back."),
        (Reply::Removed { title: x(), count: 3 }, "Removed 3 entries. !undo puts them back."),
        (Reply::NothingOf(Title::new("ann")), "Nothing in the queue is from ann."),
        (
            Reply::NotYours,
            "Only what you asked for is yours to take out. Ask a DJ or a moderator for the rest.",
        ),
        (Reply::Moved { title: x(), position: 2 }, "Moved to 2: Für Elise"),
        (
            Reply::MoveAgainstTurns,
            "People take turns here, so that place is somebody else's. !fair off ends that.",
        ),
        (Reply::Shuffled(7), "Mixed 7 entries. !undo puts them in order."),
        (Reply::Cleared(7), "Removed all 7 entries. !undo puts them back."),
        (undone(Edit::Added(1)), "Taken back: 1 entry is out of the queue again."),
        (undone(Edit::Removed(3)), "Taken back: 3 entries are in the queue again."),
        (undone(Edit::Reordered), "Taken back: the queue has its old order."),
        (undone(Edit::Skipped(Some(x()))), "Taken back: Für Elise is next."),
        (undone(Edit::Skipped(None)), "Taken back: what was skipped is forgotten by now."),
        (undone(Edit::Loop(LoopMode::All)), "Taken back: the queue is repeated."),
        (undone(Edit::Fair(false)), "Taken back: people don't take turns."),
        (undone(Edit::Autoplay(Autoplay::Off)), "Taken back: an empty queue is silent."),
        (Reply::NothingToUndo, "There is no change of the queue to take back."),
        (
            Reply::Lists(vec![(Title::new("Late"), 12), (Title::new("b"), 3)]),
            "Saved lists: Late (12), b (3)",
        ),
        (Reply::Lists(Vec::new()), "No lists are saved. !save NAME saves the queue as one."),
        (
            list(ListOutcome::Saved { count: 12, left_out: 0 }),
            "Saved 12 as “Late”. !load Late queues them.",
        ),
        (
            list(ListOutcome::Saved { count: 500, left_out: 3 }),
            "Saved 500 as “Late”. 3 more did not fit into a list.",
        ),
        (list(ListOutcome::Deleted), "The list “Late” is gone."),
        (list(ListOutcome::Renamed(Title::new("Day"))), "The list “Late” is called “Day” now."),
        (list(ListOutcome::Missing), "There is no list “Late”. !lists says which there are."),
        (list(ListOutcome::Taken), "There is a list “Late” already. Take another name."),
        (list(ListOutcome::Nothing), "There is nothing to save. !play NAME queues something."),
        (
            list(ListOutcome::TooMany(50)),
            "There are 50 lists, and I keep no more. !lists delete NAME makes room.",
        ),
        (list(ListOutcome::NoName), "A list's name needs a letter or a digit. Take another."),
        (
            list(ListOutcome::NameTooLong(60)),
            "A list's name has at most 60 characters. Take a shorter one.",
        ),
        (
            Reply::Settings(vec![(Setting::Volume, "80 %".to_owned())]),
            "volume is 80 %: how loud the music is. It takes 0 to 200 %: !set volume VALUE.",
        ),
        (Reply::SettingChanged(Setting::Volume, "80 %".to_owned()), "volume is 80 % now."),
        (
            Reply::SettingRefused(SettingError::NotAValue {
                setting: Setting::Fair,
                given: Title::new("x"),
            }),
            "“x” is no value for fair, which takes on or off.",
        ),
        (
            Reply::Djs(vec![ann(), UserId::from("@bob:example.org")]),
            "DJs here: @ann:example.org, @bob:example.org",
        ),
        (
            Reply::Djs(Vec::new()),
            "Nobody is a DJ here. !dj add @ann:example.org makes somebody one.",
        ),
        (Reply::DjAdded(ann()), "@ann:example.org is a DJ now."),
        (Reply::DjRemoved(ann()), "@ann:example.org is no DJ any more."),
        (Reply::NoDj(ann()), "@ann:example.org is no DJ. !dj says who is."),
        (
            Reply::BlockedList(vec![Blocked::Person(ann()), host()]),
            "Blocked here: @ann:example.org, ads.example.org",
        ),
        (Reply::BlockedList(Vec::new()), "Nobody and nothing is blocked here."),
        (
            Reply::Blocked(Blocked::Person(ann())),
            "@ann:example.org is blocked now. !unblock takes it back.",
        ),
        (Reply::Unblocked(host()), "ads.example.org is blocked no longer."),
        (Reply::NotBlocked(host()), "ads.example.org isn't blocked here. !block says what is."),
        (Reply::ListFull(100), "I keep no more than 100 of these. Take one out first."),
        (
            Reply::LinkBlocked(Title::new("ads.example.org")),
            "Links to ads.example.org are blocked. Try another one.",
        ),
        (
            level(Group::Listen),
            "You may not ask me here: that needs power level 50, and you have 0. A moderator can change it.",
        ),
        (
            level(Group::Request),
            "You may not ask for music here: that needs power level 50, and you have 0. A DJ can: !dj says who is one.",
        ),
        (
            level(Group::Control),
            "You may not control me here: that needs power level 50, and you have 0. A DJ can: !dj says who is one.",
        ),
        (
            level(Group::Manage),
            "You may not change that here: that needs power level 50, and you have 0. Ask a moderator.",
        ),
        (
            Reply::Refused(Refusal::NotInCall),
            "Only those in the call may do that here. Join it first.",
        ),
        (Reply::Voted { have: 1, need: 2 }, "1 of 2 votes to skip."),
        (Reply::AlreadyVoted { have: 1, need: 2 }, "You have voted already. 1 of 2 votes to skip."),
        (
            Reply::Cooldown { left: Duration::from_millis(2001) },
            "One moment: you can ask again in 3 s.",
        ),
        (Reply::TooFast, "That is too fast for me, so I left out some of it. Wait a little."),
        (
            Reply::StillLooking,
            "I'm still looking for what was asked before. Ask again in a moment.",
        ),
        (
            Reply::StoppedLooking,
            "I was stopped before I had found that. Ask again if you want it all the same.",
        ),
        (
            Reply::Clips(vec![Title::new("horn"), Title::new("drum")]),
            "Clips, for !clip NAME: horn, drum",
        ),
        (Reply::Clips(Vec::new()), "There are no clips. Whoever runs me can give me some."),
        (Reply::NoClip(Title::new("horn")), "There is no clip “horn”. !clip says which there are."),
        (Reply::NoSpeech, "I can't speak here. Whoever runs me can set up a voice."),
        (
            Reply::NoUpload,
            "There is no file in that message that I could play. Answer one with !play.",
        ),
        (Reply::Joined, "I'm in the call."),
        (Reply::AlreadyJoined, "I'm in the call already."),
        (Reply::Left, "I've left the call."),
        (
            Reply::LeftAlone,
            "Everybody else has left the call, so I have too. !join brings me back.",
        ),
        (Reply::NotInCall, "I'm not in a call. !join brings me into it."),
        (Reply::Pong, "Pong."),
        (wrong(Misunderstood::PlayWhat), "Tell me what to play: !play NAME or !play LINK."),
        (
            wrong(Misunderstood::BadLink),
            "I can't open that link. It has to begin with http:// or https:// and a host.",
        ),
        (
            wrong(Misunderstood::Usage { word: "move" }),
            "I can't read that. Write it like this: !move N N",
        ),
        (
            wrong(Misunderstood::Usage { word: "seek" }),
            "I can't read that. Write it like this: !seek TIME, !seek +TIME or !seek -TIME",
        ),
        (
            wrong(Misunderstood::Who),
            "I don't know whom you mean. Write their whole address: @ann:example.org.",
        ),
        (
            wrong(Misunderstood::UnknownSetting {
                word: "volme".to_owned(),
                closest: Some("volume"),
            }),
            "I have no setting volme. Did you mean !set volume?",
        ),
        (
            wrong(Misunderstood::UnknownSetting { word: "x".to_owned(), closest: None }),
            "I have no setting x. !set shows all of them.",
        ),
        (
            Reply::NotFound(x()),
            "I found nothing called “Für Elise” in the library. Fewer words may find it.",
        ),
        (
            Reply::Failed(Trouble::LinkStatus(404), Reference(7)),
            "There is nothing at that link (404). Check its spelling. (ref 0007)",
        ),
        (
            Reply::Failed(Trouble::NotAllowed { have: 0, need: 50 }, Reference(0x7f3a)),
            "I'm not allowed to join calls here: that needs power level 50, and I have 0. An admin can raise mine, or lower what calls need. (ref 7f3a)",
        ),
    ]
}

/// The name of its variant.
fn kind(reply: &Reply) -> String {
    let debug = format!("{reply:?}");
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
