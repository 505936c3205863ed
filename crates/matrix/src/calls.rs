//! What a call asks of Matrix, answered by matrix-sdk.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use matrix_sdk::{
    Client, HttpError,
    config::RequestConfig,
    ruma::{
        self,
        api::error::{ErrorKind, RetryAfter},
        events::AnyToDeviceEventContent,
        serde::Raw,
    },
};
use matrix_sdk_base::crypto::CollectStrategy;
use phonograph_call::{
    matrix::{Matrix, MatrixError, RoomFeed},
    matrixrtc::{
        DelayId, DelayedEvent, EventId, Member, OpenIdToken, Request, RequestError, Response,
        RoomId, Roster, ServiceUrl, Timestamp, UserId, event, transport,
    },
};
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use crate::{
    feeds::{self, Feeds},
    ids,
    requests::{list_delayed_events, read_state, send_state, transports, update_delayed_event},
};

/// One request of the membership machine. It must fail while the machine can still do something
/// about it; the delayed leave is restarted every 5 s and fires after 18 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Looking for the devices of members that are new to us.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(3);
/// Encrypting and sending a media key to everybody.
const KEY_TIMEOUT: Duration = Duration::from_secs(10);
/// A restart of the delayed leave (matrixrtc.md: 2 s in every client), so that two fit in between.
const RESTART_TIMEOUT: Duration = Duration::from_secs(2);

/// The Matrix side of calls. One serves any number of them.
#[derive(Debug)]
pub struct Calls {
    client: Client,
    me: Member,
    feeds: std::sync::Arc<Feeds>,
}

impl Calls {
    pub(crate) fn new(client: Client, me: Member, feeds: std::sync::Arc<Feeds>) -> Self {
        Self { client, me, feeds }
    }

    async fn send_state(
        &self,
        room: &RoomId,
        (event_type, state_key): (&str, String),
        content: Value,
        delay: Option<Duration>,
    ) -> Result<Value, RequestError> {
        let request = send_state::Request {
            room_id: room.to_string(),
            event_type: event_type.to_owned(),
            state_key,
            delay: delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            body: content,
        };
        let config = RequestConfig::new().disable_retry().timeout(REQUEST_TIMEOUT);
        let answer = self.client.send(request).with_request_config(config).await;
        answer.map(|answer| answer.body).map_err(|error| request_error(&error))
    }

    async fn update_leave(&self, id: &DelayId, action: &str) -> Result<Response, RequestError> {
        let timeout = if action == "restart" { RESTART_TIMEOUT } else { REQUEST_TIMEOUT };
        let config = RequestConfig::new().disable_retry().timeout(timeout);
        let request =
            update_delayed_event::Request { delay_id: id.to_string(), action: action.to_owned() };
        let answer = self.client.send(request).with_request_config(config).await;
        answer.map(|_| Response::Done).map_err(|error| request_error(&error))
    }

    async fn list_delayed_events(&self) -> Result<Response, RequestError> {
        let config = RequestConfig::new().disable_retry().timeout(REQUEST_TIMEOUT);
        let answer = self
            .client
            .send(list_delayed_events::Request {})
            .with_request_config(config)
            .await
            .map_err(|error| request_error(&error))?;
        let events = answer.body["delayed_events"].as_array().cloned().unwrap_or_default();
        let events = events.into_iter().filter_map(|event| serde_json::from_value(event).ok());
        Ok(Response::DelayedEvents(events.collect::<Vec<DelayedEvent>>()))
    }

    async fn read_state(
        &self,
        room: &RoomId,
        event_type: &str,
        state_key: String,
    ) -> Result<Response, RequestError> {
        let request = read_state::Request {
            room_id: room.to_string(),
            event_type: event_type.to_owned(),
            state_key,
        };
        let config = RequestConfig::new().disable_retry().timeout(REQUEST_TIMEOUT);
        let answer = self.client.send(request).with_request_config(config).await;
        answer
            .map(|answer| Response::Membership(answer.body))
            .map_err(|error| request_error(&error))
    }

