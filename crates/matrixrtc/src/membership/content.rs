//! The membership event's content, and when it is renewed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Intent, Member, RoomId, ServiceUrl, Timestamp, roster::Selection};

/// How often a membership is renewed at most (matrix-js-sdk 43).
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);
/// How long before that time (matrix-js-sdk 43).
const HEADROOM: Duration = Duration::from_secs(5);

/// What a membership event says.
pub(super) struct Content<'a> {
    pub(super) me: &'a Member,
    pub(super) room: &'a RoomId,
    pub(super) transport: &'a ServiceUrl,
    pub(super) intent: Intent,
    pub(super) selection: Selection,
    pub(super) expires: Duration,
    /// When we joined; absent from the first event, whose own time says it.
    pub(super) created: Option<Timestamp>,
}

impl Content<'_> {
    /// As Element Call 0.26.1 writes it. `livekit_alias` is for readers from before MSC4195.
    pub(super) fn to_json(&self) -> Value {
        let mut content = json!({
            "application": "m.call",
            "call_id": "",
            "scope": "m.room",
            "device_id": self.me.device,
            "membershipID": self.me.to_string(),
            "expires": u64::try_from(self.expires.as_millis()).unwrap_or(u64::MAX),
            "m.call.intent": self.intent.as_str(),
            "focus_active": { "type": "livekit", "focus_selection": self.selection.as_str() },
            "foci_preferred": [{
                "type": "livekit",
                "livekit_service_url": self.transport,
                "livekit_alias": self.room,
            }],
        });
        if let Some(created) = self.created {
            content["created_ts"] = created.as_millis().into();
        }
        content
    }
}

/// When after joining the n-th renewal is due, and what it says of the expiry.
pub(super) fn renewal(expiry: Duration, n: u32) -> (Duration, Duration) {
    let at = (expiry.min(REFRESH_INTERVAL) * n).saturating_sub(HEADROOM);
    (at, expiry * (n + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_follow_element_calls_schedule() {
        let all: Value =
            serde_json::from_str(include_str!("../../tests/data/matrixrtc.json")).unwrap();
        for case in all["expiry_refresh_schedule"].as_array().unwrap() {
            let expiry =
                Duration::from_millis(case["membership_event_expiry_ms"].as_u64().unwrap());
            for update in case["updates"].as_array().unwrap() {
                let n = u32::try_from(update["iteration"].as_u64().unwrap()).unwrap();
                let (at, expires) = renewal(expiry, n);
                assert_eq!(
                    at.as_millis(),
                    u128::from(update["send_at_offset_ms"].as_u64().unwrap())
                );
                let sent = update["expires_value_sent"].as_u64().unwrap();
                assert_eq!(expires.as_millis(), u128::from(sent));
            }
        }
    }
}
