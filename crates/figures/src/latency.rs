//! How long people wait for sound. In each: loopback, an encrypted room, the real homeserver, SFU
//! and Element Call in Chromium, which notes when what it plays first exceeds -40 dBFS.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use crate::{
    bench::{Bench, DECODED, now_ms},
    figure::Figure,
    steps,
};

/// Two commands in this time are no flood: one person may send ten in five seconds.
const COMMANDS_EVERY: Duration = Duration::from_millis(1200);

/// `command_to_heard_ms_p95`: from the moment that a person's client begins to send `!play`, of a
/// FLAC file and with the bot in the call, to the sound.
pub(crate) async fn command(bench: &Bench, runs: u32) -> Result<Vec<Figure>> {
    let scene = bench.scene("command").await?;
    let call = scene.enter().await?;
    scene.ask("!join").await?;
    let mut samples = Vec::new();
    for _ in 0..runs {
        let next = Instant::now() + COMMANDS_EVERY;
        samples.push(scene.say_and_hear(&call, DECODED).await?);
        scene.ask("!stop").await?;
        scene.silent(&call).await?;
        sleep_until(next).await;
    }
    Ok(Figure::p95("command_to_heard_ms_p95", &samples, "ms", 300.0).into())
}

/// `join_to_heard_ms_p95`: the same with the bot outside of the call: it joins, is connected,
/// exchanges keys, and is heard. `join_steps_ms`: the median of each step of it, by the bot's log.
pub(crate) async fn join(bench: &Bench, runs: u32) -> Result<Vec<Figure>> {
    let scene = bench.scene("join").await?;
    let call = scene.enter().await?;
    let mut samples = Vec::new();
    for _ in 0..runs {
        samples.push(scene.say_and_hear(&call, DECODED).await?);
        scene.ask("!leave").await?;
        scene.silent(&call).await?;
    }
    let mut figures = Vec::from(Figure::p95("join_to_heard_ms_p95", &samples, "ms", 700.0));
    figures.extend(steps::medians(&scene.bot.log()?, "join_steps_ms"));
    Ok(figures)
}

/// `start_to_heard_ms_p95`: from the start of the bot's process, on a store that it has used before,
/// to the sound. The person says `!play` as soon as the bot's log says that it listens.
pub(crate) async fn start(bench: &Bench, runs: u32) -> Result<Vec<Figure>> {
    let mut scene = bench.scene("start").await?;
    let call = scene.enter().await?;
    let mut samples = Vec::new();
    for _ in 0..runs {
        scene.bot.process().stop().await?;
        scene.silent(&call).await?;
        let began = now_ms();
        scene.bot.restart().await?;
        let since = now_ms() - began;
        samples.push(scene.say_and_hear(&call, DECODED).await? + since as f64);
    }
    Ok(Figure::p95("start_to_heard_ms_p95", &samples, "ms", 1000.0).into())
}
