//! `cargo trial check`: the trial, and its verdict as the last line.

use std::{io::Write, process::ExitCode};

use anyhow::{Context as _, Result};

use super::hear::Trial;

/// Runs the trial. It succeeds only if the browser heard the music.
pub(crate) async fn run(encrypted: bool) -> Result<ExitCode> {
    let (trial, verdict) = Trial::run(encrypted).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{verdict}\n{}", serde_json::to_string(&verdict)?).context("could not print")?;
    drop(trial);
    Ok(if verdict.heard { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
