//! Where a call's media goes: discovery of the token service, and what it is asked (MSC4143,
//! MSC4195; lk-jwt-service a375b130 as it answers).

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{DeviceId, Identity, RoomId, ServiceUrl, Timestamp, event};

/// How many announced transports are kept; one is used.
const TRANSPORTS_MAX: usize = 16;

/// Reads the homeserver's answer, `{"rtc_transports":[…]}`. Synapse answers `{}` when none is
/// configured; entries that name no token service belong to drafts that nobody speaks yet.
pub fn parse_transports(answer: &Value) -> Vec<ServiceUrl> {
    livekit_services(answer.get("rtc_transports"))
}

/// Reads `.well-known/matrix/client`, where transports were announced first.
pub fn parse_well_known(answer: &Value) -> Vec<ServiceUrl> {
    livekit_services(answer.get(event::RTC_FOCI))
}

fn livekit_services(list: Option<&Value>) -> Vec<ServiceUrl> {
    let entries = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter(|entry| entry["type"] == "livekit")
        .filter_map(|entry| entry.get("livekit_service_url")?.as_str())
        .map(ServiceUrl::from)
        .take(TRANSPORTS_MAX)
        .collect()
}

/// A token by which a homeserver vouches for its user (OpenID, client-server API). Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenIdToken {
    /// The secret.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Who vouches.
    pub matrix_server_name: String,
    /// Seconds that it lives.
    pub expires_in: u64,
}

impl fmt::Debug for OpenIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdToken")
            .field("matrix_server_name", &self.matrix_server_name)
            .finish_non_exhaustive()
    }
}

/// The body of `POST …/sfu/get`. The service refuses any field that it does not know.
pub fn sfu_get(room: &RoomId, device: &DeviceId, token: &OpenIdToken) -> Value {
    json!({
        "room": room,
        "device_id": device,
        "openid_token": {
            "access_token": token.access_token,
            "token_type": token.token_type,
            "matrix_server_name": token.matrix_server_name,
            "expires_in": token.expires_in,
        },
    })
}

/// What the token service grants: an SFU and the right to join one room there. The token prints as
/// `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The SFU's address, `wss://…`.
    pub url: String,
    /// The JWT for it.
    pub token: String,
    /// The identity that it is for (`sub`).
    pub identity: Identity,
    /// The room on the SFU (`video.room`).
    pub room: String,
    /// When it can no longer be used to connect.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("url", &self.url)
            .field("identity", &self.identity)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// The service's answer is no grant. The service is at fault, or its address leads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// There is no `url` or no `jwt`.
    #[error("the answer names no SFU or carries no token")]
    Incomplete,
    /// The JWT cannot be read.
    #[error("the token cannot be read")]
    Token,
}

impl Grant {
    /// Reads the answer `{url, jwt}` and the claims in the token. The signature is for the SFU to
    /// check.
    ///
    /// # Errors
    /// [`GrantError`] if something is missing.
    pub fn parse(answer: &Value) -> Result<Self, GrantError> {
        let text = |name| answer.get(name).and_then(Value::as_str).ok_or(GrantError::Incomplete);
        let (url, token) = (text("url")?, text("jwt")?);
        let claims = claims(token).ok_or(GrantError::Token)?;
        let claim = |value: &Value| value.as_str().map(str::to_owned).ok_or(GrantError::Token);
        let expires = claims["exp"].as_u64().ok_or(GrantError::Token)?;
        Ok(Self {
            url: url.to_owned(),
            token: token.to_owned(),
            identity: Identity::from(claim(&claims["sub"])?),
            room: claim(&claims["video"]["room"])?,
            expires_at: Timestamp::default().plus(Duration::from_secs(expires)),
        })
    }
}

fn claims(token: &str) -> Option<Value> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// What to do after the token service said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Ask again with a new OpenID token, once.
    NewOpenIdToken,
    /// Ask again later: the service or its SFU is not well.
    Later,
    /// Asking again will not help: the service is another one, or our request is wrong.
    GiveUp,
}

/// Sorts an answer that is no 200 (matrixrtc: the service's errors).
pub fn recovery(status: u16, errcode: Option<&str>) -> Recovery {
    match (status, errcode) {
        (401, _) | (500, Some("M_LOOKUP_FAILED")) => Recovery::NewOpenIdToken,
        (429 | 500..=599, _) => Recovery::Later,
        _ => Recovery::GiveUp,
    }
}
