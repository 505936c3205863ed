//! A thread with a runtime of its own, for what of the trial goes on when the runtime of the test
//! that started it ends.

use std::{io, thread::JoinHandle};

use tokio::sync::oneshot;

/// A running thread. Dropping it ends what runs there, and waits for that.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Runs `work`, and all that it spawns, on a thread called `name`.
    pub(crate) fn start<F>(name: &'static str, work: F) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = work => ended,
                    // Nobody's request is worth waiting for once the trial is over.
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = ended {
                tracing::error!(%error, "the {name} ended");
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Dropping the sender is what stops it.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed.
            drop(thread.join());
        }
    }
}
