//! How somebody joins a call.

use std::{fmt, time::Duration};

use serde_json::{Map, Value, json};

/// Settings under which Element Call sends a microphone as it is. Noise suppression takes a steady
/// tone away.
const PLAIN_MICROPHONE: [&str; 3] = ["auto-gain-control", "noise-suppression", "echo-cancellation"];

/// Element Call's setting for developers that overrules what the homeserver announces.
const TRANSPORT: &str = "custom-livekit-url";

/// What is different from a join with Element Call as it is.
#[derive(Clone, Default)]
pub struct JoinOptions {
    /// The token service of the SFU to publish on, in place of the one that the homeserver announces.
    pub transport: Option<String>,
    /// What happens to the media keys that this person sends.
    pub keys: Keys,
    /// The call's password, from which all derive the key of their media. No keys are sent then, in
    /// whatever room.
    pub password: Option<String>,
}

/// What the person's client does with the media keys that Element Call sends through it
/// (`io.element.call.encryption_keys`, to devices). Element Call itself is told that all went well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    /// Sends them.
    #[default]
    AsTheyAre,
    /// Sends none.
    Dropped,
    /// Sends them that much later.
    Delayed(Duration),
    /// Sends 16 other random bytes under the same index, to all devices the same.
    Wrong,
    /// Sends each this many times, one after another.
    Repeated(u32),
}

impl JoinOptions {
    /// As `host.openCall` takes it.
    pub(super) fn for_page(&self) -> Value {
        let plain = PLAIN_MICROPHONE.map(|name| (name.to_owned(), Value::Bool(false)));
        let mut settings = Map::from_iter(plain);
        settings.insert(TRANSPORT.to_owned(), self.transport.clone().into());
        let password =
            self.password.iter().map(|password| ("password".to_owned(), json!(password)));
        let parameters = password.collect::<Map<_, _>>();
        json!({ "settings": settings, "parameters": parameters, "keys": self.keys.for_page() })
    }
}

impl fmt::Debug for JoinOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOptions")
            .field("transport", &self.transport)
            .field("keys", &self.keys)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

impl Keys {
    /// As `driver.js` takes it.
    fn for_page(self) -> Value {
        match self {
            Self::AsTheyAre => json!({ "how": "as they are" }),
            Self::Dropped => json!({ "how": "dropped" }),
            Self::Delayed(by) => json!({ "how": "delayed", "ms": by.as_millis() as u64 }),
            Self::Wrong => json!({ "how": "wrong" }),
            Self::Repeated(times) => json!({ "how": "repeated", "times": times }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_print() {
        let options =
            JoinOptions { password: Some("correct horse".to_owned()), ..JoinOptions::default() };
        assert!(!format!("{options:?}").contains("horse"));
    }
}
