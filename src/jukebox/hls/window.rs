//! Which segment comes next while an index changes. Pure.
//!
//! RFC 8216 §6.3: a live index is a window that slides over the stream. Each segment has a number;
//! one is played once, and those that slid out unplayed are skipped.

use std::{collections::VecDeque, time::Duration};

use super::index::{Media, Segment};

/// How many segments before the end of a live index playing begins (RFC 8216 §6.3.3).
const FROM_END: usize = 3;

/// The segments that are known and not played.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The number that comes next; `None` before the first index.
    next: Option<u64>,
    waiting: VecDeque<(u64, Segment)>,
    is_over: bool,
    target: Duration,
}

impl Window {
    /// Takes the index as it is now; whether there is something new in it.
    pub(super) fn update(&mut self, media: Media) -> bool {
        let Media { target, sequence, segments, is_over } = media;
        self.target = target;
        self.is_over |= is_over;
        let end = sequence.saturating_add(segments.len() as u64);
        let behind = |count: usize| segments.len().saturating_sub(count) as u64;
        let next = match self.next {
            None if is_over => sequence,
            None => sequence + behind(FROM_END),
            // The server counts anew.
            Some(next) if next > end => sequence + behind(1),
            Some(next) => next.max(sequence),
        };
        let new = (sequence..).zip(segments).filter(|(number, _)| *number >= next);
        let before = self.waiting.len();
        self.waiting.extend(new);
        self.next = Some(end);
        self.waiting.len() > before
    }

    /// The segment to play, with its number.
    pub(super) fn front(&self) -> Option<&(u64, Segment)> {
        self.waiting.front()
    }

    /// It is played, or given up.
    pub(super) fn pass(&mut self) {
        self.waiting.pop_front();
    }

    /// Whether the index will not change any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// How long to wait before the index is read again (RFC 8216 §6.3.4).
    pub(super) fn pause(&self, had_news: bool) -> Duration {
        if had_news { self.target } else { self.target / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jukebox::hls::index::Part;

    #[test]
    fn what_is_live_begins_three_segments_before_its_end() {
        let mut window = Window::default();
        assert!(window.update(media(10, 6, false)));
        assert_eq!(play(&mut window), [13, 14, 15]);
    }

    #[test]
    fn what_is_over_begins_at_its_beginning() {
        let mut window = Window::default();
        window.update(media(0, 5, true));
        assert_eq!(play(&mut window), [0, 1, 2, 3, 4]);
        assert!(window.is_over());
    }

    #[test]
    fn each_segment_is_played_once_while_the_window_slides() {
        let mut window = Window::default();
        window.update(media(0, 3, false));
        assert!(!window.update(media(0, 3, false)));
        assert!(window.update(media(2, 3, false)));
        assert_eq!(play(&mut window), [0, 1, 2, 3, 4]);
        assert!(window.update(media(9, 2, true)));
        assert_eq!(play(&mut window), [9, 10]);
    }

    #[test]
    fn a_server_that_counts_anew_is_followed() {
        let mut window = Window::default();
        window.update(media(1000, 3, false));
        play(&mut window);
        assert!(window.update(media(0, 2, false)));
        assert_eq!(play(&mut window), [1]);
        assert!(window.update(media(1, 2, false)));
        assert_eq!(play(&mut window), [2]);
    }

    #[test]
    fn an_index_without_news_is_read_again_sooner() {
        let mut window = Window::default();
        window.update(media(0, 1, false));
        assert_eq!(window.pause(true), Duration::from_secs(4));
        assert_eq!(window.pause(false), Duration::from_secs(2));
    }

    fn play(window: &mut Window) -> Vec<u64> {
        let mut played = Vec::new();
        while let Some((number, segment)) = window.front() {
            assert_eq!(segment.part.url.path(), format!("/{number}"));
            played.push(*number);
            window.pass();
        }
        played
    }

    fn media(sequence: u64, count: u64, is_over: bool) -> Media {
        let segment = |number| {
            let url = format!("http://s.example/{number}").parse().unwrap();
            Segment { part: Part { url, range: None }, key: None, map: None }
        };
        let segments = (sequence..sequence + count).map(segment).collect();
        Media { target: Duration::from_secs(4), sequence, segments, is_over }
    }
}