    /// Encrypts a media key for each target's device, and for nobody else.
    async fn send_key(
        &self,
        targets: Vec<Member>,
        event_type: &str,
        content: &Value,
        signed_only: bool,
    ) -> Result<Response, RequestError> {
        self.look_up(&targets).await;
        let (mut devices, mut unserved) = (Vec::new(), Vec::new());
        for target in targets {
            match self.known_device(&target).await {
                Some(device) if !signed_only || device.is_cross_signed_by_owner() => {
                    devices.push(device);
                }
                Some(_) => {
                    info!(member = %target, "no key for a device that its owner has not signed");
                    unserved.push(target);
                }
                None => unserved.push(target),
            }
        }
        if !devices.is_empty() {
            let raw = Raw::<AnyToDeviceEventContent>::from_json(
                serde_json::value::to_raw_value(content)
                    .map_err(|error| RequestError::Other(error.to_string()))?,
            );
            let encryption = self.client.encryption();
            let sending = encryption.encrypt_and_send_raw_to_device(
                devices.iter().collect(),
                event_type,
                raw,
                CollectStrategy::AllDevices,
            );
            // The SDK tries three times for half a minute each; the roll-out has retries of its own.
            let sent = tokio::time::timeout(KEY_TIMEOUT, sending).await;
            let failed = sent.map_err(|_elapsed| RequestError::Timeout)?.map_err(|error| {
                match error.as_client_api_error() {
                    Some(_) => RequestError::Other(error.to_string()),
                    None => RequestError::Network,
                }
            })?;
            unserved.extend(failed.into_iter().map(|(user, device)| Member {
                user: ids::user(user.as_str()),
                device: ids::device(device.as_str()),
            }));
        }
        Ok(Response::KeySent { unserved })
    }

    /// Ends our memberships of an earlier run that was killed: others would see us in calls that we
    /// are not in. To be called before the first call is joined; a homeserver that does not answer
    /// is left alone, as whatever is stale ends by its delayed leave or its expiry.
    pub async fn end_stale_memberships(&self) {
        for room in self.client.joined_rooms() {
            let stale = feeds::own_memberships(&room, &self.me).await;
            let room = ids::room(room.room_id().as_str());
            for state_key in stale {
                info!(%room, "ending the call membership of an earlier run");
                let target = (event::CALL_MEMBER, state_key);
                if let Err(error) = self.send_state(&room, target, json!({}), None).await {
                    warn!(%room, %error, "a stale call membership stays until it expires");
                }
            }
        }
    }

    /// Who else is in a room's call, as of the last sync; nobody in a room that is not known.
    pub async fn others(&self, room: &RoomId) -> BTreeSet<UserId> {
        let Some(target) = ids::find_room(&self.client, room) else { return BTreeSet::new() };
        let state = match feeds::read_state(&target, &self.me).await {
            Ok(state) => state,
            Err(error) => {
                warn!(%room, %error, "could not read who is in the call");
                return BTreeSet::new();
            }
        };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        let roster = Roster::evaluate(&state.memberships, &state.joined, now);
        roster.others(&self.me).map(|info| info.member.user.clone()).collect()
    }

    /// Asks the homeserver once for the devices of each user of whom one is not known. Memberships can
    /// name devices that do not exist, on homeservers that do not answer: those who can be served must
    /// not wait for them.
    async fn look_up(&self, members: &[Member]) {
        let mut unknown = BTreeSet::new();
        for member in members {
            if self.known_device(member).await.is_none() {
                unknown.extend(ruma::UserId::parse(member.user.as_str()));
            }
        }
        if unknown.is_empty() {
            return;
        }
        debug!(users = unknown.len(), "members' devices are not known: asking for them");
        let encryption = self.client.encryption();
        let asking = unknown.iter().map(|user| encryption.request_user_identity(user));
        let asking = futures_util::future::join_all(asking);
        if tokio::time::timeout(LOOK_UP_TIMEOUT, asking).await.is_err() {
            warn!("not all members' devices were found in time");
        }
    }

    async fn known_device(
        &self,
        member: &Member,
    ) -> Option<matrix_sdk::encryption::identities::Device> {
        let user = ruma::UserId::parse(member.user.as_str()).ok()?;
        let device: &ruma::DeviceId = member.device.as_str().into();
        self.client.encryption().get_device(&user, device).await.ok()?
    }
}

#[async_trait]
impl Matrix for Calls {
    fn me(&self) -> Member {
        self.me.clone()
    }

    async fn attach(&self, room: &RoomId) -> Result<RoomFeed, MatrixError> {
        let feed = self.feeds.attach(room).await.map_err(MatrixError::failed)?;
        feed.ok_or(MatrixError::NotInRoom)
    }

