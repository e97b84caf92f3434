//! How a worker puts tasks into its own queues, and takes them out.

use super::shared::{Flavor, Worker};
use crate::cell::Runnable;
use crate::queue::persist;
use crate::thread;

/// How many polls in a row may come from the slot. It is enough for a request and its answer. Because of the limit, two
/// tasks that wake each other for ever don't starve the others.
const SLOT_RUN: u32 = 3;

impl Worker {
    /// Queues a task that was woken on this thread.
    #[inline]
    pub(crate) fn push(&self, task: Runnable) {
        let nth = self.remote().counters.pushes.next();
        self.samples.pushes(nth, task.id().as_u64());
        self.is_watched();
        if let Some(n) = self.batch.get() {
            // The worker wakes the tasks of a batch of events now, and announces the whole batch at its end.
            self.batch.set(Some(n + 1));
            self.local.fresh.push(task);
        } else if self.shared.flavor == Flavor::CurrentThread {
            // Programs for one thread rely on the order. There is no other worker to tell.
            self.local.fresh.push(task);
        } else if self.shared.modes.is_closed() {
            // There other workers find it while they drain.
            self.push_fresh(task);
        } else if let Some(older) = self.open().slot.put(task) {
            self.push_fresh(older);
        }
    }

    /// Queues a task that was woken while it was polled.
    pub(crate) fn push_yielded(&self, task: Runnable) {
        self.remote().counters.pushes.add(1);
        self.is_watched();
        // If nothing else is here and the task's poll has ended, this worker takes it next.
        let alone = self.open().depth() == 0 && !self.shared.crew.is_spare(self.index);
        self.local.yielded.push(task);
        if !alone || thread::polls_eagerly() {
            self.shared.wake_regular();
        }
    }

    fn push_fresh(&self, task: Runnable) {
        self.local.fresh.push(task);
        self.shared.wake_one();
    }

    /// Makes sure that the lookout watches, because this thread isn't blocked, or no longer.
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
            // No other task is waiting.
            (task, _) => task,
        }
    }

    pub(super) fn injected(&self) -> Option<Runnable> {
        if self.shared.injector.is_empty() {
            return None;
        }
        persist(|| self.shared.injector.steal_batch_and_pop(&self.local.fresh))
    }

    /// A task from its own queues.
    pub(super) fn own(&self) -> Option<Runnable> {
        let slot = self.open().slot.take();
        slot.or_else(|| self.local.fresh.pop())
            .or_else(|| self.local.yielded.pop())
    }

    /// Moves the task in the slot to the fresh queue, where others find it (Q2).
    pub(crate) fn empty_slot(&self) {
        if let Some(task) = self.open().slot.take() {
            self.local.fresh.push(task);
        }
    }
}
