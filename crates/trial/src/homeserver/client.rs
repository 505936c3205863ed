//! Accounts, and one request of any kind.

use std::fmt;

use aws_lc_rs::hmac;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http;

/// What may stay as it is in one piece of a path: what RFC 3986 calls unreserved.
const KEPT: &[u8] = b"-._~";

/// A homeserver, reached over HTTP. Clones are cheap, and hold no connection.
#[derive(Clone)]
pub struct Homeserver {
    http: reqwest::Client,
    url: String,
    server_name: String,
    registration_secret: String,
}

/// Somebody who is logged in.
#[derive(Clone, Deserialize)]
pub struct Login {
    /// The user id.
    pub user_id: String,
    /// The device that this log-in made.
    pub device_id: String,
    /// For requests.
    pub access_token: String,
}

/// What the homeserver said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, `null` where it is not JSON.
    pub body: Value,
}

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No answer came. The homeserver is down, or hangs.
    #[error("the homeserver did not answer {request}")]
    NoAnswer {
        /// Method and path.
        request: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// It said no. The same request will be refused again.
    #[error("the homeserver refused {request} with {status}: {body}")]
    Refused {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What it said: `errcode` and `error`.
        body: Value,
    },
    /// It said yes, and not what was asked for.
    #[error("the homeserver's answer to {request} is not what it should be: {body}")]
    Unexpected {
        /// Method and path.
        request: String,
        /// What it said.
        body: Value,
    },
}

impl Homeserver {
    pub(super) fn new(http_port: u16, server_name: String, registration_secret: String) -> Self {
        let url = format!("http://127.0.0.1:{http_port}");
        Self { http: http::client(), url, server_name, registration_secret }
    }

    /// Where clients reach it, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What its users have behind the colon.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// With this, accounts can be made.
    pub fn registration_secret(&self) -> &str {
        &self.registration_secret
    }

    /// Whether it answers that it is well.
    pub async fn is_healthy(&self) -> bool {
        match self.http.get(format!("{}/health", self.url)).send().await {
            Ok(answer) => answer.text().await.is_ok_and(|text| text == "OK"),
            Err(_) => false,
        }
    }

    /// Makes an account and returns its user id.
    ///
    /// # Errors
    ///
    /// [`RequestError`], among others where the name is taken.
    pub async fn register(&self, user: &str, password: &str) -> Result<String, RequestError> {
        const PATH: &str = "/_synapse/admin/v1/register";
        let nonce = self.ask(Method::GET, PATH, None, None).await?;
        let nonce = field(&nonce, "nonce", PATH)?;
        // The one MAC that Synapse takes here.
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            self.registration_secret.as_bytes(),
        );
        let signed = [nonce.as_str(), user, password, "notadmin"].join("\0");
        let body = json!({
            "nonce": nonce,
            "username": user,
            "password": password,
            "admin": false,
            "mac": hex::encode(hmac::sign(&key, signed.as_bytes())),
        });
        let made = self.ask(Method::POST, PATH, None, Some(&body)).await?;
        field(&made, "user_id", PATH)
    }

    /// Logs in as a new device.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn login(&self, user: &str, password: &str) -> Result<Login, RequestError> {
        const PATH: &str = "/_matrix/client/v3/login";
        let body = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": user },
            "password": password,
        });
        let answer = self.ask(Method::POST, PATH, None, Some(&body)).await?;
        serde_json::from_value(answer.clone())
            .map_err(|_| RequestError::Unexpected { request: PATH.to_owned(), body: answer })
    }

    /// One request of any kind, answered with whatever came.
    ///
    /// # Errors
    ///
    /// [`RequestError::NoAnswer`] only: a refusal is an answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, RequestError> {
        let no_answer =
            |source| RequestError::NoAnswer { request: format!("{method} {path}"), source };
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(no_answer)?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(no_answer)?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    /// One request that must succeed.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, RequestError> {
        let Answer { status, body } = self.request(method.clone(), path, token, body).await?;
        if (200..300).contains(&status) {
            Ok(body)
        } else {
            Err(RequestError::Refused { request: format!("{method} {path}"), status, body })
        }
    }
}

impl fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Homeserver")
            .field("url", &self.url)
            .field("server_name", &self.server_name)
            .field("registration_secret", &"***")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user_id", &self.user_id)
            .field("device_id", &self.device_id)
            .field("access_token", &"***")
            .finish()
    }
}

/// A text in an answer.
pub(super) fn field(body: &Value, name: &str, request: &str) -> Result<String, RequestError> {
    body[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| RequestError::Unexpected { request: request.to_owned(), body: body.clone() })
}

/// A room id, a user id or a state key as one piece of a path.
pub(super) fn piece(text: &str) -> String {
    use fmt::Write;
    let mut piece = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || KEPT.contains(&byte) {
            piece.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(piece, "%{byte:02X}");
        }
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_piece_of_a_path() {
        assert_eq!(piece("!a/b:localhost:8448"), "%21a%2Fb%3Alocalhost%3A8448");
        assert_eq!(piece("_@a:b_D_m.call"), "_%40a%3Ab_D_m.call");
    }

    #[test]
    fn secrets_do_not_print() {
        let homeserver = Homeserver::new(1, "localhost:2".to_owned(), "registering".to_owned());
        assert!(!format!("{homeserver:?}").contains("registering"));
        let login = Login {
            user_id: "@a:b".to_owned(),
            device_id: "D".to_owned(),
            access_token: "syt_token".to_owned(),
        };
        assert!(!format!("{login:?}").contains("syt_token"));
    }
}
