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
