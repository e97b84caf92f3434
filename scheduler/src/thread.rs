//! What a thread is doing at the moment, in thread-locals. This is the lowest layer: it knows no worker and no runtime.
//!
//! Each value is set for the length of a call, and put back afterwards, even if that call panics.

use std::cell::Cell;
use std::ptr;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU64;
use heist_sync::sys::thread::LocalKey;
use heist_sync::sys::thread_local_const;

use crate::id::Id;

thread_local_const! {
    static TASK: Cell<Option<Id>> = Cell::new(None);
}

thread_local_const! {
    /// Whether this thread polls a future, as a worker or inside a `block_on`.
    static POLLING: Cell<bool> = Cell::new(false);
}

thread_local_const! {
    /// Whether this thread drives a current-thread runtime. No other thread can do its work.
    static DRIVES: Cell<bool> = Cell::new(false);
}

thread_local_const! {
    /// The runtime whose blocking job this thread runs, borrowed for that time. It is compared, never dereferenced.
    static JOB_OF: Cell<*const ()> = Cell::new(ptr::null());
}

thread_local_const! {
    /// Whether this thread is the worker of a multi-thread runtime, and the caller's code could give that worker away.
    static WORKS: Cell<bool> = Cell::new(false);
}
thread_local_const! {
    /// Whether this thread polls a set of local tasks.
    static LOCAL: Cell<bool> = Cell::new(false);
}
thread_local_const! {
    /// This thread's number, once it was asked for; 0 before that.
    static NUMBER: Cell<u64> = Cell::new(0);
}
thread_local_const! {
    /// How many eager polls are nested on this thread's stack.
    static EAGER: Cell<u8> = Cell::new(0);
}

thread_local_const! {
    /// The innermost of what counts this thread as running, or null.
    static COUNTED: Cell<*const Counted> = Cell::new(ptr::null());
}

/// A runtime counts this thread as running once: an entry in a list of such entries. It lies in the frame of
/// [`as_counted`].
struct Counted {
    /// The runtime, compared and never dereferenced.
    by: *const (),
    /// The entry around it, or null.
    outer: *const Counted,
}

/// Sets a cell back to its old value when dropped.
pub(crate) struct Restore<T: Copy + 'static>(&'static LocalKey<Cell<T>>, T);

impl<T: Copy> Restore<T> {
    pub(crate) fn after_setting(key: &'static LocalKey<Cell<T>>, value: T) -> Self {
        Self(key, key.with(|cell| cell.replace(value)))
    }
}

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        self.0.with(|cell| cell.set(self.1));
    }
}

/// Calls `f` as the poll of a task.
#[inline]
pub(crate) fn as_task<R>(id: Id, f: impl FnOnce() -> R) -> R {
    let _task = Restore::after_setting(&TASK, Some(id));
    f()
}

/// Calls `f`, which may call user code that isn't a task's, inside a task. Meanwhile this thread counts as outside the
/// task.
pub(crate) fn aside<R>(f: impl FnOnce() -> R) -> R {
    let _task = Restore::after_setting(&TASK, None);
    f()
}

/// The task that this thread polls.
pub(crate) fn task_id() -> Option<Id> {
    TASK.with(Cell::get)
}

/// Calls `f`, which polls or drops something that belongs to a task, with that task's id. If a worker on this thread is
/// calling user code outside any task, the id is not set, so that `f` can't give the worker away.
pub(crate) fn as_own<R>(id: Id, f: impl FnOnce() -> R) -> R {
    if in_a_workers_hands() {
        return f();
    }
    as_task(id, f)
}

/// Calls `f` on a thread that works for a multi-thread runtime, or for another one.
pub(crate) fn as_worker<R>(multi_thread: bool, f: impl FnOnce() -> R) -> R {
    let _works = Restore::after_setting(&WORKS, multi_thread);
    as_polling(f)
}

