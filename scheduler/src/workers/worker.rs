//! A worker: it takes the next task, polls it, and sleeps when there is none.
//!
//! The order in which it looks, and the promise of fairness that follows:
//! 1. The slot: what the last poll woke; three times running at most, then its task goes to the back of 2.
//! 2. The fresh queue. One look in [`YIELDED_INTERVAL`] goes to 4 first.
//! 3. The injector; one look in `global_queue_interval` goes there first, and hands out what the reactor has. What an event
//!    woke is there while all workers are busy, so it comes before tasks that yield, however long their polls are.
//! 4. The yielded queue: tasks that would go on for ever if one let them.
//! 5. Others' queues, if it may search; at the very last others' slots. A spare takes no yielded tasks but those of a
//!    worker that has stalled: it is there for what waits, not for what goes on for ever.
//!
//! So of any 32 polls at least one is of a yielded task, if there is one (one in 16, but where the look at the injector
//! falls on the same poll), and of any 61 one is of what came from outside. A task that an event woke waits for those
//! woken before it, and for one poll in 15 beside them. Neither events nor yields starve the other, and neither starves
//! the outside.
//!
//! A current-thread runtime's worker looks at the reactor itself: after `event_interval` polls, when a millisecond has passed,
//! and before tasks that yielded are polled anew. Its root, the future of the `block_on`, has its turn as soon as it is
//! woken; one that wakes itself goes behind `event_interval` polls of tasks that are ready.
//!
//! A poll may give its worker away (`offer.rs`). So nothing of the worker is borrowed while user code runs inside a
//! task: the loop asks the thread's seat for the worker at each turn, and ends where there is none.

use std::cell::Cell;

use super::looks::Looks;
use super::shared::Worker;
use super::sleep::Root;
use crate::cell::Runnable;

/// After how many polls the yielded tasks come before the fresh ones.
const YIELDED_INTERVAL: u32 = 16;

/// What a worker's thread does next.
pub(super) enum Next {
    Poll(Runnable),
    /// Poll it with the worker lent (R6).
    PollOnLoan(Runnable),
    /// Look again: it has slept, or is to.
    Look,
    Leave,
}

impl Worker {
    /// What to do next, having slept if there was nothing.
    #[inline(always)]
    pub(super) fn step(&self, root: &impl Root) -> Next {
        if self.remote().is_dismissed() {
            return Next::Leave;
        }
        if self
            .shared
            .modes
            .chief()
            .is_some_and(|chief| chief != self.index)
        {
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

    /// What to do next, the runtime having closed.
    pub(super) fn last_step(&self) -> Next {
        let mut task = self.anything();
        if task.is_none() {
            if self.shared.settled() {
                return Next::Leave;
            }
            // After the fence in `settled`; a later push finds the runtime closed, and unparks us.
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

    /// The next task among those that are this worker's to take without a search.
    pub(super) fn next(&self) -> Option<Runnable> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        if due(&self.events_in, || self.shared.hooks.event_interval)
            || self.looks.as_ref().is_some_and(Looks::is_due)
        {
            self.look_at_reactor();
        }
        if due(&self.injector_in, || self.shared.hooks.injector_interval)
            && let Some(task) = self.injected()
        {
            return Some(task);
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

    /// The next task that yielded. Where no other thread looks at the reactor, this does at times; what it finds there
    /// comes first.
    fn yielded(&self) -> Option<Runnable> {
        if self.look_before_yields()
            && let Some(task) = self.local.fresh.pop().or_else(|| self.injected())
        {
            return Some(task);
        }
        self.local.yielded.pop()
    }

    /// Leaves what there is to the chief.
    #[cold]
    fn hand_over(&self) {
        if self.empty() > 0 {
            self.shared.wake_one();
        }
    }

    /// Whether it is lent for the length of each poll: a spare's is (R6).
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

    /// After a poll.
    #[inline]
    pub(super) fn has_polled(&self, operations: u16) {
        self.remote().counters.operations.add(operations.into());
        self.samples.poll_has_ended(&self.remote().counters);
    }
}

/// Counts down, and says whether it has come to the end; begins anew then.
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
