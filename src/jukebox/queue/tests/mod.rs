//! The queue as the people of a room know it.

mod adding;
mod autoplay;
mod editing;
mod fair;
mod lists;
mod model;
mod playing;
mod stored;
mod undoing;
mod view;
mod votes;

use std::time::Duration;

use super::*;
use crate::{
    command::Title,
    jukebox::{Item, Origin, Upload},
};

/// An entry's length unless a test says otherwise.
const MINUTE: Duration = Duration::from_mins(1);

fn item(title: &str) -> Item {
    let origin = Origin::File(format!("/music/{title}.flac").into());
    Item { title: Title::new(title), origin, duration: Some(MINUTE) }
}

fn items(titles: &str) -> Vec<Item> {
    titles.split_whitespace().map(item).collect()
}

fn asked(by: &str, place: Place) -> Asked {
    Asked { by: by.into(), place, at_ms: 1_000 }
}

/// Adds pieces with these titles.
fn add(queue: &mut Queue, by: &str, place: Place, titles: &str) -> Added {
    queue.add(items(titles), &asked(by, place), &Limits::default()).unwrap()
}

/// A queue of Ann's; the first title plays.
fn queue(titles: &str) -> Queue {
    let mut queue = Queue::new(7);
    add(&mut queue, "ann", Place::End, titles);
    queue
}

/// A queue in which people take turns; `ann:a` is Ann's piece a.
fn turns(pieces: &str) -> Queue {
    let mut queue = Queue::new(7);
    queue.set_fair(true);
    for piece in pieces.split_whitespace() {
        let (by, title) = piece.split_once(':').unwrap();
        add(&mut queue, by, Place::End, title);
    }
    queue
}

/// The queue as `what plays | what waits`.
fn shown(queue: &Queue) -> String {
    let title = |entry: &Entry| entry.item.title.to_string();
    let current = queue.current().map(|current| title(&current.entry)).unwrap_or_default();
    let waiting: Vec<_> = queue.upcoming().map(title).collect();
    format!("{current} | {}", waiting.join(" ")).trim().to_owned()
}

/// What has played, the last one first.
fn played(queue: &Queue) -> String {
    queue.history().map(|entry| entry.item.title.to_string()).collect::<Vec<_>>().join(" ")
}

/// Goes on without any saved list.
fn advance(queue: &mut Queue, why: Why) -> Following {
    queue.advance(why, &Lists::default()).following
}

/// Undoes the last change.
fn undo(queue: &mut Queue) -> Undone {
    queue.undo().unwrap()
}
