//! Lists: the queue, what has played, and what to pick from.

use std::{fmt::Write, time::Duration};

use phonograph_matrixrtc::UserId;

use crate::command::{
    Title,
    access::local_name,
    time::{clock, exact},
};

/// Entries on one page.
pub(crate) const PAGE_LEN: usize = 10;
/// Entries of a pick list: as many as there are digits to react with.
pub(crate) const PICKS_MAX: usize = 10;

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its place, counted from 1.
    pub(crate) position: usize,
    /// What it is.
    pub(crate) title: Title,
    /// How long it plays, if that is known.
    pub(crate) duration: Option<Duration>,
    /// Who asked for it; nobody if it plays by itself.
    pub(crate) by: Option<UserId>,
    /// When it is about to play, from now; `None` where that is not known, or past.
    pub(crate) starts_in: Option<Duration>,
}

/// A page of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuePage {
    /// What plays.
    pub(crate) now: Option<Title>,
    /// At most [`PAGE_LEN`].
    pub(crate) lines: Vec<Line>,
    /// Which page, counted from 1.
    pub(crate) page: usize,
    /// How many pages there are.
    pub(crate) pages: usize,
    /// How many entries there are.
    pub(crate) count: usize,
    /// How long they play, as far as that is known.
    pub(crate) total: Duration,
    /// Whether some have no known length.
    pub(crate) has_unknown: bool,
}

/// A page of what has played, the last first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryPage {
    /// At most [`PAGE_LEN`].
    pub(crate) lines: Vec<Line>,
    /// Which page, counted from 1.
    pub(crate) page: usize,
    /// How many pages there are.
    pub(crate) pages: usize,
}

/// What fits a search, to pick from by number or by reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picks {
    /// What was looked for.
    pub(crate) query: Title,
    /// At most [`PICKS_MAX`], in their order: how each is shown, and how long it plays.
    pub(crate) titles: Vec<(Title, Option<Duration>)>,
    /// How many fit.
    pub(crate) count: usize,
    /// How long one can pick.
    pub(crate) expires: Duration,
}

/// A page of the queue as text.
pub(super) fn queue(page: &QueuePage, p: &str) -> String {
    let now = page.now.as_ref().map(|title| format!("Now playing: {title}"));
    if page.count == 0 {
        let empty = format!("The queue is empty. {p}play NAME puts something into it.");
        return [now, Some(empty)].into_iter().flatten().collect::<Vec<_>>().join("\n");
    }
    let more = if page.has_unknown { "more than " } else { "" };
    let entries = if page.count == 1 { "entry" } else { "entries" };
    let total = format!("{} {entries}, {more}{}", page.count, clock(page.total));
    let mut lines: Vec<_> = now.into_iter().collect();
    lines.push(format!("Queue: {total}{}", of_pages(page.page, page.pages)));
    lines.extend(page.lines.iter().map(line));
    lines.extend(next_page(page.page, page.pages, "queue", p));
    lines.join("\n")
}

/// A page of what has played as text.
pub(super) fn history(page: &HistoryPage, p: &str) -> String {
    if page.lines.is_empty() {
        return format!("Nothing has played here yet. {p}play NAME begins.");
    }
    let mut lines = vec![format!("Played before{}", of_pages(page.page, page.pages))];
    lines.extend(page.lines.iter().map(line));
    lines.extend(next_page(page.page, page.pages, "history", p));
    lines.join("\n")
}

/// What fits, as text.
pub(super) fn picks(picks: &Picks, p: &str) -> String {
    let Picks { query, titles, count, expires } = picks;
    if titles.is_empty() {
        return format!(
            "I found nothing called “{query}” in the library. Fewer words may find it."
        );
    }
    let mut lines = vec![format!("What fits “{query}”:")];
    lines.extend(
        titles.iter().zip(1..).map(|((title, duration), number)| {
            format!("{number}. {title}{}", in_brackets(*duration))
        }),
    );
    if *count > titles.len() {
        lines.push(format!("and {} more; more words find less", count - titles.len()));
    }
    let expires = exact(*expires);
    lines.push(format!("{p}pick N or a reaction takes one, for {expires} from now."));
    lines.join("\n")
}