    async fn transports(&self) -> Result<Vec<ServiceUrl>, MatrixError> {
        let config = RequestConfig::new().retry_limit(2).timeout(REQUEST_TIMEOUT);
        let request = transports::Request {};
        let announced = match self.client.send(request).with_request_config(config).await {
            Ok(answer) => transport::parse_transports(&answer.body),
            Err(error) if is_not_there(&error) => Vec::new(),
            Err(error) => return Err(MatrixError::failed(error)),
        };
        if !announced.is_empty() {
            return Ok(announced);
        }
        let foci = self.client.rtc_foci().await.map_err(MatrixError::failed)?;
        let foci = serde_json::to_value(foci).map_err(MatrixError::failed)?;
        Ok(transport::parse_well_known(&json!({ event::RTC_FOCI: foci })))
    }

    async fn openid_token(&self) -> Result<OpenIdToken, MatrixError> {
        let token = self.client.account().request_openid_token().await;
        let token = token.map_err(MatrixError::failed)?;
        Ok(OpenIdToken {
            access_token: token.access_token,
            token_type: token.token_type.to_string(),
            matrix_server_name: token.matrix_server_name.to_string(),
            expires_in: token.expires_in.as_secs(),
        })
    }

    async fn perform(&self, room: &RoomId, request: Request) -> Result<Response, RequestError> {
        match request {
            Request::ListDelayedEvents => self.list_delayed_events().await,
            Request::ScheduleLeave { event_type, state_key, delay, content } => {
                let target = (event_type, state_key);
                let answer = self.send_state(room, target, content, Some(delay)).await?;
                let id = answer["delay_id"].as_str().ok_or(RequestError::Unsupported)?;
                Ok(Response::Scheduled(DelayId::from(id.to_owned())))
            }
            Request::RestartLeave(id) => self.update_leave(&id, "restart").await,
            Request::CancelLeave(id) => self.update_leave(&id, "cancel").await,
            Request::SendLeaveNow(id) => self.update_leave(&id, "send").await,
            Request::SendMembership { event_type, state_key, content } => {
                let target = (event_type, state_key);
                let answer = self.send_state(room, target, content, None).await?;
                let id = answer["event_id"].as_str().unwrap_or_default();
                Ok(Response::Sent(EventId::from(id.to_owned())))
            }
            Request::ReadMembership { event_type, state_key } => {
                self.read_state(room, event_type, state_key).await
            }
            Request::SendKey { targets, event_type, content, signed_only } => {
                self.send_key(targets, event_type, &content, signed_only).await
            }
            // The token service is asked, and not by us.
            Request::DelegateLeave { .. } => Err(RequestError::Unsupported),
        }
    }
}

/// Whether the homeserver has no such endpoint (404, or MSC4143 switched off).
fn is_not_there(error: &HttpError) -> bool {
    let status = error.as_client_api_error().map(|answer| answer.status_code.as_u16());
    matches!(status, Some(400 | 404 | 405))
}

/// Sorts an answer by what the membership machine can do about it.
fn request_error(error: &HttpError) -> RequestError {
    let Some(answer) = error.as_client_api_error() else {
        return match error {
            HttpError::Reqwest(error) if error.is_timeout() => RequestError::Timeout,
            HttpError::Reqwest(_) => RequestError::Network,
            other => RequestError::Other(other.to_string()),
        };
    };
    match error.client_api_error_kind() {
        Some(ErrorKind::NotFound) => RequestError::NotFound,
        Some(ErrorKind::Forbidden) => RequestError::Forbidden,
        Some(ErrorKind::Unrecognized) => RequestError::Unsupported,
        Some(ErrorKind::LimitExceeded(limit)) => RequestError::RateLimited {
            retry_after: match limit.retry_after {
                Some(RetryAfter::Delay(delay)) => Some(delay),
                Some(RetryAfter::DateTime(_)) | None => None,
            },
        },
        _ if answer.status_code.is_server_error() => {
            RequestError::Server(answer.status_code.as_u16())
        }
        _ => delayed_event_error(answer),
    }
}

/// What Synapse says of a delay that it does not like (MSC4140, before 1.157). ruma keeps the
/// fields beside `errcode` only for codes that it does not know, as here.
fn delayed_event_error(answer: &ruma::api::error::Error) -> RequestError {
    let text = answer.to_string();
    if text.contains("M_MAX_DELAY_UNSUPPORTED") {
        return RequestError::Unsupported;
    }
    if text.contains("M_MAX_DELAY_EXCEEDED") {
        return RequestError::MaxDelay(None);
    }
    RequestError::Other(text)
}
