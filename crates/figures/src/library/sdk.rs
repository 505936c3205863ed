//! LiveKit's own SDK, which is libwebrtc inside, as a program in Python.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use phonograph_trial::install;
use tokio::process::Command;

/// Its version on the Python package index.
pub(super) const VERSION: &str = "1.2.1";

/// A command that publishes with it, as [`super::publisher`] says; it is installed at first use.
pub(super) async fn command() -> Result<Command> {
    let python = installed().await?;
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/library/sdk.py"));
    // It writes what it thinks of its server's addresses, at length.
    command.stderr(Stdio::null());
    Ok(command)
}

/// The Python of a virtual environment that has it, beside what the trial installs.
async fn installed() -> Result<PathBuf> {
    let server = install::livekit_server().await?;
    let cache = server.ancestors().nth(2).context("the trial has no cache")?;
    let folder = cache.join(format!("livekit-python-{VERSION}"));
    let python = folder.join("bin/python");
    let whole = folder.join("whole");
    if !whole.exists() {
        let folder = folder.to_string_lossy();
        carry_out("python3", &["-m", "venv", "--clear", &folder]).await?;
        let package = format!("livekit=={VERSION}");
        let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--only-binary=:all:"];
        let flags = ["--disable-pip-version-check", &package, "numpy"];
        carry_out(&python.to_string_lossy(), &[&pip[..], &flags[..]].concat()).await?;
        std::fs::write(&whole, b"")?;
    }
    Ok(python)
}

async fn carry_out(program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    let status = command.status().await.with_context(|| format!("running {program}"))?;
    ensure!(status.success(), "{program} {} ended with {status}", arguments.join(" "));
    Ok(())
}
