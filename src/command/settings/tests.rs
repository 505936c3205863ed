//! What settings take, show and keep.

use proptest::prelude::*;

use super::*;
use crate::command::Host;

#[test]
fn every_setting_stands_in_the_table_once_and_is_found_by_its_name() {
    let all: Vec<_> = Setting::all().collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    // The last of the enum: what is left out of the table is before it.
    assert_eq!(all.len(), Setting::LeaveWhenAlone as usize + 1);
    for setting in all {
        assert_eq!(Setting::named(setting.name()), Some(setting));
        assert!(!setting.takes().is_empty() && !setting.help().is_empty());
    }
}

#[test]
fn each_setting_takes_its_range_and_nothing_beyond() {
    let cases: &[(Setting, &[&str], &[&str])] = &[
        (Setting::Volume, &["0", "200", "80%", "80 %"], &["201", "-1", "loud", ""]),
        (Setting::Bitrate, &["16", "510", "64 kbit/s", "default"], &["15", "511", "off"]),
        (Setting::Crossfade, &["0", "12", "12 s", "500ms"], &["13", "12001 ms", "-1"]),
        (Setting::Fade, &["0", "2000", "2 s"], &["2001", "3 s"]),
        (Setting::Loudness, &["on", "OFF", "yes"], &["maybe", ""]),
        (Setting::Duck, &["0", "100 %", "off"], &["101"]),
        (Setting::Fair, &["on", "off"], &["2"]),
        (Setting::VoteSkip, &["1", "100", "50%", "off"], &["0", "101"]),
        (Setting::TrackLength, &["1", "10 min", "1:30:00", "24 h", "off"], &["0", "25 h"]),
        (Setting::PerPerson, &["1", "1000"], &["0", "1001"]),
        (Setting::QueueMax, &["1", "1000"], &["0", "1001"]),
        (Setting::Autoplay, &["off", "history", "list late night"], &["list", "radio"]),
        (Setting::Announce, &["on", "off"], &["x"]),
        (Setting::Quiet, &["on", "off"], &["x"]),
        (Setting::Panel, &["on", "off"], &["x"]),
        (Setting::Prefix, &["♪", "!!", "default"], &["a b", "123456789", ""]),
        (Setting::ListenLevel, &["-5", "0", "100"], &["101", "x", "1.5"]),
        (Setting::RequestLevel, &["0", "100"], &["101"]),
        (Setting::ControlLevel, &["0", "100"], &["101"]),
        (Setting::ManageLevel, &["0", "100"], &["101"]),
        (Setting::InCallOnly, &["on", "off"], &["x"]),
        (Setting::Cooldown, &["0", "off", "90", "1 h"], &["2 h"]),
        (Setting::LeaveWhenAlone, &["0", "5 min", "24 h", "default"], &["25 h", "off"]),
    ];
    assert_eq!(cases.len(), Setting::all().count());
    for (setting, good, bad) in cases {
        for text in *good {
            let mut settings = RoomSettings::default();
            assert_eq!(settings.set(*setting, text, 100), Ok(()), "{setting} {text}");
        }
        for text in *bad {
            let mut settings = RoomSettings::default();
            assert!(settings.set(*setting, text, 100).is_err(), "{setting} {text}");
            assert_eq!(settings, RoomSettings::default());
        }
    }
}

#[test]
fn what_is_shown_can_be_set_again() {
    let mut changed = RoomSettings::default();
    for (setting, text) in [
        (Setting::Autoplay, "list late night"),
        (Setting::TrackLength, "90 min"),
        (Setting::VoteSkip, "off"),
        (Setting::Prefix, "♪"),
        (Setting::Cooldown, "90"),
    ] {
        changed.set(setting, text, 100).unwrap();
    }
    for settings in [RoomSettings::default(), changed] {
        for setting in Setting::all() {
            let shown = settings.show(setting, &defaults());
            let mut again = settings.clone();
            assert_eq!(again.set(setting, &shown, 100), Ok(()), "{setting} {shown}");
            assert_eq!(again.show(setting, &defaults()), shown, "{setting}");
        }
    }
}

#[test]
fn what_a_room_has_not_set_is_as_the_operator_set_it() {
    let mut settings = RoomSettings::default();
    assert_eq!(settings.show(Setting::Bitrate, &defaults()), "96 kbit/s");
    settings.set(Setting::Bitrate, "32", 0).unwrap();
    assert_eq!(settings.show(Setting::Bitrate, &defaults()), "32 kbit/s");
    settings.set(Setting::Bitrate, "default", 0).unwrap();
    assert_eq!(settings, RoomSettings::default());
}

