//! Media keys that are tampered with on their way: what somebody hears who gets them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use phonograph_trial::{
    person::{Call, JoinOptions, Keys, Microphone, Person},
    stack::Options,
    stage::{Stage, WITHIN},
};

use crate::{hears_tone, joined, joined_with, room_of, tone};

/// Longer than all else that a join waits for.
const DELAY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn media_keys_are_dropped_wrong_late_and_repeated_on_demand() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browsers = tokio::try_join!(stage.browser(Microphone::Quiet), stage.browser(tone(660)))?;
    let alice = stage.person("alice", &browsers.0).await?;
    let bob = stage.person("bob", &browsers.1).await?;
    let room = room_of(&alice, &bob).await?;
    let listener = joined(&alice, &room).await?;

    for keys in [Keys::Dropped, Keys::Wrong] {
        let call = joined_with(&bob, &room, &with(keys)).await?;
        cannot_decrypt(&listener, &bob).await.with_context(|| format!("{keys:?}"))?;
        call.hang_up().await?;
        listener.wait_shown(|shown| shown.count == 1, WITHIN).await?;
    }

    let began = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let call = joined_with(&bob, &room, &with(Keys::Delayed(DELAY))).await?;
    let heard = listener.wait_sound(Some(bob.user_id()), WITHIN).await?;
    ensure!(u128::from(heard) >= (began + DELAY).as_millis(), "{heard}, from {began:?}");
    call.hang_up().await?;
    listener.wait_shown(|shown| shown.count == 1, WITHIN).await?;

    joined_with(&bob, &room, &with(Keys::Repeated(3))).await?;
    hears_tone(&listener, &bob, 660.0).await
}

fn with(keys: Keys) -> JoinOptions {
    JoinOptions { keys, ..JoinOptions::default() }
}

/// Packets of the speaker arrive and none gives a sound.
async fn cannot_decrypt(listener: &Call, speaker: &Person) -> Result<()> {
    let watch = async {
        loop {
            let heard = listener.hears(Duration::from_secs(1)).await?;
            let Some(stream) = heard.of(speaker.user_id()) else { continue };
            let levels = stream.rms();
            ensure!(levels.iter().all(|level| *level < 0.001), "it is heard: {levels:?}");
            // A second of packets, each of 20 ms.
            if stream.received.packets > 50 {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(WITHIN, watch).await.context("nothing arrives")?
}
