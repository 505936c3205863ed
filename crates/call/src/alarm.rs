//! The alarms of one worker's calls: all of them by a single timer of the runtime.
//!
//! Each timer that is set while a worker is awake wakes the worker's event queue once more, by a write
//! to a file (Tokio 1.54). A worker's calls set theirs for the same slot of 20 ms: here the first one sets the
//! timer and the others only join it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::time::sleep_until;

thread_local! {
    /// Those of this thread. A call stays on its worker from beginning to end.
    static ALARMS: RefCell<Alarms> = RefCell::default();
}

#[derive(Default)]
struct Alarms {
    set: BTreeMap<(Instant, u64), Waker>,
    last_id: u64,
    /// Whom to wake when one is set for earlier than `timer`.
    keeper: Option<Waker>,
    /// What the runtime's timer is set for.
    timer: Option<Instant>,
}

impl Alarms {
    fn set(&mut self, at: Instant, id: Option<u64>, waker: &Waker) -> u64 {
        let id = id.unwrap_or_else(|| {
            self.last_id += 1;
            self.last_id
        });
        self.set.insert((at, id), waker.clone());
        if self.timer.is_none_or(|timer| at < timer)
            && let Some(keeper) = &self.keeper
        {
            self.timer = Some(at);
            keeper.wake_by_ref();
        }
        id
    }

    /// Rings what is due; what is next.
    fn ring(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.set.first_entry() {
            if first.key().0 > now {
                break;
            }
            first.remove().wake();
        }
        self.timer = self.set.first_key_value().map(|((at, _), _)| *at);
        self.timer
    }
}

/// Rings the alarms of this thread. Never ends; to be run once on each worker, as a task: a runtime's
/// main future is woken through the file as well.
pub(crate) async fn keep() {
    let mut timer = pin!(sleep_until(tokio::time::Instant::now()));
    poll_fn(|context| {
        loop {
            let next = ALARMS.with_borrow_mut(|alarms| {
                alarms.keeper = Some(context.waker().clone());
                alarms.ring(Instant::now())
            });
            let Some(next) = next else { return Poll::<()>::Pending };
            if timer.deadline() != next.into() {
                timer.as_mut().reset(next.into());
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// Waits until then, on a worker. Cancel-safe.
pub(crate) fn until(at: Instant) -> Alarm {
    Alarm { at, id: None }
}

/// See [`until`].
#[derive(Debug)]
pub(crate) struct Alarm {
    at: Instant,
    id: Option<u64>,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        let set = |alarms: &mut Alarms| alarms.set(self.at, self.id, context.waker());
        self.id = Some(ALARMS.with_borrow_mut(set));
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            ALARMS.with_borrow_mut(|alarms| alarms.set.remove(&(self.at, id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    const LATER: Duration = Duration::from_millis(5);
    /// The time that a busy machine may take.
    const WITHIN: Duration = Duration::from_secs(20);

    /// Runs something beside the keeper, as on a worker.
    fn on_a_worker(story: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let keeper = runtime.spawn(keep());
        let story = runtime.spawn(story);
        let ended = runtime.block_on(async { tokio::time::timeout(WITHIN, story).await });
        ended.expect("an alarm that does not ring").unwrap();
        keeper.abort();
    }

    #[test]
    fn alarms_ring_in_their_order_and_not_before_their_time() {
        on_a_worker(async {
            let begun = Instant::now();
            let (sender, mut rung) = mpsc::channel(3);
            // The first to be set is the last to ring, so that the timer has to be moved.
            for number in [3, 1, 2] {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let at = begun + LATER * number;
                    until(at).await;
                    assert!(Instant::now() >= at);
                    sender.try_send(number).unwrap();
                });
            }
            for number in 1..=3 {
                assert_eq!(rung.recv().await, Some(number));
            }
        });
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing_behind() {
        on_a_worker(async {
            let at = Instant::now() + LATER;
            tokio::select! {
                biased;
                () = until(at + Duration::from_hours(1)) => unreachable!(),
                () = until(at) => {}
            }
            ALARMS.with_borrow(|alarms| assert!(alarms.set.is_empty()));
            // And the next one rings all the same.
            until(at + LATER).await;
        });
    }
}
