//! What plays when nothing waits any more.

use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Autoplay, Lists, Queue, Why};
use crate::jukebox::Item;

impl Queue {
    /// Chooses by chance among the half of what may be chosen that has not played for the longest
    /// time. What plays now is chosen only if it ended by itself and there is nothing else.
    ///
    /// The same queue chooses the same, so that what follows is known ahead.
    pub(super) fn choose(&self, why: Why, lists: &Lists) -> Option<Item> {
        let current = self.current.as_ref().map(|current| &current.entry.item);
        let played: Vec<_> =
            current.into_iter().chain(self.history().map(|entry| &entry.item)).collect();
        let mut pool: Vec<&Item> = Vec::new();
        let listed = match &self.autoplay {
            Autoplay::Off => return None,
            Autoplay::History => played.as_slice(),
            Autoplay::List(name) => &lists.get(name)?.items.iter().collect::<Vec<_>>(),
        };
        for item in listed {
            let is_over = why != Why::Ended && current.is_some_and(|it| it.origin == item.origin);
            if !is_over && pool.iter().all(|other| other.origin != item.origin) {
                pool.push(item);
            }
        }
        // The longest ago in front; what has never played before all.
        let ago = |item: &&Item| played.iter().position(|other| other.origin == item.origin);
        pool.sort_by_cached_key(|item| ago(item).map_or(0, |ago| played.len() - ago));
        let half = pool.len().div_ceil(2);
        pool[..half].choose(&mut self.rng()).map(|&item| item.clone())
    }

    /// What the next draw is made with.
    pub(super) fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_add(self.draws))
    }
}
