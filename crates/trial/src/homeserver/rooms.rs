//! Rooms: the little that a test does in them without a browser.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Homeserver, Login, RequestError, field, piece};

/// The most events that Synapse gives at once.
const PAGE_MAX: usize = 1000;

/// The room that a test asks for.
#[derive(Debug, Clone)]
pub struct NewRoom<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether messages in it are encrypted from the start.
    pub encrypted: bool,
    /// Who is invited: user ids.
    pub invite: &'a [&'a str],
    /// The power level from which on one may join its calls, that is, send
    /// `org.matrix.msc3401.call.member`. 0 is everyone; Matrix's own default for state is 50.
    pub call_power_level: i64,
}

impl Default for NewRoom<'_> {
    /// A clear room in which everyone may join the call.
    fn default() -> Self {
        Self { name: "Trial", encrypted: false, invite: &[], call_power_level: 0 }
    }
}

impl Homeserver {
    /// Makes a private room and returns its id. The room version is the homeserver's default, 12:
    /// who made it is above all power levels and not among them.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn create_room(
        &self,
        who: &Login,
        room: &NewRoom<'_>,
    ) -> Result<String, RequestError> {
        const PATH: &str = "/_matrix/client/v3/createRoom";
        let encryption = json!({
            "type": "m.room.encryption",
            "state_key": "",
            "content": { "algorithm": "m.megolm.v1.aes-sha2" },
        });
        let level = room.call_power_level;
        let body = json!({
            "preset": "private_chat",
            "name": room.name,
            "invite": room.invite,
            "initial_state": room.encrypted.then_some(encryption).as_slice(),
            "power_level_content_override": {
                "events": {
                    "org.matrix.msc3401.call.member": level,
                    "org.matrix.msc4143.rtc.member": level,
                },
            },
        });
        let made = self.ask(Method::POST, PATH, Some(&who.access_token), Some(&body)).await?;
        field(&made, "room_id", PATH)
    }

    /// Invites somebody.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn invite(
        &self,
        who: &Login,
        room_id: &str,
        user_id: &str,
    ) -> Result<(), RequestError> {
        let path = in_room(room_id, "invite");
        let body = json!({ "user_id": user_id });
        self.ask(Method::POST, &path, Some(&who.access_token), Some(&body)).await?;
        Ok(())
    }

    /// Joins a room, to which one is invited or which is public.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn join(&self, who: &Login, room_id: &str) -> Result<(), RequestError> {
        let path = in_room(room_id, "join");
        self.ask(Method::POST, &path, Some(&who.access_token), Some(&json!({}))).await?;
        Ok(())
    }

    /// Puts a new room in the place of one, of version 12. Returns its id;
    /// those who were in the old one are not in it.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn upgrade(&self, who: &Login, room_id: &str) -> Result<String, RequestError> {
        let path = in_room(room_id, "upgrade");
        let body = json!({ "new_version": "12" });
        let made = self.ask(Method::POST, &path, Some(&who.access_token), Some(&body)).await?;
        field(&made, "replacement_room", &path)
    }

    /// Sends a message of any content, in clear, whether the room is encrypted or not. Returns the
    /// event's id.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn send_message(
        &self,
        who: &Login,
        room_id: &str,
        content: &Value,
    ) -> Result<String, RequestError> {
        let transaction = crate::secret::make();
        let path = in_room(room_id, &format!("send/m.room.message/{transaction}"));
        let sent = self.ask(Method::PUT, &path, Some(&who.access_token), Some(content)).await?;
        field(&sent, "event_id", &path)
    }

    /// Says something, in clear, whether the room is encrypted or not. Returns the event's id.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn send_text(
        &self,
        who: &Login,
        room_id: &str,
        text: &str,
    ) -> Result<String, RequestError> {
        self.send_message(who, room_id, &json!({ "msgtype": "m.text", "body": text })).await
    }

    /// The last messages, newest first, at most `limit`: whole events, as the server has them.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn messages(
        &self,
        who: &Login,
        room_id: &str,
        limit: usize,
    ) -> Result<Vec<Value>, RequestError> {
        let mut events = Vec::new();
        let mut from = String::new();
        loop {
            let count = (limit - events.len()).min(PAGE_MAX);
            let path = in_room(room_id, &format!("messages?dir=b&limit={count}{from}"));
            let body = self.ask(Method::GET, &path, Some(&who.access_token), None).await?;
            events.append(&mut list(&body["chunk"], &path)?);
            match body["end"].as_str() {
                Some(end) if events.len() < limit => from = format!("&from={}", piece(end)),
                _ => return Ok(events),
            }
        }
    }

    /// All state events of a room.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn state(&self, who: &Login, room_id: &str) -> Result<Vec<Value>, RequestError> {
        let path = in_room(room_id, "state");
        let body = self.ask(Method::GET, &path, Some(&who.access_token), None).await?;
        list(&body, &path)
    }

    /// The content of each call membership in a room's state that is not empty, that is, of those
    /// who are in the call or died in it.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn call_members(
        &self,
        who: &Login,
        room_id: &str,
    ) -> Result<Vec<Value>, RequestError> {
        let state = self.state(who, room_id).await?;
        let members = state.into_iter().filter(|e| e["type"] == "org.matrix.msc3401.call.member");
        let contents = members.map(|mut event| event["content"].take());
        Ok(contents.filter(|c| c.as_object().is_some_and(|c| !c.is_empty())).collect())
    }

    /// Sends a state event. Returns its id.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn set_state(
        &self,
        who: &Login,
        room_id: &str,
        (kind, state_key): (&str, &str),
        content: &Value,
    ) -> Result<String, RequestError> {
        let path = in_room(room_id, &format!("state/{}/{}", piece(kind), piece(state_key)));
        let sent = self.ask(Method::PUT, &path, Some(&who.access_token), Some(content)).await?;
        field(&sent, "event_id", &path)
    }

    /// Gives somebody another power level. In room version 12 its creator has none to change.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn set_power_level(
        &self,
        who: &Login,
        room_id: &str,
        user_id: &str,
        level: i64,
    ) -> Result<(), RequestError> {
        self.change_power_levels(who, room_id, |levels| levels["users"][user_id] = level.into())
            .await
    }

    /// Changes from which power level on one may join the room's calls.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn set_call_power_level(
        &self,
        who: &Login,
        room_id: &str,
        level: i64,
    ) -> Result<(), RequestError> {
        self.change_power_levels(who, room_id, |levels| {
            levels["events"]["org.matrix.msc3401.call.member"] = level.into();
        })
        .await
    }

    async fn change_power_levels(
        &self,
        who: &Login,
        room_id: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<(), RequestError> {
        let path = in_room(room_id, "state/m.room.power_levels/");
        let mut levels = self.ask(Method::GET, &path, Some(&who.access_token), None).await?;
        change(&mut levels);
        self.ask(Method::PUT, &path, Some(&who.access_token), Some(&levels)).await?;
        Ok(())
    }
}

fn in_room(room_id: &str, what: &str) -> String {
    format!("/_matrix/client/v3/rooms/{}/{what}", piece(room_id))
}

fn list(body: &Value, request: &str) -> Result<Vec<Value>, RequestError> {
    body.as_array()
        .cloned()
        .ok_or_else(|| RequestError::Unexpected { request: request.to_owned(), body: body.clone() })
}
