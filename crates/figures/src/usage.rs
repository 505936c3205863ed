//! What the bot needs of the machine while it plays one encrypted stream, with one listener.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    bench::{Bench, DECODED, PASSED, Scene},
    figure::Figure,
};

/// How long is measured.
const WINDOW: Duration = Duration::from_secs(15);
/// Clock ticks a second in `/proc`, on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

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

/// User and system time so far (proc(5), fields 14 and 15).
fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold spaces.
    let fields = stat.rsplit_once(") ").context("an unknown form of /proc/PID/stat")?.1;
    let ticks =
        |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("no times in /proc/PID/stat")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

fn resident_mib(id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("no VmRSS in /proc/PID/status")? / 1024.0)
}
