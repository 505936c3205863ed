//! Runs an installer's command, showing its last line and keeping its last lines for the error.

use std::{collections::VecDeque, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
};

use super::{cache::find_program, error::Cause, progress::Step};

/// How many of a command's last lines an error shows: enough for a compiler's or pip's complaint.
const TAIL_LINES: usize = 12;

/// A command of an installer.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// Its name on the search path, or its path.
    pub(super) program: &'a str,
    /// Where the program comes from, for those who lack it.
    pub(super) hint: &'static str,
    /// What it is given.
    pub(super) arguments: &'a [&'a str],
    /// Variables beside those that we have.
    pub(super) environment: &'a [(&'a str, &'a str)],
}

impl Run<'_> {
    /// Runs to the end. Not to be cancelled half-way by dropping: the command would go on.
    pub(super) async fn run(&self, step: &Step) -> Result<(), Cause> {
        let Some(program) = self.find() else {
            return Err(Cause::NoProgram { program: self.program.to_owned(), hint: self.hint });
        };
        let line = self.line();
        step.doing(&[self.program, &self.arguments.join(" ")].join(" "));
        // Not in the folder that we are in: a file beside us must not change what is installed.
        let mut child = Command::new(program)
            .args(self.arguments)
            .envs(self.environment.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Cause::io(format!("could not start `{line}`")))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (out, err, ended) = tokio::join!(follow(out, step), follow(err, step), child.wait());
        let status = ended.map_err(Cause::io(format!("could not wait for `{line}`")))?;
        if status.success() {
            return Ok(());
        }
        // Complaints are on standard error; apt has some on standard output.
        let tail = if err.is_empty() { out } else { err };
        Err(Cause::of_command(line, status, Vec::from(tail).join("\n")))
    }

    /// The command as a person would type it.
    pub(super) fn line(&self) -> String {
        let variables = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let words = std::iter::once(self.program).chain(self.arguments.iter().copied());
        let quoted = words
            .map(|word| if word.contains(' ') { format!("'{word}'") } else { word.to_owned() });
        variables.chain(quoted).collect::<Vec<_>>().join(" ")
    }

    fn find(&self) -> Option<std::path::PathBuf> {
        if self.program.contains('/') {
            Some(self.program.into())
        } else {
            find_program(self.program)
        }
    }
}

/// Shows each line as it comes, and returns the last ones.
async fn follow(from: Option<impl AsyncRead + Unpin>, step: &Step) -> VecDeque<String> {
    let mut tail = VecDeque::with_capacity(TAIL_LINES);
    let Some(from) = from else { return tail };
    let mut lines = BufReader::new(from).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        step.doing(&line);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    tail
}
