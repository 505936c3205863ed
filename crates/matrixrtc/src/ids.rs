//! Ids as types, so that a device is never taken for a room.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// A Matrix user, `@name:server`.
    UserId
}
id! {
    /// One device of a user; only that user's server vouches for it.
    DeviceId
}
id! {
    /// A Matrix room. Opaque: since room version 12 it names no server.
    RoomId
}
id! {
    /// An event in a room.
    EventId
}
id! {
    /// An event that the homeserver will send later (MSC4140).
    DelayId
}
id! {
    /// A participant's name on the SFU; derived from the membership, never taken from the SFU.
    Identity
}
id! {
    /// The address of a token service, byte for byte as it was announced: other clients compare
    /// the string, so a trailing slash makes it another transport.
    ServiceUrl
}

impl ServiceUrl {
    /// The address of one of its endpoints; a trailing slash is not doubled.
    ///
    /// lk-jwt-service answers `//sfu/get` with a redirect that lacks CORS headers.
    pub fn endpoint(&self, name: &str) -> String {
        let base = self.0.strip_suffix('/').unwrap_or(&self.0);
        format!("{base}/{name}")
    }
}

/// A participant as Matrix knows it: two devices of a user are two members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The user; the homeserver vouches for it.
    pub user: UserId,
    /// The device, as the user says.
    pub device: DeviceId,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_is_kept_but_not_doubled() {
        let url = ServiceUrl::from("https://rtc.example.org/jwt/");
        assert_eq!(url.as_str(), "https://rtc.example.org/jwt/");
        assert_eq!(url.endpoint("sfu/get"), "https://rtc.example.org/jwt/sfu/get");
    }
}
