//! Tasks that begin at once, on the thread that spawns them.

use std::future::Future;

use heist_sync::coop;
use heist_sync::sys::Arc;

use super::entered;
use crate::cell::{Id, JoinHandle, Origin, Runnable};
use crate::thread;
use crate::workers::home;
use crate::workers::seat;
use crate::workers::shared::Shared;

/// How many eager polls may be nested on a thread's stack. A task beyond that is queued instead.
const DEPTH: u8 = 16;

/// Spawns a task on `shared`, and polls it at once if it may: see [`spawn_eager`](crate::task::spawn_eager).
pub(crate) fn spawn_on<F>(shared: &Arc<Shared>, future: F, origin: Origin) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    home::spawn_by(shared, future, Id::next(), origin, |task| {
        let mut task = Some(task);
        if !thread::in_a_workers_hands() {
            thread::eagerly(DEPTH, || task.take().map(|task| poll_here(shared, task)));
        }
        if let Some(task) = task {
            shared.schedule(task);
        }
    })
}

/// Polls a task of `shared` on this thread, whichever it is, inside that runtime.
fn poll_here(shared: &Arc<Shared>, task: Runnable) {
    let run = || thread::as_task(task.id(), || coop::budget(|| task.run()));
    let poll = || counted(shared, run);
    if entered::is_current(shared) {
        return thread::as_polling(poll);
    }
    let entered = entered::enter(shared.clone());
    thread::as_polling(poll);
    drop(entered);
}

/// Calls `f`, which runs code of `shared` on this thread, whichever it is. The thread is counted unless it is seen to run
/// already, so that paused time stands still meanwhile. If it isn't, it is no worker of `shared` either.
fn counted<R>(shared: &Arc<Shared>, f: impl FnOnce() -> R) -> R {
    /// However `f` ends.
    struct Ends<'a>(&'a Shared);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.driver.running.end(1);
        }
    }

    let runtime = Arc::as_ptr(shared).cast();
    if seat::is_inside(shared) || thread::counted_by(runtime) > 0 {
        return f();
    }
    shared.driver.running.begin(1);
    let _ends = Ends(shared);
    shared.driver.running.pass();
    thread::as_counted(runtime, || seat::without_index(f))
}
