//! Request bodies, read as Go's `encoding/json` reads them into a struct that allows no unknown
//! fields: names in any case, `null` for absent, and nothing behind the first value looked at.

use serde_json::{Map, Value};

/// The body is no JSON, or has another shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The fields of one object.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

/// What a client asks for at `/sfu/get` or `/get_token`. Absent texts are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) room_id: String,
    /// Only at `/get_token`; `/sfu/get` means a fixed one.
    pub(super) slot_id: String,
    pub(super) access_token: String,
    pub(super) server_name: String,
    /// Only at `/sfu/get`.
    pub(super) device_id: String,
    /// Only at `/get_token`.
    pub(super) member: Member,
    pub(super) delay_id: String,
    pub(super) delay_timeout: i64,
}

/// Who asks, as they say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) device_id: String,
}

const SFU_GET: &[&str] =
    &["room", "openid_token", "device_id", "delay_id", "delay_timeout", "delay_cs_api_url"];
const GET_TOKEN: &[&str] = &[
    "room_id",
    "slot_id",
    "openid_token",
    "member",
    "delay_id",
    "delay_timeout",
    "delay_cs_api_url",
];
const OPENID_TOKEN: &[&str] = &["access_token", "token_type", "matrix_server_name", "expires_in"];
const MEMBER: &[&str] = &["id", "claimed_user_id", "claimed_device_id"];

impl Request {
    /// The body of `/sfu/get`.
    pub(super) fn of_sfu_get(bytes: &[u8]) -> Result<Self, Unreadable> {
        let fields = Fields::first(bytes, SFU_GET)?;
        Ok(Self {
            room_id: fields.text("room")?,
            device_id: fields.text("device_id")?,
            ..Self::shared(&fields)?
        })
    }

    /// The body of `/get_token`.
    pub(super) fn of_get_token(bytes: &[u8]) -> Result<Self, Unreadable> {
        let fields = Fields::first(bytes, GET_TOKEN)?;
        let member = fields.object("member", MEMBER)?;
        Ok(Self {
            room_id: fields.text("room_id")?,
            slot_id: fields.text("slot_id")?,
            member: Member {
                id: member.text("id")?,
                user_id: member.text("claimed_user_id")?,
                device_id: member.text("claimed_device_id")?,
            },
            ..Self::shared(&fields)?
        })
    }

    /// What both have. The token's kind and age, and where the client says its homeserver is, have
    /// to be readable and are of no matter.
    fn shared(fields: &Fields) -> Result<Self, Unreadable> {
        let openid = fields.object("openid_token", OPENID_TOKEN)?;
        openid.text("token_type")?;
        openid.integer("expires_in")?;
        fields.text("delay_cs_api_url")?;
        Ok(Self {
            access_token: openid.text("access_token")?,
            server_name: openid.text("matrix_server_name")?,
            delay_id: fields.text("delay_id")?,
            delay_timeout: fields.integer("delay_timeout")?,
            ..Self::default()
        })
    }
}

impl Fields {
    /// The first JSON value of a body.
    fn first(bytes: &[u8], known: &[&str]) -> Result<Self, Unreadable> {
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => Self::of(&value, known),
            Some(Err(_)) | None => Err(Unreadable),
        }
    }

    fn of(value: &Value, known: &[&str]) -> Result<Self, Unreadable> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(fields) => {
                let is_known = |name: &String| known.iter().any(|k| k.eq_ignore_ascii_case(name));
                if fields.keys().all(is_known) { Ok(Self(fields.clone())) } else { Err(Unreadable) }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Unreadable)
            }
        }
    }

    fn get(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or(&Value::Null, |(_, value)| value)
    }

    fn text(&self, name: &str) -> Result<String, Unreadable> {
        match self.get(name) {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            _ => Err(Unreadable),
        }
    }

    fn integer(&self, name: &str) -> Result<i64, Unreadable> {
        match self.get(name) {
            Value::Null => Ok(0),
            other => other.as_i64().ok_or(Unreadable),
        }
    }

    fn object(&self, name: &str, known: &[&str]) -> Result<Self, Unreadable> {
        Self::of(self.get(name), known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_only_the_first_value_counts() {
        let body = br#"{"ROOM": "!r", "OpenID_Token": {"access_token": "t"}} and more"#;
        let request = Request::of_sfu_get(body).expect("readable");
        assert_eq!((request.room_id.as_str(), request.access_token.as_str()), ("!r", "t"));
    }

    #[test]
    fn null_is_absent_and_anything_else_has_to_fit() {
        assert_eq!(Request::of_get_token(b"null"), Ok(Request::default()));
        for body in ["", "[]", "7", r#"{"room_id": 7}"#, r#"{"delay_timeout": 1.5}"#] {
            assert_eq!(Request::of_get_token(body.as_bytes()), Err(Unreadable), "{body}");
        }
    }
}
