//! `cargo trial`: the real stack on loopback, from one command.

mod trial;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Real servers on loopback, the bot, and a browser that hears it.
///
/// Without a command: brings everything up, lets a headless Element Call hear the bot, prints what
/// it heard and a link for your own ears, and stays until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "cargo trial", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Uses no browser of its own: you are the one who listens.
    #[arg(long, conflicts_with = "picture")]
    no_browser: bool,
    /// In a room that is not encrypted.
    #[arg(long)]
    clear: bool,
    /// Saves a picture of Element Call with the bot in it.
    #[arg(long, value_name = "PNG")]
    picture: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The same, then ends: success only if the browser heard the music. The last line of output is
    /// one JSON object.
    Check {
        /// In a room that is not encrypted.
        #[arg(long)]
        clear: bool,
    },
    /// The servers alone. The first line of output is one JSON object with every endpoint, key and
    /// the registration secret; they stay until standard input closes.
    Stack,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Check { clear }) => trial::check::run(!clear).await,
        Some(Command::Stack) => trial::stack::run().await.map(|()| ExitCode::SUCCESS),
        None if arguments.no_browser => trial::demo::without_browser(!arguments.clear).await,
        None => trial::demo::run(!arguments.clear, arguments.picture.as_deref()).await,
    }
}
