//! What repeats or goes on for long. Each story has a short form, which `cargo test` runs, and a long
//! one, which `cargo soak [NAME]` runs.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use phonograph_trial::{bot::Bot, stage::WITHIN};

use crate::support::{is_tones, journey, settings};

/// What the allocator and caches may keep, however often something was repeated.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

#[test]
fn comes_and_goes() -> Result<()> {
    come_and_go(3)
}

#[test]
#[ignore = "takes some minutes: cargo soak"]
fn comes_and_goes_long() -> Result<()> {
    come_and_go(50)
}

#[test]
fn is_killed_and_comes_back() -> Result<()> {
    die_and_come_back(2)
}

#[test]
#[ignore = "takes some minutes: cargo soak"]
fn is_killed_and_comes_back_long() -> Result<()> {
    die_and_come_back(20)
}

#[test]
fn plays_without_a_gap() -> Result<()> {
    play_on(Duration::from_secs(10))
}

#[test]
#[ignore = "takes ten minutes: cargo soak"]
fn plays_without_a_gap_long() -> Result<()> {
    play_on(Duration::from_mins(10))
}

/// Joins, is heard, and leaves, again and again: nobody sees a ghost, and memory stays.
fn come_and_go(times: usize) -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), true).await?;
        let call = scene.enter().await?;
        let mut settled = None;
        for time in 1..=times {
            scene.ask("!play tones.flac").await?;
            scene.hears_tones(&call).await.with_context(|| format!("time {time}"))?;
            scene.ask("!leave").await?;
            call.wait_shown(|shown| shown.count == 1, WITHIN).await?;
            ensure!(shared.members(&scene).await?.len() == 1, "a ghost after time {time}");
            if time == times.div_ceil(2) {
                settled = Some(resident_kib(&mut bot)?);
            }
        }
        let (before, after) = (settled.context("it came at least once")?, resident_kib(&mut bot)?);
        ensure!(after < before + GROWTH_MAX_KIB, "{before} KiB became {after} KiB");
        Ok(())
    })
}

/// Killed while it plays, and started again: one member each time, heard each time.
fn die_and_come_back(times: usize) -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), true).await?;
        let call = scene.enter().await?;
        for time in 1..=times {
            scene.ask("!play tones.flac").await?;
            scene.hears_tones(&call).await.with_context(|| format!("time {time}"))?;
            let members = shared.members(&scene).await?;
            ensure!(members.len() == 2, "time {time}: {members:?}");
            bot.process().kill()?;
            bot.restart().await?;
        }
        Ok(())
    })
}

/// Plays on: what is heard never pauses, and stays what it is.
fn play_on(duration: Duration) -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        let call = scene.enter().await?;
        let began = Instant::now();
        while began.elapsed() < duration {
            scene.ask("!play tones.mp3").await?;
            // The browser's jitter buffer settles first.
            scene.hears_tones(&call).await?;
            // The file lasts for a minute.
            let rest = duration.saturating_sub(began.elapsed()).min(Duration::from_secs(50));
            let round = Instant::now();
            while round.elapsed() < rest {
                let heard = call.hears(Duration::from_secs(5)).await?;
                is_tones(heard.of(&scene.bot).context("the bot's sound")?)?;
            }
        }
        Ok(())
    })
}

fn resident_kib(bot: &mut Bot) -> Result<u64> {
    let id = bot.process().id().context("the bot has ended")?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("no VmRSS")
}
