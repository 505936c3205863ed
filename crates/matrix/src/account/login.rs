//! From the settings to a client that is logged in as the same device as last time.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use matrix_sdk::{
    Client, ClientBuildError, HttpError, SqliteStoreConfig,
    authentication::matrix::MatrixSession,
    config::{RequestConfig, SyncSettings},
    ruma::api::error::ErrorKind,
};
use tracing::{info, warn};

use super::{
    Credentials, Settings,
    session::{self, Saved},
    signing,
};

/// How long one request may take while we start. The homeserver's own work on a log-in stays far
/// below; a server that hangs is then reported as unreachable, and waited for by the caller.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The name of our device in the account's list of sessions.
const DEVICE_NAME: &str = "phonograph";

/// Why the account could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody answered at the homeserver's address, or it answered that it is not well. Waiting
    /// helps, unless the address is wrong.
    #[error("the homeserver does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The homeserver does not accept the password. A person has to correct it.
    #[error("the homeserver refuses the user name or the password")]
    WrongPassword,
    /// The homeserver does not know the access token. A person has to make a new one.
    #[error("the homeserver refuses the access token")]
    TokenRefused,
    /// The stored session no longer fits the keys in the store, and a token cannot make a new
    /// device. Restore the store, or make a token for a new device and an empty store.
    #[error("the store was lost, and an access token alone cannot make a new device")]
    StoreLost,
    /// The store folder cannot be read or written. A person has to look at it.
    #[error("the store at {path} cannot be used")]
    Store {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The homeserver answered what we cannot work with; the source says what.
    #[error("the homeserver cannot be used")]
    Homeserver(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StartError {
    /// Whether trying again later can succeed without anybody doing something.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::WrongPassword
            | Self::TokenRefused
            | Self::StoreLost
            | Self::Store { .. }
            | Self::Homeserver(_) => false,
        }
    }
}

/// Restores the stored session or logs in, syncs once and sees to it that the device is signed.
pub(super) async fn log_in(settings: &Settings) -> Result<Client, StartError> {
    let unusable = |source| StartError::Store { path: settings.store.clone(), source };
    std::fs::create_dir_all(&settings.store).map_err(unusable)?;
    let (client, fresh) = match session::load(&settings.store).map_err(unusable)? {
        None => (log_in_anew(settings).await?, true),
        Some(saved) => match restore(settings, saved).await? {
            Some(client) => (client, false),
            None => (start_over(settings).await?, true),
        },
    };
    client
        .sync_once(SyncSettings::default().timeout(Duration::ZERO))
        .await
        .map_err(|error| classify(error, StartError::TokenRefused))?;
    signing::sign(&client, &settings.credentials).await;
    remember(settings, &client).await.map_err(unusable)?;
    if fresh {
        introduce(settings, &client).await;
    }
    Ok(client)
}

/// The stored session, if its keys are still in the store and the homeserver still knows it.
async fn restore(settings: &Settings, saved: Saved) -> Result<Option<Client>, StartError> {
    let client = build(settings).await?;
    let device = saved.session.meta.device_id.clone();
    client
        .restore_session(saved.session)
        .await
        .map_err(|error| StartError::Homeserver(Box::new(error)))?;
    let fingerprint = client.encryption().ed25519_key().await;
    if saved.fingerprint.is_some() && saved.fingerprint != fingerprint {
        warn!(%device, "the device's keys are not in the store: the store was lost or replaced");
        return Ok(None);
    }
    match client.whoami().await {
        Ok(_) => {
            info!(%device, "restored the session");
            Ok(Some(client))
        }
        Err(error) => match classify(error.into(), StartError::TokenRefused) {
            StartError::TokenRefused => {
                warn!(%device, "the homeserver no longer knows our session");
                Ok(None)
            }
            other => Err(other),
        },
    }
}

/// Becomes a new device because the old one is lost; its store is kept aside.
async fn start_over(settings: &Settings) -> Result<Client, StartError> {
    if matches!(settings.credentials, Credentials::Token(_)) {
        return Err(StartError::StoreLost);
    }
    let aside = session::set_aside(&settings.store)
        .map_err(|source| StartError::Store { path: settings.store.clone(), source })?;
    warn!(
        old_store = %aside.display(),
        "logging in as a new device; messages from before cannot be read, and people see a new session"
    );
    log_in_anew(settings).await
}

