//! A call whose media are encrypted with a key made of a password, in a room that is not encrypted.

use anyhow::{Context as _, Result};
use phonograph_trial::{
    homeserver::NewRoom,
    person::{JoinOptions, Keys},
    stack::Options,
    stage::{Stage, WITHIN},
};

use crate::{hears_tone, joined_with, tone};

#[tokio::test(flavor = "multi_thread")]
async fn two_element_calls_with_a_password_hear_each_other() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browsers = tokio::try_join!(stage.browser(tone(440)), stage.browser(tone(660)))?;
    let alice = stage.person("alice", &browsers.0).await?;
    let bob = stage.person("bob", &browsers.1).await?;
    let room = NewRoom { invite: &[bob.user_id()], ..NewRoom::default() };
    let room = alice.create_room(&room).await?;
    bob.join_room(&room).await?;
    alice.wait_for_member(&room, bob.user_id(), WITHIN).await?;
    // No key would get through.
    let password = Some("correct horse".to_owned());
    let options = JoinOptions { password, keys: Keys::Dropped, ..JoinOptions::default() };

    let alice_call = joined_with(&alice, &room, &options).await?;
    let bob_call = joined_with(&bob, &room, &options).await?;

    hears_tone(&alice_call, &bob, 660.0).await.context("Alice, of Bob")?;
    hears_tone(&bob_call, &alice, 440.0).await.context("Bob, of Alice")?;
    let all_encrypted = |shown: &phonograph_trial::person::Shown| {
        shown.participants.len() == 2 && !shown.participants.iter().any(|them| them.unencrypted)
    };
    alice_call.wait_shown(all_encrypted, WITHIN).await?;
    Ok(())
}
