//! What the SFU tells us of who comes and goes (LiveKit's webhooks).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::delegation::{Change, Participant};
use crate::sfu::Address;

/// Who has come or gone, if a message is one of the SFU's and about that. `authorization` is a token
/// that the SFU signed, with a hash of the message.
pub(super) fn read(
    sfu: &Address,
    authorization: &str,
    body: &[u8],
) -> Option<(Change, Participant)> {
    #[derive(Deserialize)]
    struct Claims {
        sha256: String,
    }
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "event")]
        what: String,
        room: Room,
        participant: Somebody,
    }
    #[derive(Deserialize)]
    struct Room {
        name: String,
    }
    #[derive(Deserialize)]
    struct Somebody {
        identity: String,
    }
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[&sfu.key]);
    let key = DecodingKey::from_secret(sfu.secret.as_bytes());
    let token = authorization.trim_start_matches("Bearer ");
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).ok()?.claims;
    if claims.sha256 != STANDARD.encode(digest(&SHA256, body)) {
        return None;
    }
    // Events about rooms and tracks have other parts.
    let Event { what, room, participant } = serde_json::from_slice(body).ok()?;
    let change = match what.as_str() {
        "participant_joined" => Change::Joined,
        "participant_left" | "participant_connection_aborted" => Change::Left,
        _ => return None,
    };
    Some((change, (room.name, participant.identity)))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const EVENT: &str =
        r#"{"event":"participant_left","room":{"name":"r"},"participant":{"identity":"i"}}"#;

    #[test]
    fn only_a_message_that_the_sfu_signed_says_who_left() {
        let left = Some((Change::Left, ("r".to_owned(), "i".to_owned())));
        assert_eq!(read(&sfu(), &signed(EVENT, &sfu()), EVENT.as_bytes()), left);

        let other = Address { secret: "another".to_owned(), ..sfu() };
        for authorization in
            [String::new(), "rubbish".to_owned(), signed(EVENT, &other), signed("{}", &sfu())]
        {
            assert_eq!(read(&sfu(), &authorization, EVENT.as_bytes()), None);
        }
    }

    #[test]
    fn one_who_joins_does_not_leave_and_a_room_does_neither() {
        let joined = EVENT.replace("left", "joined");
        let read = |event: &str| read(&sfu(), &signed(event, &sfu()), event.as_bytes());
        assert_eq!(read(&joined).map(|(change, _)| change), Some(Change::Joined));
        assert_eq!(read(&EVENT.replace("participant_left", "track_published")), None);
        assert_eq!(read(r#"{"event":"room_started","room":{"name":"r"}}"#), None);
    }

    fn sfu() -> Address {
        let (url, key, secret) = ("ws://127.0.0.1:1", "key", "secret");
        Address { url: url.to_owned(), key: key.to_owned(), secret: secret.to_owned() }
    }

    fn signed(body: &str, sfu: &Address) -> String {
        let sha256 = STANDARD.encode(digest(&SHA256, body.as_bytes()));
        let claims = json!({ "iss": sfu.key, "exp": 4_000_000_000_u64, "sha256": sha256 });
        let key = EncodingKey::from_secret(sfu.secret.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("it signs")
    }
}
