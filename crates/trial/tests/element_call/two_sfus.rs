//! Two SFUs in one call: each Element Call publishes on its own, and listens on both.

use anyhow::{Context as _, Result, ensure};
use phonograph_trial::{person::JoinOptions, stack::Options, stage::Stage};
use serde_json::Value;

use crate::{hears_tone, joined, joined_with, room_of, tone};

#[tokio::test(flavor = "multi_thread")]
async fn two_element_calls_hear_each_other_from_an_sfu_each() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let second = stage.stack.second_sfu().await?;
    let browsers = tokio::try_join!(stage.browser(tone(440)), stage.browser(tone(660)))?;
    let alice = stage.person("alice", &browsers.0).await?;
    let bob = stage.person("bob", &browsers.1).await?;
    let room = room_of(&alice, &bob).await?;

    let alice_call = joined(&alice, &room).await?;
    let elsewhere =
        JoinOptions { transport: Some(second.url().to_owned()), ..JoinOptions::default() };
    let bob_call = joined_with(&bob, &room, &elsewhere).await?;

    hears_tone(&alice_call, &bob, 660.0).await.context("Alice, of Bob")?;
    hears_tone(&bob_call, &alice, 440.0).await.context("Bob, of Alice")?;
    let homeserver = stage.stack.homeserver();
    let login = homeserver.login("alice", &alice.account().password).await?;
    let members = homeserver.call_members(&login, &room).await?;
    let mut told = transports(&members);
    told.sort_unstable();
    let mut wanted = [stage.stack.token_service().url(), second.url()];
    wanted.sort_unstable();
    ensure!(told == wanted, "{told:?} is not {wanted:?}");
    Ok(())
}

/// Where the members say that they publish.
fn transports(members: &[Value]) -> Vec<&str> {
    let first = "/foci_preferred/0/livekit_service_url";
    members.iter().filter_map(|member| member.pointer(first)?.as_str()).collect()
}
