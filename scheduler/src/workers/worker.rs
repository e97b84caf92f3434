//! A worker: it takes the next task, polls it, and sleeps when there is none.
//!
//! The order in which it looks for the next task, and the promise of fairness that follows:
//! 1. The slot: the task that the last poll woke. It gives three tasks in a row at most; then its task goes to the back
//!    of 2.
//! 2. The fresh queue. One look in [`YIELDED_INTERVAL`] goes to 4 first.
//! 3. The injector. One look in 61 goes there first, or one each 200 µs if polls are long: what lies there has waited for
//!    longer than what the last polls woke. `global_queue_interval` sets another number. In a current-thread runtime it has its
//!    turn also after each look at the reactor that comes because of the time.
//! 4. The yielded queue: tasks that would go on for ever if they were let.
//! 5. Others' queues, if it may search; at the very last others' slots. A spare takes yielded tasks only of a worker
//!    that has stalled: it is there for tasks that wait, not for tasks that go on for ever.
//!
//! So of any 32 polls at least one is of a yielded task, if there is one (one in 16, unless the look at the injector
//! falls on the same poll). Of any 61 polls one is of a task from outside. A task that an event woke waits for those
//! woken before it, and besides them for one poll in 15. Neither events nor yields starve the other, and neither
//! starves tasks from outside.
//!
//! The worker of a current-thread runtime looks at the reactor itself: after `event_interval` polls, when a millisecond
//! has passed, and before yielded tasks are polled anew. Its root, the future of the `block_on`, has its turn as soon
//! as it is woken. A root that wakes itself goes behind `event_interval` polls of ready tasks.
//!
//! A poll may give its worker away (`offer.rs`). So nothing of the worker is borrowed while user code runs inside a
//! task. The loop asks the thread's seat for the worker at each turn, and ends if there is none.

use std::cell::Cell;
use std::task::Waker;

use super::hooks::INTERVAL;
use super::looks::Looks;
use super::shared::Worker;
use super::sleep::Root;
use crate::cell::Runnable;

/// After how many polls the yielded tasks come before the fresh ones.
const YIELDED_INTERVAL: u32 = 16;
/// After how many polls, at least, it looks at the reactor and at the injector, however long the polls last.
const EVENTS_LEAST: u32 = 4;
const INJECTOR_LEAST: u32 = 2;
/// After how many polls, at most, it asks whether to look out for others. Asking reads the clock.
const LOOK_OUT_MOST: u32 = 1_024;

/// What a worker's thread does next.
pub(super) enum Next {
    Poll(Runnable),
    /// Poll it with the worker lent (R6).
    PollOnLoan(Runnable),
    /// Call a waker of somebody else with the worker lent.
    Call(Waker),
    /// Look again: the worker has slept, or has to.
    Look,
    Leave,
}

impl Worker {
    /// What to do next. Sleeps first if there is nothing.
    #[inline(always)]
    pub(super) fn step(&self, root: &impl Root) -> Next {
        if let Some(waker) = self.next_call() {
            return Next::Call(waker);
        }
        if self.remote().is_dismissed() {
            return Next::Leave;
        }
        if !self.shared.polls_for_itself(self.index) {
            self.hand_over();
            self.sleep(root, None);
            return Next::Look;
        }
        match self.next().or_else(|| self.search()) {
            Some(task) => {
                self.polls(&task);
                match self.is_lent() {
                    false => Next::Poll(task),
                    true => Next::PollOnLoan(task),
                }
            }
            None => {
                if root.goes_on() {
                    self.look_before_yields();
                } else if !self.linger(root) {
                    self.sleep(root, None);
                }
                Next::Look
            }
        }
    }

    /// What to do next, after the runtime has closed.
    pub(super) fn last_step(&self) -> Next {
        let mut task = self.anything();
        if task.is_none() {
            if self.shared.settled() {
                return Next::Leave;
            }
            // This look comes after the fence in `settled`. A later push finds the runtime closed, and unparks us.
            task = self.anything();
        }
        match task {
            Some(task) => {
                self.polls(&task);
                Next::Poll(task)
            }
            None => Next::Look,
        }
    }

