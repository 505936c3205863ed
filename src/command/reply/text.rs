//! The sentences, as plain text.

use phonograph_matrixrtc::UserId;

use super::{
    Edit, Limit, ListOutcome, Reply, help,
    list::{history, picks, queue},
};
use crate::command::{
    Autoplay, Blocked, Group, LoopMode, Misunderstood, Prefix, Refusal, Setting, Title, Word,
    time::clock,
};

impl Reply {
    /// The sentence, as plain text. `prefix` is what commands begin with where it is said.
    #[expect(clippy::too_many_lines, reason = "a table of sentences")]
    pub(crate) fn text(&self, prefix: &Prefix) -> String {
        let p = prefix.as_str();
        match self {
            Self::Playing(title) => format!("Now playing: {title}"),
            Self::Queued { title, position, wait } => {
                let wait = wait.map_or_else(String::new, |wait| format!(", in about {}", clock(wait)));
                format!("Queued as {position}: {title}{wait}.")
            }
            Self::QueuedMany { title, count, position, left_out, is_cut } => {
                let goes_on = if *is_cut { " The list goes on, but I take no more of it." } else { "" };
                queued_many(title, *count, *position, *left_out) + goes_on
            }
            Self::OverLimit(limit) => over_limit(*limit, p),
            Self::Stopped => "Stopped.".to_owned(),
            Self::NothingPlays => {
                format!("Nothing is playing. Start something with {p}play NAME or {p}play LINK.")
            }
            Self::QueueEmpty => format!("The queue is empty. {p}play NAME puts something into it."),
            Self::Paused(title) => format!("Paused: {title}. {p}resume goes on."),
            Self::AlreadyPaused => format!("It's paused already. {p}resume goes on."),
            Self::Resumed(title) => format!("Playing on: {title}"),
            Self::NotPaused => format!("It isn't paused. {p}pause makes it so."),
            Self::Skipped { title, next: Some(next) } => {
                format!("Skipped {title}. Now playing: {next}")
            }
            Self::Skipped { title, next: None } => {
                format!("Skipped {title}. Nothing is left in the queue.")
            }
            Self::TooManyFailed(count) => format!(
                "{count} in a row could not be played, so I stopped. {p}play tries the next."
            ),
            Self::NoPrevious => format!("Nothing has played before. {p}restart begins this again."),
            Self::Restarted(title) => format!("From the beginning: {title}"),
            Self::Sought(position) => format!("Playing from {}.", clock(*position)),
            Self::NoSeeking => "This is a station, so there is nowhere to go to in it.".to_owned(),
            Self::BeyondEnd { duration } => {
                format!("It is only {} long. {p}skip goes on to the next.", clock(*duration))
            }
            Self::Volume(percent) => format!("The volume is {percent} %."),
            Self::Loop(mode) => looping(*mode),
            Self::Fair(true) => "People take turns in the queue.".to_owned(),
            Self::Fair(false) => "The queue plays in the order in which things were added.".to_owned(),
            Self::Autoplay(what) => autoplay(what),
            Self::NowPlaying(panel) => panel.text(p),
            Self::Queue(page) => queue(page, p),
            Self::History(page) => history(page, p),
            Self::Picks(found) => picks(found, p),
            Self::NothingToPick => {
                format!("There is nothing to pick from any more. {p}search WORDS lists what fits.")
            }
            Self::NoSuchPick { last } => format!("The list ends at {last}. Pick another number."),
            Self::NoSuchPlace { last: 0 } => Self::QueueEmpty.text(prefix),
            Self::NoSuchPlace { last } => {
                format!("The queue ends at {last}. {p}queue shows what is where.")
            }
            Self::Removed { title, count: 1 } => format!("Removed {title}. {p}undo puts it back."),
            Self::Removed { count, .. } => format!("Removed {count} entries. {p}undo puts them back."),
            Self::NothingOf(name) => format!("Nothing in the queue is from {name}."),
            Self::NotYours => {
                "Only what you asked for is yours to take out. Ask a DJ or a moderator for the rest."
                    .to_owned()
            }
            Self::Moved { title, position } => format!("Moved to {position}: {title}"),
            Self::MoveAgainstTurns => format!(
                "People take turns here, so that place is somebody else's. {p}fair off ends that."
            ),
            Self::Shuffled(count) => format!("Mixed {count} entries. {p}undo puts them in order."),
            Self::Cleared(count) => format!("Removed all {count} entries. {p}undo puts them back."),
            Self::Undone(edit) => format!("Taken back: {}.", edited(edit)),
            Self::NothingToUndo => "There is no change of the queue to take back.".to_owned(),
            Self::Lists(lists) => list_names(lists, p),
            Self::List { name, outcome } => list(name, outcome, p),
            Self::Settings(settings) => show_settings(settings, p),
            Self::SettingChanged(setting, value) => format!("{setting} is {value} now."),
            Self::SettingRefused(error) => format!("{error}."),
            Self::Djs(people) if people.is_empty() => {
                format!("Nobody is a DJ here. {p}dj add @ann:example.org makes somebody one.")
            }
            Self::Djs(people) => {
                let names: Vec<_> = people.iter().map(|id| whole(id).to_string()).collect();
                format!("DJs here: {}", names.join(", "))
            }
            Self::DjAdded(id) => format!("{} is a DJ now.", whole(id)),
            Self::DjRemoved(id) => format!("{} is no DJ any more.", whole(id)),
            Self::NoDj(id) => format!("{} is no DJ. {p}dj says who is.", whole(id)),
            Self::BlockedList(all) if all.is_empty() => "Nobody and nothing is blocked here.".to_owned(),
            Self::BlockedList(all) => {
                let names: Vec<_> = all.iter().map(blocked).collect();
                format!("Blocked here: {}", names.join(", "))
            }
            Self::Blocked(what) => format!("{} is blocked now. {p}unblock takes it back.", blocked(what)),
            Self::Unblocked(what) => format!("{} is blocked no longer.", blocked(what)),
            Self::NotBlocked(what) => {
                format!("{} isn't blocked here. {p}block says what is.", blocked(what))
            }
            Self::ListFull(max) => format!("I keep no more than {max} of these. Take one out first."),
            Self::LinkBlocked(host) => format!("Links to {host} are blocked. Try another one."),
            Self::Refused(refusal) => refused(refusal, p),
            Self::Voted { have, need } => format!("{have} of {need} votes to skip."),
            Self::AlreadyVoted { have, need } => {
                format!("You have voted already. {have} of {need} votes to skip.")
            }
            Self::Cooldown { left } => {
                // Rounded up: at the time that was said it has to work.
                format!("One moment: you can ask again in {} s.", left.as_millis().div_ceil(1000))
            }
            Self::TooFast => "That is too fast for me, so I left out some of it. Wait a little.".to_owned(),
            Self::StillLooking => {
                "I'm still looking for what was asked before. Ask again in a moment.".to_owned()
            }
            Self::StoppedLooking => {
                "I was stopped before I had found that. Ask again if you want it all the same."
                    .to_owned()
            }
            Self::Clips(names) => clips(names, p),
            Self::NoClip(name) => format!("There is no clip “{name}”. {p}clip says which there are."),
            Self::NoSpeech => "I can't speak here. Whoever runs me can set up a voice.".to_owned(),
            Self::NoUpload => {
                format!("There is no file in that message that I could play. Answer one with {p}play.")
            }
            Self::Joined => "I'm in the call.".to_owned(),
            Self::AlreadyJoined => "I'm in the call already.".to_owned(),
            Self::Left => "I've left the call.".to_owned(),
            Self::LeftAlone => {
                format!("Everybody else has left the call, so I have too. {p}join brings me back.")
            }
            Self::NotInCall => format!("I'm not in a call. {p}join brings me into it."),
            Self::Pong => "Pong.".to_owned(),
            Self::Help(help) => help::text(help, p),
            Self::Misunderstood(why) => misunderstood(why, p),
            Self::NotFound(name) => {
                format!("I found nothing called “{name}” in the library. Fewer words may find it.")
            }
            Self::Ambiguous { titles, count } => ambiguous(titles, *count, p),
            Self::Failed(trouble, reference) => format!("{} (ref {reference})", trouble.text(p)),
        }
    }

