//! How a worker looks for tasks in others' queues.

use std::sync::Arc as StdArc;

use heist_sync::sys::{CachePadded, hint};

use super::shared::{Remote, Worker};
use crate::cell::Runnable;

/// How long a thief watches a slot before it takes what lies there, in turns of a spin loop (some microseconds).
const SLOT_AGE: u32 = if cfg!(heist_loom) { 1 } else { 128 };

impl Worker {
    /// Looks through others' queues, if it may.
    pub(super) fn search(&self) -> Option<Runnable> {
        let all = self.shared.reachable();
        if all.len() < 2 || !(self.searching.get() || self.shared.idle.try_search()) {
            return None;
        }
        self.searching.set(true);
        let task = self
            .steal(all, |victim| victim.open.steal_fresh(&self.local.fresh))
            .or_else(|| self.steal_yielded(all))
            .or_else(|| self.injected())
            .or_else(|| self.steal_slots(all));
        if task.is_some() {
            self.remote().counters.steals.add(1);
        }
        task
    }

    /// Takes yielded tasks of others, if this worker may.
    fn steal_yielded(&self, all: &[StdArc<CachePadded<Remote>>]) -> Option<Runnable> {
        let spare = self.shared.crew.is_spare(self.index);
        self.steal(all, |victim| {
            let may = victim.gives_yielded(spare);
            may.then(|| victim.open.steal_yielded(&self.local.fresh))
                .flatten()
        })
    }

    /// Calls `from` for each other worker of `all`, beginning anywhere, until one gives something.
    fn steal(
        &self,
        all: &[StdArc<CachePadded<Remote>>],
        from: impl Fn(&Remote) -> Option<Runnable>,
    ) -> Option<Runnable> {
        let first = self.rand.below(all.len() as u32) as usize;
        (first..first + all.len())
            .map(|i| i % all.len())
            .filter(|&i| i != self.index)
            .find_map(|i| from(&all[i]))
    }

    /// Takes a task out of a slot that has aged: its owner polled nothing while we watched.
    fn steal_slots(&self, all: &[StdArc<CachePadded<Remote>>]) -> Option<Runnable> {
        (0..all.len()).filter(|&i| i != self.index).find_map(|i| {
            let seen = all[i].open.slot.look()?;
            let polls = all[i].counters.polls.get();
            for _ in 0..SLOT_AGE {
                hint::spin_loop();
            }
            let aged = all[i].counters.polls.get() == polls;
            aged.then(|| all[i].open.slot.steal(seen)).flatten()
        })
    }

    /// Any task, wherever it is, slots included.
    pub(super) fn anything(&self) -> Option<Runnable> {
        let all = self.shared.reachable();
        self.own()
            .or_else(|| self.injected())
            .or_else(|| self.steal(all, |victim| victim.open.steal_into(&self.local.fresh)))
            .or_else(|| {
                self.steal(all, |victim| {
                    victim.open.slot.steal(victim.open.slot.look()?)
                })
            })
    }

    /// F1 and F2 of the sleep protocol.
    pub(crate) fn end_search(&self) {
        let shared = &self.shared;
        if self.searching.replace(false) && shared.idle.search_ended(|| shared.has_work()) {
            shared.wake_for_rest();
        }
    }

    /// Moves all tasks to the injector, and returns how many there were. The caller wakes workers for them.
    pub(crate) fn empty(&self) -> usize {
        self.end_search();
        let mut moved = 0;
        while let Some(task) = self.own() {
            self.shared.injector.push(task);
            moved += 1;
        }
        moved
    }
}
