//! What survives an end of the program, whether it was asked to or not: all of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use phonograph_trial::stage::WITHIN;

use super::{
    hall,
    tones::{Place, place_heard},
};
use crate::support::{journey, now_ms};

/// The place is stored once a second; what is heard is some tenths of a second behind it.
const SECONDS_OFF_MAX: f64 = 1.2;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With SIGTERM.
    Asked,
    /// With SIGKILL.
    Killed,
}

#[test]
fn after_a_restart_it_goes_on_at_the_same_second_with_all_that_was_set() -> Result<()> {
    end_and_go_on(End::Asked, 1)
}

#[test]
fn after_a_kill_it_goes_on_at_the_same_second_with_all_that_was_set() -> Result<()> {
    end_and_go_on(End::Killed, 1)
}

#[test]
#[ignore = "takes some minutes: cargo soak"]
fn it_goes_on_at_the_same_second_each_time_long() -> Result<()> {
    end_and_go_on(End::Asked, 5)?;
    end_and_go_on(End::Killed, 5)
}

#[test]
fn a_pause_survives_a_kill() -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = hall::own_bot(shared).await?;
        let call = scene.enter().await?;
        scene.expect("!play stair", "Now playing").await?;
        call.wait_sound(Some(&scene.bot), WITHIN).await?;
        let before = place_heard(&scene, &call).await?;
        scene.expect("!pause", "Paused: Stair").await?;
        let paused_ms = call.wait_silence(Some(&scene.bot), WITHIN).await?;

        bot.process().kill()?;
        bot.restart().await?;
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;
        scene.panel("⏸ Stair").await?;
        scene.expect("!resume", "Playing on: Stair").await?;

        let began_ms = call.wait_sound(Some(&scene.bot), WITHIN).await?;
        ensure!(began_ms > paused_ms, "it did not stay paused");
        let after = place_heard(&scene, &call).await?;
        is_same(before.at(paused_ms), after.at(began_ms))
    })
}

fn end_and_go_on(end: End, times: usize) -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = hall::own_bot(shared).await?;
        let call = scene.enter().await?;
        scene.expect("!play stair", "Now playing").await?;
        scene.expect("!play tone alpha", "Queued as 1").await?;
        scene.expect("!play tone bravo", "Queued as 2").await?;
        scene.expect("!save evening", "Saved 3 as “evening”").await?;
        scene.expect("!loop all", "Repeating the queue.").await?;
        scene.expect("!volume 80", "80 %").await?;
        scene.expect("!set cooldown 1 s", "cooldown is 1 s now.").await?;
        scene.expect("!seek 0:20", "Playing from 0:20.").await?;
        // Until what was on its way has been played.
        call.hears(Duration::from_millis(500)).await?;

        for _ in 0..times {
            let before = place_heard(&scene, &call).await?;
            let ended_ms = now_ms();
            match end {
                End::Asked => bot.process().stop().await?,
                End::Killed => bot.process().kill()?,
            }
            call.wait_silence(Some(&scene.bot), WITHIN).await?;
            bot.restart().await?;
            let began_ms = call.wait_sound(Some(&scene.bot), WITHIN).await?;
            let after = place_heard(&scene, &call).await?;
            goes_on(before, ended_ms, after, began_ms)?;
        }

        let queue = scene.expect("!queue", "Now playing: Stair\nQueue: 2 entries").await?;
        let [first, second] = ["\n1. Tone Alpha ", "\n2. Tone Bravo "];
        ensure!(queue.body.contains(first) && queue.body.contains(second), "{}", queue.body);
        let shown = scene.expect("!np", "▶ Stair").await?;
        ensure!(shown.body.contains("🔊 80 % · 🔁 the queue"), "{}", shown.body);
        scene.expect("!lists", "evening (3)").await?;
        scene.expect("!set cooldown", "cooldown is 1 s").await?;
        Ok(())
    })
}

fn goes_on(before: Place, ended_ms: u64, after: Place, began_ms: u64) -> Result<()> {
    is_same(before.at(ended_ms), after.at(began_ms))
}

fn is_same(ended: f64, began: f64) -> Result<()> {
    let off = began - ended;
    ensure!(off.abs() < SECONDS_OFF_MAX, "it ended at {ended:.2} s and went on at {began:.2} s");
    Ok(())
}
