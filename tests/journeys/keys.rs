//! Keys that are late, wrong, missing or repeated, strangers, and several SFUs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use phonograph_call::{Config, Password, Undecryptable, matrixrtc::RoomId};
use phonograph_trial::{
    homeserver::NewRoom,
    person::{Guise, JoinOptions, Keys, Microphone, Stranger},
    stack::Options,
    stage::{Stage, WITHIN},
    token_service,
};

use crate::{
    both_ways::{hears_bot, room_of},
    participant::{Participant, Seen},
    support::{Journey, journey, journey_apart, unique},
};

const THEIRS: u32 = 880;
const OURS: u32 = 523;

/// Joins with a person whose keys are treated so, who has been in the call before us.
async fn with_keys(
    journey: &Journey,
    keys: Keys,
    then: impl AsyncFnOnce(&crate::participant::Inside, &str) -> Result<()>,
) -> Result<()> {
    let browser = journey.stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
    let (person, [bot], room) = room_of(journey, &browser).await?;
    let options = JoinOptions { keys, ..JoinOptions::default() };
    let call = person.join_call_with(&room, &options).await?;
    call.wait_joined(WITHIN).await?;
    let inside = bot.enter(&room).await?;
    then(&inside, person.user_id()).await
}

fn shown(why: Undecryptable) -> impl Fn(&Seen) -> bool {
    move |seen| seen.undecryptable.iter().any(|(_, shown)| *shown == Some(why))
}

#[test]
fn a_key_that_never_comes_is_shown_and_nothing_is_handed_on() -> Result<()> {
    journey(async |journey| {
        with_keys(journey, Keys::Dropped, async |inside, person| {
            inside.wait("the lack", WITHIN, shown(Undecryptable::MissingKey)).await?;
            let frames = inside.seen().newest(person).map_or(0, |ear| ear.frames);
            ensure!(frames == 0, "{frames} frames were handed on");
            Ok(())
        })
        .await
    })
}

#[test]
fn a_wrong_key_is_shown_and_nothing_is_handed_on() -> Result<()> {
    journey(async |journey| {
        with_keys(journey, Keys::Wrong, async |inside, person| {
            inside.wait("the misfit", WITHIN, shown(Undecryptable::WrongKey)).await?;
            let frames = inside.seen().newest(person).map_or(0, |ear| ear.frames);
            ensure!(frames == 0, "{frames} frames were handed on");
            Ok(())
        })
        .await
    })
}

#[test]
fn a_key_that_comes_late_opens_what_follows() -> Result<()> {
    journey(async |journey| {
        let late = Keys::Delayed(Duration::from_secs(5));
        with_keys(journey, late, async |inside, person| inside.hears(person, THEIRS, WITHIN).await)
            .await
    })
}

#[test]
fn a_key_that_comes_again_and_again_does_no_harm() -> Result<()> {
    journey(async |journey| {
        with_keys(journey, Keys::Repeated(20), async |inside, person| {
            inside.hears(person, THEIRS, WITHIN).await
        })
        .await
    })
}

#[test]
fn a_call_with_a_password_is_heard_both_ways() -> Result<()> {
    journey(async |journey| {
        let browser = journey.stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
        let (person, [bot], room) = room_of(journey, &browser).await?;
        let password = "open sesame".to_owned();
        let options = JoinOptions { password: Some(password.clone()), ..JoinOptions::default() };
        let call = person.join_call_with(&room, &options).await?;
        call.wait_joined(WITHIN).await?;
        let config = Config {
            password: Some(Password::new(password)),
            ..Config::new(RoomId::from(room.as_str()))
        };
        let inside = bot.enter_with(config).await?;
        inside.play(OURS);
        inside.hears(person.user_id(), THEIRS, WITHIN).await?;
        hears_bot(&call, &bot.user_id, f64::from(OURS)).await
    })
}

