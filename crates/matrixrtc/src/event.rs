//! The unstable names on the wire, each with its proposal.

use crate::Member;

/// The membership state event (MSC3401 as MSC4143 first used it).
pub const CALL_MEMBER: &str = "org.matrix.msc3401.call.member";
/// The media key's to-device event (Element Call 0.26.1 sends it in every mode).
pub const ENCRYPTION_KEYS: &str = "io.element.call.encryption_keys";
/// A call's transports in `.well-known/matrix/client` (MSC4143).
pub const RTC_FOCI: &str = "org.matrix.msc4143.rtc_foci";

/// The application of an ordinary call (MSC4196).
pub(crate) const APPLICATION: &str = "m.call";
/// The slot of the one call that a room has; on the wire of state events it is an empty call id.
pub const SLOT: &str = "m.call#ROOM";

/// The state key of our membership: the user and device with a leading underscore, since a key
/// that begins with `@` may only be a user's own id. Room versions of MSC3757 and MSC3779 lift
/// that, and there the underscore is left out.
pub fn state_key(member: &Member, room_version: &str) -> String {
    let owned = ["org.matrix.msc3757", "org.matrix.msc3779"].iter().any(|prefix| {
        let rest = room_version.strip_prefix(prefix);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    let underscore = if owned { "" } else { "_" };
    format!("{underscore}{}_{}_{APPLICATION}", member.user, member.device)
}

/// The slot that a state event's call id means; the room's own call has two spellings.
pub(crate) fn is_room_call(call_id: &str) -> bool {
    matches!(call_id, "" | "ROOM")
}
