//! Cross-signing: our user's signature on our own device.
//!
//! Clients that exclude insecure devices (MSC4153) send no keys to a device that its owner has not
//! signed, so the bot signs its own at its first start. Nothing here is fatal: today's Element Call
//! hears an unsigned bot (0.26.1, seen).

use matrix_sdk::{
    Client,
    ruma::api::client::uiaa::{AuthData, MatrixUserIdentifier, Password, UserIdentifier},
};
use tracing::{info, warn};

use super::Credentials;

/// Signs the device unless it can be seen that it is signed.
pub(super) async fn sign(client: &Client, credentials: &Credentials) {
    if has_identity(client).await {
        return;
    }
    client.encryption().wait_for_e2ee_initialization_tasks().await;
    if let Err(error) = client.encryption().bootstrap_cross_signing_if_needed(None).await {
        authenticate(client, credentials, &error).await;
    }
    if has_identity(client).await {
        info!("signed our device");
    } else {
        replace(client, credentials).await;
    }
}

/// Whether the private halves of our identity are in the store: then this device was signed when
/// they were made.
async fn has_identity(client: &Client) -> bool {
    client.encryption().cross_signing_status().await.is_some_and(|status| status.is_complete())
}

/// The server has an identity whose private keys we lack: the store that held them was lost.
/// Replacing it needs the password; contacts then see that our identity changed.
async fn replace(client: &Client, credentials: &Credentials) {
    warn!("our signing keys were lost with an earlier store: replacing our identity");
    if let Err(error) = client.encryption().bootstrap_cross_signing(None).await {
        authenticate(client, credentials, &error).await;
    }
    if has_identity(client).await {
        info!("signed our device with a new identity");
    } else {
        warn!("our device stays unsigned: strict clients may send it no keys");
    }
}

/// Answers the server's question for the password (user-interactive authentication).
async fn authenticate(client: &Client, credentials: &Credentials, error: &matrix_sdk::Error) {
    let (Some(question), Credentials::Password(password), Some(user)) =
        (error.as_uiaa_response(), credentials, client.user_id())
    else {
        warn!(%error, "could not upload our signing keys");
        return;
    };
    let user = MatrixUserIdentifier::new(user.localpart().to_owned());
    let mut answer = Password::new(UserIdentifier::Matrix(user), password.clone());
    answer.session = question.session.clone();
    let answer = Some(AuthData::Password(answer));
    if let Err(error) = client.encryption().bootstrap_cross_signing(answer).await {
        warn!(%error, "could not upload our signing keys");
    }
}
