//! Who gets a token: the checks, in the original's order, and what they cost.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use livekit_api::services::room::{CreateRoomOptions, RoomClient};
use serde::Deserialize;
use url::Url;

use super::{
    body::{Member, Request},
    delegation::{DelayedLeave, Delegation},
    service::{Refusal, Settings},
    token, webhook,
};

/// The slot that `/sfu/get` means.
const ROOM_SLOT: &str = "m.call#ROOM";

/// How long an empty room stays, and how long one from which the last has gone, as the original
/// has it.
const ROOM: (u32, u32) = (300, 20);

/// What those are told who may not make rooms, and want their leave taken over.
const FULL_ACCESS_ONLY: &str =
    "Delegation of delayed events is only supported for full access users";

/// The most of a homeserver's answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The SFU's room for the call of a Matrix room.
pub fn alias(room_id: &str) -> String {
    token::hash(&[room_id, ROOM_SLOT])
}

/// What the checks need: connections to homeservers and to the SFU.
#[derive(Debug)]
pub(super) struct Access {
    settings: Settings,
    homeservers: reqwest::Client,
    rooms: Arc<RoomClient>,
    delegation: Delegation,
}

/// A token, and where it opens a room.
pub(super) struct Granted {
    pub(super) jwt: String,
    pub(super) url: String,
}

/// A user whom a homeserver vouches for.
struct User {
    id: String,
    may_make_rooms: bool,
}

impl Access {
    pub(super) fn new(settings: Settings) -> reqwest::Result<Self> {
        let homeservers = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(settings.accept_any_certificate)
            .timeout(settings.lookup_max)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let sfu = &settings.sfu;
        let rooms = RoomClient::with_api_key(&sfu.http_url(), &sfu.key, &sfu.secret)
            .with_failover(false)
            .with_request_timeout(Duration::from_secs(10));
        let rooms = Arc::new(rooms);
        let delegation = Delegation::new(Arc::clone(&rooms), homeservers.clone());
        Ok(Self { settings, homeservers, rooms, delegation })
    }

    /// Whether delayed leaves are taken over.
    pub(super) fn delegates(&self) -> bool {
        self.settings.delegates
    }

    /// What a user is told of the SFU's address.
    fn sfu_url(&self, user: &User) -> &str {
        let name = user.id.trim_start_matches('@');
        let told = self.settings.told.as_ref().filter(|_| name.starts_with(&self.settings.told_to));
        told.unwrap_or(&self.settings.sfu.url)
    }

    /// Answers `/sfu/get`: the identity is user and device.
    pub(super) async fn sfu_get(&self, asked: Request) -> Result<Granted, Refusal> {
        if asked.room_id.is_empty() {
            return Err(Refusal::bad_json("Missing room parameter"));
        }
        if asked.access_token.is_empty() || asked.server_name.is_empty() {
            return Err(Refusal::bad_json("Missing OpenID token parameters"));
        }
        check_delay(&asked)?;
        let user = self.look_up(&asked).await?;
        let identity = format!("{}:{}", user.id, asked.device_id);
        self.admit(&user, &identity, &Request { slot_id: ROOM_SLOT.to_owned(), ..asked }).await
    }

    /// Answers `/get_token`: the identity is a hash, and so tells nobody who it is.
    pub(super) async fn get_token(&self, asked: Request) -> Result<Granted, Refusal> {
        let Member { id, user_id, device_id } = &asked.member;
        if asked.room_id.is_empty() || asked.slot_id.is_empty() {
            return Err(Refusal::bad_json("The request body is missing `room_id` or `slot_id`"));
        }
        if id.is_empty() || user_id.is_empty() || device_id.is_empty() {
            return Err(Refusal::bad_json(
                "The request body `member` is missing a `id`, `claimed_user_id` or \
                 `claimed_device_id`",
            ));
        }
        if asked.access_token.is_empty() || asked.server_name.is_empty() {
            return Err(Refusal::bad_json(
                "The request body `openid_token` is missing a `access_token` or \
                 `matrix_server_name`",
            ));
        }
        check_delay(&asked)?;
        let user = self.look_up(&asked).await?;
        if user.id != *user_id {
            return Err(Refusal::unauthorised());
        }
        let identity = token::hash(&[user_id, device_id, id]);
        self.admit(&user, &identity, &asked).await
    }

