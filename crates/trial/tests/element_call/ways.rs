//! Other ways to the SFU: over TLS and IPv6.

use anyhow::{Context as _, Result};
use phonograph_trial::{
    stack::{Options, SfuOption, has_ipv6},
    stage::Stage,
};

use crate::{hears_tone, joined, room_of, tone};

#[tokio::test(flavor = "multi_thread")]
async fn two_element_calls_hear_each_other_over_tls_and_ipv6() -> Result<()> {
    if !has_ipv6() {
        eprintln!("skipped: this machine has no [::1]");
        return Ok(());
    }
    let options = Options { sfu: SfuOption::Tls, ipv6: true, ..Options::default() };
    let stage = Stage::set(options).await?;
    assert!(stage.stack.endpoints().sfu_url.starts_with("wss://[::1]:"));
    let browsers = tokio::try_join!(stage.browser(tone(440)), stage.browser(tone(660)))?;
    let alice = stage.person("alice", &browsers.0).await?;
    let bob = stage.person("bob", &browsers.1).await?;
    let room = room_of(&alice, &bob).await?;

    let alice_call = joined(&alice, &room).await?;
    let bob_call = joined(&bob, &room).await?;

    hears_tone(&alice_call, &bob, 660.0).await.context("Alice, of Bob")?;
    hears_tone(&bob_call, &alice, 440.0).await.context("Bob, of Alice")?;
    Ok(())
}