async fn log_in_anew(settings: &Settings) -> Result<Client, StartError> {
    let client = build(settings).await?;
    match &settings.credentials {
        Credentials::Password(password) => client
            .matrix_auth()
            .login_username(&settings.user, password)
            .initial_device_display_name(DEVICE_NAME)
            .send()
            .await
            .map(drop)
            .map_err(|error| classify(error, StartError::WrongPassword))?,
        Credentials::Token(token) => adopt_token(&client, token).await?,
    }
    info!(user = ?client.user_id(), device = ?client.device_id(), "logged in");
    Ok(client)
}

/// Takes over the device that an access token belongs to.
async fn adopt_token(client: &Client, token: &str) -> Result<(), StartError> {
    let url = client.homeserver().join("/_matrix/client/v3/account/whoami");
    let url = url.map_err(|error| StartError::Homeserver(Box::new(error)))?;
    let answer = client
        .http_client()
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .map_err(|error| StartError::Unreachable(Box::new(error)))?;
    if answer.status() == 401 {
        return Err(StartError::TokenRefused);
    }
    let body = answer.text().await.map_err(|error| StartError::Unreachable(Box::new(error)))?;
    let mut body: serde_json::Value =
        serde_json::from_str(&body).map_err(|error| StartError::Homeserver(Box::new(error)))?;
    body["access_token"] = token.into();
    let session: MatrixSession =
        serde_json::from_value(body).map_err(|error| StartError::Homeserver(Box::new(error)))?;
    client.restore_session(session).await.map_err(|error| StartError::Homeserver(Box::new(error)))
}

async fn build(settings: &Settings) -> Result<Client, StartError> {
    let address = settings.homeserver.as_str();
    // A bot reads little of its store at once, and a small machine has better uses for memory.
    let store = SqliteStoreConfig::with_low_memory_config(&settings.store);
    let builder = Client::builder()
        .sqlite_store_with_config_and_cache_path(store, None::<&Path>)
        .request_config(RequestConfig::new().timeout(REQUEST_TIMEOUT).retry_limit(1));
    let builder = if address.starts_with("http://") || address.starts_with("https://") {
        builder.homeserver_url(address)
    } else {
        builder.server_name_or_homeserver_url(address)
    };
    builder.build().await.map_err(|error| match error {
        ClientBuildError::SqliteStore(source) => {
            StartError::Store { path: settings.store.clone(), source: io::Error::other(source) }
        }
        ClientBuildError::AutoDiscovery(_) | ClientBuildError::Http(_) => {
            StartError::Unreachable(Box::new(error))
        }
        other => StartError::Homeserver(Box::new(other)),
    })
}

/// Writes the session file anew: the fingerprint is known only after the log-in.
async fn remember(settings: &Settings, client: &Client) -> io::Result<()> {
    let Some(session) = client.matrix_auth().session() else {
        return Err(io::Error::other("the client has no session"));
    };
    let fingerprint = client.encryption().ed25519_key().await;
    session::save(&settings.store, &Saved { session, fingerprint })
}

/// Sets our display name; a failure is cosmetic and only logged.
async fn introduce(settings: &Settings, client: &Client) {
    if let Some(name) = &settings.display_name
        && let Err(error) = client.account().set_display_name(Some(name)).await
    {
        warn!(%error, "could not set the display name");
    }
}

/// Sorts an SDK error by what helps; `refused` is what an authentication error means here.
fn classify(error: matrix_sdk::Error, refused: StartError) -> StartError {
    match error.client_api_error_kind() {
        Some(ErrorKind::Forbidden | ErrorKind::UnknownToken(_)) => return refused,
        Some(ErrorKind::LimitExceeded(_)) => return StartError::Unreachable(Box::new(error)),
        _ => {}
    }
    let network = match &error {
        matrix_sdk::Error::Http(http) => match &**http {
            HttpError::Reqwest(_) => true,
            other => other
                .as_client_api_error()
                .is_none_or(|answer| answer.status_code.is_server_error()),
        },
        _ => false,
    };
    if network {
        StartError::Unreachable(Box::new(error))
    } else {
        StartError::Homeserver(Box::new(error))
    }
}
