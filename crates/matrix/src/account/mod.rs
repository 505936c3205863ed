//! Our Matrix account: log in, be the same device after a restart, sign that device, then sync.
//!
//! [`Account::start`] does what has to be done once; [`Account::run`] keeps the sync going. What the
//! sync brings comes out of [`Incoming`](crate::chat::Incoming) (chat, invites) and of the call side
//! ([`crate::calls`]).

mod login;
mod session;
mod signing;

use std::{path::PathBuf, sync::Arc};

use matrix_sdk::Client;
use phonograph_call::matrixrtc::{Member, RoomId};
use tokio::sync::mpsc;

pub use login::StartError;

use crate::{
    calls::Calls,
    chat::{Incoming, Invite},
    feeds::Feeds,
    ids,
    media::Media,
    outbox::Outbox,
    rooms::{RoomError, Rooms},
    sync::{self, SyncEnded},
};

/// Chat and invites that wait for the bot. When it is full a further one is dropped and counted:
/// the sync loop carries the media keys and must not wait for chat.
const INCOMING_MAX: usize = 1024;

/// Who we are and where we live.
#[derive(Debug)]
pub struct Settings {
    /// `https://matrix.example.org`, or a server name whose `.well-known` names the URL.
    pub homeserver: String,
    /// The whole user id, `@bot:example.org`, or its local part.
    pub user: String,
    /// How to log in where no session is stored.
    pub credentials: Credentials,
    /// A folder of our own. It holds the device's keys: whoever loses it becomes a new device.
    pub store: PathBuf,
    /// The name shown in rooms; left alone if `None`.
    pub display_name: Option<String>,
}

/// A secret that proves who we are; prints as `***`.
pub enum Credentials {
    /// The account's password. It also lets us sign a device when the store was lost.
    Password(String),
    /// An access token that somebody made for us, with its device.
    Token(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(***)",
            Self::Token(_) => "Token(***)",
        })
    }
}

/// A logged-in account whose sync is not running yet. Dropping it ends nothing on the server: the
/// device stays, as its keys do.
#[derive(Debug)]
pub struct Account {
    client: Client,
    me: Member,
    feeds: Arc<Feeds>,
    incoming: mpsc::Sender<Incoming>,
}

impl Account {
    /// Logs in, or restores the stored session, and signs the device at its first start.
    ///
    /// # Errors
    /// [`StartError`] says whether waiting, a person or nothing helps. Not cancel-safe: a log-in
    /// that was cut off may leave an unused device behind.
    pub async fn start(settings: Settings) -> Result<(Self, mpsc::Receiver<Incoming>), StartError> {
        let client = login::log_in(&settings).await?;
        let user = client.user_id().map(ToString::to_string).unwrap_or_default();
        let device = client.device_id().map(ToString::to_string).unwrap_or_default();
        let me = Member { user: ids::user(&user), device: ids::device(&device) };
        let (incoming, receiver) = mpsc::channel(INCOMING_MAX);
        let feeds = Arc::new(Feeds::new(client.clone(), me.clone()));
        Ok((Self { client, me, feeds, incoming }, receiver))
    }

    /// Our user and device.
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// What sends chat.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.client.clone())
    }

    /// What is known of our rooms and the people in them.
    pub fn rooms(&self) -> Rooms {
        Rooms::new(self.client.clone())
    }

    /// What fetches files from the homeserver.
    pub fn media(&self) -> Media {
        Media::new(self.client.clone())
    }

    /// What calls ask of Matrix.
    pub fn calls(&self) -> Arc<Calls> {
        Arc::new(Calls::new(self.client.clone(), self.me.clone(), Arc::clone(&self.feeds)))
    }

    /// Syncs until the homeserver no longer knows us. Cancel-safe: dropping the future stops the
    /// sync between two requests at the latest.
    ///
    /// It answers with [`SyncEnded`] when our session has ended; trouble with the network is waited
    /// out in here.
    pub async fn run(&self) -> SyncEnded {
        sync::run(&self.client, &self.feeds, &self.me, &self.incoming).await
    }

    /// Accepts an invite.
    ///
    /// # Errors
    /// What the homeserver said.
    pub async fn accept(&self, room: &RoomId) -> Result<(), RoomError> {
        self.room(room)?.join().await.map_err(RoomError::refused)
    }

    /// Declines an invite, or leaves a room.
    ///
    /// # Errors
    /// What the homeserver said.
    pub async fn leave_room(&self, room: &RoomId) -> Result<(), RoomError> {
        self.room(room)?.leave().await.map_err(RoomError::refused)
    }

    /// The rooms that we are invited to and have not answered.
    pub async fn pending_invites(&self) -> Vec<Invite> {
        let mut invites = Vec::new();
        for room in self.client.invited_rooms() {
            let details = room.invite_details().await.ok();
            let inviter = details.and_then(|invite| invite.inviter);
            let inviter = inviter.map(|member| ids::user(member.user_id().as_str()));
            invites.push(Invite { room: ids::room(room.room_id().as_str()), inviter });
        }
        invites
    }

    /// The rooms that we are in.
    pub fn joined_rooms(&self) -> Vec<RoomId> {
        self.client.joined_rooms().iter().map(|room| ids::room(room.room_id().as_str())).collect()
    }

    fn room(&self, room: &RoomId) -> Result<matrix_sdk::Room, RoomError> {
        ids::find_room(&self.client, room).ok_or(RoomError::Unknown)
    }
}
