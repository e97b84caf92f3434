//! The tasks of a runtime that aren't complete: a shutdown has to wait for them or cancel them.
//!
//! Each shard is a list, linked through the headers, under a lock of its own. A worker lists the tasks that it spawns
//! in its own shard. So the lock is free except while another worker completes one of those tasks.
//!
//! Invariants:
//! - **O1** A task is linked in the shard that its header names, or in none. Its links change under that shard's lock.
//! - **O2** A linked task is alive: `release` unlinks it before the runtime's reference is dropped.
//! - **O3** `live` counts the tasks that were listed and not yet released, including those that a shard refused.
//! - **O4** A shard's gate goes from open to insiders to closed, never back. Once no shard is open, only tasks that are
//!   alive let others in. [`Owned::none_alive`] looks at all shards in one moment. So if it finds no task alive, none
//!   ever will be. Looking at one shard after the other would not show that, because tasks spawn into shards that were
//!   looked at before.

use std::ptr::NonNull;

use heist_sync::sys::{CachePadded, Mutex};

use super::header::{Header, Links, RawTask, Runnable, TaskRef};
use crate::id::Id;

/// All tasks of a runtime that aren't complete.
pub struct Owned {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

#[derive(Default)]
struct Shard {
    first: Option<NonNull<Header>>,
    live: usize,
    /// How many were ever listed.
    total: u64,
    gate: Gate,
}

/// Which tasks a shard lets in.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    /// Only tasks that are spawned by tasks or jobs that are alive.
    Insiders,
    Closed,
}

// SAFETY: the pointers are to headers. Their links are touched only under the shard's lock (O1).
unsafe impl Send for Shard {}

impl Owned {
    /// A list with `shards` empty shards, at least one.
    pub fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| CachePadded::default()).collect(),
        }
    }

    /// Lists a new task, and takes over the runtime's reference to it. False if the shard is closed: the task is
    /// counted all the same, and the caller has to cancel it.
    #[must_use]
    #[inline]
    pub fn list(&self, task: TaskRef) -> bool {
        self.list_if(task, || true)
    }

    /// As [`list`](Self::list). Once outsiders are refused it is also false, unless `is_inside` says that a task which
    /// is alive spawns this one.
    #[must_use]
    #[inline]
    pub fn list_if(&self, task: TaskRef, is_inside: impl FnOnce() -> bool) -> bool {
        let task = task.into_raw();
        let mut shard = self.shards[task.header().shard as usize].lock();
        shard.live += 1;
        shard.total += 1;
        let welcome = match shard.gate {
            Gate::Open => true,
            Gate::Insiders => is_inside(),
            Gate::Closed => false,
        };
        if welcome {
            shard.link(task);
        }
        welcome
    }

    /// Forgets a task that is about to be complete. Returns whether it was the last of a shard that isn't open to all.
    pub fn release(&self, task: &TaskRef) -> bool {
        let raw = task.raw();
        let mut shard = self.shards[raw.header().shard as usize].lock();
        shard.unlink(raw);
        shard.live -= 1;
        shard.gate != Gate::Open && shard.live == 0
    }

    /// From here on lets in only tasks that insiders spawn.
    pub fn refuse_outsiders(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.gate == Gate::Open {
                shard.gate = Gate::Insiders;
            }
        }
    }

    /// O4: whether none of the tasks in all these lists is alive, at one moment. If any are, `release` says when to ask
    /// again.
    pub fn none_alive(all: &[&Self]) -> bool {
        // No other code holds two of these locks at once.
        let shards: Vec<_> = all
            .iter()
            .flat_map(|owned| owned.shards.iter().map(|shard| shard.lock()))
            .collect();
        shards.iter().all(|shard| shard.live == 0)
    }

    /// Lets no more tasks in, and cancels those that are listed. Several threads may call it at once, and it may be
    /// called again.
    pub fn close(&self) {
        // Dropping the evidence cancels the task, with the task's id set.
        self.close_with(drop);
    }

    /// As [`close`](Self::close). `run` runs the tasks that no other thread runs.
    pub fn close_with(&self, run: impl Fn(Runnable)) {
        for shard in &self.shards {
            loop {
                let mut guard = shard.lock();
                guard.gate = Gate::Closed;
                let Some(first) = guard.first else { break };
                let raw = RawTask(first);
                guard.unlink(raw);
                // O2, under the lock: the task is alive, so a new reference may be made.
                let task = TaskRef::again(raw);
                drop(guard);
                if let Some(runnable) = task.cancel() {
                    run(runnable);
                }
            }
        }
    }

    /// The task with that id, if it is listed. It looks through all tasks: for reports only.
    pub fn find(&self, id: Id) -> Option<TaskRef> {
        self.shards.iter().find_map(|shard| {
            let shard = shard.lock();
            // O2, under the lock.
            shard
                .tasks()
                .find(|task| task.header().id == id)
                .map(TaskRef::again)
        })
    }

    /// All tasks that are listed: for reports only.
    pub fn all(&self) -> Vec<TaskRef> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            // O2, under the lock.
            all.extend(shard.tasks().map(TaskRef::again));
        }
        all
    }

    /// How many tasks were ever listed.
    pub fn total(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().total).sum()
    }

    /// How many tasks aren't complete.
    pub fn live(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().live).sum()
    }
}

impl Shard {
    /// The linked tasks. Usable only while the lock is held.
    fn tasks(&self) -> impl Iterator<Item = RawTask> + '_ {
        std::iter::successors(self.first, |header| {
            let header = RawTask(*header).header();
            // SAFETY: O1: the lock is held.
            header.links.with(|links| unsafe { (*links).after })
        })
        .map(RawTask)
    }

    fn link(&mut self, task: RawTask) {
        let first = self.first.replace(task.0);
        task.header().links.with_mut(|links| {
            // SAFETY: O1: the lock is held.
            unsafe { (*links).after = first };
        });
        if let Some(first) = first {
            RawTask(first).header().links.with_mut(|links| {
                // SAFETY: O1 and O2.
                unsafe { (*links).before = Some(task.0) };
            });
        }
    }

    /// Takes `task` out of the list. Does nothing if it isn't in the list.
    fn unlink(&mut self, task: RawTask) {
        // SAFETY: O1: the lock is held.
        let Links { before, after } = task
            .header()
            .links
            .with_mut(|links| std::mem::take(unsafe { &mut *links }));
        match before {
            Some(before) => RawTask(before).header().links.with_mut(|links| {
                // SAFETY: O1 and O2.
                unsafe { (*links).after = after };
            }),
            None if self.first == Some(task.0) => self.first = after,
            // Unlinked already, by `close`.
            None => return,
        }
        if let Some(after) = after {
            RawTask(after).header().links.with_mut(|links| {
                // SAFETY: O1 and O2.
                unsafe { (*links).before = before };
            });
        }
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owned").field("live", &self.live()).finish()
    }
}
