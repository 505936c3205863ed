//! `cargo trial stack`: the servers alone, for programs that bring their own clients.

use std::io::Write;

use anyhow::Context;
use phonograph_trial::stack::{Options, Stack};

/// Starts the servers, prints where they are, and stays until standard input closes.
pub(crate) async fn run() -> anyhow::Result<()> {
    let stack = Stack::start(Options::default()).await.context("could not start the servers")?;
    let mut line = serde_json::to_string(&stack.endpoints())?;
    line.push('\n');
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("could not print")?;
    until_input_closes().await
}

/// What is typed meanwhile is of no matter.
async fn until_input_closes() -> anyhow::Result<()> {
    let read = || std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    tokio::task::spawn_blocking(read).await?.context("could not read standard input")?;
    Ok(())
}
