//! Times as people write them and as they are shown.

use std::time::Duration;

/// The longest time that is read: more than any piece lasts, and far from any overflow.
const MAX: Duration = Duration::from_hours(1000);

/// A place in a piece: seconds, `m:ss` or `h:mm:ss`.
pub(super) fn place(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let mut total: u64 = digits(parts.next()?)?;
    let mut count = 1;
    for part in parts {
        count += 1;
        // After a colon there are two digits, and fewer than sixty of them.
        let below = digits(part).filter(|below| part.len() == 2 && *below < 60)?;
        total = total.checked_mul(60)?.checked_add(below)?;
    }
    let time = Duration::from_secs(total);
    (count <= 3 && time <= MAX).then_some(time)
}

/// How long something lasts: a place as above, or a number with `ms`, `s`, `m`, `min` or `h`. A bare
/// number counts `unit`, one of these.
pub(super) fn span(text: &str, unit: &str) -> Option<Duration> {
    if text.contains(':') {
        return place(text);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, written) = text.split_at(end);
    let written = written.trim_start();
    let ms_each = match if written.is_empty() { unit } else { written } {
        "ms" => 1,
        "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let ms = digits(number)?.checked_mul(ms_each)?;
    Some(Duration::from_millis(ms)).filter(|time| *time <= MAX)
}

/// Only digits: `u64::from_str` would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `3:10`, `1:02:03`; part of a second is left out.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// `300 ms`, `12 s`, `10 min`, `2 h`: in the largest unit that leaves nothing over.
pub(super) fn exact(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0 => "0 s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{} h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        _ => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_seconds_or_have_colons() {
        let cases = [
            ("0", Some(0)),
            ("90", Some(90)),
            ("1:30", Some(90)),
            ("90:00", Some(5400)),
            ("1:02:03", Some(3723)),
            ("1:2", None),
            ("1:60", None),
            ("1:00:00:00", None),
            (":30", None),
            ("1:", None),
            ("-1", None),
            ("+1", None),
            ("", None),
            ("1.5", None),
            ("3600000", Some(3_600_000)),
            ("3600001", None),
            ("99999999999999999999", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(place(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn spans_have_a_unit_or_take_the_one_that_is_usual() {
        let cases = [
            ("5", "s", Some(5_000)),
            ("5", "ms", Some(5)),
            ("250 ms", "s", Some(250)),
            ("10m", "s", Some(600_000)),
            ("10 min", "s", Some(600_000)),
            ("2h", "s", Some(7_200_000)),
            ("1:30", "ms", Some(90_000)),
            ("5 days", "s", None),
            ("s", "s", None),
            ("", "s", None),
            ("-5", "s", None),
            ("1001 h", "s", None),
        ];
        for (text, unit, ms) in cases {
            assert_eq!(span(text, unit), ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn times_are_shown_as_clocks_do() {
        let cases = [(0, "0:00"), (5, "0:05"), (190, "3:10"), (3600, "1:00:00"), (3723, "1:02:03")];
        for (seconds, text) in cases {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
        assert_eq!(clock(Duration::from_millis(5999)), "0:05");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(ms in 0u64..=3_600_000_000) {
            let time = Duration::from_millis(ms);
            prop_assert_eq!(span(&exact(time), "s"), Some(time));
            prop_assert_eq!(place(&clock(time)), Some(Duration::from_secs(ms / 1000)));
        }

        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = (place(&text), span(&text, "s"));
        }
    }
}