/// Whether a worker on this thread calls user code outside any task, for example a waker that an event woke. Nothing
/// may be polled as a task here then, because it might give the worker away.
pub(crate) fn in_a_workers_hands() -> bool {
    task_id().is_none() && WORKS.with(Cell::get)
}

/// Calls `f` as the driver of a current-thread runtime.
pub(crate) fn driving<R>(f: impl FnOnce() -> R) -> R {
    let _drives = Restore::after_setting(&DRIVES, true);
    f()
}

/// Whether this thread drives a current-thread runtime.
pub(crate) fn drives() -> bool {
    DRIVES.with(Cell::get)
}

/// Calls `f` as something that polls a future.
pub(crate) fn as_polling<R>(f: impl FnOnce() -> R) -> R {
    let _polling = Restore::after_setting(&POLLING, true);
    f()
}

/// Whether this thread polls futures, so that blocking it would delay other tasks.
pub(crate) fn is_polling() -> bool {
    POLLING.with(Cell::get)
}

/// This thread blocks in the middle of a poll (false), or no longer blocks (true).
pub(crate) fn set_polling(polling: bool) {
    POLLING.with(|cell| cell.set(polling));
}

/// Calls `f` on a thread that the runtime at `runtime` counts as running once more.
pub(crate) fn as_counted<R>(runtime: *const (), f: impl FnOnce() -> R) -> R {
    let counted = Counted {
        by: runtime,
        outer: COUNTED.with(Cell::get),
    };
    let _listed = Restore::after_setting(&COUNTED, ptr::from_ref(&counted));
    f()
}

/// How often the runtime at `runtime` counts this thread as running, also around what other runtimes count.
pub(crate) fn counted_by(runtime: *const ()) -> usize {
    let (mut next, mut times) = (COUNTED.with(Cell::get), 0);
    // SAFETY: `as_counted` takes its entry off this thread's list before its frame ends. So each entry that is on the
    // list is alive, and so is the one around it, whose frame ends later.
    while let Some(counted) = unsafe { next.as_ref() } {
        times += usize::from(ptr::eq(counted.by, runtime));
        next = counted.outer;
    }
    times
}

/// Calls `f` as a blocking job of the runtime at `runtime`.
pub(crate) fn as_job<R, T>(runtime: &T, f: impl FnOnce() -> R) -> R {
    let _job = Restore::after_setting(&JOB_OF, ptr::from_ref(runtime).cast());
    f()
}

/// Whether this thread runs a blocking job of the runtime at `runtime`.
pub(crate) fn is_job_of<T>(runtime: &T) -> bool {
    ptr::eq(JOB_OF.with(Cell::get), ptr::from_ref(runtime).cast())
}

/// This thread polls a set of local tasks, until this is dropped.
pub(crate) struct PollsLocal {
    _restore: Restore<bool>,
}

impl PollsLocal {
    pub(crate) fn set() -> Self {
        Self {
            _restore: Restore::after_setting(&LOCAL, true),
        }
    }
}

/// Whether this thread polls a set of local tasks.
pub(crate) fn polls_local() -> bool {
    LOCAL.with(Cell::get)
}

/// Calls `f` as an eager poll. `None`, at once, if `most` of them are already nested on this thread's stack.
pub(crate) fn eagerly<R>(most: u8, f: impl FnOnce() -> R) -> Option<R> {
    let below = EAGER.with(Cell::get);
    if below >= most {
        return None;
    }
    let _deeper = Restore::after_setting(&EAGER, below + 1);
    Some(f())
}

/// Whether this thread polls an eager task, inside whatever spawned it.
pub(crate) fn polls_eagerly() -> bool {
    EAGER.with(Cell::get) > 0
}

/// This thread's number. No other thread of the process ever has it. Unlike std's, it can be had while the thread's
/// locals are being destroyed.
pub(crate) fn number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    NUMBER.with(|cell| {
        if cell.get() == 0 {
            // Ordering: Relaxed: numbers only have to be distinct.
            cell.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        }
        cell.get()
    })
}
