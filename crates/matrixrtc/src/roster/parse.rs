//! One membership event, read from raw JSON.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{DEFAULT_EXPIRY, Intent, MemberInfo, Selection};
use crate::{DeviceId, EventId, Member, ServiceUrl, Timestamp, UserId, event};

/// The longest membership that is believed: deployments go up to 50 hours, and a client multiplies
/// that with each hourly refresh. A number beyond is taken for this.
const EXPIRY_MAX: Duration = Duration::from_hours(24 * 365);

/// The longest device id; the specification gives every id 255 bytes.
const ID_LEN_MAX: usize = 255;
/// The longest address of a token service; a member with a longer one has none.
const URL_LEN_MAX: usize = 2048;

/// Why an event names no member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It says that the device left.
    Left,
    /// It is about another call.
    OtherSlot,
    /// Something required is missing or of the wrong type.
    Malformed,
}

/// Reads a membership; whether it has expired is for the caller to say.
pub(super) fn member(event: &Value) -> Result<MemberInfo, Unusable> {
    let content = event.get("content").and_then(Value::as_object).ok_or(Unusable::Malformed)?;
    let keys = content.keys().filter(|key| *key != "msc4354_sticky_key").count();
    // One key alone is a leave with its reason, or the form from before 2024.
    if keys < 2 || !content.contains_key("application") {
        return Err(Unusable::Left);
    }
    let application = text(content.get("application"))?;
    let call_id = text(content.get("call_id"))?;
    let device = text(content.get("device_id"))?;
    if device.len() > ID_LEN_MAX {
        return Err(Unusable::Malformed);
    }
    let focus = content.get("focus_active").and_then(Value::as_object);
    let focus = focus.ok_or(Unusable::Malformed)?;
    text(focus.get("type"))?;
    let preferred = preferred(content.get("foci_preferred"))?;
    let sent = millis(event.get("origin_server_ts"))?.ok_or(Unusable::Malformed)?;
    // A creation in the future would keep a ghost alive.
    let created = millis(content.get("created_ts"))?.unwrap_or(sent).min(sent);
    let expires = millis(content.get("expires"))?.map_or(DEFAULT_EXPIRY, Duration::from_millis);
    if application != event::APPLICATION || !event::is_room_call(call_id) {
        return Err(Unusable::OtherSlot);
    }
    let created = Timestamp::from_millis(created);
    Ok(MemberInfo {
        member: Member {
            user: UserId::from(text(event.get("sender"))?),
            device: DeviceId::from(device),
        },
        created,
        expires_at: created.plus(expires.min(EXPIRY_MAX)),
        selection: selection(focus),
        preferred,
        intent: intent(content),
        event: EventId::from(event.get("event_id").and_then(Value::as_str).unwrap_or_default()),
    })
}

fn selection(focus: &Map<String, Value>) -> Option<Selection> {
    let named = focus.get("focus_selection")?.as_str()?;
    [Selection::Own, Selection::Oldest].into_iter().find(|known| known.as_str() == named)
}

fn intent(content: &Map<String, Value>) -> Option<Intent> {
    match content.get("m.call.intent")?.as_str()? {
        "audio" => Some(Intent::Audio),
        "video" => Some(Intent::Video),
        _ => None,
    }
}

/// The first transport, if one is named, of a list that must hold objects with a type.
fn preferred(foci: Option<&Value>) -> Result<Option<ServiceUrl>, Unusable> {
    let Some(foci) = foci else { return Ok(None) };
    let foci = foci.as_array().ok_or(Unusable::Malformed)?;
    for focus in foci {
        text(focus.get("type"))?;
    }
    let first = foci.first().filter(|focus| focus["type"] == "livekit");
    let url = first.and_then(|focus| focus.get("livekit_service_url")).and_then(Value::as_str);
    Ok(url.filter(|url| url.len() <= URL_LEN_MAX).map(ServiceUrl::from))
}

fn text(value: Option<&Value>) -> Result<&str, Unusable> {
    value.and_then(Value::as_str).ok_or(Unusable::Malformed)
}

/// A number of milliseconds that need not be there.
fn millis(value: Option<&Value>) -> Result<Option<u64>, Unusable> {
    value.map(|value| value.as_u64().ok_or(Unusable::Malformed)).transpose()
}
