//! Element Call through a relay: that it is heard as without one, and that faults are faults.

use std::time::Duration;

use anyhow::{Context as _, Result};
use phonograph_trial::{
    person::{Call, Person},
    relay::{Passed, Relay},
    stack::{Options, SfuOption},
    stage::{Stage, WITHIN},
};

use crate::{hears_tone, joined, room_of, tone};

/// Chromium sends a check each 2.5 s and gives a path up after five without an answer; then the
/// LiveKit client connects anew, and waits between attempts.
const RECOVERED_WITHIN: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn all_goes_through_the_relay_and_recovers_from_what_it_does() -> Result<()> {
    let stage = Stage::set(Options { sfu: SfuOption::Relayed, ..Options::default() }).await?;
    let relay = stage.stack.relay().context("a relay")?;
    let browsers = tokio::try_join!(stage.browser(tone(440)), stage.browser(tone(660)))?;
    let alice = stage.person("alice", &browsers.0).await?;
    let bob = stage.person("bob", &browsers.1).await?;
    let room = room_of(&alice, &bob).await?;

    let alice_call = joined(&alice, &room).await?;
    let bob_call = joined(&bob, &room).await?;
    hears_tone(&alice_call, &bob, 660.0).await.context("Alice, of Bob")?;
    hears_tone(&bob_call, &alice, 440.0).await.context("Bob, of Alice")?;
    let before = relay.passed();
    // Element Call may give a first connection up for another one.
    assert!(before.websockets >= 2 && before.datagrams > 400, "{before:?}");
    assert_eq!(before.tcp_bytes, 0);

    relay.drop_udp(true);
    alice_call.wait_silence(Some(bob.user_id()), WITHIN).await?;
    alice_call.wait_sound(Some(bob.user_id()), RECOVERED_WITHIN).await?;
    hears_tone(&alice_call, &bob, 660.0).await.context("Alice, of Bob, over TCP")?;
    let over_tcp = relay.passed();
    assert!(over_tcp.tcp_bytes > 10_000, "{over_tcp:?}");

    relay.drop_udp(false);
    relay.cut_websockets();
    wait_for_websockets(relay, over_tcp.websockets + 2).await?;
    recovers(relay, &alice_call, &bob).await
}

/// Nothing passes while it is frozen, and all does again afterwards.
async fn recovers(relay: &Relay, listener: &Call, speaker: &Person) -> Result<()> {
    hears_tone(listener, speaker, 660.0).await.context("with new WebSockets")?;
    relay.freeze(true);
    listener.wait_silence(Some(speaker.user_id()), WITHIN).await?;
    let frozen = relay.passed();
    listener.hears(Duration::from_secs(1)).await?;
    // Datagrams go on being sent, and are lost.
    assert_eq!(Passed { lost: frozen.lost, ..relay.passed() }, frozen);
    relay.freeze(false);
    listener.wait_sound(Some(speaker.user_id()), RECOVERED_WITHIN).await?;
    Ok(())
}

/// Both clients have come back.
async fn wait_for_websockets(relay: &Relay, wanted: u64) -> Result<()> {
    let came_back = async {
        while relay.passed().websockets < wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(RECOVERED_WITHIN, came_back)
        .await
        .with_context(|| format!("waiting for WebSockets: {:?}", relay.passed()))
}
