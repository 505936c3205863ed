//! From a file and the environment to a [`Config`], or to an error that says what to change.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use config::{ConfigError, Environment, File, FileFormat, Map, Source, Value, ValueKind};

use super::{Config, all_keys, secret::CredentialsError};

/// What the names of settings in the environment begin with.
const PREFIX: &str = "PHONOGRAPH";

/// How like a setting outside the sections a variable has to be to be taken for one: a slip or two.
const LIKENESS_MIN: f64 = 0.85;

/// Why the settings cannot be used; the operator has to change them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file is not there, or may not be read.
    #[error("cannot read the settings in {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML; the source says where.
    #[error("the settings in {} are not TOML", .path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: ConfigError,
    },
    /// The environment holds something that is no text.
    #[error("the environment cannot be read")]
    Environment(#[source] ConfigError),
    /// A key that does not exist.
    #[error("unknown setting {name}: did you mean `{closest}`?")]
    UnknownKey {
        /// The key and where it is.
        name: String,
        /// What may be meant.
        closest: String,
    },
    /// A key that has to be there is not.
    #[error("the setting `{key}` is missing in {}", .path.display())]
    Missing {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// A value that cannot be used.
    #[error("the setting {name} cannot be used: {problem}")]
    BadValue {
        /// The key and where it is.
        name: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Not exactly one secret is set.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// Reads the settings from a file, then from the environment, which wins.
///
/// # Errors
/// [`LoadError`] names the key, where it is written, and what would be right.
pub(crate) fn load(
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, LoadError> {
    let text = fs::read_to_string(path)
        .map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    let file = File::from_str(&text, FileFormat::Toml);
    let in_file =
        file.collect().map_err(|source| LoadError::NotToml { path: path.to_owned(), source })?;
    let variables = Variables::of_ours(environment).map_err(LoadError::Environment)?;

    for key in flat_keys(&in_file).into_iter().chain(variables.keys.keys().cloned()) {
        if !all_keys().any(|known| known == key) {
            let (_, closest) = closest(&key);
            return Err(LoadError::UnknownKey { name: variables.name(&key, path), closest });
        }
    }
    let merged = config::Config::builder().add_source(file).add_source(variables.source);
    let config: Config = merged
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| explain(error, &variables.keys, path))?;
    config.homeserver.only_secret()?;
    Ok(config)
}

/// The variables of the environment that are settings.
struct Variables {
    source: Environment,
    keys: Map<String, Value>,
}

impl Variables {
    /// Chooses them: a name with `__`, or one that is or resembles a key outside the sections.
    /// Other names that begin with ours are not settings; Kubernetes makes some for a service.
    fn of_ours(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let start = format!("{PREFIX}_");
        let ours = environment.into_iter().filter(|(name, _)| {
            let key = name.strip_prefix(&start).map(str::to_lowercase);
            key.is_some_and(|key| key.contains("__") || closest(&key).0 > LIKENESS_MIN)
        });
        let source = Environment::with_prefix(PREFIX)
            .prefix_separator("_")
            .separator("__")
            .source(Some(ours.collect()));
        let keys = source.collect()?;
        Ok(Self { source, keys })
    }

    /// How and where a key is written.
    fn name(&self, key: &str, path: &Path) -> String {
        name(key, &self.keys, path)
    }
}

fn name(key: &str, variables: &Map<String, Value>, path: &Path) -> String {
    if variables.contains_key(key) {
        format!("{PREFIX}_{} in the environment", key.replace('.', "__").to_uppercase())
    } else {
        format!("`{key}` in {}", path.display())
    }
}

/// The keys of a file as they are addressed; sections are two levels deep.
fn flat_keys(table: &Map<String, Value>) -> Vec<String> {
    let sections: Vec<&str> = super::SECTIONS.iter().map(|(name, _)| *name).collect();
    let lists: Vec<&str> = super::LISTS.iter().map(|(name, _)| *name).collect();
    let mut keys = Vec::new();
    for (key, value) in table {
        match &value.kind {
            ValueKind::Table(inner) if sections.contains(&key.as_str()) => {
                keys.extend(inner.keys().map(|inner| format!("{key}.{inner}")));
            }
            ValueKind::Array(items) if lists.contains(&key.as_str()) => {
                let tables = items.iter().filter_map(|item| match &item.kind {
                    ValueKind::Table(inner) => Some(inner),
                    _ => None,
                });
                let inner = tables.flat_map(|inner| inner.keys());
                keys.extend(inner.map(|inner| format!("{key}.{inner}")));
            }
            _ => keys.push(key.clone()),
        }
    }
    keys.sort();
    keys
}

/// The existing key that is most like one that does not exist, and how like it is, up to 1.
fn closest(key: &str) -> (f64, String) {
    let parts = |key: &str| {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        (section.to_owned(), name.to_owned())
    };
    let (section, name) = parts(key);
    let rated = all_keys().map(|known| {
        let (its_section, its_name) = parts(&known);
        // The right name in the wrong section ranks behind a slip in the right one.
        let elsewhere = if its_section == section { 0.0 } else { 0.1 };
        (strsim::jaro_winkler(&name, &its_name) - elsewhere, known)
    });
    rated.max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap_or_default()
}

/// Says which setting an error of the `config` crate is about.
fn explain(error: ConfigError, variables: &Map<String, Value>, path: &Path) -> LoadError {
    let (key, problem) = match error {
        ConfigError::NotFound(key) => {
            return LoadError::Missing { key, path: path.to_owned() };
        }
        ConfigError::Type { unexpected, expected, key, .. } => {
            (key, format!("it is {unexpected}, and should be {expected}"))
        }
        ConfigError::At { error, key, .. } => (key, error.to_string()),
        other => (None, other.to_string()),
    };
    let key = key.unwrap_or_default();
    LoadError::BadValue { name: name(&key, variables, path), problem }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Credentials, Secret};

    const LEAST: &str = r#"
        allow = ["@ann:example.org"]
        [homeserver]
        url = "https://matrix.example.org"
        user = "@music:example.org"
        password = "hunter2"
    "#;

    #[test]
    fn few_settings_suffice() {
        let config = read(LEAST, &[]).unwrap();
        let expected = Credentials::Password(Secret::from("hunter2"));
        assert_eq!(config.homeserver.credentials().unwrap(), expected);
        assert_eq!(config.homeserver.wait, Duration::from_mins(2));
        assert_eq!(config.call.leave_when_alone, Duration::from_mins(1));
        assert_eq!(config.audio.bitrate_bps, 128_000);
    }

    #[test]
    fn durations_and_sizes_have_units() {
        let config =
            read(&format!("{LEAST}\n[links]\nsize_max = \"50MiB\"\npatience = \"1m 5s\""), &[]);
        let links = config.unwrap().links;
        assert_eq!(links.size_max.as_u64(), 50 << 20);
        assert_eq!(links.patience, Duration::from_secs(65));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = read(
            LEAST,
            &[
                ("PHONOGRAPH_HOMESERVER__PASSWORD", "0123"),
                ("PHONOGRAPH_AUDIO__BITRATE_BPS", "64000"),
                ("PHONOGRAPH_CALL__LEAVE_WHEN_ALONE", "5s"),
                ("PHONOGRAPH_LIBRARY__FOLDERS", "/srv/music, /srv/more"),
                ("PHONOGRAPH_ALLOW", "@bob:example.org"),
            ],
        )
        .unwrap();
        let expected = Credentials::Password(Secret::from("0123"));
        assert_eq!(config.homeserver.credentials().unwrap(), expected);
        assert_eq!(config.audio.bitrate_bps, 64_000);
        assert_eq!(config.call.leave_when_alone, Duration::from_secs(5));
        assert_eq!(config.library.folders, ["/srv/music", "/srv/more"].map(PathBuf::from));
        assert!(config.allow.allows("@bob:example.org"));
        assert!(!config.allow.allows("@ann:example.org"));
    }

    #[test]
    fn who_is_blocked_is_not_heard_though_allowed() {
        let block = ("PHONOGRAPH_BLOCK", "@eve:example.org, ads.example.org");
        let config = read(LEAST, &[("PHONOGRAPH_ALLOW", "*:example.org, !r:x"), block]).unwrap();
        let room = "!room:example.org";
        assert!(config.hears("@ann:example.org", room));
        assert!(!config.hears("@eve:example.org", room));
        assert!(!config.hears("@eve:example.org", "!r:x"));
        assert!(config.hears("@bob:example.com", "!r:x"));
        assert!(!config.hears("@bob:example.com", room));
        assert_eq!(
            config.block.hosts().map(ToString::to_string).collect::<Vec<_>>(),
            ["ads.example.org"]
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_the_closest_one() {
        let cases = [
            ("[call]\nleave_when_alne = \"5s\"", "call.leave_when_alne", "call.leave_when_alone"),
            ("[log]\nformat = \"json\"", "log", "logging"),
            ("[audio]\nallow_hosts = []", "audio.allow_hosts", "links.allow_hosts"),
            ("[audio]\nprefix = \"?\"", "audio.prefix", "prefix"),
            ("[audio]\nbitrate = 64000", "audio.bitrate", "audio.bitrate_bps"),
        ];
        for (text, key, closest) in cases {
            let error = read(&format!("{LEAST}\n{text}"), &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("unknown setting `{key}` in ")), "{error}");
            assert!(error.ends_with(&format!("did you mean `{closest}`?")), "{error}");
        }
    }

    #[test]
    fn an_unknown_variable_is_named_as_it_is_written() {
        let cases = [("HOMESERVER__URI", "homeserver.url"), ("ALOW", "allow")];
        for (variable, closest) in cases {
            let variable = format!("PHONOGRAPH_{variable}");
            let error = read(LEAST, &[(&variable, "x")]).unwrap_err().to_string();
            let expected =
                format!("unknown setting {variable} in the environment: did you mean `{closest}`?");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let others = [
            ("PHONOGRAPH_PORT", "tcp://10.0.0.1:8080"),
            ("PHONOGRAPH_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PHONOGRAPH_SERVICE_HOST", "10.0.0.1"),
            ("PHONOGRAPH_TOKEN_SERVICE", "/usr/bin/lk-jwt-service"),
            ("HOME", "/root"),
        ];
        assert!(read(LEAST, &others).is_ok());
    }

    #[test]
    fn a_bad_value_is_named_with_the_fix() {
        let cases = [
            ("[audio]\nbitrate_bps = 5", "audio.bitrate_bps", "5 is not from 16000 to 510000"),
            ("[call]\nleave_when_alone = 60", "call.leave_when_alone", "duration"),
            ("[logging]\nformat = \"xml\"", "logging.format", "neither \"text\" nor \"json\""),
            ("[links]\nsize_max = \"much\"", "links.size_max", "much"),
            ("[library]\nrescan = \"5s\"", "library.rescan", "5s is less than 10s"),
            ("[call]\nselection = \"mine\"", "call.selection", "neither \"own\" nor \"oldest\""),
            ("[call]\ntransport = \"livekit\"", "call.transport", "\"livekit\" is no address"),
        ];
        for (text, key, problem) in cases {
            let error = read(&format!("{LEAST}\n{text}"), &[]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the setting `{key}` in ")), "{error}");
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_bad_pattern_is_named_with_the_fix() {
        let error = read(&LEAST.replace("@ann:example.org", "ann"), &[]).unwrap_err().to_string();
        assert!(error.contains("`allow"), "{error}");
        assert!(error.contains("@ann:example.org"), "{error}");
    }

    #[test]
    fn a_bad_value_in_the_environment_is_named_as_it_is_written() {
        let error = read(LEAST, &[("PHONOGRAPH_AUDIO__COMPLEXITY", "11")]).unwrap_err();
        let expected = "the setting PHONOGRAPH_AUDIO__COMPLEXITY in the environment cannot be \
                        used: 11 is not from 0 to 10";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = read(&LEAST.replace("user =", "# user ="), &[]).unwrap_err().to_string();
        assert!(error.starts_with("the setting `homeserver.user` is missing in "), "{error}");
    }

    #[test]
    fn a_missing_secret_is_told_at_once() {
        let error = read(&LEAST.replace("password =", "# password ="), &[]).unwrap_err();
        assert!(matches!(error, LoadError::Credentials(CredentialsError::Missing)));
    }

    #[test]
    fn a_slip_in_a_helper_program_is_told() {
        let program = "[[programs]]\npattern = \"*\"\ncommand = [\"/bin/find\"]\n";
        let config = read(&format!("{LEAST}\n{program}"), &[]).unwrap();
        assert_eq!(config.programs[0].timeout, Duration::from_secs(20));
        let slip = program.replace("pattern", "patern");
        let error = read(&format!("{LEAST}\n{slip}"), &[]).unwrap_err();
        assert!(error.to_string().contains("did you mean `programs.pattern`?"), "{error}");
        let nothing = program.replace("\"/bin/find\"", "");
        let error = read(&format!("{LEAST}\n{nothing}"), &[]).unwrap_err();
        assert!(error.to_string().contains("it names no program"), "{error}");
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let error = read("allow = [", &[]).unwrap_err();
        let LoadError::NotToml { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("line 1"), "{source}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("/nonexistent/phonograph.toml"), []).unwrap_err();
        let expected = "cannot read the settings in /nonexistent/phonograph.toml";
        assert_eq!(error.to_string(), expected);
    }

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, LoadError> {
        let file = written(text);
        load(file.path(), environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }
}
