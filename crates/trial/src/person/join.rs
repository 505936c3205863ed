//! How somebody joins a call.

use serde_json::{Map, Value, json};

/// Settings under which Element Call sends a microphone as it is. Noise suppression takes a steady
/// tone away.
const PLAIN_MICROPHONE: [&str; 3] = ["auto-gain-control", "noise-suppression", "echo-cancellation"];

/// Element Call's setting for developers that overrules what the homeserver announces.
const TRANSPORT: &str = "custom-livekit-url";

/// What is different from a join with Element Call as it is.
#[derive(Debug, Clone, Default)]
pub struct JoinOptions {
    /// The token service of the SFU to publish on, in place of the one that the homeserver announces.
    pub transport: Option<String>,
}

impl JoinOptions {
    /// As `host.openCall` takes it.
    pub(super) fn for_page(&self) -> Value {
        let plain = PLAIN_MICROPHONE.map(|name| (name.to_owned(), Value::Bool(false)));
        let mut settings = Map::from_iter(plain);
        settings.insert(TRANSPORT.to_owned(), self.transport.clone().into());
        json!({ "settings": settings })
    }
}
