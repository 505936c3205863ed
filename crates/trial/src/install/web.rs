//! Element Call and what its host page is made of, from npm.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    cache::Entry,
    command::Run,
    error::{Cause, Error},
    progress::Step,
};

const PACKAGE: &str = include_str!("../../web/package.json");
const LOCK: &str = include_str!("../../web/package-lock.json");

/// What the packages need and where it comes from, for those who lack it.
const HINT: &str = "Node 20 or newer, with npm, installs Element Call";

/// The npm packages, installed.
#[derive(Debug, Clone)]
pub struct Modules {
    folder: PathBuf,
}

impl Modules {
    /// The folder `node_modules`, also for `NODE_PATH`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of Element Call, as they are to be served.
    pub fn element_call(&self) -> PathBuf {
        self.folder.join("@element-hq/element-call-embedded/dist")
    }

    /// The program `esbuild`.
    pub fn esbuild(&self) -> PathBuf {
        self.folder.join(".bin/esbuild")
    }
}

/// The npm packages that `web/package-lock.json` names, installed by `npm ci` at first use.
///
/// # Errors
///
/// [`Error`], with the line for a person to run.
pub async fn web() -> Result<Modules, Error> {
    // Named by what is locked, so that a changed lock file is installed anew.
    let version = hex::encode(&digest(&SHA256, LOCK.as_bytes()).as_ref()[..6]);
    let entry = Entry::new(format!("web-{version}"));
    let modules = Modules { folder: entry.folder().join("node_modules") };
    if entry.is_whole() {
        return Ok(modules);
    }
    let folder = entry.folder().to_string_lossy().into_owned();
    let run = Run {
        program: "npm",
        hint: HINT,
        arguments: &["ci", "--prefix", &folder, "--no-audit", "--no-fund", "--loglevel=http"],
        environment: &[],
    };
    make(&entry, &modules, &run).await.map_err(|cause| Error {
        step: NAME.to_owned(),
        line: run.line(),
        cause,
    })?;
    Ok(modules)
}

const NAME: &str = "Element Call and its host page";

async fn make(entry: &Entry, modules: &Modules, run: &Run<'_>) -> Result<(), Cause> {
    let step = Step::begin(NAME);
    let _lock = entry.lock_for(&step).await?;
    if !entry.is_whole() {
        let folder = entry.clear()?;
        for (name, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK)] {
            let path = folder.join(name);
            fs::write(&path, text)
                .map_err(Cause::io(format!("could not write {}", path.display())))?;
        }
        run.run(&step).await?;
        if !modules.element_call().exists() {
            return Err(Cause::Missing(modules.element_call().display().to_string()));
        }
        entry.finish()?;
    }
    step.done();
    Ok(())
}
