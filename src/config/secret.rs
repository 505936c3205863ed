//! Secrets: never printed, wiped from memory when dropped.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::Homeserver;

/// The largest secret file that is read, in bytes: a path to something else must not fill memory.
const FILE_MAX: u64 = 4096;

/// A password or token; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself, for whoever needs to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// What the bot logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// The account's password.
    Password(Secret),
    /// An access token, which comes with its device.
    Token(Secret),
}

/// Why there are no credentials; the operator has to correct the settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// None of the four settings is there.
    #[error(
        "no secret is set for the account: set homeserver.password_file, or \
         PHONOGRAPH_HOMESERVER__PASSWORD in the environment"
    )]
    Missing,
    /// Two of them are there, and it is not clear which one counts.
    #[error("homeserver.{0} and homeserver.{1} are both set: keep one of them")]
    Several(&'static str, &'static str),
    /// The file cannot be read.
    #[error("cannot read homeserver.{key}, {}", .path.display())]
    Unreadable {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("homeserver.{0} is empty")]
    Empty(&'static str),
}

/// Where a secret is written.
pub(super) enum Place<'a> {
    Settings(&'a Secret),
    File(&'a Path),
}

impl<'a> Place<'a> {
    fn settings(secret: Option<&'a Secret>) -> Option<Self> {
        secret.map(Self::Settings)
    }

    fn file(path: Option<&'a PathBuf>) -> Option<Self> {
        path.map(|path| Self::File(path))
    }
}

/// What the secret is.
pub(super) type Kind = fn(Secret) -> Credentials;

impl Homeserver {
    /// What to log in with; reads the file where the secret is in one.
    ///
    /// # Errors
    /// [`CredentialsError`] if not exactly one secret is set, or its file cannot be used.
    pub(crate) fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let (key, place, kind) = self.only_secret()?;
        let secret = match place {
            Place::Settings(secret) => secret.clone(),
            Place::File(path) => read(path).map_err(|source| CredentialsError::Unreadable {
                key,
                path: path.to_owned(),
                source,
            })?,
        };
        if secret.expose().is_empty() {
            return Err(CredentialsError::Empty(key));
        }
        Ok(kind(secret))
    }

    /// The one secret that is set; its file is not looked at.
    pub(super) fn only_secret(&self) -> Result<(&'static str, Place<'_>, Kind), CredentialsError> {
        let places: [(&'static str, Option<Place<'_>>, Kind); 4] = [
            ("password_file", Place::file(self.password_file.as_ref()), Credentials::Password),
            ("password", Place::settings(self.password.as_ref()), Credentials::Password),
            ("access_token_file", Place::file(self.access_token_file.as_ref()), Credentials::Token),
            ("access_token", Place::settings(self.access_token.as_ref()), Credentials::Token),
        ];
        let mut set = places.into_iter().filter_map(|(key, place, kind)| Some((key, place?, kind)));
        let only = set.next().ok_or(CredentialsError::Missing)?;
        match set.next() {
            Some((second, ..)) => Err(CredentialsError::Several(only.0, second)),
            None => Ok(only),
        }
    }
}

/// The text of a file, less the line break that an editor leaves at its end.
fn read(path: &Path) -> io::Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[test]
    fn a_secret_prints_as_three_stars() {
        let credentials = Credentials::Password(Secret::from("hunter2"));
        assert_eq!(format!("{credentials:?}"), "Password(***)");
        assert_eq!(toml::Value::try_from(Secret::from("hunter2")).unwrap().as_str(), Some("***"));
    }

    #[test]
    fn a_file_s_last_line_break_does_not_belong_to_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "with space \n").unwrap();
        let homeserver = Homeserver { password_file: Some(path), ..nobody() };
        let expected = Credentials::Password(Secret::from("with space "));
        assert_eq!(homeserver.credentials().unwrap(), expected);
    }

    #[test]
    fn a_missing_file_is_named_with_its_setting() {
        let path = PathBuf::from("/nonexistent/token");
        let homeserver = Homeserver { access_token_file: Some(path), ..nobody() };
        let error = homeserver.credentials().unwrap_err();
        let expected = "cannot read homeserver.access_token_file, /nonexistent/token";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let homeserver = Homeserver { password: Some(Secret::from("")), ..nobody() };
        assert_eq!(
            homeserver.credentials().unwrap_err().to_string(),
            "homeserver.password is empty"
        );
    }

    #[test]
    fn no_secret_and_two_secrets_are_refused() {
        assert!(matches!(nobody().credentials(), Err(CredentialsError::Missing)));
        let both = Homeserver {
            password: Some(Secret::from("a")),
            access_token: Some(Secret::from("b")),
            ..nobody()
        };
        let expected =
            "homeserver.password and homeserver.access_token are both set: keep one of them";
        assert_eq!(both.credentials().unwrap_err().to_string(), expected);
    }

    fn nobody() -> Homeserver {
        Homeserver {
            url: "https://matrix.example.org".to_owned(),
            user: "music".to_owned(),
            password_file: None,
            password: None,
            access_token_file: None,
            access_token: None,
            display_name: None,
            wait: Duration::ZERO,
        }
    }
}