#[test]
fn whoever_is_no_member_is_not_heard() -> Result<()> {
    journey_apart(async || {
        let mut stage = Stage::set(Options::default()).await?;
        let browser = stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
        let person = stage.person(&unique("alice"), &browser).await?;
        let bot = Participant::at(stage.stack.homeserver(), "bot", &[]).await?;
        let invite = [bot.user_id.as_str()];
        let room = NewRoom { encrypted: false, invite: &invite, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        bot.accept(&room).await?;
        let call = person.join_call(&room).await?;
        call.wait_joined(WITHIN).await?;
        let alias = token_service::alias(&room);
        let address = stage.stack.sfu().context("there is an SFU")?.address().clone();
        let guise = Guise { alias: &alias, identity: "@mallory:example.org:EVIL", hertz: 440 };
        let _stranger = Stranger::join(&browser, &stage.web, &address, guise).await?;

        let inside = bot.enter(&room).await?;

        inside.hears(person.user_id(), THEIRS, WITHIN).await?;
        let seen = inside.seen();
        ensure!(seen.tracks.len() == 1 && seen.others == 1, "{:?}", seen.tracks);
        Ok(())
    })
}

#[test]
fn members_on_two_sfus_all_hear_each_other() -> Result<()> {
    journey_apart(async || {
        let stage = Stage::set(Options::default()).await?;
        let second = stage.stack.second_sfu().await?;
        let browsers = [
            stage.browser(Microphone::Tone { hertz: 880 }).await?,
            stage.browser(Microphone::Tone { hertz: 1175 }).await?,
        ];
        let alice = stage.person(&unique("alice"), &browsers[0]).await?;
        let carol = stage.person(&unique("carol"), &browsers[1]).await?;
        let bot = Participant::at(stage.stack.homeserver(), "bot", &[]).await?;
        let invite = [bot.user_id.as_str(), carol.user_id()];
        let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
        let room = alice.create_room(&room).await?;
        carol.join_room(&room).await?;
        bot.accept(&room).await?;
        let one = alice.join_call(&room).await?;
        let elsewhere =
            JoinOptions { transport: Some(second.url().to_owned()), ..JoinOptions::default() };
        let other = carol.join_call_with(&room, &elsewhere).await?;
        one.wait_joined(WITHIN).await?;
        other.wait_joined(WITHIN).await?;

        let inside = bot.enter(&room).await?;
        inside.play(OURS);

        inside.hears(alice.user_id(), 880, WITHIN).await?;
        inside.hears(carol.user_id(), 1175, WITHIN).await?;
        hears_bot(&one, &bot.user_id, f64::from(OURS)).await?;
        hears_bot(&other, &bot.user_id, f64::from(OURS)).await?;
        // Whoever goes takes along the connection that was there for them.
        other.hang_up().await?;
        inside.wait("Carol's end", WITHIN, |seen| seen.others == 1).await?;
        inside.hears(alice.user_id(), 880, WITHIN).await
    })
}

#[test]
fn of_the_same_device_twice_the_older_ends_and_does_not_fight() -> Result<()> {
    journey(async |journey| {
        let browser = journey.stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
        let (person, [bot], room) = room_of(journey, &browser).await?;
        let call = person.join_call(&room).await?;
        call.wait_joined(WITHIN).await?;
        let older = bot.enter(&room).await?;
        older.play(OURS);
        hears_bot(&call, &bot.user_id, f64::from(OURS)).await?;

        let twin = bot.twin().await?;
        let newer = twin.enter(&room).await?;
        newer.play(659);

        let began = Instant::now();
        while older.seen().ended.is_none() {
            ensure!(began.elapsed() < WITHIN, "the older goes on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let reason = older.seen().ended.clone().unwrap_or_default();
        ensure!(reason.contains("elsewhere"), "{reason}");
        hears_bot(&call, &bot.user_id, 659.0).await?;
        // Nothing that the older left behind ends the newer: the homeserver's delayed leave would by now.
        tokio::time::sleep(Duration::from_secs(20)).await;
        ensure!(newer.seen().ended.is_none());
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;
        hears_bot(&call, &bot.user_id, 659.0).await
    })
}
