//! One run of a program in a process group of its own, guarded from its first moment.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Guard, Program};

/// Waits for a line before it becomes the program. Where we are killed before we could tell the
/// guard, the line never comes, and the program never runs.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// A running process group. Dropping it kills the group and waits for its leader.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `program`, its output appended to `log`.
    pub(super) fn start(program: &Program, log: &Path) -> io::Result<Self> {
        let guard = Guard::get()?;
        let log = File::options().append(true).create(true).open(log)?;
        let words = [OsString::from("-c"), GATE.into(), "gate".into(), (&program.path).into()];
        let mut child = Command::new("/bin/sh")
            .args(words)
            .args(&program.arguments)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&program.folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let gate = child.stdin.take();
        let group = Pid::from_child(&child);
        let mut process = Self { child, group, ended: None };
        guard.watch(group)?;
        gate.ok_or(io::ErrorKind::BrokenPipe)?.write_all(b"go\n")?;
        // The gate's own failure, such as a program that is not there, shows in the log.
        process.ended()?;
        Ok(process)
    }

    /// The number of the process, which is its group's as well.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the leader ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Signals the whole group. A group that is gone is no error.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match kill_process_group(self.group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills the group at once and waits for the leader.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        if self.ended.is_none() {
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What cannot be killed here is the guard's, once we end.
        if self.kill().is_ok()
            && let Ok(guard) = Guard::get()
        {
            guard.forget(self.group);
        }
    }
}
