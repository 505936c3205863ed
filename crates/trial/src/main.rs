//! `cargo trial`: the real stack on loopback, from one command.

mod trial;

use clap::{Parser, Subcommand};

/// Real servers on loopback, for a demonstration and for tests.
#[derive(Debug, Parser)]
#[command(name = "cargo trial", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The servers alone. The first line of output is one JSON object with every endpoint, key and
    /// the registration secret; they stay until standard input closes.
    Stack,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Stack => trial::stack::run().await,
    }
}
