//! The media plane's threads.
//!
//! A call lives on one worker from join to leave, with its sockets and keys, so that nothing of it
//! is shared between threads.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{self, Handle},
    sync::mpsc,
    task::JoinSet,
};

use crate::alarm;

/// Tasks that wait for a worker to begin them.
const SPAWNS_MAX: usize = 256;
/// Tasks that a thread is given before the next one is. It wakes once in 20 ms for all of its calls, and
/// waking costs as much as sending does; to encode for that many takes 3 of the 20 ms.
const TOGETHER: usize = 8;
/// How often it is looked whether the last goodbye was said.
const LOOK: Duration = Duration::from_millis(5);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A fixed number of threads that calls are spread over.
///
/// Dropping it waits until every task has ended.
pub struct Workers {
    threads: Vec<Worker>,
}

struct Worker {
    spawns: Option<mpsc::Sender<Task>>,
    thread: Option<thread::JoinHandle<()>>,
    /// How many tasks it has.
    load: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts that many threads, at least one.
    ///
    /// # Errors
    /// If the system gives no thread or no event queue.
    pub fn start(count: usize) -> io::Result<Self> {
        let threads = (0..count.max(1)).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { threads })
    }

    /// Starts as many threads as the process has cores.
    ///
    /// # Errors
    /// As [`Workers::start`].
    pub fn per_core() -> io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, usize::from))
    }

    /// Runs a task on one of the workers, from beginning to end: on the first that has few, or else on the
    /// one that has fewest.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let loads = self.threads.iter().map(|worker| worker.load.load(Ordering::Relaxed));
        let worker = &self.threads[choose(loads)];
        let load = Load::of(worker);
        let task: Task = Box::pin(async move {
            task.await;
            drop(load);
        });
        if worker.spawns.as_ref().is_none_or(|spawns| spawns.try_send(task).is_err()) {
            tracing::error!("a media worker takes no more tasks");
        }
    }
}

/// Which worker a task goes to, by how many each has.
fn choose(loads: impl Iterator<Item = usize> + Clone) -> usize {
    let with_room = loads.clone().position(|load| load < TOGETHER);
    with_room.or_else(|| Some(loads.enumerate().min_by_key(|(_, load)| *load)?.0)).unwrap_or(0)
}

/// One task of a worker, for as long as it lasts.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn of(worker: &Worker) -> Self {
        worker.load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&worker.load))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (spawns, receiver) = mpsc::channel(SPAWNS_MAX);
        let thread = thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || runtime.block_on(work(receiver)))?;
        Ok(Self { spawns: Some(spawns), thread: Some(thread), load: Arc::default() })
    }
}

/// Runs what comes until nothing more can come, then waits until all of it has ended.
///
/// The tasks are the runtime's own, not those of a `LocalSet`: each time that one of a `LocalSet` wakes, it
/// wakes the thread once more, through a file.
async fn work(mut receiver: mpsc::Receiver<Task>) {
    let keeper = tokio::spawn(alarm::keep());
    let mut tasks = JoinSet::new();
    while let Some(task) = receiver.recv().await {
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
    while tasks.join_next().await.is_some() {}
    keeper.abort();
    // What a call's sockets still have to say is said by tasks of their own, each with its limit.
    while Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::time::sleep(LOOK).await;
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

    /// Runs that many tasks at once; on which thread each was.
    fn threads_of(workers: &Workers, count: usize) -> Vec<String> {
        let (sender, receiver) = mpsc::channel();
        let (end, _) = tokio::sync::broadcast::channel::<()>(1);
        for _ in 0..count {
            let (sender, mut ended) = (sender.clone(), end.subscribe());
            workers.spawn(async move {
                sender.send(thread::current().name().map(str::to_owned)).unwrap();
                drop(ended.recv().await);
            });
        }
        (0..count).filter_map(|_| receiver.recv().unwrap()).collect()
    }

    #[test]
    fn a_thread_has_some_tasks_before_the_next_has_any_and_beyond_that_all_have_as_many() {
        let workers = Workers::start(2).unwrap();
        let threads = threads_of(&workers, 2 * TOGETHER + 4);
        let on = |name: &str| threads.iter().filter(|thread| *thread == name).count();
        assert_eq!((on("media-0"), on("media-1")), (TOGETHER + 2, TOGETHER + 2));
        assert_eq!(choose([TOGETHER - 1, 0].into_iter()), 0);
        assert_eq!(choose([TOGETHER, TOGETHER - 1].into_iter()), 1);
        assert_eq!(choose([TOGETHER + 2, TOGETHER + 1].into_iter()), 1);
    }

    #[test]
    fn every_task_and_what_it_began_is_waited_for() {
        let workers = Workers::start(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        workers.spawn(async move {
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                sender.send(()).unwrap();
            });
        });
        drop(workers);
        assert_eq!(receiver.try_recv(), Ok(()));
    }
}
