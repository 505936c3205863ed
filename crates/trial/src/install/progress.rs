//! A line per step on standard error: a spinner with what the step is doing where a person
//! watches, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a step says what it is doing where nobody watches it live (a CI log).
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// The longest piece of a command's output that fits beside a step's name.
const LINE_MAX: usize = 100;

/// A step that is being worked on. Dropping it without [`Step::done`] leaves a line that says it
/// failed.
pub(super) struct Step {
    name: String,
    began: Instant,
    shown: Shown,
    ended: bool,
}

enum Shown {
    Spinner(ProgressBar),
    Plain { last: Mutex<Instant> },
}

impl Step {
    pub(super) fn begin(name: &str) -> Self {
        let shown = if std::io::stderr().is_terminal() {
            Shown::Spinner(spinner(name))
        } else {
            say(&format!("{name}: installing"));
            Shown::Plain { last: Mutex::new(Instant::now()) }
        };
        Self { name: name.to_owned(), began: Instant::now(), shown, ended: false }
    }

    /// Says what the step is doing now: mostly the last line that a command printed.
    pub(super) fn doing(&self, what: &str) {
        let what: String = what.trim().chars().filter(|c| !c.is_control()).take(LINE_MAX).collect();
        match &self.shown {
            Shown::Spinner(bar) => bar.set_message(what),
            Shown::Plain { last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= PLAIN_INTERVAL {
                    *last = Instant::now();
                    say(&format!("{}: {what}", self.name));
                }
            }
        }
    }

    pub(super) fn done(mut self) {
        self.end(&format!("installed in {:.0} s", self.began.elapsed().as_secs_f64()));
    }

    fn end(&mut self, how: &str) {
        self.ended = true;
        let line = format!("{}: {how}", self.name);
        match &self.shown {
            Shown::Spinner(bar) => {
                // A whole line instead of the spinner, so that what is printed next has its own.
                bar.finish_and_clear();
                spinners().suspend(|| say(&line));
            }
            Shown::Plain { .. } => say(&line),
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.end("failed");
        }
    }
}

fn spinner(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix:32} {elapsed:>4} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(name.to_owned());
    let bar = spinners().add(bar);
    bar.enable_steady_tick(TICK);
    bar
}

/// All spinners of this process, which share the terminal's last lines.
fn spinners() -> &'static MultiProgress {
    static ALL: OnceLock<MultiProgress> = OnceLock::new();
    ALL.get_or_init(MultiProgress::new)
}

/// A plain line. Progress that cannot be shown is no reason to stop.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
