//! A call as one person has it: Element Call in the page, what it shows and what it plays.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::sound::Heard;
use super::sounds::Sounds;
use crate::browser::Page;

/// Element Call sends its leave and says so; without an SFU it first gives up on it.
const LEFT_WITHIN: Duration = Duration::from_secs(30);

/// Reading what a page shows.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// Samples come out of the page as text: 400 KB a second for each stream.
const HEARD_MAX: Duration = Duration::from_secs(10);

/// A call of a [`Person`](super::Person). Dropping it leaves Element Call as it is.
#[derive(Debug)]
pub struct Call {
    page: Arc<Page>,
}

/// What Element Call shows of a call.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Those who have a tile with a name, each once, this person among them.
    pub participants: Vec<Participant>,
    /// How many there are by the call's header: 1 for somebody who is alone, 0 before it is known.
    pub count: u32,
    /// Whether the header's lock is closed.
    pub locked: bool,
}

/// Somebody on one of Element Call's tiles.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// The name on the tile.
    pub name: String,
    /// Whether the tile shows a microphone that is off.
    pub muted: bool,
    /// Whether the tile warns that this participant's media are not encrypted.
    pub unencrypted: bool,
    /// Whether the tile says that it waits for media: a membership without anybody at the SFU.
    pub waiting: bool,
}

/// Media that Element Call got and could not decrypt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionError {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// Whose media: the participant's identity, or `unknown`.
    pub participant: String,
    /// The line of Element Call's log.
    pub text: String,
}

impl Call {
    pub(super) fn new(page: Arc<Page>) -> Self {
        Self { page }
    }

    /// Waits until Element Call says that it has joined.
    ///
    /// # Errors
    ///
    /// Where it gives up, or takes longer than `within`; the error quotes its warnings.
    pub async fn wait_joined(&self, within: Duration) -> Result<()> {
        let joined = self.page.evaluate("host.call.until('joined')", within).await;
        joined.with_context(|| {
            format!("waiting for Element Call to join; it says:\n{}", self.warnings())
        })
    }

    /// What Element Call shows now.
    ///
    /// # Errors
    ///
    /// Where the page has gone.
    pub async fn shown(&self) -> Result<Shown> {
        self.page
            .evaluate("host.call.shown()", SHOWN_WITHIN)
            .await
            .context("reading Element Call's tiles")
    }

    /// Waits until Element Call shows what is `wanted`, and returns it.
    ///
    /// # Errors
    ///
    /// Where it does not `within` that time; the error says what it shows.
    pub async fn wait_shown(
        &self,
        wanted: impl Fn(&Shown) -> bool,
        within: Duration,
    ) -> Result<Shown> {
        let mut shown = self.shown().await?;
        let watch = async {
            while !wanted(&shown) {
                let known = serde_json::to_string(&shown)?;
                let next = "(known) => host.call.shownOtherThan(known)";
                shown = self.page.call(next, (known,), within).await?;
            }
            anyhow::Ok(())
        };
        let watched = tokio::time::timeout(within, watch).await.map_err(anyhow::Error::from);
        watched
            .flatten()
            .with_context(|| format!("after {within:?} Element Call shows {shown:?}"))?;
        Ok(shown)
    }

    /// Listens for `duration`, 10 seconds at most, from now to all that arrives at once.
    ///
    /// # Errors
    ///
    /// Where that is too long, or the page has gone.
    pub async fn hears(&self, duration: Duration) -> Result<Heard> {
        ensure!(duration <= HEARD_MAX, "{duration:?} are more than {HEARD_MAX:?} to listen for");
        let listen = "(ms) => host.call.ears.hear(ms)";
        let heard = self.page.call(listen, (duration.as_millis() as u64,), duration + SHOWN_WITHIN);
        heard.await.context("listening to what Element Call plays")
    }

