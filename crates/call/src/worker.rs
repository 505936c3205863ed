//! The media plane's threads.
//!
//! A call lives on one worker from join to leave, with its sockets and keys, so that nothing of it
//! is shared between threads.

use std::{
    fmt, io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tokio::{runtime, sync::mpsc, task::LocalSet};

/// Tasks that wait for a worker to begin them.
const SPAWNS_MAX: usize = 256;

type Spawn = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A fixed number of threads that calls are spread over.
///
/// Dropping it waits until every task has ended.
pub struct Workers {
    threads: Vec<Worker>,
    next: AtomicUsize,
}

struct Worker {
    spawns: Option<mpsc::Sender<Spawn>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Workers {
    /// Starts that many threads, at least one.
    ///
    /// # Errors
    /// If the system gives no thread or no event queue.
    pub fn start(count: usize) -> io::Result<Self> {
        let threads = (0..count.max(1)).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { threads, next: AtomicUsize::new(0) })
    }

    /// Starts as many threads as the process has cores.
    ///
    /// # Errors
    /// As [`Workers::start`].
    pub fn per_core() -> io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, usize::from))
    }

    /// Runs a task on the next worker in turn. The task is made there, so it need not be `Send`.
    pub fn spawn<F, T>(&self, task: F)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = ()> + 'static,
    {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let spawn: Spawn = Box::new(move || Box::pin(task()));
        let sender = self.threads[index].spawns.as_ref();
        if sender.is_none_or(|sender| sender.try_send(spawn).is_err()) {
            tracing::error!("a media worker takes no more tasks");
        }
    }
}

impl Worker {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (spawns, mut receiver) = mpsc::channel::<Spawn>(SPAWNS_MAX);
        let thread = thread::Builder::new().name(format!("media-{index}")).spawn(move || {
            let tasks = LocalSet::new();
            let intake = async {
                while let Some(spawn) = receiver.recv().await {
                    tokio::task::spawn_local(spawn());
                }
            };
            runtime.block_on(async {
                tasks.run_until(intake).await;
                tasks.await;
            });
        })?;
        Ok(Self { spawns: Some(spawns), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.spawns = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a media worker panicked");
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn tasks_are_spread_over_the_threads_and_waited_for() {
        let workers = Workers::start(2).unwrap();
        let (sender, receiver) = mpsc::channel();
        for _ in 0..4 {
            let sender = sender.clone();
            workers.spawn(move || async move {
                tokio::task::yield_now().await;
                sender.send(thread::current().name().map(str::to_owned)).unwrap();
            });
        }
        drop((workers, sender));
        let mut names: Vec<_> = receiver.iter().flatten().collect();
        names.sort();
        assert_eq!(names, ["media-0", "media-0", "media-1", "media-1"]);
    }
}
