//! Installs what the trial needs and this machine lacks, on first use, into a cache.
//!
//! Each function answers at once where its thing is there already. Otherwise it installs it, under
//! a lock that other trials and tests on this machine respect, and shows what it is doing. They
//! may run side by side; [`servers`] does.
//!
//! Everything but Debian's packages goes to `$XDG_CACHE_HOME/phonograph-trial` (`~/.cache/…`),
//! in folders named by version: to install anew, delete the folder.

mod cache;
mod chromium;
mod command;
mod error;
mod livekit;
mod progress;
mod synapse;
mod web;

pub use self::{
    chromium::chromium,
    error::{Cause, Error},
    livekit::livekit_server,
    synapse::synapse,
    web::{Modules, web},
};

pub(crate) use self::cache::Entry;

use std::path::PathBuf;

/// The servers' programs, installed side by side.
///
/// # Errors
///
/// The first of the two steps that failed; the other one is still carried through.
pub async fn servers() -> Result<Servers, Error> {
    let (synapse, livekit_server) = tokio::join!(synapse(), livekit_server());
    Ok(Servers { synapse: synapse?, livekit_server: livekit_server? })
}

/// Where the servers' programs are.
#[derive(Debug, Clone)]
pub struct Servers {
    /// `synapse_homeserver`, in its virtual environment.
    pub synapse: PathBuf,
    /// livekit-server.
    pub livekit_server: PathBuf,
}

/// Everything at once, for a trial with a browser: the slowest step decides how long it takes.
///
/// # Errors
///
/// The first step that failed; the others are still carried through.
pub async fn everything() -> Result<(), Error> {
    let (servers, chromium, web) = tokio::join!(servers(), chromium(), web());
    servers?;
    chromium?;
    web?;
    Ok(())
}
