//! Reactions as buttons. Pure.
//!
//! Clients send an emoji with or without U+FE0F, which asks for its coloured form; both count.

use super::{Change, Command, words::VOLUME_STEP};

/// The buttons of the panel, in their order, as clients send them.
pub(crate) const BUTTONS: [&str; 8] =
    ["⏮\u{fe0f}", "⏯\u{fe0f}", "⏭\u{fe0f}", "🔁", "🔀", "⏹\u{fe0f}", "🔉", "🔊"];

/// What a reaction on the panel means.
pub(crate) fn button(key: &str) -> Option<Command> {
    Some(match bare(key).as_str() {
        "⏮" => Command::Previous,
        "⏯" => Command::Toggle,
        "⏸" => Command::Pause,
        "▶" => Command::Resume,
        "⏭" => Command::Skip,
        "🔁" => Command::Loop(None),
        "🔀" => Command::Shuffle,
        "⏹" => Command::Stop,
        "🔉" => Command::Volume(Some(Change::By(-VOLUME_STEP))),
        "🔊" => Command::Volume(Some(Change::By(VOLUME_STEP))),
        _ => return None,
    })
}

/// The number that a reaction on a pick list means, from 1 to 10.
pub(crate) fn digit(key: &str) -> Option<usize> {
    let key = bare(key);
    if key == "🔟" {
        return Some(10);
    }
    let mut digits = key.strip_suffix('\u{20e3}')?.chars();
    let digit = digits.next()?.to_digit(10).filter(|digit| *digit > 0)?;
    digits.next().is_none().then_some(digit as usize)
}

/// The reaction that means a number from 1 to 10, as clients send it.
pub(crate) fn keycap(number: usize) -> Option<String> {
    match number {
        1..=9 => Some(format!("{number}\u{fe0f}\u{20e3}")),
        10 => Some("🔟".to_owned()),
        _ => None,
    }
}

/// Without U+FE0F. A key that is longer than any button's is none, and is not copied.
fn bare(key: &str) -> String {
    const LEN_MAX: usize = 16;
    let is_short = key.len() <= LEN_MAX;
    key.chars().filter(|c| is_short && *c != '\u{fe0f}').collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_button_of_the_panel_is_a_command_in_both_forms() {
        for key in BUTTONS {
            let command = button(key);
            assert!(command.is_some(), "{key}");
            assert_eq!(button(&key.replace('\u{fe0f}', "")), command, "{key}");
        }
        assert_eq!(button("⏯"), Some(Command::Toggle));
        assert_eq!(button("🔉\u{fe0f}"), Some(Command::Volume(Some(Change::By(-10)))));
    }

    #[test]
    fn digits_pick_from_one_to_ten() {
        for number in 1..=10 {
            let key = keycap(number).unwrap();
            assert_eq!(digit(&key), Some(number));
            assert_eq!(digit(&key.replace('\u{fe0f}', "")), Some(number));
        }
        for key in ["0\u{fe0f}\u{20e3}", "1", "11\u{20e3}", "+1\u{20e3}", "", "⏯"] {
            assert_eq!(digit(key), None, "{key}");
        }
        assert_eq!((keycap(0), keycap(11)), (None, None));
    }

    #[test]
    fn other_reactions_mean_nothing() {
        for key in ["👍", "", "⏮⏮", "skip"] {
            assert_eq!(button(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_key_is_read_without_panic(key: String) {
            let read = (button(&key), digit(&key));
            drop(read);
        }
    }
}
