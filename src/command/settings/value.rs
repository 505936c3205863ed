//! From what somebody typed to a setting's value, and back.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use super::{Defaults, RoomSettings, Setting, VOLUME_MAX};
use crate::command::{
    Autoplay, Prefix,
    time::{exact, span},
};

const HOUR: Duration = Duration::from_hours(1);
/// What a queue takes at most, whatever is set.
const QUEUE_MAX: usize = 1000;
const DAY: Duration = Duration::from_hours(24);
/// Power levels are integers of JSON, which Matrix keeps within ±(2⁵³ − 1).
const LEVEL_MAX: i64 = (1 << 53) - 1;

/// Sets it to what the text says; `None`, and nothing done, if the text is no value for it.
pub(super) fn set(settings: &mut RoomSettings, setting: Setting, text: &str) -> Option<()> {
    match setting {
        Setting::Volume => settings.volume = number(text, "%", 0..=VOLUME_MAX)?,
        Setting::Bitrate => {
            settings.bitrate_kbps = unless("default", text, |t| number(t, "kbit/s", 16..=510))?;
        }
        Setting::Crossfade => settings.crossfade = within(text, "s", 0..=12_000)?,
        Setting::Fade => settings.fade = within(text, "ms", 0..=2_000)?,
        Setting::Loudness => settings.loudness = switch(text)?,
        Setting::Duck => {
            settings.duck = unless("off", text, |t| number(t, "%", 0..=100))?.unwrap_or(0);
        }
        Setting::Fair => settings.fair = switch(text)?,
        Setting::VoteSkip => {
            settings.vote_skip = unless("off", text, |t| number(t, "%", 1..=100))?;
        }
        Setting::TrackLength => {
            let within_a_day = |t: &str| within(t, "s", 1_000..=DAY.as_millis());
            settings.track_length_max = unless("off", text, within_a_day)?;
        }
        Setting::PerPerson => settings.per_person_max = number(text, "", 1..=QUEUE_MAX)?,
        Setting::QueueMax => settings.queue_max = number(text, "", 1..=QUEUE_MAX)?,
        Setting::Autoplay => settings.autoplay = autoplay(text)?,
        Setting::Announce => settings.announce = switch(text)?,
        Setting::Quiet => settings.quiet = switch(text)?,
        Setting::Panel => settings.panel = switch(text)?,
        Setting::Prefix => {
            settings.prefix = unless("default", text, |t| Prefix::try_from(t.to_owned()).ok())?;
        }
        Setting::ListenLevel => settings.levels.listen = level(text)?,
        Setting::RequestLevel => settings.levels.request = level(text)?,
        Setting::ControlLevel => settings.levels.control = level(text)?,
        Setting::ManageLevel => settings.levels.manage = level(text)?,
        Setting::InCallOnly => settings.in_call_only = switch(text)?,
        Setting::Cooldown => {
            let within_an_hour = |t: &str| within(t, "s", 0..=HOUR.as_millis());
            settings.cooldown = unless("off", text, within_an_hour)?.unwrap_or_default();
        }
        Setting::LeaveWhenAlone => {
            let within_a_day = |t: &str| within(t, "s", 0..=DAY.as_millis());
            settings.leave_when_alone = unless("default", text, within_a_day)?;
        }
    }
    Some(())
}

/// As it is shown, which [`set`] reads.
pub(super) fn show(settings: &RoomSettings, setting: Setting, defaults: &Defaults) -> String {
    match setting {
        Setting::Volume => format!("{} %", settings.volume),
        Setting::Bitrate => {
            format!("{} kbit/s", settings.bitrate_kbps.unwrap_or(defaults.bitrate_kbps))
        }
        Setting::Crossfade => exact(settings.crossfade),
        Setting::Fade => exact(settings.fade),
        Setting::Loudness => on_off(settings.loudness),
        Setting::Duck => format!("{} %", settings.duck),
        Setting::Fair => on_off(settings.fair),
        Setting::VoteSkip => settings.vote_skip.map_or_else(off, |share| format!("{share} %")),
        Setting::TrackLength => settings.track_length_max.map_or_else(off, exact),
        Setting::PerPerson => settings.per_person_max.to_string(),
        Setting::QueueMax => settings.queue_max.to_string(),
        Setting::Autoplay => match &settings.autoplay {
            Autoplay::Off => off(),
            Autoplay::History => "history".to_owned(),
            Autoplay::List(name) => format!("list {name}"),
        },
        Setting::Announce => on_off(settings.announce),
        Setting::Quiet => on_off(settings.quiet),
        Setting::Panel => on_off(settings.panel),
        Setting::Prefix => settings.prefix.as_ref().unwrap_or(&defaults.prefix).as_str().to_owned(),
        Setting::ListenLevel => settings.levels.listen.to_string(),
        Setting::RequestLevel => settings.levels.request.to_string(),
        Setting::ControlLevel => settings.levels.control.to_string(),
        Setting::ManageLevel => settings.levels.manage.to_string(),
        Setting::InCallOnly => on_off(settings.in_call_only),
        Setting::Cooldown => exact(settings.cooldown),
        Setting::LeaveWhenAlone => {
            exact(settings.leave_when_alone.unwrap_or(defaults.leave_when_alone))
        }
    }
}

/// `on` and `off`, and what people write for them.
pub(crate) fn switch(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// `off`, `history`, `list NAME`.
pub(crate) fn autoplay(text: &str) -> Option<Autoplay> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match (word.to_lowercase().as_str(), rest.trim()) {
        ("off" | "no", "") => Some(Autoplay::Off),
        ("history" | "on", "") => Some(Autoplay::History),
        ("list", name) if !name.is_empty() => Some(Autoplay::List(name.to_owned())),
        _ => None,
    }
}

/// `Some(None)` for the word, otherwise what is read.
#[expect(clippy::option_option, reason = "the outer one is whether it could be read")]
fn unless<T>(word: &str, text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.eq_ignore_ascii_case(word) { Some(None) } else { read(text).map(Some) }
}

/// A whole number within a range, with or without its unit.
fn number<T: FromStr + PartialOrd>(text: &str, unit: &str, range: RangeInclusive<T>) -> Option<T> {
    let bare = text.strip_suffix(unit).unwrap_or(text).trim_end();
    bare.parse().ok().filter(|number| range.contains(number))
}

/// A time within a range of milliseconds; `unit` is what a bare number counts.
fn within(text: &str, unit: &str, range: RangeInclusive<u128>) -> Option<Duration> {
    span(text, unit).filter(|time| range.contains(&time.as_millis()))
}

fn level(text: &str) -> Option<i64> {
    number(text, "", -LEVEL_MAX..=LEVEL_MAX)
}

fn on_off(on: bool) -> String {
    if on { "on".to_owned() } else { off() }
}

fn off() -> String {
    "off".to_owned()
}