    /// The next task that this worker may take without a search.
    pub(super) fn next(&self) -> Option<Runnable> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        let long = self.looks.as_ref().is_some_and(Looks::is_due);
        if (due(&self.events_in, || self.event_interval()) || long)
            // What it owes would have to wait for the poll that follows.
            && !self.is_lent()
        {
            self.look_at_reactor();
        }
        if long {
            // Nobody measures this worker's polls. Its events come as often as that, and must not keep others waiting.
            let left = self.injector_in.get().min(INJECTOR_LEAST);
            self.injector_in.set(left);
        }
        if due(&self.injector_in, || self.injector_interval()) {
            self.look_out_at_times();
            if let Some(task) = self.injected() {
                return Some(task);
            }
        }
        if tick.is_multiple_of(YIELDED_INTERVAL)
            && let Some(task) = self.local.yielded.pop()
        {
            return Some(task);
        }
        self.slotted()
            .or_else(|| self.local.fresh.pop())
            .or_else(|| self.injected())
            .or_else(|| self.yielded())
    }

    /// After how many polls it looks at the reactor next.
    #[cold]
    fn event_interval(&self) -> u32 {
        let measured = self.remote().polls_per_ms().max(EVENTS_LEAST);
        self.shared.hooks.event_interval.min(measured)
    }

    /// After how many polls it looks at the injector first, the next time.
    #[cold]
    fn injector_interval(&self) -> u32 {
        let measured = || (self.remote().polls_per_ms() / 5).clamp(INJECTOR_LEAST, INTERVAL);
        self.shared.hooks.injector_interval.unwrap_or_else(measured)
    }

    /// Before it looks at the injector first: looks out for others if it has polled as often as in an eighth of a millisecond, by
    /// the last measure.
    #[cold]
    fn look_out_at_times(&self) {
        // It comes here again after so many polls.
        let left = self
            .look_out_in
            .get()
            .saturating_sub(self.injector_in.get());
        self.look_out_in.set(left);
        if left == 0 {
            let per_ms = self.remote().polls_per_ms();
            self.look_out_in.set((per_ms / 8).min(LOOK_OUT_MOST));
            self.look_out();
        }
    }

    /// The next task that yielded. If no other thread looks at the reactor, this does at times. Tasks that its events
    /// wake come first.
    fn yielded(&self) -> Option<Runnable> {
        if self.look_before_yields()
            && let Some(task) = self.local.fresh.pop().or_else(|| self.injected())
        {
            return Some(task);
        }
        self.local.yielded.pop()
    }

    /// Leaves all its tasks to the chief.
    #[cold]
    fn hand_over(&self) {
        if self.empty() > 0 {
            self.shared.wake_one();
        }
    }

    /// Whether it is lent for the length of each poll: spares are (R6).
    #[inline]
    pub(crate) fn is_lent(&self) -> bool {
        self.shared.crew.is_spare(self.index) && !self.shared.modes.is_closed()
    }

    /// Before a poll.
    #[inline]
    pub(super) fn polls(&self, task: &Runnable) {
        self.end_search();
        self.is_watched();
        let counters = &self.remote().counters;
        let id = task.id().as_u64();
        let nth = counters.polls.next();
        counters.polled.set(id);
        self.samples.polls(nth, id, counters);
    }

    /// Before a call of somebody else's code that may block. To the lookout it looks like the poll of no task.
    pub(super) fn calls(&self) {
        self.end_search();
        self.is_watched();
        self.samples.forget_poll();
        let counters = &self.remote().counters;
        counters.polls.add(1);
        counters.polled.set(0);
    }

    /// After a poll.
    #[inline]
    pub(super) fn has_polled(&self, operations: u16) {
        self.remote().counters.operations.add(operations.into());
        self.samples.poll_has_ended(&self.remote().counters);
    }
}

/// Counts down, and returns whether it has come to the end. It begins anew then.
#[inline]
fn due(left: &Cell<u32>, interval: impl FnOnce() -> u32) -> bool {
    let now = left.get() - 1;
    left.set(now);
    let due = now == 0;
    if due {
        left.set(interval());
    }
    due
}
