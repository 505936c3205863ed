//! What kept a step from being installed, told so that a person can do it by hand.

use std::{io, process::ExitStatus};

/// A step that could not be installed. Prints the step and the line to run; why it failed is in
/// `source()`.
#[derive(Debug, thiserror::Error)]
#[error("{step} could not be installed; to do it by hand, run: {line}")]
pub struct Error {
    /// What was being installed, with its version.
    pub step: String,
    /// The line for a person to run, in a shell.
    pub line: String,
    /// Why it failed.
    #[source]
    pub cause: Cause,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A program that the step needs is not on this machine. Installing it helps.
    #[error("there is no `{program}` on this machine: {hint}")]
    NoProgram {
        /// The program.
        program: String,
        /// Where it comes from.
        hint: &'static str,
    },
    /// Only root may install Debian packages.
    #[error("only root may install Debian packages, and we are not root")]
    NotRoot,
    /// The registry cannot be reached from here. Trying again helps once the network is back.
    #[error("the network is not there, or the registry cannot be reached:\n{tail}")]
    Network {
        /// The command's last lines.
        tail: String,
    },
    /// A command failed for a reason of its own.
    #[error("`{command}` ended with {status}:\n{tail}")]
    Command {
        /// The command as it was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        tail: String,
    },
    /// The command succeeded and yet did not bring what it should have.
    #[error("the installation ended well, but there is no {0}")]
    Missing(String),
    /// The cache cannot be written or a program cannot be started.
    #[error("{what}")]
    Io {
        /// What we were doing.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Cause {
    /// For `map_err`: `what` says what we were doing, as "could not …".
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A command's failure, or the network's where its last lines say so.
    pub(super) fn of_command(command: String, status: ExitStatus, tail: String) -> Self {
        if speaks_of_network(&tail) {
            Self::Network { tail }
        } else {
            Self::Command { command, status, tail }
        }
    }
}

/// How apt, pip, npm and Go put it when they reach nobody.
fn speaks_of_network(tail: &str) -> bool {
    const SIGNS: [&str; 12] = [
        "Could not resolve",
        "Temporary failure in name resolution",
        "Temporary failure resolving",
        "Name or service not known",
        "NewConnectionError",
        "No matching distribution found",
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "no such host",
        "dial tcp",
        "Network is unreachable",
    ];
    SIGNS.iter().any(|sign| tail.contains(sign))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_network_is_blamed_only_where_the_command_blames_it() {
        let failed = |tail: &str| {
            Cause::of_command("npm ci".to_owned(), ExitStatus::from_raw(256), tail.to_owned())
        };
        assert!(matches!(failed("npm error code EAI_AGAIN"), Cause::Network { .. }));
        assert!(matches!(failed("npm error code ENOSPC"), Cause::Command { .. }));
    }

    #[test]
    fn an_error_names_the_step_and_the_line_and_its_cause_says_why() {
        let error = Error {
            step: "Chromium".to_owned(),
            line: "sudo apt-get install chromium".to_owned(),
            cause: Cause::NotRoot,
        };
        let chain = format!("{:#}", anyhow::Error::new(error));
        assert!(chain.contains("Chromium could not be installed"), "{chain}");
        assert!(chain.contains("run: sudo apt-get install chromium"), "{chain}");
        assert!(chain.contains("we are not root"), "{chain}");
    }
}