    /// Whether it says no more than that something was done that anybody hears or sees in the panel.
    /// In a quiet room this goes without saying, unless somebody asked.
    pub(crate) fn is_confirmation(&self) -> bool {
        matches!(
            self,
            Self::Playing(_)
                | Self::Stopped
                | Self::Paused(_)
                | Self::Resumed(_)
                | Self::Skipped { .. }
                | Self::Restarted(_)
                | Self::Sought(_)
                | Self::Volume(_)
                | Self::Loop(_)
                | Self::Fair(_)
                | Self::Autoplay(_)
                | Self::Moved { .. }
                | Self::Shuffled(_)
                | Self::Joined
                | Self::Left
        )
    }
}

fn queued_many(title: &Title, count: usize, position: usize, left_out: usize) -> String {
    let last = (position + count).saturating_sub(1);
    let rest = match left_out {
        0 => String::new(),
        _ => format!(" {left_out} more did not fit into the queue."),
    };
    match count {
        1 => format!("Queued one of {title} as {position}.{rest}"),
        _ => format!("Queued {count} of {title}, as {position} to {last}.{rest}"),
    }
}

fn over_limit(limit: Limit, p: &str) -> String {
    match limit {
        Limit::Length(max) => {
            format!(
                "That is longer than this room allows, which is {}. Try another one.",
                clock(max)
            )
        }
        Limit::PerPerson(max) => format!(
            "You have {max} entries in the queue, and this room allows no more. {p}remove N makes room."
        ),
        Limit::Queue(max) => {
            format!("The queue is full: it has {max} entries. Try again when some have played.")
        }
    }
}

