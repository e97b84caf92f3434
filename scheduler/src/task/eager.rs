//! Tasks that begin at once, on the thread that spawns them.

use std::cell::Cell;
use std::future::Future;

use heist_sync::coop;
use heist_sync::sys::{Arc, thread_local_const};

use super::api::NO_RUNTIME;
use super::{Id, JoinHandle, Origin, Runnable};
use crate::context;
use crate::runtime::Handle;
use crate::shared::{self, Shared};

/// How many eager polls may lie on a thread's stack above each other. One more is queued instead.
const DEPTH: u8 = 16;

thread_local_const! {
    /// How many do.
    static DEEP: Cell<u8> = Cell::new(0);
}

/// Counts an eager poll, until it is dropped.
struct Deeper;

impl Deeper {
    fn enter() -> Option<Self> {
        DEEP.with(|deep| {
            let below = deep.get();
            (below < DEPTH).then(|| {
                deep.set(below + 1);
                Self
            })
        })
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEEP.with(|deep| deep.set(deep.get() - 1));
    }
}

/// Whether this thread polls an eager task in the middle of what spawned it.
pub(crate) fn polls_here() -> bool {
    DEEP.with(Cell::get) > 0
}

/// Spawns a task on the current runtime and polls it at once, on this thread, up to its first wait; from there on it is
/// a task like any other. A task that has nothing to wait for is complete when this returns, without having been in any
/// queue.
///
/// The first poll delays the caller, so it suits tasks that start something and then wait for it. A panic in it is the
/// task's: the caller doesn't see it, the handle gives it. The poll has a budget of its own (see `coop`). An eager task
/// that spawns eager tasks does so up to a bounded depth; below it they are spawned as by [`spawn`](super::spawn), and so
/// they are by a waker that a worker wakes outside any task.
///
/// # Panics
/// If called outside any runtime.
///
/// # Examples
/// ```
/// use heist_scheduler::{runtime::Runtime, task};
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
    match context::current() {
        Some(handle) => spawn_on(&handle, future, Origin::caller()),
        None => panic!("{NO_RUNTIME}"),
    }
}

/// As [`spawn_eager`], on the runtime of `handle`.
pub(crate) fn spawn_on<F>(handle: &Handle, future: F, origin: Origin) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let shared = handle.shared();
    shared::spawn_by(
        shared,
        future,
        Id::next(),
        origin,
        |task| match Deeper::enter().filter(|_| !context::in_a_workers_hands()) {
            Some(_deeper) => poll_here(shared, task),
            None => shared.schedule(task),
        },
    )
}

/// Polls a task of `shared` on whatever thread this is, inside that runtime.
fn poll_here(shared: &Arc<Shared>, task: Runnable) {
    let poll = || context::as_task(task.id(), || coop::budget(|| task.run()));
    if context::is_current(shared) {
        return context::as_polling(poll);
    }
    let entered = context::enter(Handle::of(shared.clone()));
    context::as_polling(poll);
    drop(entered);
}
