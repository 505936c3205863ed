//! Our token service as a running thing.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;

use super::{access::Access, routes};
use crate::{background::Background, sfu::Address};

/// What our token service knows and trusts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The SFU whose rooms it makes, and with whose key it signs.
    pub sfu: Address,
    /// What clients are told of the SFU's address, where that shall be wrong.
    pub told: Option<String>,
    /// The beginning of the names of those who are told so; all are, if it is empty.
    pub told_to: String,
    /// Homeservers whose users have rooms made for them; `*` is all of them.
    pub full_access: Vec<String>,
    /// Homeservers whose client API is known, by server name. Others are asked for theirs.
    pub client_apis: HashMap<String, String>,
    /// Homeservers that are to be asked elsewhere than at their name: an `https` address by server
    /// name.
    pub addresses: HashMap<String, String>,
    /// Whether a homeserver may show any certificate, also one that it signed itself.
    pub accept_any_certificate: bool,
    /// Whether it takes delayed leaves over. It wants the SFU's webhooks then, at `/sfu_webhook`.
    pub delegates: bool,
    /// How long a homeserver may take to answer.
    pub lookup_max: Duration,
}

/// An answer that is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub(super) status: StatusCode,
    pub(super) errcode: &'static str,
    pub(super) error: &'static str,
}

/// A running token service on 127.0.0.1. Dropping it closes its socket.
///
/// It has a thread and a runtime of its own, so that it goes on when the runtime of the test that
/// started it ends.
#[derive(Debug)]
pub struct Service {
    url: String,
    refusing: Refusing,
    _thread: Background,
}

/// What everybody is refused with at the moment, if anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusing(Arc<Mutex<Option<Refusal>>>);

impl Settings {
    /// Settings that trust this SFU, no homeserver yet, and real certificates.
    pub fn new(sfu: Address) -> Self {
        Self {
            sfu,
            told: None,
            told_to: String::new(),
            full_access: Vec::new(),
            client_apis: HashMap::new(),
            addresses: HashMap::new(),
            accept_any_certificate: false,
            delegates: false,
            lookup_max: Duration::from_secs(30),
        }
    }
}

impl Refusal {
    /// A refusal with this status, error code and text.
    pub const fn new(status: StatusCode, errcode: &'static str, error: &'static str) -> Self {
        Self { status, errcode, error }
    }
}

impl Refusing {
    pub(super) fn current(&self) -> Option<Refusal> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// No port is free, or the thread cannot be started.
    pub fn start(settings: Settings) -> io::Result<Self> {
        Self::start_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, settings)
    }

    /// Starts it on a port that somebody took for it.
    pub(super) fn start_on(listener: TcpListener, settings: Settings) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let access = Access::new(settings).map_err(io::Error::other)?;
        let refusing = Refusing::default();
        let app = routes::router(access, refusing.clone());
        let thread = Background::start("token service", async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, app).await
        })?;
        Ok(Self { url, refusing, _thread: thread })
    }

    /// Where clients ask it, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on everybody is refused like this, whatever they ask; `None` ends that.
    pub fn refuse(&self, with: Option<Refusal>) {
        *self.refusing.0.lock().unwrap_or_else(PoisonError::into_inner) = with;
    }
}
