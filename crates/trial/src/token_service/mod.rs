//! The token service: gives somebody whom their homeserver knows a token for the SFU.
//!
//! Ours, in this process, answers as Element's lk-jwt-service does; a test holds it to recorded
//! answers of the original. Where it does not delegate, which [`Settings::delegates`] says, it has
//! no `/delegate_delayed_leave`, by which clients know that they keep their delayed leaves
//! themselves, and no `/sfu_webhook`.
//!
//! Where the environment variable [`BINARY`] names an lk-jwt-service, that is started instead.

mod access;
mod body;
mod delegation;
mod original;
mod routes;
mod service;
mod token;
mod webhook;

pub use self::{
    access::alias,
    original::Original,
    service::{Refusal, Service, Settings},
};

use std::{
    collections::HashMap,
    io,
    net::TcpListener,
    path::{Path, PathBuf},
};

use crate::{guard, sfu::Address};

/// Names an lk-jwt-service to start in place of ours.
pub const BINARY: &str = "PHONOGRAPH_TOKEN_SERVICE";

/// The token service of a trial, ours or the original.
#[derive(Debug)]
pub enum TokenService {
    /// In this process.
    Ours(Service),
    /// lk-jwt-service.
    Original(Original),
}

/// Why there is no token service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Ours could not listen or start its thread.
    #[error("the token service did not start")]
    Ours(#[source] io::Error),
    /// lk-jwt-service could not be run, or ended. Its last lines are in the source.
    #[error("the lk-jwt-service that {BINARY} names did not start")]
    Original(#[source] guard::Error),
}

/// What a token service of a trial is started with.
#[derive(Debug)]
pub(crate) struct Start {
    /// Where it is to listen, taken so that nobody else takes it meanwhile.
    pub(crate) listener: TcpListener,
    /// The SFU.
    pub(crate) sfu: Address,
    /// Whose users have rooms made for them.
    pub(crate) server_name: String,
    /// That homeserver's client API.
    pub(crate) homeserver: String,
    /// Whether ours takes delayed leaves over. The original always does.
    pub(crate) delegates: bool,
}

impl TokenService {
    /// Where clients ask it, without a slash at the end.
    pub fn url(&self) -> &str {
        match self {
            Self::Ours(service) => service.url(),
            Self::Original(original) => original.url(),
        }
    }

    /// Starts ours. Users whose names begin with `told_to` are `told` another address of the SFU.
    pub(crate) fn start_ours(
        start: Start,
        told: Option<String>,
        told_to: Option<String>,
    ) -> Result<Self, StartError> {
        let settings = Settings {
            told,
            told_to: told_to.unwrap_or_default(),
            client_apis: HashMap::from([(start.server_name.clone(), start.homeserver)]),
            full_access: vec![start.server_name],
            accept_any_certificate: true,
            delegates: start.delegates,
            ..Settings::new(start.sfu)
        };
        Service::start_on(start.listener, settings).map(Self::Ours).map_err(StartError::Ours)
    }

    /// Starts the original.
    pub(crate) async fn start_original(binary: &Path, start: Start) -> Result<Self, StartError> {
        Original::start(binary, start).await.map(Self::Original)
    }
}

/// The binary that [`BINARY`] names.
pub(crate) fn binary() -> Option<PathBuf> {
    std::env::var_os(BINARY).filter(|path| !path.is_empty()).map(PathBuf::from)
}
