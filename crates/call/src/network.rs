//! What all calls share for talking to token services and SFUs: TLS and an HTTP client.

use std::{sync::Arc, time::Duration};

use phonograph_matrixrtc::{DelayId, DeviceId, OpenIdToken, RoomId, ServiceUrl, transport};
use reqwest::StatusCode;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use serde_json::Value;
use tokio_tungstenite::Connector;

use crate::end::TokenError;

/// A token service asks the homeserver and the SFU before it answers.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read; a grant has less than two kilobytes.
const ANSWER_MAX: usize = 64 << 10;

/// An HTTP client and TLS roots. One serves any number of calls.
#[derive(Debug)]
pub struct Network {
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
}

/// TLS cannot be set up. Nothing but other settings helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No process-wide crypto provider was installed at start.
    #[error("no crypto provider is installed")]
    NoProvider,
    /// A configured root certificate cannot be read.
    #[error("a configured root certificate cannot be used")]
    Root(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

impl Network {
    /// Takes the system's root certificates, and these besides (DER).
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn new(roots: &[CertificateDer<'static>]) -> Result<Arc<Self>, NetworkError> {
        let provider = rustls::crypto::CryptoProvider::get_default();
        let provider = Arc::clone(provider.ok_or(NetworkError::NoProvider)?);
        let mut store = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
        for root in roots {
            store.add(root.clone()).map_err(NetworkError::Root)?;
        }
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(NetworkError::Tls)?
            .with_root_certificates(store)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .timeout(TOKEN_TIMEOUT)
            // A redirect could carry the OpenID token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(NetworkError::Http)?;
        Ok(Arc::new(Self { http, tls: Arc::new(tls) }))
    }

    /// TLS for the signalling.
    pub(crate) fn connector(&self) -> Connector {
        Connector::Rustls(Arc::clone(&self.tls))
    }

    /// Asks a token service for an SFU and a token to it (lk-jwt-service, `POST /sfu/get`). With a
    /// delayed event it is asked besides to send that when the SFU loses us.
    pub(crate) async fn grant(
        &self,
        service: &ServiceUrl,
        (room, device): (&RoomId, &DeviceId),
        token: &OpenIdToken,
        delegation: Option<(&DelayId, Duration)>,
    ) -> Result<transport::Grant, TokenError> {
        let request = self.http.post(service.endpoint("sfu/get"));
        let mut body = transport::sfu_get(room, device, token);
        if let Some((id, delay)) = delegation {
            body["delay_id"] = id.as_str().into();
            body["delay_timeout"] = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).into();
        }
        let request = request.json(&body);
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX
            && let Some(chunk) = answer.chunk().await.map_err(unreachable)?
        {
            body.extend_from_slice(&chunk);
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status != StatusCode::OK {
            let errcode = body.get("errcode").and_then(Value::as_str).map(str::to_owned);
            return Err(TokenError::Answer { status: status.as_u16(), errcode });
        }
        Ok(transport::Grant::parse(&body)?)
    }
}

/// The URL goes: it is configured, and in the span already.
fn unreachable(error: reqwest::Error) -> TokenError {
    TokenError::Unreachable(error.without_url())
}
