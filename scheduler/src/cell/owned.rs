//! Which tasks a runtime has that aren't complete: what a shutdown has to wait for and to cancel.
//!
//! A list a shard, linked through the headers, under a lock of its own. A worker lists what it spawns in its own
//! shard, so that the lock is free but for the moments in which another worker completes one of those tasks.
//!
//! Invariants:
//! - **O1** A task is linked in the shard that its header names, or in none; its links change under that lock.
//! - **O2** A linked task is alive: `release` unlinks it before the runtime's reference is dropped.
//! - **O3** `live` counts the tasks that were listed and not released, those too that a shard refused.
//! - **O4** A shard's gate goes from open to insiders to closed, never back. Once no shard is open, only tasks that are
//!   alive let others in. So where [`Owned::none_alive`], which looks at all shards in one moment, finds none alive,
//!   none ever will be; to look at one shard after the other doesn't show that, as tasks spawn into shards seen before.

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

/// Whom a shard lets in.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    /// Only what is spawned by those who are in.
    Insiders,
    Closed,
}

// SAFETY: the pointers are to headers, whose links are touched under the shard's lock alone (O1).
unsafe impl Send for Shard {}

impl Owned {
    /// Empty shards, at least one.
    pub fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| CachePadded::default()).collect(),
        }
    }

    /// Lists a new task, and takes over the runtime's reference to it. False where the shard is closed: the task is
    /// counted all the same, and the caller has to cancel it.
    #[must_use]
    #[inline]
    pub fn list(&self, task: TaskRef) -> bool {
        self.list_if(task, || true)
    }

    /// As [`list`](Self::list). False, too, once outsiders are refused, unless `is_inside` says that a task which is
    /// alive spawns this one.
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

    /// Forgets a task that is about to be complete. Whether it was the last of a shard that isn't open to all.
    pub fn release(&self, task: &TaskRef) -> bool {
        let raw = task.raw();
        let mut shard = self.shards[raw.header().shard as usize].lock();
        shard.unlink(raw);
        shard.live -= 1;
        shard.gate != Gate::Open && shard.live == 0
    }

    /// Lets in no more tasks but those that insiders spawn.
    pub fn refuse_outsiders(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.gate == Gate::Open {
                shard.gate = Gate::Insiders;
            }
        }
    }

    /// O4: whether none of the tasks in all these is alive, at one moment. If any are, `release` says when to ask again.
    pub fn none_alive(all: &[&Self]) -> bool {
        // No other place holds two of these locks at once.
        let shards: Vec<_> = all
            .iter()
            .flat_map(|owned| owned.shards.iter().map(|shard| shard.lock()))
            .collect();
        shards.iter().all(|shard| shard.live == 0)
    }

    /// Lets no more tasks in, and cancels those that are there. May be called by several threads at once, and again.
    pub fn close(&self) {
        // Dropped, the evidence runs, with the task's id.
        self.close_with(drop);
    }

    /// [`close`](Self::close), with `run` to run those tasks that nobody else does.
    pub fn close_with(&self, run: impl Fn(Runnable)) {
        for shard in &self.shards {
            loop {
                let mut guard = shard.lock();
                guard.gate = Gate::Closed;
                let Some(first) = guard.first else { break };
                let raw = RawTask(first);
                guard.unlink(raw);
                // O2, under the lock: so the new reference is made from a living one.
                let task = TaskRef::again(raw);
                drop(guard);
                if let Some(runnable) = task.cancel() {
                    run(runnable);
                }
            }
        }
    }

    /// The task of that id, if it is listed. Looks through all: for reports.
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

    /// All tasks that are listed: for reports.
    pub fn all(&self) -> Vec<TaskRef> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            // O2, under the lock.
            all.extend(shard.tasks().map(TaskRef::again));
        }
        all
    }

    /// How many tasks there ever were.
    pub fn total(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().total).sum()
    }

    /// How many tasks aren't complete.
    pub fn live(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().live).sum()
    }
}

impl Shard {
    /// What is linked. For as long as the lock is held.
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

    /// Takes `task` out of the list. Does nothing where it isn't in it.
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
