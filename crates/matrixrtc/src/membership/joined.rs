//! What is known of our membership while we are in.

use std::time::{Duration, Instant};

use super::{content::renewal, machine::UNGUARDED_EXPIRY};
use crate::{EventId, MemberInfo, Now, Timestamp};

/// How long the room's state may take to show us our membership before it is read. A slow sync needs
/// a few seconds.
pub(super) const SIGHT_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Joined {
    since: Instant,
    pub(super) created: Timestamp,
    expiry: Duration,
    /// The number of the next renewal.
    renewal: u32,
    pub(super) sight: Sight,
    /// The event that says so; `None` while one is to be sent again.
    event: Option<EventId>,
    /// Whether the room's state showed our membership and then showed it no longer.
    pub(super) missing: bool,
    /// Whether it is to be sent as a new one, though it stands.
    pub(super) anew: bool,
    /// How often that was done.
    announcements: u64,
    /// When the homeserver is to be asked whether it stands.
    pub(super) verify_at: Option<Instant>,
    /// When it was last sent again after somebody had removed it.
    pub(super) rejoined: Option<Instant>,
}

/// How we know that our membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// We do not: it was sent, and no more.
    Unseen,
    /// It was read, as the room's state does not show it yet.
    Read,
    /// The room's state shows it.
    Seen,
}

impl Joined {
    /// In, by that event.
    pub(super) fn new(
        event: EventId,
        expiry: Duration,
        rejoined: Option<Instant>,
        now: Now,
    ) -> Self {
        Self {
            since: now.instant,
            created: now.wall,
            expiry,
            renewal: 1,
            sight: Sight::Unseen,
            event: Some(event),
            missing: false,
            anew: false,
            announcements: 0,
            verify_at: Some(now.instant + SIGHT_PATIENCE),
            rejoined,
        }
    }

    /// It is gone, and to be sent again.
    pub(super) fn is_gone(&mut self) {
        self.event = None;
        self.sight = Sight::Unseen;
        self.missing = false;
        self.anew = false;
        self.verify_at = None;
    }

    /// Takes over what the room's state shows. Until it has shown what we sent, it may be late and
    /// show what was before that.
    pub(super) fn see(&mut self, own: Option<&MemberInfo>) {
        match own {
            Some(info)
                if self.sight == Sight::Unseen && self.event.as_ref() != Some(&info.event) => {}
            Some(info) => {
                if self.sight != Sight::Seen {
                    self.verify_at = None;
                }
                self.sight = Sight::Seen;
                self.created = info.created;
                self.missing = false;
            }
            None => self.missing = self.sight == Sight::Seen,
        }
    }

    /// The homeserver was asked, and it stands.
    pub(super) fn verified(&mut self) {
        self.verify_at = None;
        if self.sight == Sight::Unseen {
            self.sight = Sight::Read;
        }
    }

    /// Whether what is sent next is a new membership: none stands, or it is to look so.
    pub(super) fn is_new(&self) -> bool {
        self.anew || self.sight == Sight::Unseen
    }

    /// Whether what is sent next only looks like a new membership, as one stands.
    pub(super) fn is_announcement(&self) -> bool {
        self.anew && self.sight != Sight::Unseen
    }

    /// When it is to be renewed.
    pub(super) fn renewal_at(&self) -> Option<Instant> {
        let stands = self.sight != Sight::Unseen;
        stands.then(|| self.since + renewal(self.expiry, self.renewal).0)
    }

    /// The expiry that the next renewal says.
    pub(super) fn renewed_expiry(&self) -> Duration {
        renewal(self.expiry, self.renewal).1
    }

    /// It was renewed. Renewals whose time has passed, as the process slept, are left out.
    pub(super) fn renewed(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        while renewal(self.expiry, self.renewal).0 <= elapsed {
            self.renewal += 1;
        }
    }

    /// What the next one sent as new adds to its expiry: Synapse takes equal contents for one event.
    pub(super) fn variation(&self) -> Duration {
        Duration::from_millis(1 + self.announcements % 1_000)
    }

    /// It was sent as a new one, though it stood.
    pub(super) fn announced(&mut self, expiry: Duration, now: Now) {
        self.anew = false;
        self.announcements += 1;
        self.since = now.instant;
        self.created = now.wall;
        self.expiry = expiry;
        self.renewal = 1;
    }

    /// No leave guards it any more: it is renewed at once, to end soon.
    pub(super) fn unguard(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since).as_secs();
        self.expiry = UNGUARDED_EXPIRY;
        self.renewal = u32::try_from(elapsed / UNGUARDED_EXPIRY.as_secs()).unwrap_or(u32::MAX);
    }
}
