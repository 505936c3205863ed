//! The bot's program, built from this workspace.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::process::Command;

/// The workspace. Built from here, without naming a package, the bot's dependencies have the features
/// that they have in `cargo test --workspace`, and are compiled once for both.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A line of cargo's `--message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    reason: String,
    executable: Option<PathBuf>,
}

/// Builds the bot, which shows cargo's own progress, and says where it is.
pub(super) async fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "--bin", "phonograph"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(WORKSPACE)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = command.output().await.context("running cargo build")?;
    if !output.status.success() {
        bail!("the bot does not build: see above, or run: cargo build --bin phonograph");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let mut made = lines.filter(|line| line.reason == "compiler-artifact");
    made.find_map(|line| line.executable).context("cargo names no program")
}

/// The music for the trial.
pub(super) fn library() -> PathBuf {
    PathBuf::from(WORKSPACE).join("assets/trial")
}
