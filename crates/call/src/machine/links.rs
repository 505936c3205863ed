//! The connections of a call: one to each SFU that somebody publishes on.

use std::{collections::BTreeMap, time::Instant};

use phonograph_matrixrtc::{Now, ServiceUrl, session::Transports};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::{Actions, link::Link};

/// Names a connection; never used twice in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkId(pub(crate) u32);

/// All of them.
#[derive(Debug)]
pub(super) struct Links {
    by_id: BTreeMap<LinkId, Link>,
    next: u32,
    rng: ChaCha20Rng,
}

impl Links {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { by_id: BTreeMap::new(), next: 0, rng: ChaCha20Rng::from_seed(seed) }
    }

    /// Opens what is needed and not there, and closes what is there and not needed; answers with what
    /// was closed.
    pub(super) fn reconcile(
        &mut self,
        wanted: &Transports,
        actions: &mut Actions,
        now: Now,
    ) -> Vec<LinkId> {
        let mut changes = Vec::new();
        // Before we join there is nowhere to publish, and nothing to be connected to.
        let Some(publish) = &wanted.publish else { return changes };
        let unwanted = self.by_id.extract_if(.., |_, link| {
            link.service != *publish && !wanted.others.contains(&link.service)
        });
        for (id, mut link) in unwanted {
            link.leave(actions, now);
            changes.push(id);
        }
        for service in std::iter::once(publish).chain(&wanted.others) {
            let home = service == publish;
            match self.by_id.values_mut().find(|link| link.service == *service) {
                Some(link) => link.set_home(home, actions),
                None => self.add(service.clone(), home, actions),
            }
        }
        changes
    }

    fn add(&mut self, service: ServiceUrl, home: bool, actions: &mut Actions) {
        let id = LinkId(self.next);
        self.next += 1;
        let seed = self.rng.random();
        self.by_id.insert(id, Link::new(id, (service, home), seed, actions));
    }

    /// Leaves all.
    pub(super) fn leave(&mut self, actions: &mut Actions, now: Now) {
        for link in self.by_id.values_mut() {
            link.leave(actions, now);
        }
        self.by_id.clear();
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.by_id.get_mut(&id)
    }

    /// The one that we publish on.
    pub(super) fn home(&self) -> Option<&Link> {
        self.by_id.values().find(|link| link.home)
    }

    pub(super) fn home_mut(&mut self) -> Option<&mut Link> {
        self.by_id.values_mut().find(|link| link.home)
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.by_id.keys().copied().collect()
    }

    /// When the first of them wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.by_id.values().filter_map(Link::poll_timeout).min()
    }
}
