//! The end of the bot's process, and its return.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use phonograph_trial::stage::WITHIN;

use crate::support::{journey, journey_alone, settings};

/// A call that others see without us: within two seconds of being told to go.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// And after a crash, when the homeserver sends the leave that it holds for us.
const GHOST_MAX: Duration = Duration::from_secs(20);

#[test]
fn terminated_it_is_gone_from_the_call_within_two_seconds() -> Result<()> {
    told_to_end_it_is_gone("TERM")
}

#[test]
fn interrupted_it_is_gone_from_the_call_within_two_seconds() -> Result<()> {
    told_to_end_it_is_gone("INT")
}

fn told_to_end_it_is_gone(signal: &str) -> Result<()> {
    journey_alone(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), true).await?;
        let call = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;

        let id = bot.process().id().context("the bot has ended")?.to_string();
        let asked = Instant::now();
        Command::new("kill").args(["-s", signal, &id]).status()?;
        call.wait_shown(|shown| shown.count == 1, WITHIN).await?;
        let took = asked.elapsed();

        ensure!(took < GONE_WITHIN, "it took {took:?}");
        ensure!(bot.wait_end(WITHIN).await?.success(), "{}", bot.log()?);
        ensure!(shared.members(&scene).await?.len() == 1);
        Ok(())
    })
}

#[test]
fn killed_it_is_gone_within_twenty_seconds() -> Result<()> {
    journey_alone(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), true).await?;
        let call = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;

        bot.process().kill()?;
        call.wait_shown(|shown| shown.count == 1, GHOST_MAX).await?;
        Ok(())
    })
}

#[test]
fn restarted_it_is_the_same_device_without_a_ghost_and_heard_again() -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), true).await?;
        let call = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        scene.hears_tones(&call).await?;
        let before = shared.members(&scene).await?;

        bot.process().kill()?;
        bot.restart().await?;
        scene.ask("!play tones.flac").await?;
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;
        scene.hears_tones(&call).await?;

        let after = shared.members(&scene).await?;
        ensure!(after.len() == 2 && after == before, "{before:?} became {after:?}");
        Ok(())
    })
}

#[test]
fn a_lost_store_is_said_and_the_new_device_is_heard() -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), true).await?;
        let call = scene.enter().await?;
        bot.process().stop().await?;
        // The session is kept and its keys are not: as after a restore of half a backup.
        for entry in std::fs::read_dir(bot.folder().join("store/matrix"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending != "json") {
                std::fs::remove_file(path)?;
            }
        }

        bot.restart().await?;

        ensure!(bot.logged("lost")? >= 1, "{}", bot.log()?);
        // What is written before a client has heard of the new device cannot be read by it.
        let mut answer = Err(anyhow!("nothing was asked"));
        for _ in 0..5 {
            let said = scene.person.say(&scene.room, "!ping").await?;
            let within = Duration::from_secs(10);
            answer = scene.person.wait_for_answer(&scene.room, &said, within).await;
            if answer.is_ok() {
                break;
            }
        }
        ensure!(answer?.body == "Pong.");
        scene.ask("!play tones.flac").await?;
        scene.hears_tones(&call).await
    })
}
