//! What a worker puts into its own queues, and takes out of them.

use super::shared::Worker;
use crate::cell::Runnable;
use crate::queue::persist;

/// How many polls in a row the slot may give: enough for a request and its answer, and two tasks that wake each other
/// for ever starve nobody.
const SLOT_RUN: u32 = 3;

impl Worker {
    /// Queues a task that was woken on this thread.
    #[inline]
    pub(crate) fn push(&self, task: Runnable) {
        let nth = self.remote().counters.pushes.next();
        self.samples.pushes(nth, task.id().as_u64());
        self.is_watched();
        if let Some(n) = self.batch.get() {
            // Whoever hands out events announces the whole batch at its end.
            self.batch.set(Some(n + 1));
            self.local.fresh.push(task);
        } else if self.shared.modes.is_closed() {
            // Where other workers find it while they drain.
            self.push_fresh(task);
        } else if let Some(older) = self.open().slot.put(task) {
            self.push_fresh(older);
        }
    }

    /// Queues a task that was woken while it was polled.
    pub(crate) fn push_yielded(&self, task: Runnable) {
        self.remote().counters.pushes.add(1);
        self.is_watched();
        self.local.yielded.push(task);
        self.shared.wake_regular();
    }

    fn push_fresh(&self, task: Runnable) {
        self.local.fresh.push(task);
        self.shared.wake_one();
    }

    /// Sees to it that the lookout watches: this thread isn't blocked, or no longer.
    #[inline]
    pub(super) fn is_watched(&self) {
        if self.shared.modes.is_unwatched() {
            self.shared.rouse();
        }
    }

    pub(super) fn slotted(&self) -> Option<Runnable> {
        let task = self.open().slot.take();
        if task.is_none() {
            self.slot_run.set(0);
            return None;
        }
        let run = self.slot_run.get();
        if run < SLOT_RUN {
            self.slot_run.set(run + 1);
            return task;
        }
        self.slot_run.set(0);
        let first = self.local.fresh.pop();
        match (task, first) {
            (Some(task), Some(first)) => {
                self.local.fresh.push(task);
                Some(first)
            }
            // Nobody else is waiting.
            (task, _) => task,
        }
    }

    pub(super) fn injected(&self) -> Option<Runnable> {
        if self.shared.injector.is_empty() {
            return None;
        }
        persist(|| self.shared.injector.steal_batch_and_pop(&self.local.fresh))
    }

    /// A task of its own.
    pub(super) fn own(&self) -> Option<Runnable> {
        let slot = self.open().slot.take();
        slot.or_else(|| self.local.fresh.pop())
            .or_else(|| self.local.yielded.pop())
    }

    /// Puts what is in the slot where others find it (Q2).
    pub(crate) fn empty_slot(&self) {
        if let Some(task) = self.open().slot.take() {
            self.local.fresh.push(task);
        }
    }
}
