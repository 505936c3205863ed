//! A call's password.

use std::fmt;

use phonograph_frame::crypto::FrameKey;

/// A password that everybody in a call shares; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password as it was given, byte for byte.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The key that everybody seals with; takes tens of milliseconds.
    pub(crate) fn derive(&self) -> FrameKey {
        FrameKey::from_password(&self.0)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_prints_as_stars() {
        assert_eq!(format!("{:?}", Password::new("secret")), "Password(***)");
    }
}
