//! On which SFUs a call takes place: where we publish, and where the others do.

use std::collections::BTreeSet;

use crate::{Member, Roster, ServiceUrl, roster::Selection};

/// On how many SFUs we take part at most, ours included. Each is a connection, and a stranger can
/// name any number; the transports of the oldest members win.
pub const TRANSPORTS_MAX: usize = 32;

/// The transports of a call at one moment. They are compared byte for byte, as all clients do: a
/// trailing slash makes another one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transports {
    /// Where we publish, from joining to having left.
    pub publish: Option<ServiceUrl>,
    /// Where other members publish, but for that one.
    pub others: BTreeSet<ServiceUrl>,
    /// Members that are not heard, as there are more SFUs than [`TRANSPORTS_MAX`].
    pub surplus: usize,
}

impl Transports {
    /// What a roster asks of us. `own` is our transport while we are in the call.
    pub(super) fn of(
        roster: &Roster,
        me: &Member,
        own: Option<&ServiceUrl>,
        selection: Selection,
    ) -> Self {
        let publish = own.map(|own| match selection {
            Selection::Own => own,
            Selection::Oldest => oldest(roster, me).unwrap_or(own),
        });
        let (mut others, mut surplus) = (BTreeSet::new(), 0);
        let others_max = TRANSPORTS_MAX - usize::from(publish.is_some());
        for url in roster.others(me).filter_map(|info| roster.transport_of(info)) {
            if Some(url) == publish || others.contains(url) {
                continue;
            }
            if others.len() < others_max {
                others.insert(url.clone());
            } else {
                surplus += 1;
            }
        }
        Self { publish: publish.cloned(), others, surplus }
    }
}

/// The transport of the oldest member, unless that is ourselves.
fn oldest<'a>(roster: &'a Roster, me: &Member) -> Option<&'a ServiceUrl> {
    roster.members().first().filter(|info| info.member != *me)?.preferred.as_ref()
}
