//! The loop's callbacks: those that are due, in order, and those that wait for their time.
//!
//! One task of the runtime runs them, in batches, and waits in between. Invariants:
//! 1. `ready` is in the order of running. A timer moves to its end once its time has come. Timers that are due together
//!    move in the order of (time, number); each call of `call_at` gives the next number.
//! 2. A callback is in one place: its [`Call`]. Whoever takes it out runs it or drops it, with no lock held.
//! 3. `waiting` is set by the task, in the same hold of the lock in which it last saw the queue. It is cleared by
//!    whoever gives the task something to do, who then owes it a `notify_one`. So a call wakes the task once, not once
//!    a callback.
//! 4. `closed` is set once, when the task is dropped with its runtime. Nothing is added after that.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use heist_sync::sys::Mutex;

use super::exception::ExceptionContext;
use crate::sync::Notify;
use crate::task;
use crate::time::{Instant, sleep_until};

pub(super) type Callback = Box<dyn FnOnce() + Send>;

/// How many callbacks run before the task lets others have the worker.
const BATCH: usize = 128;

/// What "never" means on the clock: far enough for any program, near enough for any clock.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// `delay` after `now`, or [`NEVER`] if the clock can't represent that.
pub(super) fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + NEVER)
}

/// The queue of one loop.
#[derive(Default)]
pub(super) struct Calls {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Arc<Call>>,
    timers: BTreeMap<(Instant, u64), Arc<Call>>,
    next_number: u64,
    waiting: bool,
    closed: bool,
}

struct Call {
    state: Mutex<State>,
}

enum State {
    Due(Callback),
    /// It ran, or is running.
    Done,
    Cancelled,
}

impl Call {
    fn new(callback: Callback) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::Due(callback)),
        })
    }

    fn cancel(&self) {
        let mut state = self.state.lock();
        if let State::Due(_) = &*state {
            let callback = std::mem::replace(&mut *state, State::Cancelled);
            drop(state);
            drop(callback);
        }
    }

    fn cancelled(&self) -> bool {
        matches!(&*self.state.lock(), State::Cancelled)
    }

    fn run(&self, report: &impl Fn(ExceptionContext)) {
        let mut state = self.state.lock();
        if !matches!(&*state, State::Due(_)) {
            return;
        }
        let taken = std::mem::replace(&mut *state, State::Done);
        drop(state);
        if let State::Due(callback) = taken
            && let Err(payload) = catch_unwind(AssertUnwindSafe(callback))
        {
            let context = ExceptionContext::new("a callback of the event loop panicked");
            report(context.with_panic(payload));
        }
    }
}

impl Calls {
    pub(super) fn soon(&self, callback: Callback) -> CallHandle {
        let call = Call::new(callback);
        self.add(&call, |queue| {
            queue.ready.push_back(call.clone());
            true
        });
        CallHandle { call }
    }

    pub(super) fn at(self: &Arc<Self>, when: Instant, callback: Callback) -> TimerHandle {
        let call = Call::new(callback);
        let mut key = (when, 0);
        self.add(&call, |queue| {
            key.1 = queue.next_number;
            queue.next_number += 1;
            queue.timers.insert(key, call.clone());
            // The task sleeps until the first timer, so it must hear of a new first one only.
            queue.timers.keys().next() == Some(&key)
        });
        TimerHandle {
            call: CallHandle { call },
            key,
            calls: Arc::downgrade(self),
        }
    }

