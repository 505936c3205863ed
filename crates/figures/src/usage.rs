//! What the bot needs of the machine while it plays one encrypted stream, with one listener.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{
    bench::{Bench, DECODED, PASSED, Scene},
    figure::Figure,
    process::{cpu_seconds, resident_mib},
};

/// How long is measured.
const WINDOW: Duration = Duration::from_secs(15);

/// `rss_in_call_mib`: resident memory (`VmRSS`) after those seconds of playing.
/// `cpu_playing_percent`: CPU time of the whole process, of one core, while it decodes FLAC and
/// encodes Opus at 128 kbit/s. `cpu_passing_through_percent`: the same for an Opus file.
pub(crate) async fn playing(bench: &Bench) -> Result<Vec<Figure>> {
    let mut scene = bench.scene("usage").await?;
    let call = scene.enter().await?;
    scene.say_and_hear(&call, DECODED).await?;
    let playing = cpu_percent(&mut scene).await?;
    let memory = resident_mib(id(&mut scene)?)?;
    scene.ask("!stop").await?;
    scene.silent(&call).await?;
    scene.say_and_hear(&call, PASSED).await?;
    let passing = cpu_percent(&mut scene).await?;
    Ok(vec![
        Figure::new("rss_in_call_mib", memory, "MiB", Some(55.0)),
        Figure::new("cpu_playing_percent", playing, "% of a core", None),
        Figure::new("cpu_passing_through_percent", passing, "% of a core", None),
    ])
}

fn id(scene: &mut Scene) -> Result<u32> {
    scene.bot.process().id().context("the bot has ended")
}

async fn cpu_percent(scene: &mut Scene) -> Result<f64> {
    let id = id(scene)?;
    let before = cpu_seconds(id)?;
    tokio::time::sleep(WINDOW).await;
    Ok((cpu_seconds(id)? - before) / WINDOW.as_secs_f64() * 100.0)
}
