//! The functions that a program calls without naming a runtime.

use std::future::{Future, poll_fn};
use std::task::Poll;

use heist_sync::coop;
use heist_sync::waits::{self, Wait};

use crate::cell::{Id, JoinHandle, Origin};
use crate::runtime::{blocking, eager, entered};
use crate::thread;
use crate::workers::relief;

/// The panic message outside any runtime.
pub(super) const NO_RUNTIME: &str = "there is no runtime here: this must be called from a task, inside `block_on`, or with a runtime entered";

/// Spawns a task on the current runtime, and returns its handle. The task starts at once, whether or not the handle is
/// awaited. Dropping the handle detaches the task.
///
/// When the runtime shuts down, the task's future is dropped at its next `await`. If the runtime has shut down already,
/// the future is dropped at once, and the handle returns a cancelled [`JoinError`](super::JoinError).
///
/// # Panics
/// Panics if called outside any runtime.
///
/// # Examples
/// ```
/// use heist::task;
///
/// #[heist::main]
/// async fn main() {
///     let parts: Vec<_> = (0..10).map(|i| task::spawn(async move { i * i })).collect();
///     let mut sum = 0;
///     for part in parts {
///         sum += part.await.expect("no task panicked");
///     }
///     assert_eq!(sum, 285);
/// }
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

/// Spawns a task on the current runtime and polls it at once, on this thread, until it waits for the first time. After
/// that it is a task like any other. If it has nothing to wait for, it is complete when this returns, and was never in
/// a queue.
///
/// The first poll delays the caller, so use this for tasks that start something and then wait for it. A panic in the
/// first poll is the task's: the handle returns it, and the caller doesn't see it. The poll has a budget of its own
/// (see `coop`). Eager tasks may spawn eager tasks up to a bounded depth. Beyond that depth this acts like [`spawn`]. It
/// does so too in a waker that a worker calls outside any task.
///
/// # Panics
/// Panics if called outside any runtime.
///
/// # Examples
/// ```
/// use heist::task;
///
/// #[heist::main]
/// async fn main() {
///     let begun = task::spawn_eager(async { 42 });
///     assert!(begun.is_finished());
///     assert_eq!(begun.await.expect("no panic"), 42);
/// }
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

/// Runs `f` on a thread of the current runtime's blocking pool, where it may block as long as it likes.
///
/// At most `max_blocking_threads` jobs run at once. Further jobs wait in a queue. So jobs that wait for other jobs may
/// wait for ever, if there are as many of them as threads. A job may safely wait for tasks, timers and sockets.
///
/// Aborting the handle keeps a job from starting. A job that has begun runs to its end. Dropping the runtime waits for
/// jobs that run. `shutdown_timeout` waits for a limited time, and `shutdown_background` doesn't wait.
///
/// # Errors
/// The handle returns a cancelled [`JoinError`](super::JoinError) if the runtime has shut down, or if the operating
/// system doesn't give the pool even one thread.
///
/// # Panics
/// Panics if called outside any runtime.
///
/// # Examples
/// ```
/// use heist::task;
///
/// #[heist::main]
/// async fn main() {
///     let words = task::spawn_blocking(|| "read from a slow disk".split(' ').count());
///     assert_eq!(words.await.expect("no panic"), 5);
/// }
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

/// Calls `f`, which may block, on this thread. Another thread takes over this worker and its tasks meanwhile: at once
/// if there are tasks, otherwise as soon as there are some.
///
/// This blocks the current task as a whole: other futures of the same task, in a `join!` for instance, wait until `f`
/// returns. `f` runs inside the runtime, and may call [`block_on`](crate::runtime::Handle::block_on). On a thread that
/// is no worker, and inside a `block_on` of a multi-thread runtime, `f` is simply called.
///
/// At most `max_blocking_threads` threads take over from others. Beyond that a worker waits for its own thread, and
/// other workers steal its tasks.
///
/// # Panics
/// Panics if `f` does. Panics too inside a current-thread runtime, because no other thread can take over there.
///
/// # Examples
/// ```
/// use heist::task;
///
/// #[heist::main]
/// async fn main() {
///     let words = task::spawn(async {
///         task::block_in_place(|| "read from a slow disk".split(' ').count())
///     });
///     assert_eq!(words.await.expect("no panic"), 5);
/// }
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    // The budget is lifted even if there is no worker to give away, because a `block_on` has a budget too.
    match relief::block_in_place(|| coop::without_budget(f)) {
        Some(result) => result,
        None => panic!("can call blocking only when running on the multi-threaded runtime"),
    }
}

/// Lets the other tasks of this worker run first: tasks that an event woke, and tasks that yielded before.
///
/// # Cancel safety
/// Dropping the future loses nothing.
///
/// # Examples
/// ```
/// use heist::task::yield_now;
///
/// async fn sum(numbers: &[u64]) -> u64 {
///     let mut sum = 0;
///     for part in numbers.chunks(1000) {
///         sum += part.iter().sum::<u64>();
///         // Other tasks need not wait until all is added.
///         yield_now().await;
///     }
///     sum
/// }
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(sum(&[1; 5000]).await, 5000);
/// }
/// ```
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
/// Panics if called outside a task. [`try_id`] returns `None` instead.
///
/// # Examples
/// ```
/// use heist::task;
///
/// #[heist::main]
/// async fn main() {
///     let task = heist::spawn(async { task::id() });
///     let id = task.id();
///     assert_eq!(task.await.expect("no panic"), id);
///     assert_eq!(task::try_id(), None, "`main` is no task");
/// }
/// ```
#[track_caller]
pub fn id() -> Id {
    try_id().expect("`task::id` needs to be called inside a task")
}

/// The id of the task that is being polled, if there is one.
///
/// [`id`] has an example.
pub fn try_id() -> Option<Id> {
    thread::task_id()
}
