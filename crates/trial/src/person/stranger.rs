//! Somebody at the SFU who is nobody in Matrix.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde::Deserialize;
use serde_json::Value;

use super::sound::Heard;
use crate::{
    browser::{Browser, Page, Web},
    sfu::Address,
};

/// Connecting and publishing: a second, several beside a compiler.
const JOINED_WITHIN: Duration = Duration::from_secs(30);

/// Reading what was kept, a megabyte of text for each two minutes.
const FRAMES_WITHIN: Duration = Duration::from_secs(30);

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

/// An encoded frame as the SFU forwarded it, encrypted if its publisher encrypts.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// When it came: milliseconds since 1970.
    pub at_ms: u64,
    /// Its bytes.
    pub data: Vec<u8>,
}

#[derive(Deserialize)]
struct Encoded {
    at_ms: u64,
    data: String,
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

    /// The frames of a participant, whose identity begins with this, as the SFU forwarded them since the
    /// stranger joined, oldest first. Of all participants together the last 20 000 are kept.
    ///
    /// # Errors
    ///
    /// Where the page has gone.
    pub async fn frames(&self, participant: &str) -> Result<Vec<Forwarded>> {
        let frames = self.page.call("(who) => stranger.frames(who)", (participant,), FRAMES_WITHIN);
        let frames: Vec<Encoded> = frames.await.context("asking for frames")?;
        let decoded = frames.into_iter().map(|Encoded { at_ms, data }| {
            Ok(Forwarded { at_ms, data: STANDARD.decode(data).context("decoding a frame")? })
        });
        decoded.collect()
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
