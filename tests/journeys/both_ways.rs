//! The call library in both directions, as a participant of its own beside real Element Calls.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use phonograph_trial::{
    browser::Browser,
    homeserver::NewRoom,
    person::{Call, Microphone, Person},
    stage::WITHIN,
};

use crate::{
    participant::{Participant, ear},
    support::{Journey, journey, journey_alone},
};

/// How far a tone may be beside itself.
const HERTZ: f64 = 2.0;

#[test]
fn two_element_calls_and_a_bot_all_hear_each_other_encrypted() -> Result<()> {
    everybody_hears_everybody(true)
}

#[test]
fn two_element_calls_and_a_bot_all_hear_each_other_in_a_clear_room() -> Result<()> {
    everybody_hears_everybody(false)
}

fn everybody_hears_everybody(encrypted: bool) -> Result<()> {
    journey_alone(async |journey| {
        let stage = journey.stage;
        let browsers = [
            stage.browser(Microphone::Tone { hertz: 880 }).await?,
            stage.browser(Microphone::Tone { hertz: 1175 }).await?,
        ];
        let alice = stage.person(&crate::support::unique("alice"), &browsers[0]).await?;
        let carol = stage.person(&crate::support::unique("carol"), &browsers[1]).await?;
        let bot = Participant::new(journey, "bot").await?;
        let invite = [bot.user_id.as_str(), carol.user_id()];
        let room = NewRoom { encrypted, invite: &invite, ..NewRoom::default() };
        let room = alice.create_room(&room).await?;
        carol.join_room(&room).await?;
        bot.accept(&room).await?;

        let calls = [alice.join_call(&room).await?, carol.join_call(&room).await?];
        for call in &calls {
            call.wait_joined(WITHIN).await?;
        }
        let inside = bot.enter(&room).await?;
        inside.play(523);

        inside.hears(alice.user_id(), 880, WITHIN).await?;
        inside.hears(carol.user_id(), 1175, WITHIN).await?;
        for call in &calls {
            hears_bot(call, &bot.user_id, 523.0).await?;
        }
        let seen = inside.seen();
        ensure!(seen.others == 2, "{} others", seen.others);
        ensure!(
            seen.tracks.values().all(|track| track.encrypted == encrypted),
            "{:?}",
            seen.tracks
        );
        Ok(())
    })
}

/// Waits until a person hears the bot's tone as it is.
pub(crate) async fn hears_bot(call: &Call, bot: &str, hertz: f64) -> Result<()> {
    call.wait_sound(Some(bot), WITHIN).await?;
    let began = Instant::now();
    loop {
        let heard = call.hears(Duration::from_secs(2)).await?;
        let measured = heard.of(bot).map(|stream| stream.hertz()[0]).unwrap_or_default();
        if (measured - hertz).abs() < HERTZ {
            return Ok(());
        }
        ensure!(began.elapsed() < WITHIN, "the bot is heard at {measured} Hz");
    }
}

/// An encrypted room of one person with participants of ours, none in the call yet.
pub(crate) async fn room_of<const N: usize>(
    journey: &Journey,
    browser: &Browser,
) -> Result<(Person, [Participant; N], String)> {
    let person = journey.stage.person(&crate::support::unique("alice"), browser).await?;
    let mut bots = Vec::new();
    for _ in 0..N {
        bots.push(Participant::new(journey, "bot").await?);
    }
    let invite: Vec<&str> = bots.iter().map(|bot| bot.user_id.as_str()).collect();
    let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
    let room = person.create_room(&room).await?;
    for bot in &bots {
        bot.accept(&room).await?;
    }
    let bots = <[Participant; N]>::try_from(bots).ok().context("as many as were asked for")?;
    Ok((person, bots, room))
}

#[test]
fn a_mute_is_seen_and_heard_as_silence() -> Result<()> {
    journey(async |journey| {
        let browser = journey.stage.browser(Microphone::Tone { hertz: 880 }).await?;
        let (person, [bot], room) = room_of(journey, &browser).await?;
        let call = person.join_call(&room).await?;
        call.wait_joined(WITHIN).await?;
        let inside = bot.enter(&room).await?;
        inside.hears(person.user_id(), 880, WITHIN).await?;

        call.mute(true).await?;

        let user = person.user_id();
        inside
            .wait("the mute", WITHIN, |seen| seen.newest(user).is_some_and(|ear| ear.muted))
            .await?;
        // What the SFU puts in its place is nobody's speech.
        let frames = ear(&inside.seen(), user)?.frames;
        call.hears(Duration::from_secs(2)).await?;
        let after = ear(&inside.seen(), user)?.frames;
        ensure!(after <= frames + 5, "{} frames came of somebody who is muted", after - frames);
        ensure!(inside.seen().undecryptable.is_empty(), "{:?}", inside.seen().undecryptable);

        call.mute(false).await?;
        inside.hears(user, 880, WITHIN).await
    })
}

#[test]
fn a_second_participant_of_ours_is_heard_and_hears() -> Result<()> {
    journey(async |journey| {
        let (_person, [first, second], room) = room_of(journey, journey.browser()).await?;
        let (one, two) = tokio::try_join!(first.enter(&room), second.enter(&room))?;
        one.play(440);
        two.play(660);
        one.hears(&second.user_id, 660, WITHIN).await?;
        two.hears(&first.user_id, 440, WITHIN).await?;
        one.stop();
        let saved = two.leave().await?;
        ensure!(saved.is_some_and(|saved| !saved.joined), "leaving is to be remembered");
        let gone = &second.user_id;
        one.wait("the other's end", WITHIN, |seen| {
            seen.others == 0
                && !seen.tracks.values().any(|track| track.member.user.as_str() == gone)
        })
        .await
    })
}