fn looping(mode: LoopMode) -> String {
    match mode {
        LoopMode::Off => "Nothing is repeated.",
        LoopMode::One => "Repeating what plays.",
        LoopMode::All => "Repeating the queue.",
    }
    .to_owned()
}

fn autoplay(what: &Autoplay) -> String {
    match what {
        Autoplay::Off => "When the queue is empty, I am silent.".to_owned(),
        Autoplay::History => "When the queue is empty, I play what has played before.".to_owned(),
        Autoplay::List(name) => {
            format!("When the queue is empty, I play the list “{}”.", Title::new(name))
        }
    }
}

fn edited(edit: &Edit) -> String {
    match edit {
        Edit::Added(count) => format!("{} out of the queue again", entries(*count)),
        Edit::Removed(count) => format!("{} in the queue again", entries(*count)),
        Edit::Reordered => "the queue has its old order".to_owned(),
        Edit::Skipped(Some(title)) => format!("{title} is next"),
        Edit::Skipped(None) => "what was skipped is forgotten by now".to_owned(),
        Edit::Loop(LoopMode::Off) => "nothing is repeated".to_owned(),
        Edit::Loop(LoopMode::One) => "what plays is repeated".to_owned(),
        Edit::Loop(LoopMode::All) => "the queue is repeated".to_owned(),
        Edit::Fair(true) => "people take turns".to_owned(),
        Edit::Fair(false) => "people don't take turns".to_owned(),
        Edit::Autoplay(Autoplay::Off) => "an empty queue is silent".to_owned(),
        Edit::Autoplay(Autoplay::History) => "an empty queue plays what has played".to_owned(),
        Edit::Autoplay(Autoplay::List(name)) => {
            format!("an empty queue plays the list “{}”", Title::new(name))
        }
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry is".to_owned() } else { format!("{count} entries are") }
}

fn list_names(lists: &[(Title, usize)], p: &str) -> String {
    if lists.is_empty() {
        return format!("No lists are saved. {p}save NAME saves the queue as one.");
    }
    let names: Vec<_> = lists.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    format!("Saved lists: {}", names.join(", "))
}

fn list(name: &Title, outcome: &ListOutcome, p: &str) -> String {
    match outcome {
        ListOutcome::Saved { count, left_out: 0 } => {
            format!("Saved {count} as “{name}”. {p}load {name} queues them.")
        }
        ListOutcome::Saved { count, left_out } => {
            format!("Saved {count} as “{name}”. {left_out} more did not fit into a list.")
        }
        ListOutcome::NoName => "A list's name needs a letter or a digit. Take another.".to_owned(),
        ListOutcome::NameTooLong(max) => {
            format!("A list's name has at most {max} characters. Take a shorter one.")
        }
        ListOutcome::Deleted => format!("The list “{name}” is gone."),
        ListOutcome::Renamed(to) => format!("The list “{name}” is called “{to}” now."),
        ListOutcome::Missing => {
            format!("There is no list “{name}”. {p}lists says which there are.")
        }
        ListOutcome::Taken => format!("There is a list “{name}” already. Take another name."),
        ListOutcome::Nothing => format!("There is nothing to save. {p}play NAME queues something."),
        ListOutcome::TooMany(max) => {
            format!("There are {max} lists, and I keep no more. {p}lists delete NAME makes room.")
        }
    }
}

fn show_settings(settings: &[(Setting, String)], p: &str) -> String {
    if let [(setting, value)] = settings {
        let takes = setting.takes();
        return format!(
            "{setting} is {value}: {}. It takes {takes}: {p}set {setting} VALUE.",
            setting.help()
        );
    }
    let mut lines = vec![format!("Settings of this room; {p}set SETTING VALUE changes one:")];
    lines.extend(
        settings
            .iter()
            .map(|(setting, value)| format!("• {setting}: {value} – {}", setting.help())),
    );
    lines.join("\n")
}

/// A person's whole address, where those of the same name on other servers are not meant.
fn whole(id: &UserId) -> Title {
    Title::new(id.as_str())
}

fn blocked(what: &Blocked) -> String {
    match what {
        Blocked::Person(id) => whole(id).to_string(),
        Blocked::Host(host) => host.to_string(),
    }
}

fn refused(refusal: &Refusal, p: &str) -> String {
    let (group, have, need) = match refusal {
        Refusal::NotInCall => {
            return "Only those in the call may do that here. Join it first.".to_owned();
        }
        Refusal::Level { group, have, need } => (group, have, need),
    };
    let level = format!("that needs power level {need}, and you have {have}");
    match group {
        Group::Listen => format!("You may not ask me here: {level}. A moderator can change it."),
        Group::Request => {
            format!("You may not ask for music here: {level}. A DJ can: {p}dj says who is one.")
        }
        Group::Control => {
            format!("You may not control me here: {level}. A DJ can: {p}dj says who is one.")
        }
        Group::Manage => {
            format!("You may not change that here: {level}. Ask a moderator.")
        }
    }
}

fn clips(names: &[Title], p: &str) -> String {
    if names.is_empty() {
        return "There are no clips. Whoever runs me can give me some.".to_owned();
    }
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    format!("Clips, for {p}clip NAME: {}", names.join(", "))
}

fn misunderstood(why: &Misunderstood, p: &str) -> String {
    match why {
        Misunderstood::Unknown { closest: Some(closest), word } => {
            let word = Title::new(word);
            format!("I don't know {p}{word}. Did you mean {p}{closest}?")
        }
        Misunderstood::Unknown { closest: None, word } => {
            let word = Title::new(word);
            format!("I don't know {p}{word}. {p}help says what I can do.")
        }
        Misunderstood::PlayWhat => {
            format!("Tell me what to play: {p}play NAME or {p}play LINK.")
        }
        Misunderstood::BadLink => {
            "I can't open that link. It has to begin with http:// or https:// and a host."
                .to_owned()
        }
        Misunderstood::Usage { word } => match Word::named(word) {
            Some(word) => format!("I can't read that. Write it like this: {}", help::ways(word, p)),
            None => format!("I can't read that. {p}help says what I can do."),
        },
        Misunderstood::Who => {
            "I don't know whom you mean. Write their whole address: @ann:example.org.".to_owned()
        }
        Misunderstood::UnknownSetting { word, closest } => {
            let word = Title::new(word);
            match closest {
                Some(closest) => {
                    format!("I have no setting {word}. Did you mean {p}set {closest}?")
                }
                None => format!("I have no setting {word}. {p}set shows all of them."),
            }
        }
    }
}

fn ambiguous(titles: &[Title], count: usize, p: &str) -> String {
    let mut lines = vec![format!("{count} files fit. Say more of the name after {p}play:")];
    lines.extend(titles.iter().map(|title| format!("• {title}")));
    if count > titles.len() {
        lines.push(format!("and {} more", count - titles.len()));
    }
    lines.join("\n")
}
