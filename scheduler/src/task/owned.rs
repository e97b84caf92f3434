//! Which tasks a runtime has that aren't complete: what a shutdown has to cancel.
//!
//! A list a shard, linked through the headers, under a lock of its own. A worker lists what it spawns in its own
//! shard, so that the lock is free but for the moments in which another worker completes one of those tasks.
//!
//! Invariants:
//! - **O1** A task is linked in the shard that its header names, or in none; its links change under that lock.
//! - **O2** A linked task is alive: `release` unlinks it before the runtime's reference is dropped.
//! - **O3** `live` counts the tasks that were listed and not released, those too that a closed shard refused.

use std::ptr::NonNull;

use heist_sync::sys::{CachePadded, Mutex};

use super::Id;
use super::cell::{Header, RawTask, Runnable, TaskRef};

/// A task's neighbours in its shard.
#[derive(Default)]
pub(super) struct Links {
    before: Option<NonNull<Header>>,
    after: Option<NonNull<Header>>,
}

/// All tasks of a runtime that aren't complete.
pub struct Owned {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

#[derive(Default)]
struct Shard {
    first: Option<NonNull<Header>>,
    live: usize,
    closed: bool,
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
    pub fn list(&self, task: TaskRef) -> bool {
        let task = task.into_raw();
        let mut shard = self.shards[task.header().shard as usize].lock();
        shard.live += 1;
        if !shard.closed {
            shard.link(task);
        }
        !shard.closed
    }

    /// Forgets a task that is about to be complete. Whether it was the last of a closed shard.
    pub fn release(&self, task: &TaskRef) -> bool {
        let raw = task.raw();
        let mut shard = self.shards[raw.header().shard as usize].lock();
        shard.unlink(raw);
        shard.live -= 1;
        shard.closed && shard.live == 0
    }

    /// Lets no more tasks in, and cancels those that are there. May be called by several threads at once, and again.
    pub fn close(&self) {
        self.close_with(Runnable::run);
    }

    /// [`close`](Self::close), with `run` to run those tasks that nobody else does.
    pub fn close_with(&self, run: impl Fn(Runnable)) {
        for shard in &self.shards {
            loop {
                let mut guard = shard.lock();
                guard.closed = true;
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
            let mut next = shard.first;
            while let Some(header) = next {
                let raw = RawTask(header);
                if raw.header().id == id {
                    // O2, under the lock.
                    return Some(TaskRef::again(raw));
                }
                // SAFETY: O1: the lock is held.
                next = raw.header().links.with(|links| unsafe { (*links).after });
            }
            None
        })
    }

    /// How many tasks aren't complete.
    pub fn live(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().live).sum()
    }
}

impl Shard {
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
