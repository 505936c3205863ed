//! Work that nobody waits for: a thread of its own at low priority, which calls do not notice.

use std::{
    convert::Infallible,
    io,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing::{debug, warn};

/// The niceness of such a thread; calls have 0.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Owns the thread. Dropping it asks the thread to end, and waits until it has.
#[derive(Debug)]
pub(super) struct Aside {
    stop: Option<mpsc::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Aside {
    /// Begins work that asks often whether it is to end.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(name: &str, work: impl FnOnce(Stop) + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            lower_priority();
            work(Stop(stopped));
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        let name = thread.thread().name().unwrap_or_default().to_owned();
        if thread.join().is_err() {
            warn!(thread = name, "work aside failed");
        }
    }
}

fn lower_priority() {
    // On Linux this is the priority of the thread, elsewhere that of the process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        debug!(%error, "work aside has normal priority");
    }
}

/// Tells when the owner has let go.
#[derive(Debug)]
pub(super) struct Stop(mpsc::Receiver<Infallible>);

impl Stop {
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.0.try_recv(), Err(mpsc::TryRecvError::Disconnected))
    }

    /// Waits for so long; whether it is asked then.
    pub(super) fn wait(&self, time: Duration) -> bool {
        matches!(self.0.recv_timeout(time), Err(mpsc::RecvTimeoutError::Disconnected))
    }
}
