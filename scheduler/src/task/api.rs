//! What a program calls without a runtime in hand.

use std::future::{Future, poll_fn};
use std::task::Poll;

use heist_sync::coop;
use heist_sync::waits::{self, Wait};

use crate::cell::{Id, JoinHandle, Origin};
use crate::runtime::{blocking, eager, entered};
use crate::thread;
use crate::workers::relief;

/// What a thread outside any runtime is told.
pub(super) const NO_RUNTIME: &str = "there is no runtime here: this must be called from a task, inside `block_on`, or with a runtime entered";

/// Spawns a task on the current runtime, and gives its handle. The task starts at once, whether or not the handle is
/// awaited; dropping the handle detaches it.
///
/// When the runtime shuts down, the task's future is dropped at its next `await`. A task that is spawned on a runtime
/// that has shut down is dropped at once, and its handle gives a cancelled [`JoinError`](super::JoinError).
///
/// # Panics
/// If called outside any runtime.
///
/// # Examples
/// ```
/// use heist::{runtime::Runtime, task};
///
/// let runtime = Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let parts: Vec<_> = (0..10).map(|i| task::spawn(async move { i * i })).collect();
///     let mut sum = 0;
///     for part in parts {
///         sum += part.await.expect("no task panicked");
///     }
///     sum
/// });
/// assert_eq!(sum, 285);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match entered::try_spawn(future, Id::next(), Origin::caller()) {
        Ok(handle) => handle,
        Err(_) => panic!("{NO_RUNTIME}"),
    }
}

/// Spawns a task on the current runtime and polls it at once, on this thread, up to its first wait; from there on it is
/// a task like any other. A task that has nothing to wait for is complete when this returns, without having been in any
/// queue.
///
/// The first poll delays the caller, so it suits tasks that start something and then wait for it. A panic in it is the
/// task's: the caller doesn't see it, the handle gives it. The poll has a budget of its own (see `coop`). An eager task
/// that spawns eager tasks does so up to a bounded depth; below it they are spawned as by [`spawn`], and so
/// they are by a waker that a worker wakes outside any task.
///
/// # Panics
/// If called outside any runtime.
///
/// # Examples
/// ```
/// use heist::{runtime::Runtime, task};
///
/// let runtime = Runtime::new()?;
/// runtime.block_on(async {
///     let begun = task::spawn_eager(async { 42 });
///     assert!(begun.is_finished());
///     assert_eq!(begun.await.expect("no panic"), 42);
/// });
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn_eager<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match entered::current() {
        Some(shared) => eager::spawn_on(&shared, future, Origin::caller()),
        None => panic!("{NO_RUNTIME}"),
    }
}

/// Runs `f` on a thread of the current runtime's blocking pool, where it may block for as long as it likes.
///
/// Beyond `max_blocking_threads` jobs wait in a queue. So jobs that wait for other jobs can wait for ever, once there
/// are as many of them as there may be threads; tasks, timers and sockets they may wait for. Aborting the handle keeps
/// a job from starting; one that runs goes on to its end. Dropping the runtime waits for jobs that run;
/// `shutdown_timeout` and `shutdown_background` don't.
///
/// # Errors
/// The handle gives a cancelled [`JoinError`](super::JoinError) if the runtime has shut down, and if the operating
/// system gives the pool not even one thread.
///
/// # Panics
/// If called outside any runtime.
///
/// # Examples
/// ```
/// # use heist::{runtime::Runtime, task};
/// # Runtime::new()?.block_on(async {
/// let words = task::spawn_blocking(|| "read from a slow disk".split(' ').count());
/// assert_eq!(words.await.expect("no panic"), 5);
/// # });
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    match entered::current() {
        Some(shared) => blocking::spawn(&shared, f, Origin::caller()),
        None => panic!("{NO_RUNTIME}"),
    }
}

/// Calls `f`, which may block, on this thread, and lets another thread go on with the tasks of this worker meanwhile: if
/// there are any, a thread takes the worker over at once, else as soon as there are some.
///
/// The current task is what blocks: other futures of the same task, in a `join!` say, wait until `f` returns. `f` is in
/// the runtime, and may call [`block_on`](crate::runtime::Handle::block_on). On a thread that is no worker, `f` is simply
/// called; the same inside a `block_on` of a multi-thread runtime.
///
/// At most `max_blocking_threads` threads stand in for others. Beyond that a worker waits for its own thread, and other
/// workers steal from it.
///
/// # Panics
/// If `f` does, and inside a current-thread runtime: nobody can stand in there.
///
/// # Examples
/// ```
/// # use heist::{runtime::Runtime, task};
/// # Runtime::new()?.block_on(async {
/// let words = task::spawn(async {
///     task::block_in_place(|| "read from a slow disk".split(' ').count())
/// });
/// assert_eq!(words.await.expect("no panic"), 5);
/// # });
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    // Also where there is no worker to give away: a `block_on` has a budget, too.
    match relief::block_in_place(|| coop::without_budget(f)) {
        Some(result) => result,
        None => panic!("can call blocking only when running on the multi-threaded runtime"),
    }
}

/// Lets the other tasks of this worker run first: those that an event woke, and those that yielded before.
///
/// # Cancel safety
/// There is nothing to lose.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        waits::note(Wait::Turn);
        Poll::Pending
    })
    .await;
}

/// The id of the task that is being polled.
///
/// # Panics
/// If called outside a task; [`try_id`] asks.
#[track_caller]
pub fn id() -> Id {
    try_id().expect("`task::id` needs to be called inside a task")
}

/// The id of the task that is being polled, if one is.
pub fn try_id() -> Option<Id> {
    thread::task_id()
}
