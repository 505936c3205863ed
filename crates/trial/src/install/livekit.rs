//! livekit-server, built by Go.

use std::path::PathBuf;

use super::{
    cache::Entry,
    command::Run,
    error::{Cause, Error},
    progress::Step,
};
use crate::versions::LIVEKIT_SERVER;

/// The path of livekit-server. Built with `go install` at first use: three to four minutes on two
/// cores. Go's own caches stay where Go has them.
///
/// # Errors
///
/// [`Error`], with the line for a person to run.
pub async fn livekit_server() -> Result<PathBuf, Error> {
    let entry = Entry::new(format!("livekit-server-{LIVEKIT_SERVER}"));
    // `go install` names a program after its folder, cmd/server.
    let program = entry.folder().join("server");
    if entry.is_whole() {
        return Ok(program);
    }
    let folder = entry.folder().to_string_lossy().into_owned();
    let package = format!("github.com/livekit/livekit-server/cmd/server@v{LIVEKIT_SERVER}");
    let run = Run {
        program: "go",
        hint: "Go 1.26 or newer builds livekit-server",
        // Silent without -v, for minutes.
        arguments: &["install", "-v", "-trimpath", "-ldflags", "-s -w", &package],
        environment: &[("GOBIN", &folder)],
    };
    make(&entry, &run).await.map_err(|cause| Error { step: name(), line: run.line(), cause })?;
    Ok(program)
}

async fn make(entry: &Entry, run: &Run<'_>) -> Result<(), Cause> {
    let step = Step::begin(&name());
    let _lock = entry.lock_for(&step).await?;
    if !entry.is_whole() {
        let folder = entry.clear()?;
        run.run(&step).await?;
        if !folder.join("server").exists() {
            return Err(Cause::Missing(format!("program in {}", folder.display())));
        }
        entry.finish()?;
    }
    step.done();
    Ok(())
}

fn name() -> String {
    format!("livekit-server {LIVEKIT_SERVER}")
}
