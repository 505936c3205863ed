//! A person: an account signed in on a page of a browser, with a chat and, beside it, Element Call.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::join::JoinOptions;
use crate::browser::{Account, Browser, Line, Page, Web};
use crate::homeserver::NewRoom;

/// Signing in makes keys, uploads them and syncs: 1 to 2 seconds on an idle machine.
const SIGNED_IN_WITHIN: Duration = Duration::from_mins(1);

/// A request or two to a homeserver on loopback, which may be busy.
pub(super) const DONE_WITHIN: Duration = Duration::from_secs(30);

/// Somebody who is signed in. Dropping it leaves the page as it is; it ends with its browser.
#[derive(Debug)]
pub struct Person {
    pub(super) page: Arc<Page>,
    account: Account,
    signed_in: SignedIn,
    pages: String,
}

#[derive(Debug, Deserialize)]
struct SignedIn {
    user_id: String,
    device_id: String,
}

impl Person {
    /// Signs an account in on a new page. The device is new, has keys of its own and is signed by
    /// the account's cross-signing identity if it is the account's first.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses, or it takes longer than a minute.
    pub async fn sign_in(browser: &Browser, web: &Web, account: Account) -> Result<Self> {
        let page = Arc::new(browser.open().await?);
        page.go(&web.link(&account, None)).await?;
        let signed_in = page
            .evaluate("host.ready", SIGNED_IN_WITHIN)
            .await
            .with_context(|| format!("signing {} in", account.user))?;
        Ok(Self { page, account, signed_in, pages: web.url().to_owned() })
    }

    /// The user id.
    pub fn user_id(&self) -> &str {
        &self.signed_in.user_id
    }

    /// The device id.
    pub fn device_id(&self) -> &str {
        &self.signed_in.device_id
    }

    /// The account as it was signed in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// A link for a human's own browser: it signs the same account in, as one more device, shows
    /// the room and has a button to join its call. It holds the password.
    pub fn link(&self, room: &str) -> String {
        self.account.link(&self.pages, Some(room))
    }

    /// Makes a room, invites, and returns its id once it is here and encrypted if it shall be.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn create_room(&self, room: &NewRoom<'_>) -> Result<String> {
        let room = json!({
            "name": room.name, "encrypted": room.encrypted, "invite": room.invite,
            "call_power_level": room.call_power_level,
        });
        self.page
            .call("(room) => host.createRoom(room)", (room,), DONE_WITHIN)
            .await
            .context("making a room")
    }

    /// Joins a room, to which this person is invited or which is public, and shows it.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses.
    pub async fn join_room(&self, room: &str) -> Result<()> {
        self.page
            .call("(room) => host.join(room)", (room,), DONE_WITHIN)
            .await
            .context("joining a room")
    }

    /// Waits until somebody is a member of a room.
    ///
    /// # Errors
    ///
    /// Where that takes longer than `within`.
    pub async fn wait_for_member(&self, room: &str, user_id: &str, within: Duration) -> Result<()> {
        let wait = "(room, user) => host.member(room, user)";
        self.page
            .call(wait, (room, user_id), within)
            .await
            .with_context(|| format!("waiting for {user_id} to join"))
    }

    /// Opens Element Call for a room and has it join the room's call, or start one; nobody is rung.
    /// A call that this person was in before is closed. The microphone is sent as it is, the camera
    /// is off.
    ///
    /// # Errors
    ///
    /// Where the page refuses. Whether it gets into the call tells [`Call::wait_joined`].
    pub async fn join_call(&self, room: &str) -> Result<Call> {
        self.join_call_with(room, &JoinOptions::default()).await
    }

    /// As [`Person::join_call`], and differently in what the options say.
    ///
    /// # Errors
    ///
    /// As [`Person::join_call`].
    pub async fn join_call_with(&self, room: &str, options: &JoinOptions) -> Result<Call> {
        let open = "(room, options) => host.openCall(room, options)";
        self.page
            .call::<Value>(open, (room, options.for_page()), DONE_WITHIN)
            .await
            .context("opening Element Call")?;
        Ok(Call::new(Arc::clone(&self.page)))
    }

    /// The last lines of the console, Element Call's included.
    pub fn console(&self) -> Vec<Line> {
        self.page.console()
    }

    /// Takes a picture of the page: the chat, and Element Call if it is open.
    ///
    /// # Errors
    ///
    /// Where Chromium or the file system refuses.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        self.page.screenshot(path).await
    }

    /// Closes the page, as somebody does who leaves without a word: a call that is open is not hung
    /// up.
    ///
    /// # Errors
    ///
    /// Where the browser has gone.
    pub async fn close(self) -> Result<()> {
        self.page.close().await
    }
}
