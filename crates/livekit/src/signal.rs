//! The messages on the WebSocket: one protobuf each, `SignalRequest` out and `SignalResponse` in.

use livekit_protocol::{
    LeaveRequest, MuteTrackRequest, Ping, SessionDescription, SignalRequest, SignalResponse,
    UpdateSubscription, UpdateTrackSettings, leave_request::Action, signal_request,
    signal_response,
};
use prost::Message;

use crate::{TrackSid, peer::Target};

pub(crate) use signal_request::Message as Request;
pub(crate) use signal_response::Message as Response;

/// The longest message that is looked at; the server's own limit is the same.
const MESSAGE_MAX: usize = 2 << 20;

/// A message that is none, or none that can be read. The server is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignalError {
    #[error("a message of {0} bytes")]
    TooLong(usize),
    #[error("a message that cannot be read")]
    Malformed,
}

pub(crate) fn encode(request: Request) -> Vec<u8> {
    SignalRequest { message: Some(request) }.encode_to_vec()
}

/// Reads a message; `None` for one that newer servers send and we do not know.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Response>, SignalError> {
    if bytes.len() > MESSAGE_MAX {
        return Err(SignalError::TooLong(bytes.len()));
    }
    SignalResponse::decode(bytes)
        .map(|response| response.message)
        .map_err(|_| SignalError::Malformed)
}

pub(crate) fn offer(sdp: String, id: u32) -> Request {
    Request::Offer(SessionDescription {
        r#type: "offer".to_owned(),
        sdp,
        id,
        ..SessionDescription::default()
    })
}

pub(crate) fn answer(sdp: String, id: u32) -> SessionDescription {
    SessionDescription { r#type: "answer".to_owned(), sdp, id, ..SessionDescription::default() }
}

pub(crate) fn subscription(tracks: &[TrackSid], subscribe: bool) -> Request {
    Request::Subscription(UpdateSubscription {
        track_sids: tracks.iter().map(TrackSid::to_string).collect(),
        subscribe,
        ..UpdateSubscription::default()
    })
}

/// Asks for no packets of tracks that are subscribed to.
pub(crate) fn disabled(tracks: &[TrackSid]) -> Request {
    Request::TrackSetting(UpdateTrackSettings {
        track_sids: tracks.iter().map(TrackSid::to_string).collect(),
        disabled: true,
        ..UpdateTrackSettings::default()
    })
}

pub(crate) fn mute(sid: String, muted: bool) -> Request {
    Request::Mute(MuteTrackRequest { sid, muted })
}

pub(crate) fn ping(timestamp: i64, rtt: i64) -> Request {
    Request::PingReq(Ping { timestamp, rtt })
}

pub(crate) fn leave() -> Request {
    let mut leave = LeaveRequest::default();
    leave.set_reason(livekit_protocol::DisconnectReason::ClientInitiated);
    leave.set_action(Action::Disconnect);
    Request::Leave(leave)
}

/// The candidate in a `trickle`, as SDP writes it, and whose it is.
pub(crate) fn candidate(trickle: &livekit_protocol::TrickleRequest) -> Option<(Target, String)> {
    let target = match trickle.target() {
        livekit_protocol::SignalTarget::Publisher => Target::Publisher,
        livekit_protocol::SignalTarget::Subscriber => Target::Subscriber,
    };
    let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).ok()?;
    let candidate = init.get("candidate")?.as_str()?;
    // An empty one is the end of candidates, which nothing waits for.
    (!candidate.is_empty()).then(|| (target, candidate.to_owned()))
}