    /// Asks the homeserver whose token it is. Every failure is the same to the one who asks.
    async fn look_up(&self, asked: &Request) -> Result<User, Refusal> {
        #[derive(Deserialize)]
        struct UserInfo {
            sub: String,
        }
        let mut url = self.homeserver(&asked.server_name).ok_or_else(Refusal::unauthorised)?;
        url.set_path("/_matrix/federation/v1/openid/userinfo");
        url.query_pairs_mut().append_pair("access_token", &asked.access_token);
        let UserInfo { sub } = self.get(url).await.ok_or_else(Refusal::unauthorised)?;
        // A homeserver may speak of its own users only.
        if sub.split_once(':').is_none_or(|(_, name)| name != asked.server_name) {
            return Err(Refusal::unauthorised());
        }
        let full_access = &self.settings.full_access;
        let may_make_rooms =
            full_access.iter().any(|name| name == "*" || *name == asked.server_name);
        Ok(User { id: sub, may_make_rooms })
    }

    /// Answers `/delegate_delayed_leave`: that of a participant who has a token of `/get_token`.
    /// Nothing is looked up for it yet, at the SFU or the homeserver.
    pub(super) async fn delegate(&self, asked: Request) -> Result<(), Refusal> {
        let Member { id, user_id, device_id } = &asked.member;
        if asked.room_id.is_empty() || asked.slot_id.is_empty() {
            return Err(Refusal::bad_json("The request body is missing `room_id` or `slot_id`"));
        }
        if id.is_empty() || user_id.is_empty() || device_id.is_empty() {
            return Err(Refusal::bad_json(
                "The request body `member` is missing `id`, `claimed_user_id` or \
                 `claimed_device_id`",
            ));
        }
        if asked.access_token.is_empty() || asked.server_name.is_empty() {
            return Err(Refusal::bad_json(
                "The request body `openid_token` is missing `access_token` or `matrix_server_name`",
            ));
        }
        if asked.delay_id.is_empty() || asked.delay_timeout <= 0 {
            return Err(Refusal::no_delay());
        }
        let user = self.look_up(&asked).await?;
        if user.id != *user_id {
            return Err(Refusal::unauthorised());
        }
        if !user.may_make_rooms {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", FULL_ACCESS_ONLY));
        }
        let leave = self.delayed_leave(&asked).await?;
        let identity = token::hash(&[user_id, device_id, id]);
        let room = token::hash(&[&asked.room_id, &asked.slot_id]);
        self.delegation.take((room, identity), leave);
        Ok(())
    }

    /// Hears a message to `/sfu_webhook`.
    pub(super) fn sfu_says(&self, authorization: &str, body: &[u8]) {
        if let Some((change, participant)) = webhook::read(&self.settings.sfu, authorization, body)
        {
            self.delegation.hear(change, &participant);
        }
    }

    /// Makes the room where the user may, and signs the token. Others get one, too: it opens a
    /// room that is there.
    async fn admit(
        &self,
        user: &User,
        identity: &str,
        asked: &Request,
    ) -> Result<Granted, Refusal> {
        let leave = if asked.delay_id.is_empty() {
            None
        } else if user.may_make_rooms {
            Some(self.delayed_leave(asked).await?)
        } else {
            return Err(Refusal::bad_json(FULL_ACCESS_ONLY));
        };
        let room = token::hash(&[&asked.room_id, &asked.slot_id]);
        if user.may_make_rooms {
            self.make(&room).await?;
        }
        let token = token::sign(&self.settings.sfu, identity, &room).map_err(|error| {
            tracing::warn!(%error, "a token could not be signed");
            Refusal::unknown("Internal server error")
        })?;
        if let Some(leave) = leave.filter(|_| self.settings.delegates) {
            self.delegation.take((room, identity.to_owned()), leave);
        }
        Ok(Granted { jwt: token, url: self.sfu_url(user).to_owned() })
    }

