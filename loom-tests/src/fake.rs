//! The smallest possible scheduler: a queue under a lock, and a thread that waits for tasks in it.

use std::future::Future;

use heist_scheduler::task::{Id, JoinHandle, Owned, Runnable, Schedule, TaskRef, new_task};
use heist_sync::sys::atomic::{AtomicBool, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex};

/// A reference to the queue. Each task holds one, so a task that is leaked fails the model.
#[derive(Clone, Debug)]
pub struct Fake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Mutex<Vec<Runnable>>,
    pushed: Condvar,
    owned: Owned,
    /// Once it is set, no task may come here any more.
    gone: AtomicBool,
}

impl Default for Fake {
    fn default() -> Self {
        Self(Arc::new(Inner {
            queue: Mutex::new(Vec::new()),
            pushed: Condvar::new(),
            owned: Owned::new(1),
            gone: AtomicBool::new(false),
        }))
    }
}

impl Fake {
    /// Spawns a task into the queue.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the future and its output are `Send`.
        let (task, runnable, handle) = unsafe { new_task(future, self.clone(), Id::next(), 0) };
        if self.0.owned.list(task) {
            self.schedule(runnable);
        } else {
            drop(runnable);
        }
        handle
    }

    /// Spawns a task and polls it at once, on this thread.
    pub fn spawn_eager<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the future and its output are `Send`.
        let (task, runnable, handle) = unsafe { new_task(future, self.clone(), Id::next(), 0) };
        if self.0.owned.list(task) {
            runnable.run();
        } else {
            drop(runnable);
        }
        handle
    }

    /// Takes a task out of the queue.
    pub fn pop(&self) -> Option<Runnable> {
        self.0.queue.lock().pop()
    }

    /// Runs the tasks that come, until `done`. If none comes, loom finds that: it is a deadlock.
    pub fn run_until(&self, done: impl Fn() -> bool) {
        while !done() {
            let mut queue = self.0.queue.lock();
            while queue.is_empty() && !done() {
                self.0.pushed.wait(&mut queue);
            }
            let task = queue.pop();
            drop(queue);
            if let Some(task) = task {
                task.run();
            }
        }
    }

    /// Makes `run_until` look at its condition again.
    pub fn nudge(&self) {
        drop(self.0.queue.lock());
        self.0.pushed.notify_all();
    }

    /// The tasks that aren't complete.
    pub fn owned(&self) -> &Owned {
        &self.0.owned
    }

    /// Ends as a runtime does: cancels all tasks, and runs what comes until none is alive. No task may come after that.
    pub fn shut_down(&self) {
        self.0.owned.close();
        self.run_until(|| self.0.owned.live() == 0);
        // Ordering: Release pairs with the Acquire in `schedule`.
        self.0.gone.store(true, Ordering::Release);
        assert!(
            self.pop().is_none(),
            "a task in the queue of a runtime that is gone"
        );
    }
}

impl Schedule for Fake {
    fn schedule(&self, task: Runnable) {
        // Ordering: Acquire pairs with the Release in `shut_down`.
        assert!(
            !self.0.gone.load(Ordering::Acquire),
            "a wake reached a runtime that is gone"
        );
        let mut queue = self.0.queue.lock();
        assert!(
            queue.iter().all(|other| other.id() != task.id()),
            "a task is queued twice"
        );
        queue.push(task);
        drop(queue);
        self.0.pushed.notify_all();
    }

    fn release(&self, task: &TaskRef) {
        if self.0.owned.release(task) {
            self.nudge();
        }
    }
}
