//! Blocking jobs: tasks whose only poll runs a closure, on a thread of the reactor's pool. So a job has everything that
//! a task has: an id, a handle, an abort, a place for its panic.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use heist_sync::coop;
use heist_sync::sys::Arc;

use super::entered;
use crate::cell::{Id, JoinHandle, OnUnjoined, Origin, Runnable, Schedule, TaskRef, new_task_from};
use crate::thread;
use crate::workers::seat;
use crate::workers::shared::{Home, Shared};

/// A future that is done after one poll.
struct Job<F>(Option<F>);

impl<F> Unpin for Job<F> {}

impl<F: FnOnce() -> R, R> Future for Job<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let job = self.0.take().expect("a job is polled once");
        // It may block for as long as it likes, and so may what it polls.
        coop::stop();
        Poll::Ready(job())
    }
}

/// Jobs are never woken, and nobody cancels them: jobs that wait are dropped with the pool's queue, and jobs that run
/// can't be stopped. They are listed apart from the tasks, so that a shutdown can wait for them.
#[derive(Clone)]
struct Pool(Home);

impl Schedule for Pool {
    const JOBS: bool = true;

    fn schedule(&self, task: Runnable) {
        // An abort of a job that has not begun finds it scheduled, and nothing else wakes it. So this isn't reached. If
        // it were, dropping the evidence would cancel the job.
        debug_assert!(false, "a blocking job was woken");
        drop(task);
    }

    fn panicked(&self) -> Option<OnUnjoined> {
        let mut on_unjoined = None;
        self.0
            .with(|shared| on_unjoined = shared.hooks.on_unjoined.clone());
        on_unjoined
    }

    fn release(&self, task: &TaskRef) {
        self.0.with(|shared| shared.alive.release_job(task));
    }
}

/// A job in the pool's queue. Dropped instead of run, it is cancelled.
struct Queued {
    id: Id,
    /// The first field, so that it is dropped before the runtime, which it needs until it is complete.
    runnable: Runnable,
    runtime: Arc<Shared>,
}

impl Queued {
    fn run(self) {
        let Self {
            id,
            runnable,
            runtime,
        } = self;
        thread::as_job(&*runtime, || {
            let entered = entered::enter(runtime.clone());
            thread::as_task(id, || runnable.run());
            drop(entered);
        });
    }
}

pub(crate) fn spawn<F, R>(shared: &Arc<Shared>, f: F, origin: Origin) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let id = Id::next();
    let (pool, shard) = (Pool(Home::of(shared)), shared.shard());
    // SAFETY: the closure and its output are `Send`.
    let (task, runnable, handle) = unsafe { new_task_from(Job(Some(f)), pool, id, shard, origin) };
    let runtime = shared.clone();
    let queued = Queued {
        id,
        runnable,
        runtime,
    };
    if !shared.lets_in(&shared.alive.jobs, task) {
        return handle;
    }
    // If it is refused, the pool is shut down, or has no thread and can't get one. Dropping the job cancels it.
    let refused = shared.driver.pool().submit(Box::new(move || queued.run()));
    drop(refused);
    seat::with_worker(shared, |worker| {
        if let Some(worker) = worker {
            worker.expect();
        }
    });
    handle
}
