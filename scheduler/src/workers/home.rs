//! What happens to a task between its runtime and its workers: it is spawned, is queued when it is woken, and is
//! released when it completes.

use std::future::Future;
use std::task::{Poll, Waker};

use heist_sync::sys::Arc;

use super::driver;
use super::engage;
use super::hooks::UnhandledPanic;
use super::seat;
use super::shared::{Home, Shared};
use crate::cell::{
    Id, JoinHandle, OnUnjoined, Origin, Owned, Runnable, Schedule, TaskRef, new_task_from,
};
use crate::thread;

impl Shared {
    /// Queues a task from whichever thread this is. The thread holds `Shared` (H2).
    pub(crate) fn schedule(&self, task: Runnable) {
        seat::with_place(self, task, |place, task| match place {
            seat::Place::Worker(worker) => worker.push(task),
            seat::Place::Collecting(batch) => batch.push(task),
            seat::Place::Outside => self.inject(task),
        });
    }

    /// The shard for what is spawned on this thread.
    #[inline]
    pub(crate) fn shard(&self) -> u16 {
        let outside = self.remotes.len();
        let shard = seat::with_worker(self, |worker| worker.map_or(outside, |it| it.index));
        // If there are ever more workers than that, the rest share the last shard.
        u16::try_from(shard).unwrap_or(u16::MAX)
    }

    /// Lists a task in `owned`, one of this runtime's two lists, if it is let in.
    #[inline]
    pub(crate) fn lets_in(&self, owned: &Owned, task: TaskRef) -> bool {
        owned.list_if(task, || seat::is_inside(self))
    }
}

/// Spawns a task: lists it, and queues it.
pub(crate) fn spawn<F>(
    shared: &Arc<Shared>,
    future: F,
    id: Id,
    origin: Origin,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_by(shared, future, id, origin, |task| shared.schedule(task))
}

/// Spawns a task: lists it, and calls `start`, which arranges its first poll.
#[inline]
pub(crate) fn spawn_by<F>(
    shared: &Arc<Shared>,
    future: F,
    id: Id,
    origin: Origin,
    start: impl FnOnce(Runnable),
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // SAFETY: the future and its output are `Send`.
    unsafe { spawn_here_by(shared, future, id, origin, start) }
}

/// As [`spawn_by`], for a future that need not be `Send`.
///
/// # Safety
/// If the future or its output isn't `Send`, the runtime's tasks must be run and cancelled on this thread only. The
/// handle must stay on this thread too.
#[inline]
pub(crate) unsafe fn spawn_here_by<F>(
    shared: &Arc<Shared>,
    future: F,
    id: Id,
    origin: Origin,
    start: impl FnOnce(Runnable),
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let home = Home::of(shared);
    // SAFETY: the caller's promise. `Home` queues tasks for the runtime's workers, and they alone run them.
    let (task, runnable, handle) =
        unsafe { new_task_from(future, home, id, shared.shard(), origin) };
    if shared.lets_in(&shared.alive.tasks, task) {
        start(runnable);
    } else {
        // Dropping the evidence cancels the task.
        drop(runnable);
    }
    handle
}

impl Home {
    /// Calls `f` with the runtime, held for as long as `f` runs (H2).
    pub(crate) fn with(self, f: impl FnOnce(&Shared)) {
        // SAFETY: H1 and H3: a task or a job that isn't complete is being queued or released.
        let shared = unsafe { self.0.as_ref() };
        if seat::belongs_to(shared) {
            return f(shared);
        }
        // SAFETY: as above.
        let held = unsafe { self.counted() };
        f(&held);
    }
}

impl Schedule for Home {
    const AT_ONCE: bool = true;

    fn schedule(&self, task: Runnable) {
        self.with(|shared| shared.schedule(task));
    }

    fn yield_now(&self, task: Runnable) {
        // The poll has ended, unless it is an eager poll inside another poll.
        if !thread::polls_eagerly() {
            seat::end_loan();
        }
        self.with(|shared| {
            seat::with_worker(shared, |worker| match worker {
                Some(worker) => worker.push_yielded(task),
                None => shared.inject(task),
            });
        });
    }

    #[inline]
    fn around_poll<R>(&self, waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        driver::nursed(waker, poll)
    }

    fn panicked(&self) -> Option<OnUnjoined> {
        let mut on_unjoined = None;
        self.with(|shared| {
            on_unjoined = shared.hooks.on_unjoined.clone();
            if shared.hooks.unhandled == UnhandledPanic::ShutdownRuntime {
                engage::close(shared);
                shared.alarm.ring();
            }
        });
        on_unjoined
    }

    fn release(&self, task: &TaskRef) {
        self.with(|shared| {
            if !shared.alive.tasks.release(task) {
                return;
            }
            if shared.modes.is_closed() {
                shared.unpark_all();
            } else {
                shared.alive.emptied.notify_one();
            }
        });
    }
}
