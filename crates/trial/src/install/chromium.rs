//! Chromium, from Debian.

use std::path::PathBuf;

use super::{
    cache::{Entry, find_program},
    command::Run,
    error::{Cause, Error},
    progress::Step,
};

/// The path of `chromium`, installed by apt where it is missing and we are root.
///
/// # Errors
///
/// [`Error`], with the line for a person to run.
pub async fn chromium() -> Result<PathBuf, Error> {
    if let Some(program) = find_program("chromium") {
        return Ok(program);
    }
    install_package("chromium", "Chromium").await?;
    find_program("chromium").ok_or_else(|| {
        error("chromium", "Chromium", Cause::Missing("chromium on the search path".to_owned()))
    })
}

/// Installs a Debian package, one after another on this machine, since apt itself does not wait.
pub(super) async fn install_package(package: &str, step: &str) -> Result<(), Error> {
    let failed = |cause| error(package, step, cause);
    if !rustix::process::geteuid().is_root() {
        return Err(failed(Cause::NotRoot));
    }
    let shown = Step::begin(step);
    let _lock = Entry::new("apt").lock_for(&shown).await.map_err(failed)?;
    apt_get(&["update"], &shown).await.map_err(failed)?;
    apt_get(&["install", "--yes", "--no-install-recommends", package], &shown)
        .await
        .map_err(failed)?;
    shown.done();
    Ok(())
}

async fn apt_get(arguments: &[&str], step: &Step) -> Result<(), Cause> {
    Run {
        program: "apt-get",
        hint: "the trial installs packages on Debian only; elsewhere install it your own way",
        arguments,
        environment: &[("DEBIAN_FRONTEND", "noninteractive")],
    }
    .run(step)
    .await
}

fn error(package: &str, step: &str, cause: Cause) -> Error {
    Error {
        step: step.to_owned(),
        line: format!("sudo apt-get update && sudo apt-get install --yes {package}"),
        cause,
    }
}
