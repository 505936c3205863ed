//! The bot: arguments, settings, log, then [`app`]; and the exit code.

mod app;
mod command;
mod config;
mod jukebox;
mod logging;
mod room;
mod store;
mod uploads;

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// The settings cannot be used (`EX_CONFIG` of sysexits.h): starting again will not help.
const BAD_SETTINGS: u8 = 78;

/// A headless participant for MatrixRTC calls: a jukebox for Element Call.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run the bot until it is stopped.
    Run {
        /// The file with the settings; `example-config` shows what can be in it.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print a settings file in which everything is explained.
    ExampleConfig,
}

fn main() -> ExitCode {
    match Arguments::parse().task {
        Task::Run { config } => run(&config),
        Task::ExampleConfig => match write!(io::stdout(), "{}", config::example()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}

fn run(path: &Path) -> ExitCode {
    match set_up(path) {
        Err(error) => {
            tell(&error);
            ExitCode::from(BAD_SETTINGS)
        }
        Ok(config) => match start(config) {
            Err(error) => {
                tell(&error);
                ExitCode::FAILURE
            }
            Ok(code) => code,
        },
    }
}

/// Reads the settings and starts the log.
fn set_up(path: &Path) -> anyhow::Result<config::Config> {
    // A variable that is no Unicode is none of ours: our names and values are text.
    let variables = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = config::load(path, variables)?;
    config.homeserver.credentials()?;
    logging::start(&config.logging)?;
    Ok(config)
}

fn start(config: config::Config) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let ended = runtime.block_on(app::run(config));
    // A thread may still wait for a web server; dropping the runtime would wait for the thread.
    runtime.shutdown_background();
    ended
}

/// Tells the operator why we end, with all causes; the log may not have been started.
fn tell(error: &anyhow::Error) {
    // Nobody can be told when standard error is closed.
    drop(writeln!(io::stderr(), "phonograph: {error:#}"));
}