    /// Makes a room at the SFU. One that is there stays as it is.
    async fn make(&self, room: &str) -> Result<(), Refusal> {
        let (empty_timeout, departure_timeout) = ROOM;
        let options =
            CreateRoomOptions { empty_timeout, departure_timeout, ..CreateRoomOptions::default() };
        self.rooms.create_room(room, options).await.map(drop).map_err(|error| {
            tracing::warn!(%error, "the SFU made no room");
            Refusal::unknown("Unable to create room on SFU")
        })
    }

    /// The delayed leave of a request, with the client API of its homeserver.
    async fn delayed_leave(&self, asked: &Request) -> Result<DelayedLeave, Refusal> {
        let unresolved = || Refusal::bad_json("Unable to resolve client-server API");
        let found = match self.settings.client_apis.get(&asked.server_name) {
            Some(known) => known.clone(),
            None => self.announced_client_api(&asked.server_name).await.ok_or_else(unresolved)?,
        };
        Ok(DelayedLeave {
            client_api: Url::parse(&found).map_err(|_| unresolved())?,
            id: asked.delay_id.clone(),
            delay: Duration::from_millis(asked.delay_timeout.unsigned_abs()),
        })
    }

    async fn announced_client_api(&self, server_name: &str) -> Option<String> {
        let mut url = self.homeserver(server_name)?;
        url.set_path("/.well-known/matrix/client");
        let known: serde_json::Value = self.get(url).await?;
        known["m.homeserver"]["base_url"].as_str().map(str::to_owned)
    }

    /// Where a homeserver is asked.
    fn homeserver(&self, server_name: &str) -> Option<Url> {
        match self.settings.addresses.get(server_name) {
            Some(address) => Url::parse(address).ok(),
            None => at_homeserver(server_name),
        }
    }

    /// A homeserver's answer, if it is one.
    async fn get<T: serde::de::DeserializeOwned>(&self, url: Url) -> Option<T> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let asked = async {
            let mut answer = self.homeservers.get(url).send().await?.error_for_status()?;
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > ANSWER_BYTES_MAX {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(bytes)
        };
        match asked.await {
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
            Err(error) => {
                // The URL holds somebody's token.
                tracing::debug!(host, error = %error.without_url(), "a look-up failed");
                None
            }
        }
    }
}

/// Both parts of a delayed leave, or neither.
fn check_delay(asked: &Request) -> Result<(), Refusal> {
    let complete = !asked.delay_id.is_empty() && asked.delay_timeout > 0;
    let absent = asked.delay_id.is_empty() && asked.delay_timeout == 0;
    if complete || absent { Ok(()) } else { Err(Refusal::no_delay()) }
}

/// `https://` and the server name, where that is a host and perhaps a port and nothing else.
fn at_homeserver(server_name: &str) -> Option<Url> {
    let url = Url::parse(&format!("https://{server_name}")).ok()?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    bare.then_some(url)
}

impl Refusal {
    fn bad_json(error: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_BAD_JSON", error)
    }

    fn no_delay() -> Self {
        Self::bad_json("The request body is missing `delay_id` or `delay_timeout`")
    }

    fn unauthorised() -> Self {
        let error = "The request could not be authorised.";
        Self::new(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED", error)
    }

    fn unknown(error: &'static str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_is_a_host_and_perhaps_a_port() {
        assert!(at_homeserver("localhost:8448").is_some());
        for name in ["a/b", "a?b", "a#b", "u:p@a", "", "a b"] {
            assert!(at_homeserver(name).is_none(), "{name}");
        }
    }
}
