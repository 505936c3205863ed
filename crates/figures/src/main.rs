//! `cargo figures`: measures every figure that we publish, and prints it with its aim.
//!
//! Each figure's definition stands beside the code that measures it: what starts the clock, what
//! stops it, who takes part. The bot is built with the `figures` profile: optimised like a release,
//! in minutes.

mod bench;
mod figure;
mod jukebox;
mod latency;
mod library;
mod process;
mod steps;
mod usage;

use std::io::Write;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use self::{
    bench::Bench,
    figure::Figure,
    jukebox::{files, first_packet, passing, rooms as playing_rooms, transcode},
    library::{Door, encryption, joining, publisher, publishing, receiving, rooms},
};

/// Measures the figures that we publish, on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo figures")]
struct Arguments {
    /// Which figures; all of them if none is named.
    names: Vec<String>,
    /// One JSON object a line, in place of a table.
    #[arg(long)]
    json: bool,
    /// How often what takes a moment is repeated.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Be a process that is measured, as `library::publisher` says.
    #[arg(long, hide = true)]
    publisher: bool,
}

/// Every group of figures, by the names of the figures in it.
const GROUPS: &[(&str, &[&str])] = &[
    ("encryption", &["frame_encryption_million_per_s"]),
    ("publishing", &["publish_tick_streams_per_core", "publish_tick_cost_ratio"]),
    ("receiving", &["receive_tracks_per_core"]),
    ("rooms", &["rooms_cpu_encoding_ratio", "rooms_cpu_passing_ratio"]),
    ("memory", &["call_memory_mib"]),
    ("transcoding", &["transcode_share_of_libopus"]),
    ("passing", &["passing_streams_per_core"]),
    ("playing", &["late_frames_percent", "memory_per_playing_room_mib"]),
    ("joining", &["join_to_accepted_ms_p95", "join_accepted_steps_ms"]),
    ("command", &["command_to_heard_ms_p95"]),
    ("first_packet", &["command_to_first_packet_ms_p95"]),
    ("join", &["join_to_heard_ms_p95", "join_steps_ms"]),
    ("start", &["start_to_heard_ms_p95"]),
    ("files", &["library_index_s", "library_search_ms"]),
    ("usage", &["rss_in_call_mib", "cpu_playing_percent", "cpu_passing_through_percent"]),
];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // There may be one already, by another crate's doing; any will do.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    if arguments.publisher {
        return publisher::run().await;
    }
    let known = || GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
    for name in &arguments.names {
        let list = known().collect::<Vec<_>>().join(", ");
        ensure!(known().any(|known| known == name), "no figure {name:?}; there are: {list}");
    }
    let wanted =
        |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|one| one == name);
    let mut places = Places::default();
    let mut figures = Vec::new();
    say_load()?;
    for (group, names) in GROUPS {
        if !names.iter().any(|name| wanted(name)) {
            continue;
        }
        let measured = places.measure(group, arguments.runs).await;
        figures.extend(measured.with_context(|| format!("measuring {group}"))?);
    }
    figures.retain(|figure| wanted(figure.group()));
    say_load()?;
    print(&figures, arguments.json)
}

/// Where it is measured; each is set up when it is needed first.
#[derive(Default)]
struct Places {
    door: Option<Door>,
    bench: Option<Bench>,
}

impl Places {
    async fn measure(&mut self, group: &str, runs: u32) -> Result<Vec<Figure>> {
        match group {
            "encryption" => encryption::measure(),
            "publishing" => publishing::measure(),
            "receiving" => receiving::measure(),
            "rooms" => rooms::cpu(self.door().await?).await,
            "memory" => rooms::memory(self.door().await?).await,
            "transcoding" => transcode::measure().await,
            "passing" => passing::measure(),
            "playing" => playing_rooms::measure().await,
            "joining" => joining::measure(runs).await,
            "command" => latency::command(self.bench().await?, runs).await,
            "first_packet" => first_packet::measure(self.bench().await?, runs).await,
            "join" => latency::join(self.bench().await?, runs).await,
            "start" => latency::start(self.bench().await?, runs).await,
            "files" => files::measure(self.bench().await?, runs).await,
            _ => usage::playing(self.bench().await?).await,
        }
    }

    /// An SFU alone.
    async fn door(&mut self) -> Result<&Door> {
        if self.door.is_none() {
            self.door = Some(Door::open().await?);
        }
        self.door.as_ref().context("no SFU")
    }

    /// Everything.
    async fn bench(&mut self) -> Result<&Bench> {
        if self.bench.is_none() {
            // Alone: what ran before must not be measured with it.
            self.door = None;
            self.bench = Some(Bench::set().await?);
        }
        self.bench.as_ref().context("no servers")
    }
}

/// Says how busy the machine is, of which the figures are.
fn say_load() -> Result<()> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    writeln!(std::io::stderr(), "load of the machine over 1, 5 and 15 minutes: {load}")?;
    Ok(())
}

fn print(figures: &[Figure], json: bool) -> Result<()> {
    let mut out = std::io::stdout();
    if !json {
        writeln!(out, "| figure | value | aim | runs |\n|---|---|---|---|")?;
    }
    for figure in figures {
        if json {
            writeln!(out, "{}", serde_json::to_string(figure)?)?;
        } else {
            writeln!(out, "{}", figure.row())?;
        }
    }
    Ok(())
}
