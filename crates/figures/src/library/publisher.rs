//! A process that publishes, to be measured from outside: ours, and one with `LiveKit`'s own SDK.
//!
//! It is told on its standard input what it needs to know, one line, and then how many tracks it shall
//! publish by now, each in a room of its own. It repeats that number once they are published, and ends
//! with its input.

use std::{io::Write as _, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use phonograph_call::{Call, Config, Event, Network, Workers};
use phonograph_matrixrtc::RoomId;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use super::{homeserver::Homeserver, sound::Sound};

/// How long the next tracks may take; libwebrtc and others share the machine.
const WITHIN: Duration = Duration::from_mins(1);

/// What our publisher needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The token service.
    pub(super) service: String,
    /// What is played.
    pub(super) sound: Sound,
}

/// Such a process. Dropping it kills it.
pub(super) struct Publisher {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Publisher {
    /// One with our library: this program, started otherwise.
    pub(super) async fn ours(order: &Order) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--publisher");
        Self::start(command, &serde_json::to_string(order)?).await
    }

    /// Any, with what it needs to know.
    pub(super) async fn start(mut command: Command, order: &str) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("starting a publisher")?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut this = Self { child, input, output };
        this.say(order).await?;
        Ok(this)
    }

    /// Has it publish that many tracks, and waits until it does.
    pub(super) async fn grow(&mut self, count: usize) -> Result<()> {
        let count = count.to_string();
        self.say(&count).await?;
        let answer = timeout(WITHIN, self.output.next_line()).await??;
        ensure!(answer.as_deref() == Some(count.as_str()), "a publisher said {answer:?}");
        Ok(())
    }

    /// Its process.
    pub(super) fn id(&self) -> Result<u32> {
        self.child.id().context("the publisher has ended")
    }

    /// Lets it leave, and waits for that.
    pub(super) async fn end(mut self) -> Result<()> {
        drop(self.input);
        timeout(WITHIN, self.child.wait()).await??;
        Ok(())
    }

    async fn say(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }
}

/// Is such a process.
pub(crate) async fn run() -> Result<()> {
    let mut lines = input();
    let order = lines.recv().await.context("nothing to do")?;
    let order: Order = serde_json::from_str(&order)?;
    let network = Network::new(&[])?;
    let workers = Workers::per_core()?;
    let mut calls = JoinSet::new();
    while let Some(line) = lines.recv().await {
        let wanted: usize = line.parse()?;
        while calls.len() < wanted {
            let mut call = publish(&order, calls.len(), &network, &workers).await?;
            calls.spawn(async move { while call.event().await.is_some() {} });
        }
        let mut out = std::io::stdout();
        writeln!(out, "{wanted}")?;
        out.flush()?;
    }
    Ok(())
}

/// What we are told, line by line.
fn input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Joins a call of its own, and returns once its media path is up.
async fn publish(
    order: &Order,
    number: usize,
    network: &Arc<Network>,
    workers: &Workers,
) -> Result<Call> {
    let matrix = Arc::new(Homeserver::new(&format!("publisher-{number}"), &order.service));
    let room = RoomId::from(format!("!{:?}-{number}:figures", order.sound));
    let mut call = Call::join(matrix, Config::new(room), network, workers);
    call.publish(order.sound.source()?);
    while let Some(event) = call.event().await {
        match event {
            Event::Joined => return Ok(call),
            Event::Ended(reason) => bail!("a call ended: {}", phonograph_call::chain(&reason)),
            _ => {}
        }
    }
    bail!("a call ended without a reason")
}
