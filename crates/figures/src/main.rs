//! `cargo figures`: measures every figure that we publish, and prints it with its aim.
//!
//! Each figure's definition stands beside the code that measures it: what starts the clock, what
//! stops it, who takes part. The bot is built with the `figures` profile: optimised like a release,
//! in minutes.

mod bench;
mod figure;
mod latency;
mod steps;
mod usage;

use std::io::Write;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use self::{bench::Bench, figure::Figure};

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
}

/// Every group of figures, by the names of the figures in it.
const GROUPS: &[(&str, &[&str])] = &[
    ("command", &["command_to_heard_ms_p95"]),
    ("join", &["join_to_heard_ms_p95", "join_steps_ms"]),
    ("start", &["start_to_heard_ms_p95"]),
    ("usage", &["rss_in_call_mib", "cpu_playing_percent", "cpu_passing_through_percent"]),
];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let known = || GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
    for name in &arguments.names {
        let list = known().collect::<Vec<_>>().join(", ");
        ensure!(known().any(|known| known == name), "no figure {name:?}; there are: {list}");
    }
    let wanted =
        |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|one| one == name);
    let bench = Bench::set().await?;
    let mut figures = Vec::new();
    for (group, names) in GROUPS {
        if !names.iter().any(|name| wanted(name)) {
            continue;
        }
        let measured = match *group {
            "command" => latency::command(&bench, arguments.runs).await,
            "join" => latency::join(&bench, arguments.runs).await,
            "start" => latency::start(&bench, arguments.runs).await,
            _ => usage::playing(&bench).await,
        };
        figures.extend(measured.with_context(|| format!("measuring {group}"))?);
    }
    figures.retain(|figure| wanted(figure.group()));
    print(&figures, arguments.json)
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
