//! Synapse, in a virtual environment of its own.

use std::path::{Path, PathBuf};

use super::{
    cache::Entry,
    chromium::install_package,
    command::Run,
    error::{Cause, Error},
    progress::Step,
};
use crate::versions::SYNAPSE;

/// What Synapse needs and where it comes from, for those who lack it.
const HINT: &str = "Python 3.10 or newer (Debian: python3) runs Synapse";

/// The path of `synapse_homeserver`, installed by pip at first use (some 20 s).
///
/// # Errors
///
/// [`Error`], with the line for a person to run.
pub async fn synapse() -> Result<PathBuf, Error> {
    let entry = Entry::new(format!("synapse-{SYNAPSE}"));
    let program = entry.folder().join("bin/synapse_homeserver");
    if entry.is_whole() {
        return Ok(program);
    }
    let step = Step::begin(&name());
    let failed = |cause| Error { step: name(), line: by_hand(&entry.folder()), cause };
    let _lock = entry.lock_for(&step).await.map_err(failed)?;
    if !entry.is_whole() {
        let folder = entry.clear().map_err(failed)?;
        make_environment(&folder, &step, failed).await?;
        pip(&folder, &step).await.map_err(failed)?;
        if !program.exists() {
            return Err(failed(Cause::Missing(program.display().to_string())));
        }
        entry.finish().map_err(failed)?;
    }
    step.done();
    Ok(program)
}

/// `python3 -m venv`. Debian's Python can do it only with another package.
async fn make_environment(
    folder: &Path,
    step: &Step,
    failed: impl Fn(Cause) -> Error,
) -> Result<(), Error> {
    let path = folder.to_string_lossy();
    let run = Run {
        program: "python3",
        hint: HINT,
        arguments: &["-m", "venv", "--clear", &path],
        environment: &[],
    };
    match run.run(step).await {
        Err(Cause::Command { .. }) => {
            step.doing("python3 -m venv failed; installing python3-venv");
            install_package("python3-venv", "python3-venv").await?;
            run.run(step).await.map_err(failed)
        }
        other => other.map_err(failed),
    }
}

async fn pip(folder: &Path, step: &Step) -> Result<(), Cause> {
    let program = folder.join("bin/pip");
    Run {
        program: &program.to_string_lossy(),
        hint: HINT,
        arguments: &[
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--only-binary=matrix-synapse",
            &format!("matrix-synapse=={SYNAPSE}"),
        ],
        environment: &[],
    }
    .run(step)
    .await
}

fn by_hand(folder: &Path) -> String {
    let folder = folder.display();
    format!("python3 -m venv {folder} && {folder}/bin/pip install matrix-synapse=={SYNAPSE}")
}

fn name() -> String {
    format!("Synapse {SYNAPSE}")
}
