//! A server: a program with a name and a log, which tests may end, freeze and start again.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::process::Process;

/// How much of the end of a log is looked at for its last lines.
const TAIL_BYTES: u64 = 16 * 1024;

/// How many last lines an error shows.
const TAIL_LINES: usize = 20;

/// How often we look whether a server answers or has ended. Loopback servers need tens of
/// milliseconds for either, so this is what a start or stop may take too long.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// How long a server may take to end on TERM. Synapse closes its listeners and its database within
/// a second.
const STOP_MAX: Duration = Duration::from_secs(8);

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables beside those that we have.
    pub environment: Vec<(String, String)>,
    /// The folder that it is started in.
    pub folder: PathBuf,
}

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be started or signalled: mostly a program or a folder that is gone.
    #[error("{name} could not be {what}")]
    Process {
        /// The server.
        name: String,
        /// What was tried, as a participle.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended although it should run. Its last lines say why.
    #[error("{name} ended with {status}; the end of its log:\n{tail}")]
    Ended {
        /// The server.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Its log's last lines.
        tail: String,
    },
    /// It runs and does not answer. On a busy machine, trying again may help.
    #[error("{name} does not answer after {waited:?}; the end of its log:\n{tail}")]
    NoAnswer {
        /// The server.
        name: String,
        /// How long we waited.
        waited: Duration,
        /// Its log's last lines.
        tail: String,
    },
}

impl Error {
    /// Whether the server ended because somebody else took one of its ports: new ports help.
    pub fn is_port_taken(&self) -> bool {
        match self {
            Self::Ended { tail, .. } => {
                ["in use", "EADDRINUSE", "CannotListenError"].iter().any(|sign| tail.contains(sign))
            }
            Self::Process { .. } | Self::NoAnswer { .. } => false,
        }
    }
}

/// A server of the trial. Dropping it kills it; its log goes with the folder that it is in.
#[derive(Debug)]
pub struct Server {
    name: String,
    program: Program,
    log: PathBuf,
    process: Option<Process>,
}

impl Server {
    /// Starts `program` in a process group of its own, its output going to `log`.
    ///
    /// # Errors
    ///
    /// [`Error::Process`]. A program that ends at once is noticed by [`Server::wait_until`].
    pub fn start(name: &str, program: Program, log: PathBuf) -> Result<Self, Error> {
        let mut server = Self { name: name.to_owned(), program, log, process: None };
        server.run()?;
        Ok(server)
    }

    /// What it is called in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process's number, while it runs or has not been stopped by us.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log, oldest first; empty where there are none.
    pub fn tail(&self) -> String {
        tail(&self.log).unwrap_or_default()
    }

    /// Waits until `answers` says yes, asking every few milliseconds. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] as soon as it ends, [`Error::NoAnswer`] after `limit`.
    pub async fn wait_until(
        &mut self,
        limit: Duration,
        answers: impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let began = Instant::now();
        while !answers().await {
            if let Some(status) = self.ended()? {
                return Err(Error::Ended { name: self.name.clone(), status, tail: self.tail() });
            }
            if began.elapsed() > limit {
                let (name, tail) = (self.name.clone(), self.tail());
                return Err(Error::NoAnswer { name, waited: limit, tail });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Asks it to end (TERM) and waits; after 8 s it is killed. Cancelled half-way, it may still
    /// run: then drop it.
    ///
    /// # Errors
    ///
    /// [`Error::Process`].
    pub async fn stop(&mut self) -> Result<(), Error> {
        if let Some(process) = &self.process {
            process.signal(Signal::TERM).map_err(self.failed("stopped"))?;
            // One that is frozen would not hear it.
            process.signal(Signal::CONT).map_err(self.failed("stopped"))?;
        }
        let asked = Instant::now();
        while self.ended()?.is_none() && self.process.is_some() && asked.elapsed() < STOP_MAX {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.kill()
    }

    /// Ends it at once (KILL), as a crash or a power cut would. Nothing happens where it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Process`].
    pub fn kill(&mut self) -> Result<(), Error> {
        let name = self.name.clone();
        let Some(process) = &mut self.process else { return Ok(()) };
        process.kill().map_err(|source| Error::Process { name, what: "killed", source })?;
        self.process = None;
        Ok(())
    }

    /// Stops its clock (STOP): connections stay open and nobody answers.
    ///
    /// # Errors
    ///
    /// [`Error::Process`].
    pub fn freeze(&self) -> Result<(), Error> {
        self.signal(Signal::STOP, "frozen")
    }

    /// Lets it go on (CONT) after [`Server::freeze`].
    ///
    /// # Errors
    ///
    /// [`Error::Process`].
    pub fn thaw(&self) -> Result<(), Error> {
        self.signal(Signal::CONT, "thawed")
    }

    /// Ends it if it runs, and starts it with the same arguments, so on the same ports. The caller
    /// waits for its answer.
    ///
    /// # Errors
    ///
    /// [`Error::Process`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await?;
        self.run()
    }

    fn run(&mut self) -> Result<(), Error> {
        let started = Process::start(&self.program, &self.log).map_err(self.failed("started"))?;
        self.process = Some(started);
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        let name = self.name.clone();
        match &mut self.process {
            Some(process) => process.ended().map_err(|source| Error::Process {
                name,
                what: "looked after",
                source,
            }),
            None => Ok(None),
        }
    }

    fn signal(&self, signal: Signal, what: &'static str) -> Result<(), Error> {
        match &self.process {
            Some(process) => process.signal(signal).map_err(self.failed(what)),
            None => Ok(()),
        }
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
        let name = self.name.clone();
        move |source| Error::Process { name, what, source }
    }
}

/// The last lines of a file.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_taken_port_is_known_by_what_each_server_says_of_it() {
        let ended = |tail: &str| Error::Ended {
            name: "a server".to_owned(),
            status: ExitStatus::from_raw(256),
            tail: tail.to_owned(),
        };
        for taken in [
            "twisted.internet.error.CannotListenError: Couldn't listen on 127.0.0.1:8008",
            "listen tcp4 127.0.0.1:7880: bind: address already in use",
        ] {
            assert!(ended(taken).is_port_taken(), "{taken}");
        }
        assert!(!ended("No module named synapse").is_port_taken());
    }
}
