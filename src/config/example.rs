//! The text of `config/phonograph.example.toml`, made from the types.
//!
//! What has to be filled in stands there as a setting; all else is a comment with its default, or
//! with an example where there is none.

use std::path::PathBuf;

use phonograph_matrixrtc::ServiceUrl;
use toml::{Table, Value};

use super::{Config, Keys, LISTS, Program, SECTIONS, Secret, default_program_timeout};

/// The fewest settings that a bot needs.
const LEAST: &str = r#"
allow = ["@ann:example.org", "*:example.com"]

[homeserver]
url = "https://matrix.example.org"
user = "@music:example.org"
password_file = "/etc/phonograph/password"
"#;

const HEAD: &str = "\
# Settings of phonograph. A line that begins with `#` and a key shows the default, or an example where there is none.
#
# Each setting can come from the environment as well, which wins: PHONOGRAPH_ALLOW, or PHONOGRAPH_HOMESERVER__PASSWORD
# for `password` in [homeserver]. Lists then have commas between their items. Durations are written 30s or 2m, sizes 50MiB.
";

/// The whole text of the example.
pub(crate) fn example() -> String {
    let least: Table = toml::from_str(LEAST).expect("the constant above is TOML");
    let shown = Table::try_from(filled_in()).expect("settings are strings, numbers and lists");
    let mut parts = vec![HEAD.to_owned()];
    for (key, docs) in Keys::of::<Config>().iter() {
        parts.push("\n".to_owned());
        parts.push(comment(docs));
        if let Some((section, keys)) = LISTS.iter().find(|(section, _)| *section == key) {
            parts.push(format!("# [[{section}]]\n"));
            parts.push(body(*keys, &Table::new(), &first(&shown, section)));
            continue;
        }
        match SECTIONS.iter().find(|(section, _)| *section == key) {
            None => parts.push(setting(key, &least, &shown)),
            Some((section, keys)) => {
                parts.push(format!("[{section}]\n"));
                parts.push(body(*keys, &inner(&least, section), &inner(&shown, section)));
            }
        }
    }
    parts.concat()
}

impl Config {
    /// The settings of the example: the least, and defaults.
    pub(crate) fn example() -> Self {
        toml::from_str(LEAST).expect("the constant above has what is needed")
    }
}

/// The settings with a value for every key.
fn filled_in() -> Config {
    let mut config = Config::example();
    config.homeserver.password = Some(Secret::from(""));
    config.homeserver.access_token = Some(Secret::from(""));
    config.homeserver.access_token_file = Some(PathBuf::from("/etc/phonograph/token"));
    config.homeserver.display_name = Some("Jukebox".to_owned());
    config.library.folders = vec![PathBuf::from("/srv/music")];
    config.links.allow_hosts = vec!["radio.lan".to_owned()];
    config.programs = vec![Program {
        pattern: "*.video.example".to_owned(),
        command: vec!["/usr/local/bin/find-music".to_owned(), "--audio".to_owned()],
        timeout: default_program_timeout(),
    }];
    config.sounds.clips = Some(PathBuf::from("/srv/clips"));
    config.sounds.speech =
        ["piper", "--model", "voice.onnx", "--output_file", "-"].map(str::to_owned).into();
    config.call.transport = Some(ServiceUrl::from("https://livekit.example.org"));
    config.call.root_certificates = Some(PathBuf::from("/etc/phonograph/ca.pem"));
    config
}

/// The settings of one section, each below its documentation.
fn body(keys: Keys, least: &Table, shown: &Table) -> String {
    keys.iter().map(|(key, docs)| comment(docs) + setting(key, least, shown).as_str()).collect()
}

/// `key = value`; a comment unless it belongs to the least that is needed.
fn setting(key: &str, least: &Table, shown: &Table) -> String {
    let mark = if least.contains_key(key) { "" } else { "# " };
    shown.get(key).map(|value| format!("{mark}{key} = {value}\n")).unwrap_or_default()
}

fn comment(docs: &str) -> String {
    docs.lines().flat_map(|line| ["# ", line.trim(), "\n"]).collect()
}

fn inner(table: &Table, section: &str) -> Table {
    table.get(section).and_then(Value::as_table).cloned().unwrap_or_default()
}

/// The first section of a list of them.
fn first(table: &Table, section: &str) -> Table {
    let list = table.get(section).and_then(Value::as_array);
    list.and_then(|list| list.first()?.as_table().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::config::{all_keys, load};

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/phonograph.example.toml");

    #[test]
    fn the_committed_example_is_fresh() {
        let committed = fs::read_to_string(COMMITTED).unwrap();
        let hint =
            "run: cargo run --bin phonograph -- example-config > config/phonograph.example.toml";
        assert_eq!(committed, example(), "{hint}");
    }

    #[test]
    fn the_example_is_a_configuration() {
        let config = load(Path::new(COMMITTED), []).unwrap();
        assert_eq!(config, Config::example());
    }

    #[test]
    fn the_example_shows_every_key() {
        let text = example();
        for key in all_keys() {
            let name = key.rsplit('.').next().unwrap();
            let shown = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{name} = "))
                    || [format!("[{name}]"), format!("[[{name}]]")].contains(&line.to_owned())
            };
            assert!(text.lines().any(shown), "{key} is not shown");
        }
    }

    #[test]
    fn every_commented_setting_can_be_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.toml");
        let keys: Vec<_> =
            all_keys().map(|key| key.rsplit('.').next().unwrap().to_owned()).collect();
        let secret = ["password = ", "access_token"];
        let uncommented = example()
            .lines()
            .map(|line| uncomment(line, &keys))
            .filter(|line| !secret.iter().any(|start| line.starts_with(start)))
            .collect::<Vec<_>>()
            .join("\n");
        fs::write(&path, uncommented).unwrap();
        let config = load(&path, []).unwrap();
        assert_eq!(config.library, filled_in().library);
        assert_eq!(config.call, filled_in().call);
        assert_eq!(config.programs, filled_in().programs);
    }

    fn uncomment(line: &str, keys: &[String]) -> String {
        match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with("[[") => rest.to_owned(),
            Some(rest) if keys.iter().any(|key| rest.starts_with(&format!("{key} = "))) => {
                rest.to_owned()
            }
            _ => line.to_owned(),
        }
    }
}
