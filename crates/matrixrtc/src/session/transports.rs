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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{DeviceId, RawStateEvent, Timestamp, UserId};

    /// Members by name, transport and way to choose it, oldest first.
    fn roster(members: &[(&str, &str, Selection)]) -> Roster {
        let event = |(age, (name, url, selection)): (usize, &(&str, &str, Selection))| {
            RawStateEvent::from(json!({
                "sender": name, "event_id": name, "origin_server_ts": age,
                "content": {
                    "application": "m.call", "call_id": "", "device_id": "D",
                    "focus_active": { "type": "livekit", "focus_selection": selection.as_str() },
                    "foci_preferred": [{ "type": "livekit", "livekit_service_url": url }],
                },
            }))
        };
        let events: Vec<RawStateEvent> = members.iter().enumerate().map(event).collect();
        let joined = members.iter().map(|(name, ..)| UserId::from(*name)).collect();
        Roster::evaluate(&events, &joined, Timestamp::from_millis(100))
    }

    fn of(roster: &Roster, selection: Selection) -> (String, Vec<String>) {
        let me = Member { user: UserId::from("me"), device: DeviceId::from("D") };
        let transports = Transports::of(roster, &me, Some(&ServiceUrl::from("own")), selection);
        let others = transports.others.iter().map(ServiceUrl::to_string).collect();
        (transports.publish.unwrap().to_string(), others)
    }

    #[test]
    fn we_publish_on_our_own_and_listen_where_the_others_publish() {
        use Selection::Own;
        let roster =
            roster(&[("a", "1", Own), ("me", "own", Own), ("b", "2", Own), ("c", "1", Own)]);
        assert_eq!(of(&roster, Own), ("own".into(), vec!["1".into(), "2".into()]));
    }

    #[test]
    fn a_trailing_slash_makes_another_transport() {
        let roster = roster(&[("a", "own/", Selection::Own), ("b", "own", Selection::Own)]);
        assert_eq!(of(&roster, Selection::Own), ("own".into(), vec!["own/".into()]));
    }

    #[test]
    fn we_follow_the_oldest_member_if_we_are_to() {
        use Selection::{Oldest, Own};
        let (a, b, me) = (("a", "1", Oldest), ("b", "2", Oldest), ("me", "own", Oldest));
        assert_eq!(of(&roster(&[a, b, me]), Oldest), ("1".into(), vec![]));
        assert_eq!(of(&roster(&[b, me]), Oldest), ("2".into(), vec![]));
        assert_eq!(of(&roster(&[me]), Oldest), ("own".into(), vec![]));
        assert_eq!(of(&roster(&[]), Oldest), ("own".into(), vec![]));
        // We are the oldest: the others follow us, but for the one that names its own.
        let newer = roster(&[me, a, ("c", "3", Own)]);
        assert_eq!(of(&newer, Oldest), ("own".into(), vec!["3".into()]));
    }

    #[test]
    fn of_more_than_32_transports_those_of_the_oldest_members_win() {
        let names: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
        let members: Vec<_> =
            names.iter().map(|n| (n.as_str(), n.as_str(), Selection::Own)).collect();
        let roster = roster(&members);
        let me = Member { user: UserId::from("me"), device: DeviceId::from("D") };

        let watching = Transports::of(&roster, &me, None, Selection::Own);
        let own = ServiceUrl::from("own");
        let joined = Transports::of(&roster, &me, Some(&own), Selection::Own);

        assert_eq!((watching.others.len(), watching.surplus), (32, 8));
        assert_eq!((joined.others.len(), joined.surplus), (31, 9));
        assert_eq!(joined.others.last().map(ServiceUrl::as_str), Some("30"));
    }
}
