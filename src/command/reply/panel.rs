//! The panel: one message that shows what plays, edited as it changes.

use std::time::Duration;

use phonograph_matrixrtc::UserId;

use crate::command::{LoopMode, Title, access::local_name, time::clock};

/// How many of the queue the panel shows.
pub(crate) const NEXT_MAX: usize = 3;

/// What plays, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panel {
    /// What plays; `None` when nothing does.
    pub(crate) now: Option<Now>,
    /// Whether it plays.
    pub(crate) state: State,
    /// In percent.
    pub(crate) volume: u16,
    /// What is repeated.
    pub(crate) loop_mode: LoopMode,
    /// What comes next; at most [`NEXT_MAX`] are shown.
    pub(crate) next: Vec<Title>,
    /// How many entries are queued.
    pub(crate) queued: usize,
}

/// The piece that plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Now {
    /// What it is.
    pub(crate) title: Title,
    /// Who asked for it; nobody if it plays by itself.
    pub(crate) by: Option<UserId>,
    /// How far it has played.
    pub(crate) position: Duration,
    /// How long it plays; none for stations.
    pub(crate) duration: Option<Duration>,
}

/// Whether it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It does.
    Playing,
    /// It is paused.
    Paused,
    /// It is being opened, or waits for the network.
    Loading,
    /// Nothing does.
    Idle,
}

/// The width of the bar, in characters.
const BAR_LEN: usize = 20;

impl Panel {
    /// As plain text. `p` is what commands begin with.
    pub(crate) fn text(&self, p: &str) -> String {
        self.lines(p).join("\n")
    }

    /// As HTML, for clients that show it.
    pub(crate) fn html(&self, p: &str) -> String {
        let mut lines: Vec<_> = self.lines(p).iter().map(|line| escaped(line)).collect();
        if self.now.is_some() {
            lines[0] = format!("<strong>{}</strong>", lines[0]);
        }
        lines.join("<br>")
    }

    fn lines(&self, p: &str) -> Vec<String> {
        let Some(now) = &self.now else {
            return vec![format!(
                "Nothing is playing. Start something with {p}play NAME or {p}play LINK."
            )];
        };
        let by = now.by.as_ref().map_or_else(String::new, |by| format!(", {}", local_name(by)));
        let sign = match self.state {
            State::Playing => "▶",
            State::Paused => "⏸",
            State::Loading => "⏳",
            State::Idle => "⏹",
        };
        let mut lines = vec![format!("{sign} {}{by}", now.title), now.progress()];
        let repeat = match self.loop_mode {
            LoopMode::Off => "",
            LoopMode::One => " · 🔂 this one",
            LoopMode::All => " · 🔁 the queue",
        };
        lines.push(format!("🔊 {} %{repeat}", self.volume));
        let next = self.next.iter().take(NEXT_MAX).zip(1..);
        lines.extend(next.map(|(title, number)| format!("{number}. {title}")));
        if self.queued > NEXT_MAX.min(self.next.len()) {
            lines.push(format!("and {} more", self.queued - NEXT_MAX.min(self.next.len())));
        }
        lines
    }
}

impl Now {
    /// `1:30 ▬▬▬▬▬●▬▬▬▬▬▬▬▬▬ 3:00`; without a length, only how long it has played.
    fn progress(&self) -> String {
        let Some(duration) = self.duration.filter(|duration| !duration.is_zero()) else {
            return format!("{} live", clock(self.position));
        };
        let position = self.position.min(duration);
        let share = position.as_secs_f64() / duration.as_secs_f64();
        let at = ((share * BAR_LEN as f64) as usize).min(BAR_LEN - 1);
        let bar = format!("{}●{}", "▬".repeat(at), "▬".repeat(BAR_LEN - 1 - at));
        format!("{} {bar} {}", clock(position), clock(duration))
    }
}

/// Text inside HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_panel_shows_what_plays_how_far_and_what_comes_next() {
        let expected = "▶ Carousel <3, ann\n\
                        1:30 ▬▬▬▬▬▬▬▬▬▬●▬▬▬▬▬▬▬▬▬ 3:00\n\
                        🔊 80 % · 🔁 the queue\n\
                        1. a\n2. b\n3. c\nand 9 more";
        assert_eq!(panel().text("!"), expected);
    }

    #[test]
    fn as_html_titles_are_text_and_no_markup() {
        let html = panel().html("!");
        assert!(html.starts_with("<strong>▶ Carousel &lt;3, ann</strong><br>1:30 "), "{html}");
        assert_eq!(html.matches('<').count(), html.matches("<br>").count() + 2, "{html}");
    }

    #[test]
    fn a_station_has_no_bar_and_a_pause_is_seen() {
        let mut panel = panel();
        panel.now.as_mut().unwrap().duration = None;
        panel.state = State::Paused;
        let text = panel.text("!");
        assert!(text.starts_with("⏸ ") && text.contains("\n1:30 live\n"), "{text}");
    }

    #[test]
    fn when_nothing_plays_the_panel_says_what_to_do() {
        let panel = Panel { now: None, state: State::Idle, ..panel() };
        let expected = "Nothing is playing. Start something with ♪play NAME or ♪play LINK.";
        assert_eq!((panel.text("♪"), panel.html("♪")), (expected.to_owned(), expected.to_owned()));
    }

    proptest! {
        #[test]
        fn the_bar_has_always_the_same_width(position in 0u64..20_000_000, ms in 0u64..10_000_000) {
            let now = Now {
                position: Duration::from_millis(position),
                duration: Some(Duration::from_millis(ms)),
                ..panel().now.unwrap()
            };
            let width = now.progress().chars().filter(|c| matches!(c, '▬' | '●')).count();
            prop_assert_eq!(width, if ms == 0 { 0 } else { BAR_LEN });
        }
    }

    fn panel() -> Panel {
        Panel {
            now: Some(Now {
                title: Title::new("Carousel <3"),
                by: Some(UserId::from("@ann:example.org")),
                position: Duration::from_secs(90),
                duration: Some(Duration::from_mins(3)),
            }),
            state: State::Playing,
            volume: 80,
            loop_mode: LoopMode::All,
            next: ["a", "b", "c", "d"].map(Title::new).into(),
            queued: 12,
        }
    }
}
