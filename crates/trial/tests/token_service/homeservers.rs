//! Homeservers that only say whose a token is, over TLS with a certificate that nobody signed.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

use super::record::Record;

/// Their addresses by server name.
pub(crate) struct Homeservers(HashMap<String, String>);

impl Homeservers {
    pub(crate) async fn start(record: &Record) -> Self {
        let synapse = &record.about.homeservers["localhost:8448"];
        let user = synapse["user"].as_str().expect("a user").to_owned();
        let refused = synapse["refuses"].as_array().expect("tokens").clone();
        let good = start(synapse_alike(user.clone(), move |token| refused.contains(&token.into())));
        let other = start(misbehaving(user));
        let (good, other) = (good.await, other.await);
        Self(HashMap::from([
            ("localhost:8448".to_owned(), good.clone()),
            // The same one by another name.
            ("127.0.0.1:8448".to_owned(), good),
            ("localhost:8199".to_owned(), other),
        ]))
    }

    pub(crate) fn addresses(&self) -> HashMap<String, String> {
        self.0.clone()
    }
}

/// Knows every token but some, and says where its client API is.
fn synapse_alike(
    user: String,
    refuses: impl Fn(&str) -> bool + Clone + Send + Sync + 'static,
) -> Router {
    let userinfo = async move |Query(query): Query<HashMap<String, String>>| {
        if refuses(&query["access_token"]) {
            let body = json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "unknown or expired" });
            return (StatusCode::UNAUTHORIZED, Json(body));
        }
        (StatusCode::OK, Json(json!({ "sub": user })))
    };
    let well_known = json!({ "m.homeserver": { "base_url": "http://127.0.0.1:8008/" } });
    Router::new()
        .route("/_matrix/federation/v1/openid/userinfo", get(userinfo))
        .route("/.well-known/matrix/client", get(async || Json(well_known)))
}

/// Answers as the token asks.
fn misbehaving(somebody_else: String) -> Router {
    let userinfo = async move |Query(query): Query<HashMap<String, String>>| -> Response {
        match query["access_token"].as_str() {
            "good" => Json(json!({ "sub": "@fake:localhost:8199" })).into_response(),
            "liar" => Json(json!({ "sub": somebody_else })).into_response(),
            "500" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            "rubbish" => "<html>".into_response(),
            "hang" => std::future::pending().await,
            _ => Json(json!({})).into_response(),
        }
    };
    Router::new().route("/_matrix/federation/v1/openid/userinfo", get(userinfo))
}

/// Serves until the test's runtime ends.
async fn start(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let listener = Tls { listener, acceptor: TlsAcceptor::from(certificate()) };
    tokio::spawn(async { axum::serve(listener, app).await });
    format!("https://localhost:{}", address.port())
}

fn certificate() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.expect("a key"))
        .expect("a usable certificate");
    Arc::new(config)
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // One that does not like our certificate goes away; the next may like it.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
