//! A process that publishes, to be measured from outside: ours, and one with `LiveKit`'s own SDK.
//!
//! It is told on its standard input what it needs to know, one line, and then how many tracks it shall
//! publish by now, each in a room of its own. It repeats that number once they are published, and ends
//! with its input.

use std::{io::Write as _, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use phonograph_call::{AudioSource, Call, Config, Event, Network, Workers};
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
pub(crate) struct Order {
    /// The token service.
    pub(crate) service: String,
    /// What is played.
    pub(crate) sound: Sound,
    /// For [`Sound::Played`].
    pub(crate) file: Option<PathBuf>,
}

/// Such a process. Dropping it kills it.
pub(crate) struct Publisher {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Publisher {
    /// One with our library: this program, started otherwise.
    pub(crate) async fn ours(order: &Order) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--publisher");
        Self::start(command, &serde_json::to_string(order)?).await
    }

    /// Any, with what it needs to know.
    pub(crate) async fn start(mut command: Command, order: &str) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("starting a publisher")?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut this = Self { child, input, output };
        this.say(order).await?;
        Ok(this)
    }

    /// Has it publish that many tracks, and waits until it does.
    pub(crate) async fn grow(&mut self, count: usize) -> Result<()> {
        let count = count.to_string();
        self.say(&count).await?;
        let answer = timeout(WITHIN, self.output.next_line()).await??;
        ensure!(answer.as_deref() == Some(count.as_str()), "a publisher said {answer:?}");
        Ok(())
    }

    /// Its process.
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.id().context("the publisher has ended")
    }

    /// Lets it leave, and waits for that.
    pub(crate) async fn end(mut self) -> Result<()> {
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
            let source = order.sound.source(order.file.as_deref())?;
            let call = publish(&order, calls.len(), source, (&network, &workers)).await?;
            calls.spawn(last(call));
        }
        let mut out = std::io::stdout();
        writeln!(out, "{wanted}")?;
        out.flush()?;
    }
    Ok(())
}

/// Takes a call's events until it ends; that it does so by itself would be measured as thrift.
async fn last(mut call: Call) {
    while let Some(event) = call.event().await {
        if let Event::Ended(reason) = event {
            let mut out = std::io::stderr();
            let reason = phonograph_call::chain(&reason);
            // Nobody may read it.
            drop(writeln!(out, "a call that was to last has ended: {reason}"));
        }
    }
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
    source: Box<dyn AudioSource>,
    (network, workers): (&Arc<Network>, &Workers),
) -> Result<Call> {
    let matrix = Arc::new(Homeserver::new(&format!("publisher-{number}"), &order.service));
    let room = RoomId::from(format!("!{:?}-{number}:figures", order.sound));
    let mut call = Call::join(matrix, Config::new(room), network, workers);
    call.publish(source);
    while let Some(event) = call.event().await {
        match event {
            Event::Joined => return Ok(call),
            Event::Ended(reason) => bail!("a call ended: {}", phonograph_call::chain(&reason)),
            _ => {}
        }
    }
    bail!("a call ended without a reason")
}
