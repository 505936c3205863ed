//! Nothing outlives its trial, however it ends.
//!
//! A [`Server`] runs in a process group of its own. A small shell script, started with the first
//! server, is told of each group through a pipe. When the pipe ends, because we ended or were
//! killed with -9, it ends the groups (TERM, KILL after a second) and deletes our temporary folder.
//!
//! The script is in a process group of its own and deaf to a terminal's signals, so that Ctrl-C
//! does not end it with us. It works from any process: a test's executable, too.

mod process;
mod server;

pub use self::server::{Error, Program, Server};

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use rustix::process::Pid;

const SCRIPT: &str = include_str!("guard.sh");

/// The guard of this process. There is one, and it is never dropped: it is the end of the process
/// that it watches for.
#[derive(Debug)]
pub(crate) struct Guard {
    pipe: Mutex<ChildStdin>,
    folder: PathBuf,
}

impl Guard {
    /// This process's guard, started when first asked for.
    pub(crate) fn get() -> io::Result<&'static Self> {
        static GUARD: OnceLock<Guard> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        match GUARD.get() {
            Some(guard) => Ok(guard),
            None => Self::start().map(|guard| GUARD.get_or_init(|| guard)),
        }
    }

    /// The folder that is deleted when this process ends.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("phonograph-trial-").tempdir()?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "phonograph-trial-guard"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { pipe: Mutex::new(pipe), folder: folder.keep() })
    }

    /// From now on `group` ends with us.
    pub(crate) fn watch(&self, group: Pid) -> io::Result<()> {
        self.tell('+', group)
    }

    /// `group` has ended; its number may soon be somebody else's.
    pub(crate) fn forget(&self, group: Pid) {
        // A guard that is gone cannot end the wrong group either.
        drop(self.tell('-', group));
    }

    fn tell(&self, sign: char, group: Pid) -> io::Result<()> {
        let line = format!("{sign}{}\n", group.as_raw_nonzero());
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }
}

/// A new folder for one server or one trial, named after it, which is deleted when this process
/// ends, or earlier when the value is dropped.
///
/// # Errors
///
/// The guard could not be started, or the temporary folder cannot be written.
pub fn folder(name: &str) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(Guard::get()?.folder())
}
