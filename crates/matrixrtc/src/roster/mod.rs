//! Who is in the call: the memberships that count, oldest first.
//!
//! Evaluated as a whole from the room's state, by the rules of matrix-js-sdk, from raw JSON (ruma's
//! type misreads real events). What does not count is counted, by reason: a hostile or broken
//! client must not be able to hide others.

mod parse;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

use serde_json::Value;

use crate::{EventId, Identity, Member, ServiceUrl, Timestamp, UserId, identity};

/// How many membership events of a room are looked at. The largest known calls have hundreds; a
/// room can hold any number of old ones, so the newest are taken.
const EVENTS_MAX: usize = 10_000;

/// How long a membership lasts that does not say (matrix-js-sdk: 4 hours).
pub const DEFAULT_EXPIRY: Duration = Duration::from_hours(4);

/// A state event as it came: `type`, `state_key`, `sender`, `content`, …
#[derive(Debug, Clone, PartialEq)]
pub struct RawStateEvent(Value);

impl From<Value> for RawStateEvent {
    fn from(event: Value) -> Self {
        Self(event)
    }
}

impl RawStateEvent {
    /// Who sent it; the homeserver vouches for that.
    pub fn sender(&self) -> Option<&str> {
        self.0.get("sender").and_then(Value::as_str)
    }

    fn origin_ms(&self) -> u64 {
        self.0.get("origin_server_ts").and_then(Value::as_u64).unwrap_or(0)
    }
}

/// What a member means to send (MSC4196).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Sound only.
    Audio,
    /// A picture as well.
    Video,
}

impl Intent {
    /// As Element Call writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// How a member chooses the SFU that it publishes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// The one that it names itself (Element Call since 0.17).
    #[default]
    Own,
    /// The one that the oldest member names: for calls of clients that know one SFU only.
    Oldest,
}

impl Selection {
    /// As memberships write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "multi_sfu",
            Self::Oldest => "oldest_membership",
        }
    }
}

/// One member of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// User and device.
    pub member: Member,
    /// When it joined. A new value on the same device is a new join.
    pub created: Timestamp,
    /// When it stops to count unless it is renewed.
    pub expires_at: Timestamp,
    /// How it chooses its SFU; `None` if in a way that we do not know, and then it has none.
    pub selection: Option<Selection>,
    /// The transport that it names.
    pub preferred: Option<ServiceUrl>,
    /// What it means to send.
    pub intent: Option<Intent>,
    /// The event that says so.
    pub event: EventId,
}

impl MemberInfo {
    /// Its name on the SFU.
    pub fn identity(&self) -> Identity {
        identity::plain(&self.member)
    }
}

/// Memberships that do not count, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignored {
    /// Their time is over.
    pub expired: usize,
    /// They belong to another call of the room.
    pub other_slot: usize,
    /// Something required is missing or of the wrong type.
    pub malformed: usize,
    /// Their sender is not in the room.
    pub not_in_room: usize,
    /// Their name on the SFU is another member's as well: a device id with a colon in it can make
    /// it so. The one with the longer user id counts, since its device id is the plainer one.
    pub ambiguous: usize,
    /// There were more than 10 000; the oldest were not looked at.
    pub surplus: usize,
}

/// The members of a call at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Oldest first.
    members: Vec<MemberInfo>,
    /// Where each of them is in the list. A name on the SFU names one member.
    places: BTreeMap<Identity, usize>,
    next_expiry: Option<Timestamp>,
    ignored: Ignored,
}

impl Roster {
    /// Evaluates the room's membership events. `joined` are those of their senders that are in the
    /// room.
    pub fn evaluate(events: &[RawStateEvent], joined: &BTreeSet<UserId>, now: Timestamp) -> Self {
        let mut newest: Vec<&RawStateEvent> = events.iter().collect();
        newest.sort_by_key(|event| std::cmp::Reverse(event.origin_ms()));
        let mut ignored =
            Ignored { surplus: newest.len().saturating_sub(EVENTS_MAX), ..Ignored::default() };
        newest.truncate(EVENTS_MAX);
        let mut by_identity = BTreeMap::<Identity, MemberInfo>::new();
        for event in newest {
            match parse::member(&event.0) {
                Ok(info) if !joined.contains(&info.member.user) => ignored.not_in_room += 1,
                Ok(info) if now >= info.expires_at => ignored.expired += 1,
                Ok(info) => match by_identity.entry(info.identity()) {
                    Entry::Vacant(free) => _ = free.insert(info),
                    Entry::Occupied(mut taken) => {
                        // Newest first: an older event of the same device is another form of
                        // state key.
                        if taken.get().member != info.member {
                            ignored.ambiguous += 1;
                            if info.member.user.as_str().len()
                                > taken.get().member.user.as_str().len()
                            {
                                taken.insert(info);
                            }
                        }
                    }
                },
                Err(parse::Unusable::Left) => {}
                Err(parse::Unusable::OtherSlot) => ignored.other_slot += 1,
                Err(parse::Unusable::Malformed) => ignored.malformed += 1,
            }
        }
        let mut members: Vec<MemberInfo> = by_identity.into_values().collect();
        let order = |info: &MemberInfo| (info.created, info.event.clone(), info.member.clone());
        members.sort_by_cached_key(order);
        let places = members.iter().enumerate().map(|(place, info)| (info.identity(), place));
        let places = places.collect();
        let next_expiry = members.iter().map(|info| info.expires_at).min();
        Self { members, places, next_expiry, ignored }
    }

    /// The members, oldest first.
    pub fn members(&self) -> &[MemberInfo] {
        &self.members
    }

    /// What does not count.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// One member.
    pub fn get(&self, member: &Member) -> Option<&MemberInfo> {
        self.by_identity(&identity::plain(member)).filter(|info| info.member == *member)
    }

    /// The member of that name on the SFU.
    pub fn by_identity(&self, identity: &Identity) -> Option<&MemberInfo> {
        self.members.get(*self.places.get(identity)?)
    }

    /// All members but one.
    pub fn others<'a>(&'a self, me: &'a Member) -> impl Iterator<Item = &'a MemberInfo> {
        self.members.iter().filter(move |info| info.member != *me)
    }

    /// The transport that a member publishes on.
    pub fn transport_of<'a>(&'a self, info: &'a MemberInfo) -> Option<&'a ServiceUrl> {
        match info.selection? {
            Selection::Own => info.preferred.as_ref(),
            Selection::Oldest => self.members.first()?.preferred.as_ref(),
        }
    }

    /// When the next membership expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.next_expiry
    }
}
