//! Element Call hands its delayed leave over where the token service takes it, and is no ghost when
//! it has crashed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use livekit_api::services::room::RoomClient;
use phonograph_trial::{
    homeserver::{Homeserver, Login, NewRoom},
    person::Microphone,
    stack::Options,
    stage::{Stage, WITHIN},
    token_service,
};
use reqwest::Method;

use crate::joined;

/// What Element Call 0.26 schedules where it has its leave kept for it: an hour.
const DELEGATED_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_token_service_sends_the_leave_of_an_element_call_that_crashed() -> Result<()> {
    let stage = Stage::set(Options { delegation: true, ..Options::default() }).await?;
    let browser = stage.browser(Microphone::Quiet).await?;
    let alice = stage.person("alice", &browser).await?;
    let room = alice.create_room(&NewRoom::default()).await?;
    let homeserver = stage.stack.homeserver();
    let login = homeserver.login("alice", &alice.account().password).await?;

    joined(&alice, &room).await?;
    until(async || Ok(!held_leaves(homeserver, &login).await?.is_empty()))
        .await
        .context("waiting for a leave in an hour")?;
    let sfu = stage.stack.sfu_address();
    let rooms = RoomClient::with_api_key(&sfu.http_url(), &sfu.key, &sfu.secret);
    let identity = format!("{}:{}", alice.user_id(), alice.device_id());
    let alias = token_service::alias(&room);
    let publishes = async || {
        let participant = rooms.get_participant(&alias, &identity).await;
        Ok(participant.is_ok_and(|participant| !participant.tracks.is_empty()))
    };
    until(publishes).await.context("waiting for the participant")?;
    let held = held_leaves(homeserver, &login).await?;

    drop(browser);

    // The SFU gives a silent client up after some 20 s.
    until(async || Ok(homeserver.call_members(&login, &room).await?.is_empty()))
        .await
        .context("waiting for the leave")?;
    // Synapse forgets it after it has sent it. One that was handed over before it, by a client that tried
    // twice, is left to its homeserver.
    let is_sent = async || {
        let still = held_leaves(homeserver, &login).await?;
        Ok(held.iter().any(|id| !still.contains(id)))
    };
    until(is_sent).await.with_context(|| format!("waiting until one of {held:?} is sent"))
}

/// The delayed leaves that are kept for Element Call (MSC4140), by their ids.
async fn held_leaves(homeserver: &Homeserver, who: &Login) -> Result<Vec<String>> {
    const PATH: &str = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
    let listed = homeserver.request(Method::GET, PATH, Some(&who.access_token), None).await?;
    let events = listed.body["delayed_events"].as_array().context("no list")?;
    let held = events.iter().filter(|event| event["delay"] == DELEGATED_MS);
    Ok(held.filter_map(|event| event["delay_id"].as_str().map(str::to_owned)).collect())
}

async fn until(happened: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let watch = async {
        while !happened().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(WITHIN, watch).await?
}
