//! The record: requests, and what came of them.

use phonograph_trial::sfu::Address;
use reqwest::{Method, header::HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};

const FILE: &str = include_str!("../data/token-service.json");

/// All of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) about: About,
    pub(crate) cases: Vec<Case>,
}

/// What the file says about itself that the test needs.
#[derive(Debug, Deserialize)]
pub(crate) struct About {
    pub(crate) homeservers: Value,
}

/// One request, and what came of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default = "main")]
    pub(crate) service: String,
    request: Request,
    response: Value,
    jwt: Option<Value>,
    sfu: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: Value,
    body: Value,
    fill: Option<Fill>,
}

/// A long text that the file does not spell out.
#[derive(Debug, Deserialize)]
struct Fill {
    field: String,
    letter: String,
    letters: usize,
}

fn main() -> String {
    "main".to_owned()
}

impl Record {
    pub(crate) fn read() -> Self {
        serde_json::from_str(FILE).expect("the record is as this test knows it")
    }
}

impl Case {
    /// All that the record says came of it.
    pub(crate) fn wanted(&self) -> Value {
        let mut wanted = json!({ "response": self.response });
        for (name, part) in [("jwt", &self.jwt), ("sfu", &self.sfu)] {
            if let Some(part) = part {
                wanted[name] = part.clone();
            }
        }
        wanted
    }

    /// The SFU's room whose fate was recorded.
    pub(crate) fn room(&self) -> Option<&str> {
        self.sfu.as_ref()?["room"].as_str()
    }

    /// Whether somebody was in the room already, whose token was not recorded.
    pub(crate) fn needs_room(&self) -> bool {
        self.request.path == "/delegate_delayed_leave"
            && self.sfu.as_ref().is_some_and(|sfu| !sfu["before"].is_null())
    }

    /// Asks for the token that makes it.
    pub(crate) async fn make_room(&self, service: &str) {
        let mut body = self.request.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !name.starts_with("delay_"));
        }
        let asked = reqwest::Client::new().post(format!("{service}/get_token")).json(&body);
        let answer = asked.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Asks a service, and reads of the answer what was recorded of the original's.
    pub(crate) async fn send(&self, service: &str) -> Value {
        let Request { method, path, headers, .. } = &self.request;
        let method: Method = method.parse().expect("a method");
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        let mut request = client.request(method.clone(), format!("{service}{path}"));
        for (name, value) in headers.as_object().expect("headers") {
            request = request.header(name, value.as_str().expect("a header"));
        }
        if let Some(body) = self.body() {
            request = request.body(body);
        }
        let answer = request.send().await.expect("an answer");
        let (status, mut headers) = (answer.status().as_u16(), answer.headers().clone());
        if method == Method::HEAD {
            // RFC 9110 §9.3.2 leaves it open whether it is there; Go leaves it out.
            headers.remove("content-length");
        }
        let text = answer.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        json!({ "response": {
            "status": status,
            "headers": interesting(&headers),
            "body": body,
        }})
    }

    fn body(&self) -> Option<String> {
        let mut body = self.request.body.clone();
        if let Some(Fill { field, letter, letters }) = &self.request.fill {
            body[field] = letter.repeat(*letters).into();
        }
        match body {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }
}

/// The headers that were recorded.
fn interesting(headers: &HeaderMap) -> Value {
    const RECORDED: [&str; 8] = [
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "allow",
        "content-length",
        "content-type",
        "location",
        "x-content-type-options",
    ];
    let found = RECORDED.iter().filter_map(|name| {
        let value = headers.get(*name)?.to_str().expect("text");
        Some(((*name).to_owned(), Value::from(value)))
    });
    found.collect::<serde_json::Map<_, _>>().into()
}

/// The SFU's HTTP API, with a token that this test signs.
pub(crate) fn authorisation(sfu: &Address, grants: &Value) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs();
    let claims = json!({ "iss": sfu.key, "nbf": now - 5, "exp": now + 60, "video": grants });
    let key = jsonwebtoken::EncodingKey::from_secret(sfu.secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("it signs")
}
