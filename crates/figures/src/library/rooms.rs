//! What eight rooms cost one process, and what one call more needs of memory.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;

use super::{
    clock::median,
    door::Door,
    publisher::{Order, Publisher},
    sdk,
    sound::Sound,
};
use crate::{
    figure::Figure,
    process::{cpu_seconds, resident_mib},
};

/// Rooms of one process.
const ROOMS: usize = 8;
/// How often each process is measured, in turn with the others.
const ROUNDS: usize = 3;
/// How long each time.
const WINDOW: Duration = Duration::from_secs(10);
/// The blocks that the SDK is handed PCM in, as in its examples and the longest that still make sense.
const BLOCK_MS: u32 = 10;
const LONG_BLOCK_MS: u32 = 100;
/// So that joining is over.
const SETTLE: Duration = Duration::from_secs(5);
/// Calls that memory is compared at.
const FEW: usize = 8;
const MANY: usize = 64;

/// `rooms_cpu_encoding_ratio`: CPU time of a process that publishes an encrypted stereo track in each of
/// 8 rooms, encoding PCM to Opus at 128 kbit/s, divided by that of one that does the same with `LiveKit`'s
/// own SDK (`livekit` on `PyPI`, libwebrtc), on the same SFU and in the same run. The SDK is handed PCM in
/// blocks of 10 ms, as its own examples do; with longer ones, of which a part tells, less goes to Python. `rooms_cpu_passing_ratio`:
/// the same with Opus packets from a file, passed through. One process runs at a time, in turn.
/// Our homeserver agrees to everything and is part of the process. Nobody listens. The processes'
/// own shares are parts, in % of a core for all eight.
pub(crate) async fn cpu(door: &Door) -> Result<Vec<Figure>> {
    let sdk = match sdk::command().await {
        Ok(_) => true,
        Err(error) => {
            let mut out = std::io::stderr();
            writeln!(out, "rooms_cpu: there is no livekit {}: {error:#}", sdk::VERSION)?;
            false
        }
    };
    let [mut encoding, mut passing, mut theirs, mut long] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        encoding.push(share(ours(door, Sound::Encoded).await?, ROOMS).await?);
        passing.push(share(ours(door, Sound::Passed).await?, ROOMS).await?);
        if sdk {
            theirs.push(share(with_sdk(door, BLOCK_MS).await?, ROOMS).await?);
            long.push(share(with_sdk(door, LONG_BLOCK_MS).await?, ROOMS).await?);
        }
    }
    let percent = |name: &str, samples: &[f64]| {
        let figure = Figure::new(name, median(samples), "% of a core", None);
        Figure { runs: ROUNDS, ..figure }
    };
    let mut figures = Vec::new();
    for (name, samples, aim) in [("encoding", &encoding, 0.12), ("passing", &passing, 0.02)] {
        if sdk {
            let (ours, baseline) = (median(samples), median(&theirs));
            let name = format!("rooms_cpu_{name}_ratio");
            let figure = Figure::new(&name, ours / baseline, "", Some(aim));
            figures.push(Figure { runs: ROUNDS, baseline: Some(baseline), ..figure });
        }
        figures.push(percent(&format!("rooms_cpu_{name}_ratio/ours"), samples));
    }
    if sdk {
        figures.push(percent("rooms_cpu_encoding_ratio/livekit_sdk", &theirs));
        figures.push(percent("rooms_cpu_encoding_ratio/livekit_sdk_long_blocks", &long));
    }
    Ok(figures)
}

/// `call_memory_mib`: by how much the resident memory of a process grows from 8 calls to 64, each in a
/// room of its own and publishing encrypted Opus from a file, for each call.
pub(crate) async fn memory(door: &Door) -> Result<Vec<Figure>> {
    let mut publisher = ours(door, Sound::Passed).await?;
    let mut resident = Vec::new();
    for calls in [FEW, MANY] {
        publisher.grow(calls).await?;
        sleep(SETTLE).await;
        resident.push(resident_mib(publisher.id()?)?);
    }
    publisher.end().await?;
    let grown = resident[1] - resident[0];
    let each = grown / (MANY - FEW) as f64;
    Ok(vec![Figure::new("call_memory_mib", each, "MiB", Some(1.0))])
}

async fn ours(door: &Door, sound: Sound) -> Result<Publisher> {
    Publisher::ours(&Order { service: door.service.clone(), sound, file: None }).await
}

async fn with_sdk(door: &Door, block_ms: u32) -> Result<Publisher> {
    let mut url = String::new();
    let mut tokens = Vec::new();
    for number in 0..ROOMS {
        let ticket = door.ticket(&format!("sdk-{number}"), "publisher").await?;
        url = ticket.0;
        tokens.push(ticket.1);
    }
    let order = json!({ "url": url, "tokens": tokens, "block_ms": block_ms }).to_string();
    Publisher::start(sdk::command().await?, &order).await
}

/// Its share of a core once it publishes, in %.
async fn share(mut publisher: Publisher, rooms: usize) -> Result<f64> {
    publisher.grow(rooms).await?;
    sleep(SETTLE).await;
    let id = publisher.id()?;
    let (began, before) = (Instant::now(), cpu_seconds(id)?);
    sleep(WINDOW).await;
    let used = cpu_seconds(id)? - before;
    let share = used / began.elapsed().as_secs_f64() * 100.0;
    publisher.end().await?;
    Ok(share)
}