    /// Puts a call into the queue with `insert`, which returns whether the task must hear of it.
    fn add(&self, call: &Arc<Call>, insert: impl FnOnce(&mut Queue) -> bool) {
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            call.cancel();
            return;
        }
        let wake = insert(&mut queue) && std::mem::take(&mut queue.waiting);
        drop(queue);
        if wake {
            self.wake.notify_one();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Moves what is due into `batch`. If nothing is due, returns until when to wait.
    fn next_batch(&self, batch: &mut Vec<Arc<Call>>) -> Option<Wait> {
        let now = Instant::now();
        let mut queue = self.queue.lock();
        // A timer may have ended the wait. Nobody has cleared it then.
        queue.waiting = false;
        while let Some(timer) = queue
            .timers
            .first_entry()
            .filter(|timer| timer.key().0 <= now)
        {
            let call = timer.remove();
            queue.ready.push_back(call);
        }
        let count = queue.ready.len().min(BATCH);
        batch.extend(queue.ready.drain(..count));
        if count > 0 {
            return None;
        }
        queue.waiting = true;
        Some(Wait(queue.timers.keys().next().map(|key| key.0)))
    }

    fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let (ready, timers) = (
            std::mem::take(&mut queue.ready),
            std::mem::take(&mut queue.timers),
        );
        drop(queue);
        for call in ready.iter().chain(timers.values()) {
            call.cancel();
        }
    }
}

/// Until when the task waits unless it is woken. `None` means for ever.
struct Wait(Option<Instant>);

impl Wait {
    async fn run(self, wake: &Notify) {
        let Some(until) = self.0 else {
            return wake.notified().await;
        };
        let (mut woken, mut slept) = (pin!(wake.notified()), pin!(sleep_until(until)));
        poll_fn(|cx| {
            let ready = woken.as_mut().poll(cx).is_ready() || slept.as_mut().poll(cx).is_ready();
            if ready {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Closes the queue with the task.
struct CloseOnDrop(Arc<Calls>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The loop's task: runs callbacks until the runtime is shut down.
/// Panics go to `report`.
pub(super) fn run(
    calls: Arc<Calls>,
    report: impl Fn(ExceptionContext) + Send,
) -> impl Future<Output = ()> + Send {
    // Outside of the async block, so that a task that is never polled closes its queue too.
    let calls = CloseOnDrop(calls);
    async move {
        let calls = &calls.0;
        let mut batch = Vec::new();
        loop {
            if let Some(wait) = calls.next_batch(&mut batch) {
                wait.run(&calls.wake).await;
                continue;
            }
            let full = batch.len() == BATCH;
            for call in batch.drain(..) {
                call.run(&report);
            }
            if full {
                task::yield_now().await;
            } else {
                task::coop::consume_budget().await;
            }
        }
    }
}

/// A callback that was given to [`EventLoop::call_soon`](super::EventLoop::call_soon).
#[derive(Clone)]
pub struct CallHandle {
    call: Arc<Call>,
}

impl CallHandle {
    /// Drops the callback, unless it has run or is running.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let call = heist::event_loop::EventLoop::current().call_soon(|| unreachable!());
    ///     call.cancel();
    ///     heist::task::yield_now().await;
    /// }
    /// ```
    pub fn cancel(&self) {
        self.call.cancel();
    }

    /// Whether the callback was cancelled and will never run, either by [`cancel`](Self::cancel) or because the loop
    /// was closed.
    pub fn cancelled(&self) -> bool {
        self.call.cancelled()
    }
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHandle")
            .field("cancelled", &self.cancelled())
            .finish_non_exhaustive()
    }
}

/// A callback that was given to [`EventLoop::call_later`](super::EventLoop::call_later) or
/// [`EventLoop::call_at`](super::EventLoop::call_at).
#[derive(Clone)]
pub struct TimerHandle {
    call: CallHandle,
    key: (Instant, u64),
    calls: Weak<Calls>,
}

impl TimerHandle {
    /// Drops the callback, unless it has run or is running.
    ///
    /// Nothing of the timer is kept.
    pub fn cancel(&self) {
        self.call.cancel();
        if let Some(calls) = self.calls.upgrade() {
            let removed = calls.queue.lock().timers.remove(&self.key);
            drop(removed);
        }
    }

    /// Whether the callback was cancelled and will never run, either by [`cancel`](Self::cancel) or because the loop
    /// was closed.
    pub fn cancelled(&self) -> bool {
        self.call.cancelled()
    }

    /// When the callback runs, by the loop's [`time`](super::EventLoop::time).
    pub fn when(&self) -> Instant {
        self.key.0
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when())
            .field("cancelled", &self.cancelled())
            .finish_non_exhaustive()
    }
}
