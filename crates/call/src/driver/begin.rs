//! What is found out before anything is decided: the room's state, and where to publish.

use std::sync::Arc;

use phonograph_matrixrtc::{Roster, ServiceUrl};
use tracing::{Instrument, warn};

use super::{Setup, now, timed};
use crate::{
    end::EndReason,
    machine::{self, Machine, Seed},
    matrix::{MatrixError, RoomFeed, RoomState},
};

/// Makes the machine of a call, and the feed that it hears its room by.
pub(super) async fn begin(setup: &Setup) -> Result<(Machine, RoomFeed), EndReason> {
    let (matrix, room) = (Arc::clone(&setup.matrix), setup.config.room.clone());
    let span = tracing::Span::current();
    let password = setup.config.password.clone();
    let found = async move {
        tokio::try_join!(
            timed("read the room", async { matrix.attach(&room).await.map_err(EndReason::Matrix) }),
            timed("find the transport", async { Ok(matrix.transports().await) }),
            async {
                // It takes tens of milliseconds, on purpose.
                let Some(password) = password else { return Ok(None) };
                let derived = tokio::task::spawn_blocking(move || password.derive()).await;
                derived.map(Some).map_err(|_ended| EndReason::Aborted)
            }
        )
    };
    let found = setup.control.spawn(found.instrument(span));
    let (feed, announced, shared_key) = found.await.map_err(|_ended| EndReason::Aborted)??;
    let state = feed.state.borrow().clone();
    if !state.power.suffices() {
        return Err(EndReason::NotAllowed { power: state.power });
    }
    let service = choose(announced, &state, setup.config.fallback_transport.clone())?;
    let setup = machine::Setup {
        me: setup.matrix.me(),
        config: setup.config.clone(),
        state,
        service,
        shared_key,
        seed: seed()?,
    };
    Ok((Machine::new(setup, now()), feed))
}

/// The homeserver's first transport (MSC4143); else the one of whoever has been in the call for
/// longest, whose token service may let us in; else the configured one.
fn choose(
    announced: Result<Vec<ServiceUrl>, MatrixError>,
    state: &RoomState,
    configured: Option<ServiceUrl>,
) -> Result<ServiceUrl, EndReason> {
    let (first, error) = match announced {
        Ok(announced) => (announced.into_iter().next(), None),
        Err(error) => (None, Some(error)),
    };
    let roster = Roster::evaluate(&state.memberships, &state.joined, now().wall);
    let in_call = || roster.members().iter().find_map(|info| roster.transport_of(info).cloned());
    let chosen = first.or_else(in_call).or(configured);
    match (chosen, error) {
        (Some(chosen), Some(error)) => {
            warn!(%error, transport = %chosen, "the homeserver was not asked for its transports");
            Ok(chosen)
        }
        (Some(chosen), None) => Ok(chosen),
        (None, Some(error)) => Err(EndReason::Matrix(error)),
        (None, None) => Err(EndReason::NoTransport),
    }
}

fn seed() -> Result<Seed, EndReason> {
    fn random<const LEN: usize>() -> Result<[u8; LEN], EndReason> {
        let mut bytes = [0; LEN];
        let filled = getrandom::fill(&mut bytes);
        filled.map_err(|error| EndReason::Matrix(MatrixError::failed(error.to_string())))?;
        Ok(bytes)
    }
    Ok(Seed { session: random()?, nonce: random()?, jitter: random()? })
}