#[test]
fn nobody_raises_a_level_above_their_own() {
    let mut settings = RoomSettings::default();
    let refused = settings.set(Setting::ManageLevel, "60", 50);
    let expected = SettingError::AboveOwnLevel { setting: Setting::ManageLevel, have: 50 };
    assert_eq!(refused, Err(expected));
    assert_eq!(settings, RoomSettings::default());
    settings.set(Setting::ManageLevel, "60", 60).unwrap();
    assert_eq!(settings.levels.manage, 60);
    // Other settings are not hindered by a level that stands already.
    settings.set(Setting::Volume, "80", 50).unwrap();
    settings.set(Setting::ControlLevel, "40", 50).unwrap();
}

#[test]
fn a_refused_value_is_said_in_one_sentence() {
    let mut settings = RoomSettings::default();
    let said = |error: Result<(), SettingError>| error.unwrap_err().to_string();
    assert_eq!(
        said(settings.set(Setting::Volume, "loud\n\u{202e}", 100)),
        "“loud” is no value for volume, which takes 0 to 200 %"
    );
    assert_eq!(
        said(settings.set(Setting::ManageLevel, "60", 50)),
        "manage-level can't be above your own power level, which is 50"
    );
}

#[test]
fn what_an_earlier_version_stored_is_read_with_the_rest_by_default() {
    let stored = r#"{"volume":80,"levels":{"control":25},"djs":["@ann:example.org"],
        "blocked":[{"host":"ads.example.org"},{"person":"@eve:example.org"}],"gone":1}"#;
    let read: RoomSettings = serde_json::from_str(stored).unwrap();
    let mut expected = RoomSettings { volume: 80, ..RoomSettings::default() };
    expected.levels.control = 25;
    expected.add_dj(UserId::from("@ann:example.org")).unwrap();
    expected.block(Blocked::Host(Host::new("ads.example.org").unwrap())).unwrap();
    expected.block(Blocked::Person(UserId::from("@eve:example.org"))).unwrap();
    assert_eq!(read, expected);
    let again = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<RoomSettings>(&again).unwrap(), read);
}

#[test]
fn only_so_many_djs_are_kept() {
    let mut settings = RoomSettings::default();
    let dj = |number: usize| UserId::from(format!("@{number}:example.org"));
    for number in 0..DJS_MAX {
        settings.add_dj(dj(number)).unwrap();
    }
    assert_eq!(settings.add_dj(dj(DJS_MAX)), Err(ListFull { max: DJS_MAX }));
    assert_eq!(settings.add_dj(dj(0)), Ok(()));
}

#[test]
fn only_so_much_is_blocked() {
    let mut settings = RoomSettings::default();
    let person = |number: usize| Blocked::Person(UserId::from(format!("@{number}:example.org")));
    for number in 0..BLOCKED_MAX {
        settings.block(person(number)).unwrap();
    }
    assert_eq!(settings.block(person(BLOCKED_MAX)), Err(ListFull { max: BLOCKED_MAX }));
}

#[test]
fn a_blocked_host_takes_those_under_it_along() {
    let mut settings = RoomSettings::default();
    settings.block(Blocked::Host(Host::new("example.org").unwrap())).unwrap();
    let cases = [
        ("example.org", true),
        ("EXAMPLE.org.", true),
        ("ads.example.org", true),
        ("notexample.org", false),
        ("example.org.evil.net", false),
        ("", false),
    ];
    let host = settings.blocked_hosts().next().unwrap();
    for (name, blocked) in cases {
        assert_eq!(host.covers(name), blocked, "{name}");
    }
    assert!(!settings.blocks_person(&UserId::from("@ann:example.org")));
}

proptest! {
    #[test]
    fn any_value_is_read_without_panic(text: String, level: i64) {
        let mut settings = RoomSettings::default();
        for setting in Setting::all() {
            drop(settings.set(setting, &text, level));
        }
        prop_assert!(settings.volume <= VOLUME_MAX);
    }
}

fn defaults() -> Defaults {
    Defaults {
        prefix: Prefix::default(),
        bitrate_kbps: 96,
        leave_when_alone: Duration::from_mins(1),
    }
}