/// One entry: `2. Carousel (3:10), ann, in about 6:00`.
fn line(line: &Line) -> String {
    let mut text = format!("{}. {}{}", line.position, line.title, in_brackets(line.duration));
    if let Some(by) = &line.by {
        write!(text, ", {}", local_name(by)).expect("a String takes any text");
    }
    if let Some(wait) = line.starts_in {
        write!(text, ", in about {}", clock(wait)).expect("a String takes any text");
    }
    text
}

fn in_brackets(duration: Option<Duration>) -> String {
    duration.map_or_else(String::new, |duration| format!(" ({})", clock(duration)))
}

fn of_pages(page: usize, pages: usize) -> String {
    if pages > 1 { format!(" (page {page} of {pages})") } else { String::new() }
}

fn next_page(page: usize, pages: usize, word: &str, p: &str) -> Option<String> {
    (page < pages).then(|| format!("{p}{word} {} shows more.", page + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_place_title_length_requester_and_when() {
        let page = QueuePage {
            now: Some(Title::new("Now")),
            lines: vec![entry(11, Some(190), Some(360)), entry(12, None, None)],
            page: 2,
            pages: 3,
            count: 21,
            total: Duration::from_secs(3723),
            has_unknown: true,
        };
        let expected = "Now playing: Now\n\
                        Queue: 21 entries, more than 1:02:03 (page 2 of 3)\n\
                        11. Piece 11 (3:10), ann, in about 6:00\n\
                        12. Piece 12, ann\n\
                        !queue 3 shows more.";
        assert_eq!(queue(&page, "!"), expected);
    }

    #[test]
    fn a_queue_of_one_page_has_no_page_numbers_and_an_empty_one_has_a_hint() {
        let mut page = QueuePage {
            now: None,
            lines: vec![entry(1, Some(60), None)],
            page: 1,
            pages: 1,
            count: 1,
            total: Duration::from_mins(1),
            has_unknown: false,
        };
        assert_eq!(queue(&page, "!"), "Queue: 1 entry, 1:00\n1. Piece 1 (1:00), ann");
        page = QueuePage { lines: Vec::new(), count: 0, ..page };
        assert_eq!(queue(&page, "!"), "The queue is empty. !play NAME puts something into it.");
        page.now = Some(Title::new("x"));
        assert!(queue(&page, "!").starts_with("Now playing: x\nThe queue is empty."));
    }

    #[test]
    fn history_is_paged_as_well() {
        let page = HistoryPage { lines: vec![entry(1, Some(60), None)], page: 1, pages: 2 };
        let expected =
            "Played before (page 1 of 2)\n1. Piece 1 (1:00), ann\n!history 2 shows more.";
        assert_eq!(history(&page, "!"), expected);
        let none = HistoryPage { lines: Vec::new(), page: 1, pages: 1 };
        assert_eq!(history(&none, "!"), "Nothing has played here yet. !play NAME begins.");
    }

    #[test]
    fn a_pick_list_says_how_to_pick_and_for_how_long() {
        let found = Picks {
            query: Title::new("car"),
            titles: vec![
                (Title::new("Carousel"), Some(Duration::from_secs(190))),
                (Title::new("Cars"), None),
            ],
            count: 7,
            expires: Duration::from_mins(5),
        };
        let expected = "What fits “car”:\n1. Carousel (3:10)\n2. Cars\n\
                        and 5 more; more words find less\n\
                        !pick N or a reaction takes one, for 5 min from now.";
        assert_eq!(picks(&found, "!"), expected);
        let none = Picks { titles: Vec::new(), count: 0, ..found };
        assert!(picks(&none, "!").starts_with("I found nothing called “car”"));
    }

    fn entry(position: usize, seconds: Option<u64>, wait: Option<u64>) -> Line {
        Line {
            position,
            title: Title::new(&format!("Piece {position}")),
            duration: seconds.map(Duration::from_secs),
            by: Some(UserId::from("@ann:example.org")),
            starts_in: wait.map(Duration::from_secs),
        }
    }
}
