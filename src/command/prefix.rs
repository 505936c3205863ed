//! What commands begin with.

use serde::{Deserialize, Serialize};

/// The longest prefix, in characters. Nobody types more before each command.
const LEN_MAX: usize = 8;

/// What commands begin with, such as `!`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Prefix(String);

/// A prefix nobody could type, or that begins every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a prefix has 1 to {LEN_MAX} characters and no spaces, for example \"!\"")]
pub(crate) struct NotAPrefix;

impl Prefix {
    /// As it is typed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("!".to_owned())
    }
}

impl TryFrom<String> for Prefix {
    type Error = NotAPrefix;

    fn try_from(text: String) -> Result<Self, NotAPrefix> {
        let is_short = (1..=LEN_MAX).contains(&text.chars().count());
        let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_short && is_plain { Ok(Self(text)) } else { Err(NotAPrefix) }
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_to_be_typed_and_told_from_text() {
        for prefix in ["", " ", "a b", "123456789", "\n"] {
            assert!(Prefix::try_from(prefix.to_owned()).is_err(), "{prefix:?}");
        }
    }
}
