//! Element Call with itself: that people of a trial hear each other through the real servers, before
//! anything is said about the bot.

mod element_call {
    mod chatting;
    mod delegation;
    mod keys;
    mod password;
    mod relay;
    mod stranger;
    mod two_sfus;
    mod ways;
}

use std::time::Duration;

use anyhow::{Context, Result};
use phonograph_trial::homeserver::NewRoom;
use phonograph_trial::person::{Call, JoinOptions, Microphone, Person, Shown};
use phonograph_trial::stack::Options;
use phonograph_trial::stage::{Stage, WITHIN};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn two_element_calls_hear_each_other() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browsers = tokio::try_join!(stage.browser(tone(440)), stage.browser(tone(660)))?;
    let alice = stage.person("alice", &browsers.0).await?;
    let bob = stage.person("bob", &browsers.1).await?;
    let room = room_of(&alice, &bob).await?;

    let alice_call = joined(&alice, &room).await?;
    let bob_call = joined(&bob, &room).await?;
    hears_tone(&alice_call, &bob, 660.0).await.context("Alice, of Bob")?;
    hears_tone(&bob_call, &alice, 440.0).await.context("Bob, of Alice")?;

    let shown = alice_call.wait_shown(|shown| names(shown) == ["alice", "bob"], WITHIN).await?;
    assert!(shown.locked);
    assert!(shown.participants.iter().all(|person| !person.muted && !person.unencrypted));

    bob_call.mute(true).await?;
    alice_call.wait_silence(Some(bob.user_id()), WITHIN).await?;
    let somebody_is_muted = |shown: &Shown| shown.participants.iter().any(|person| person.muted);
    alice_call.wait_shown(somebody_is_muted, WITHIN).await?;

    bob_call.hang_up().await?;
    alice_call.wait_shown(|shown| names(shown) == ["alice"] && shown.count == 1, WITHIN).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_one_click_away_from_the_call() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browser = stage.browser(tone(440)).await?;
    let alice = stage.person("alice", &browser).await?;
    let guest = stage.account("guest").await?;
    let guest_id = format!("@guest:{}", stage.stack.homeserver().server_name());
    let room = alice
        .create_room(&NewRoom { encrypted: true, invite: &[&guest_id], ..NewRoom::default() })
        .await?;
    let call = joined(&alice, &room).await?;

    let page = browser.open().await?;
    page.go(&stage.web.link(&guest, Some(&room))).await?;
    page.evaluate::<Value>("host.ready", WITHIN).await?;
    page.evaluate::<Value>("document.getElementById('join').click()", WITHIN).await?;

    call.wait_shown(|shown| names(shown) == ["alice", "guest"], WITHIN).await?;
    // Not the other way round: a person's own microphone is sent without steady tones.
    let sound = "(who) => host.call.ears.sound(who)";
    page.call::<u64>(sound, (alice.user_id(),), WITHIN).await.context("the guest hears nobody")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_types_in_an_encrypted_room_the_other_reads() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browser = stage.browser(Microphone::Quiet).await?;
    let alice = stage.person("alice", &browser).await?;
    let bob = stage.person("bob", &browser).await?;
    let room = room_of(&alice, &bob).await?;

    let said = alice.say(&room, "Is anybody here?").await?;

    let read = bob.wait_for_message(&room, |message| message.event_id == said, WITHIN).await?;
    assert_eq!((read.sender.as_str(), read.body.as_str()), (alice.user_id(), "Is anybody here?"));
    assert!(read.encrypted);
    Ok(())
}

/// An encrypted room in which both are.
async fn room_of(owner: &Person, guest: &Person) -> Result<String> {
    let room = NewRoom { encrypted: true, invite: &[guest.user_id()], ..NewRoom::default() };
    let room = owner.create_room(&room).await?;
    guest.join_room(&room).await?;
    owner.wait_for_member(&room, guest.user_id(), WITHIN).await?;
    Ok(room)
}

fn tone(hertz: u32) -> Microphone {
    Microphone::Tone { hertz }
}

async fn joined(person: &Person, room: &str) -> Result<Call> {
    joined_with(person, room, &JoinOptions::default()).await
}

async fn joined_with(person: &Person, room: &str, options: &JoinOptions) -> Result<Call> {
    let call = person.join_call_with(room, options).await?;
    call.wait_joined(WITHIN).await?;
    Ok(call)
}

async fn hears_tone(call: &Call, speaker: &Person, hertz: f64) -> Result<()> {
    call.wait_sound(Some(speaker.user_id()), WITHIN).await?;
    let heard = call.hears(Duration::from_secs(4)).await?;
    let stream = heard.of(speaker.user_id()).context("nothing")?;
    assert!(stream.played, "Element Call does not play it");
    for channel in &stream.channels {
        assert!((channel.hertz() - hertz).abs() < 1.0, "{hertz} Hz came as {}", channel.hertz());
        // A tone of amplitude 0.3.
        assert!((channel.rms() - 0.212).abs() < 0.03, "level {}", channel.rms());
    }
    Ok(())
}

fn names(shown: &Shown) -> Vec<&str> {
    let mut names =
        shown.participants.iter().map(|person| person.name.as_str()).collect::<Vec<_>>();
    names.sort_unstable();
    names
}
