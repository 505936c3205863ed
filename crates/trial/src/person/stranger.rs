//! Somebody at the SFU who is nobody in Matrix.

use std::time::Duration;

use anyhow::{Context as _, Result};
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::Value;

use super::sound::Heard;
use crate::{
    browser::{Browser, Page, Web},
    sfu::Address,
};

/// Connecting and publishing: a second, several beside a compiler.
const JOINED_WITHIN: Duration = Duration::from_secs(30);

/// A participant of an SFU's room without a membership in the Matrix room: a LiveKit client with a
/// token that the trial signed, of whatever identity. It publishes a tone in clear. Dropping it
/// leaves its page as it is; it ends with its browser.
#[derive(Debug)]
pub struct Stranger {
    page: Page,
}

/// Who a stranger is, and where.
#[derive(Debug, Clone, Copy)]
pub struct Guise<'a> {
    /// The SFU's room: [`alias`](crate::token_service::alias) of a Matrix room. It is made where it is
    /// not there.
    pub alias: &'a str,
    /// The identity, which may be what a member's would be.
    pub identity: &'a str,
    /// The tone's frequency, in hertz. Its RMS is 0.21.
    pub hertz: u32,
}

impl Stranger {
    /// Joins on a new page of that browser, and publishes.
    ///
    /// # Errors
    ///
    /// Where the SFU refuses, or it takes longer than half a minute.
    pub async fn join(
        browser: &Browser,
        web: &Web,
        sfu: &Address,
        guise: Guise<'_>,
    ) -> Result<Self> {
        let grants = VideoGrants {
            room_join: true,
            room_create: true,
            room: guise.alias.to_owned(),
            ..VideoGrants::default()
        };
        let token = AccessToken::with_api_key(&sfu.key, &sfu.secret)
            .with_identity(guise.identity)
            .with_grants(grants)
            .to_jwt()
            .context("signing a stranger's token")?;
        let page = browser.open().await?;
        page.go(&format!("{}/stranger/", web.url())).await?;
        let join = "(url, token, hertz) => stranger.join(url, token, hertz)";
        page.call::<Value>(join, (&sfu.url, token, guise.hertz), JOINED_WITHIN)
            .await
            .context("joining as a stranger")?;
        Ok(Self { page })
    }

    /// Listens for `duration` to all that the SFU sends it, as [`Call::hears`](super::Call::hears):
    /// to clear media, since it has no keys. Whose they are is not known.
    ///
    /// # Errors
    ///
    /// Where the page has gone.
    pub async fn hears(&self, duration: Duration) -> Result<Heard> {
        let listen = "(ms) => ears.hear(ms)";
        let heard =
            self.page.call(listen, (duration.as_millis() as u64,), duration + JOINED_WITHIN);
        heard.await.context("listening to what the SFU sends")
    }

    /// Leaves the room and closes the page.
    ///
    /// # Errors
    ///
    /// Where the browser has gone.
    pub async fn leave(self) -> Result<()> {
        self.page.evaluate::<Value>("stranger.leave()", JOINED_WITHIN).await?;
        self.page.close().await
    }
}
