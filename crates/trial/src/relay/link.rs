//! What the link between clients and the SFU does to what passes, as it can be changed meanwhile.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

/// How the link is at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is switched by itself")]
pub(super) struct State {
    pub(super) drops_udp: bool,
    pub(super) holds_tcp: bool,
    /// The share of datagrams that is lost, each way.
    pub(super) loss: f32,
    pub(super) frozen: bool,
    pub(super) refuses_websockets: bool,
    /// How often all `WebSockets` were cut.
    pub(super) cuts: u64,
}

/// One way of the link.
#[derive(Debug, Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    dice: ChaCha8Rng,
}

impl Link {
    /// `seed` decides which datagrams are lost.
    pub(super) fn new(state: watch::Receiver<State>, seed: u64) -> Self {
        Self { state, dice: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// For another way of the same link.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Whether the next datagram arrives.
    pub(super) fn lets_through(&mut self) -> bool {
        let state = self.state();
        let lost = self.dice.random::<f32>() < state.loss;
        !lost && !state.drops_udp && !state.frozen
    }

    /// Waits until the link is like that. Never, where the relay has gone: its tasks end with it.
    pub(super) async fn until(&mut self, wanted: impl Fn(&State) -> bool) {
        if self.state.wait_for(wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_loses_the_same_datagrams_and_about_as_many_as_it_should() {
        let (_state, link) = watch::channel(State { loss: 0.2, ..State::default() });
        let through = |seed| {
            let mut link = Link::new(link.clone(), seed);
            (0..10_000).map(|_| link.lets_through()).collect::<Vec<_>>()
        };
        assert_eq!(through(1), through(1));
        assert_ne!(through(1), through(2));
        let lost = through(1).iter().filter(|through| !**through).count();
        assert!((1_900..2_100).contains(&lost), "{lost} of 10 000");
    }

    #[test]
    fn a_frozen_link_and_one_without_udp_let_no_datagram_through() {
        for state in [
            State { frozen: true, ..State::default() },
            State { drops_udp: true, ..State::default() },
        ] {
            assert!(!Link::new(watch::channel(state).1, 1).lets_through());
        }
        assert!(Link::new(watch::channel(State::default()).1, 1).lets_through());
    }
}