    /// Waits for sound of a participant, whose identity begins with this (a user id will do), or of
    /// anybody: -40 dBFS for 10 ms. Returns when the sound began that goes on now, in milliseconds
    /// since 1970.
    ///
    /// # Errors
    ///
    /// Where there is none `within` that time; the error tells what arrives, and quotes Element Call's
    /// warnings.
    pub async fn wait_sound(&self, participant: Option<&str>, within: Duration) -> Result<u64> {
        let sound =
            self.page.call("(who) => host.call.ears.sound(who)", (participant,), within).await;
        match sound {
            Ok(began) => Ok(began),
            Err(error) => {
                let (arriving, warnings) = (self.arriving().await, self.warnings());
                Err(error.context(format!(
                    "waiting for sound; there arrives {arriving}, and Element Call says:\n{warnings}"
                )))
            }
        }
    }

    /// Waits for the opposite: 100 ms below that level, or no stream at all. Returns when the
    /// silence began that goes on now, in milliseconds since 1970; 0 if there never was any sound.
    ///
    /// # Errors
    ///
    /// Where it does not fall silent `within` that time.
    pub async fn wait_silence(&self, participant: Option<&str>, within: Duration) -> Result<u64> {
        let silence =
            self.page.call("(who) => host.call.ears.silence(who)", (participant,), within).await;
        silence.context("waiting for silence")
    }

    /// When a participant, whose identity begins with this, was heard so far: for how long a
    /// listener missed them. Streams that have ended count.
    ///
    /// # Errors
    ///
    /// Where the page has gone.
    pub async fn sounds(&self, participant: &str) -> Result<Sounds> {
        self.page
            .call("(who) => host.call.ears.sounds(who)", (participant,), SHOWN_WITHIN)
            .await
            .context("asking when somebody was heard")
    }

    /// Turns the microphone off, or on.
    ///
    /// # Errors
    ///
    /// Where Element Call does not answer.
    pub async fn mute(&self, muted: bool) -> Result<()> {
        self.page
            .call("(muted) => host.call.mute(muted)", (muted,), SHOWN_WITHIN)
            .await
            .context("muting")
    }

    /// What Element Call could not decrypt so far, by its log.
    pub fn encryption_errors(&self) -> Vec<EncryptionError> {
        let lines = self.page.console();
        lines.iter().filter_map(|line| encryption_error(line.at_ms, &line.text)).collect()
    }

    /// Hangs up, and waits until Element Call says that it has left.
    ///
    /// # Errors
    ///
    /// Where it does not within half a minute.
    pub async fn hang_up(self) -> Result<()> {
        self.page.evaluate("host.call.hangUp()", LEFT_WITHIN).await.context("hanging up")
    }

    /// The streams that arrive, as text for a message.
    async fn arriving(&self) -> String {
        let arriving = self.page.evaluate("host.call.ears.arriving()", SHOWN_WITHIN).await;
        arriving.unwrap_or_else(|error| format!("nobody knows what ({error:#})"))
    }

    fn warnings(&self) -> String {
        const SHOWN_MAX: usize = 12;
        let lines = self.page.console().into_iter();
        let lines =
            lines.filter(|line| matches!(line.level.as_str(), "warning" | "error" | "uncaught"));
        let mut lines = lines.map(|line| line.text).collect::<Vec<_>>();
        lines.dedup();
        lines.drain(..lines.len().saturating_sub(SHOWN_MAX));
        lines.join("\n")
    }
}

/// Element Call 0.26 writes `[RemoteTracks] Encryption error for IDENTITY: Error: …`.
fn encryption_error(at_ms: u64, text: &str) -> Option<EncryptionError> {
    let (_, rest) = text.split_once("Encryption error for ")?;
    let participant = match rest.split_once(": ") {
        Some(("unknown participant", _)) | None => "unknown".to_owned(),
        Some((identity, _)) => identity.to_owned(),
    };
    // The rest is a stack within Element Call.
    let text = text.lines().next().unwrap_or_default().to_owned();
    Some(EncryptionError { at_ms, participant, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encryption_error_names_its_participant() {
        let text = "[RemoteTracks] Encryption error for @bot:localhost:8448:DEV: Error: MissingKey";
        let error = encryption_error(7, text).expect("an encryption error");
        assert_eq!((error.at_ms, error.participant.as_str()), (7, "@bot:localhost:8448:DEV"));
    }

    #[test]
    fn an_encryption_status_is_no_error() {
        let text = "[RemoteTracks] Encryption status of @a:b:C: encrypted=true";
        assert_eq!(encryption_error(7, text), None);
    }
}
