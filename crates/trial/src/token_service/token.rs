//! What a token says: who, into which room of the SFU, for how long.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use livekit_api::access_token::VideoGrants;
use serde::Serialize;

use crate::sfu::Address;

/// How long a token opens the door. Who is inside stays.
const VALID_FOR_S: u64 = 3600;

/// A token's claims: those that livekit-server reads, and two that the original adds.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    exp: u64,
    nbf: u64,
    iat: u64,
    identity: &'a str,
    video: VideoGrants,
}

/// A signed token that lets `identity` join `room`, publish and subscribe.
pub(super) fn sign(
    sfu: &Address,
    identity: &str,
    room: &str,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = Claims {
        iss: &sfu.key,
        sub: identity,
        exp: now + VALID_FOR_S,
        nbf: now,
        iat: now,
        identity,
        video: VideoGrants {
            room_join: true,
            room: room.to_owned(),
            can_publish: Some(true),
            can_subscribe: Some(true),
            can_update_own_metadata: Some(true),
            ..VideoGrants::default()
        },
    };
    let key = EncodingKey::from_secret(sfu.secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key)
}

/// A name that nobody can guess the parts of: the hash of their JSON as Go writes it.
pub(super) fn hash(parts: &[&str]) -> String {
    let json = go_json(parts);
    STANDARD_NO_PAD.encode(digest(&SHA256, json.as_bytes()).as_ref())
}

/// Go escapes, inside texts, what HTML or JavaScript would stumble over. None of these characters
/// can be outside of a text.
fn go_json(parts: &[&str]) -> String {
    let json = serde_json::Value::from(parts).to_string();
    [
        ('<', r"\u003c"),
        ('>', r"\u003e"),
        ('&', r"\u0026"),
        ('\u{2028}', r"\u2028"),
        ('\u{2029}', r"\u2029"),
    ]
    .into_iter()
    .fold(json, |json, (character, escaped)| json.replace(character, escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_json_is_escaped_as_go_escapes_it() {
        assert_eq!(go_json(&["!a<b>&c", "größe"]), r#"["!a\u003cb\u003e\u0026c","größe"]"#);
    }
}
