//! HTTP: paths, methods, CORS headers and the shape of errors.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{HeaderValue, Method, Request as HttpRequest, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};

use super::{
    access::Access,
    body::{Request, Unreadable},
    service::{Refusal, Refusing},
};

/// The largest body that is read. The original has no limit; a real one is half a kilobyte.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What all answers share: browsers of any origin may ask.
const CORS: [(header::HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Accept, Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token",
        ),
    ),
];

/// Which of them a request is for.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    SfuGet,
    GetToken,
    DelegateDelayedLeave,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    refusing: Refusing,
}

/// All of the service's paths.
pub(super) fn router(access: Access, refusing: Refusing) -> Router {
    let at = |endpoint| any(move |state, request| asked(endpoint, state, request));
    let mut router = Router::new()
        .route("/healthz", any(healthz))
        .route("/sfu/get", at(Endpoint::SfuGet))
        .route("/get_token", at(Endpoint::GetToken));
    if access.delegates() {
        router = router
            .route("/delegate_delayed_leave", at(Endpoint::DelegateDelayedLeave))
            .route("/sfu_webhook", any(webhook));
    }
    router.fallback(elsewhere).with_state(Arc::new(Shared { access, refusing }))
}

async fn healthz(method: Method) -> StatusCode {
    if method == Method::GET || method == Method::HEAD {
        StatusCode::OK
    } else {
        StatusCode::METHOD_NOT_ALLOWED
    }
}

async fn asked(
    endpoint: Endpoint,
    State(shared): State<Arc<Shared>>,
    request: HttpRequest<Body>,
) -> Response {
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS => return answer(StatusCode::OK, None),
        _ => return answer(StatusCode::METHOD_NOT_ALLOWED, None),
    }
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    match answered(endpoint, &shared, body.map_err(|_| Unreadable)).await {
        Ok(body) => answer(StatusCode::OK, Some(&body)),
        Err(Refusal { status, errcode, error }) => {
            answer(status, Some(&json!({ "errcode": errcode, "error": error })))
        }
    }
}

async fn answered(
    endpoint: Endpoint,
    shared: &Shared,
    body: Result<Bytes, Unreadable>,
) -> Result<Value, Refusal> {
    if let Some(refusal) = shared.refusing.current() {
        return Err(refusal);
    }
    let read = match endpoint {
        Endpoint::SfuGet => Request::of_sfu_get,
        Endpoint::GetToken | Endpoint::DelegateDelayedLeave => Request::of_get_token,
    };
    let asked = body.and_then(|bytes| read(&bytes)).map_err(|Unreadable| {
        Refusal::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", "Error reading request")
    })?;
    let granted = match endpoint {
        Endpoint::SfuGet => shared.access.sfu_get(asked).await?,
        Endpoint::GetToken => shared.access.get_token(asked).await?,
        Endpoint::DelegateDelayedLeave => {
            shared.access.delegate(asked).await?;
            return Ok(json!({}));
        }
    };
    Ok(json!({ "url": granted.url, "jwt": granted.jwt }))
}

/// The SFU learns nothing from the answer, whoever it is.
async fn webhook(State(shared): State<Arc<Shared>>, request: HttpRequest<Body>) -> StatusCode {
    let (head, body) = request.into_parts();
    let authorization = head.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    shared.access.sfu_says(authorization.unwrap_or_default(), &body);
    StatusCode::OK
}

/// JSON and a line's end, as Go's encoder writes it.
fn answer(status: StatusCode, body: Option<&Value>) -> Response {
    let text = body.map_or_else(String::new, |body| format!("{body}\n"));
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, CORS, kind, text).into_response()
}

/// Paths that are not there, and those that Go would clean first: a service's address that ends in
/// a slash makes `//sfu/get`.
async fn elsewhere(uri: Uri) -> Response {
    if uri.path().contains("//") {
        let cleaned: Vec<&str> = uri.path().split('/').filter(|piece| !piece.is_empty()).collect();
        let location = [(header::LOCATION, format!("/{}", cleaned.join("/")))];
        return (StatusCode::TEMPORARY_REDIRECT, location).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (StatusCode::NOT_FOUND, headers, "404 page not found\n").into_response()
}
