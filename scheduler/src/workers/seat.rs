//! How a thread is related to the workers: it uses one, has lent or lost the one that it had, or collects wakes for
//! them.

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};

use heist_sync::sys::{Arc, thread_local_const};

use super::shared::{Flavor, Shared, Worker};
use super::thread_state;
use crate::cell::Runnable;
use crate::thread::{self, Restore};

thread_local_const! {
    /// The seat: the worker that this thread uses, owned. It has no destructor, so it can be read at any time.
    /// `as_worker` makes sure that it is empty by the thread's end.
    static WORKER: Cell<Option<NonNull<Worker>>> = Cell::new(None);
}

thread_local_const! {
    /// The runtime that this thread works for, with its worker, or without if it has given that away.
    static HOST: Cell<Option<NonNull<Arc<Shared>>>> = Cell::new(None);
}

thread_local_const! {
    /// The batch that this thread collects for a runtime.
    static BATCH: Cell<Option<NonNull<Batch>>> = Cell::new(None);
}

thread_local_const! {
    /// The number of the worker that this thread has, or had last, while it works.
    static INDEX: Cell<Option<usize>> = Cell::new(None);
}

thread_local_const! {
    static SEAT: Cell<Seat> = Cell::new(Seat::Kept);
}

/// What has become of the worker of a thread that polls a task.
#[derive(Clone, Copy)]
enum Seat {
    /// The thread has it, or has left it on its offer and will ask for it there.
    Kept,
    /// The thread has lent it for the length of the poll: the worker's number, and the loan's.
    Lent(usize, u64),
    /// The thread had lent it, and another thread has it by now. The thread is counted as running.
    Replaced,
    /// The thread left it to block, and came back when another thread had it. The thread is counted as running.
    Adrift,
}

/// The wakes of one dispatch, to be published at once.
struct Batch {
    shared: NonNull<Shared>,
    tasks: RefCell<Vec<Runnable>>,
}

/// The place where this thread queues a task of some runtime.
pub(crate) enum Place<'a> {
    /// The thread is a worker of that runtime.
    Worker(&'a Worker),
    /// The thread dispatches events for that runtime.
    Collecting(&'a mut Vec<Runnable>),
    Outside,
}

/// Calls `f` with the worker in this thread's seat, if there is one. `f` must not call user code that could give the
/// worker away, that is, user code that runs inside a task.
#[inline]
pub(crate) fn with_seat<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    // SAFETY: the seat owns the worker. The worker leaves the seat on this thread only: in `leave_worker`, which a task
    // calls, and when `as_worker` ends. `f` does neither.
    f(WORKER
        .with(Cell::get)
        .map(|worker| unsafe { worker.as_ref() }))
}

/// Calls `f` with the worker of `shared` that this thread uses, if it uses one. `f` is as in [`with_seat`].
#[inline]
pub(crate) fn with_worker<R>(shared: &Shared, f: impl FnOnce(Option<&Worker>) -> R) -> R {
    with_seat(|worker| f(worker.filter(|worker| ptr::eq(&*worker.shared, shared))))
}

/// Calls `f` with the place where this thread queues a task of `shared`.
#[inline]
pub(crate) fn with_place<T, R>(shared: &Shared, task: T, f: impl FnOnce(Place<'_>, T) -> R) -> R {
    with_worker(shared, |worker| {
        if let Some(worker) = worker {
            return f(Place::Worker(worker), task);
        }
        match batch_of(shared) {
            // Only `push` runs during the borrow, and nothing in there wakes again.
            Some(batch) => f(Place::Collecting(&mut batch.tasks.borrow_mut()), task),
            None => f(Place::Outside, task),
        }
    })
}

fn batch_of<'a>(shared: &Shared) -> Option<&'a Batch> {
    // SAFETY: `collect_wakes` sets the cell for as long as it borrows the batch; all uses are on this thread.
    let batch = unsafe { BATCH.with(Cell::get)?.as_ref() };
    ptr::eq(batch.shared.as_ptr(), shared).then_some(batch)
}

/// Whether this thread keeps `shared` alive by what it does: it works for it, runs a job of it, or dispatches for it.
pub(crate) fn belongs_to(shared: &Shared) -> bool {
    is_inside(shared) || batch_of(shared).is_some()
}

/// Whether what is spawned here is spawned by a task or a blocking job of `shared`.
pub(crate) fn is_inside(shared: &Shared) -> bool {
    is_host(shared) || thread::is_job_of(shared)
}

pub(crate) fn is_host(shared: &Shared) -> bool {
    with_host(|host| host.is_some_and(|host| ptr::eq(&**host, shared)))
}

/// Calls `f` with the runtime that this thread works for.
pub(crate) fn with_host<R>(f: impl FnOnce(Option<&Arc<Shared>>) -> R) -> R {
    // SAFETY: `as_worker` sets the cell for as long as it borrows the `Arc`; all uses are on this thread, inside it.
    f(HOST.with(Cell::get).map(|host| unsafe { host.as_ref() }))
}

/// The number of the worker for which this thread polls. If the worker was given away during the poll, it is that worker's
/// number still.
pub(crate) fn index() -> Option<usize> {
    INDEX.with(Cell::get)
}

/// Calls `f`, which polls for no worker, on a thread that may be a worker's.
pub(crate) fn without_index<R>(f: impl FnOnce() -> R) -> R {
    let _index = Restore::after_setting(&INDEX, None);
    f()
}

/// Calls `f` with the worker of `slot` in this thread's seat, as a thread that works for `shared`. Afterwards `slot`
/// holds the worker that is in the seat then, or nothing, if the worker was given away.
pub(crate) fn as_worker<R>(
    shared: &Arc<Shared>,
    slot: &mut Option<Box<Worker>>,
    f: impl FnOnce() -> R,
) -> R {
    /// Empties the seat, however `f` ends.
    struct Taken<'a> {
        slot: &'a mut Option<Box<Worker>>,
        before: Option<NonNull<Worker>>,
    }

    impl Drop for Taken<'_> {
        fn drop(&mut self) {
            let worker = WORKER.with(|cell| cell.replace(self.before));
            // SAFETY: what is in a seat came from a box, and is taken out once.
            *self.slot = worker.map(|worker| unsafe { Box::from_raw(worker.as_ptr()) });
        }
    }

    let _host = Restore::after_setting(&HOST, Some(NonNull::from(shared)));
    let _kept = Restore::after_setting(&SEAT, Seat::Kept);
    let index = slot.as_ref().map(|worker| worker.index);
    let _index = Restore::after_setting(&INDEX, index);
    let worker = slot.take().map(|worker| NonNull::from(Box::leak(worker)));
    let before = WORKER.with(|cell| cell.replace(worker));
    let _taken = Taken { slot, before };
    thread::as_worker(shared.flavor == Flavor::MultiThread, f)
}

/// Takes the worker out of this thread's seat, so that another thread can use it. No borrow of it exists: the worker's
/// own methods call no task, and this is called inside a task or around its poll.
pub(super) fn vacate() -> Option<Box<Worker>> {
    let worker = WORKER.with(Cell::take)?;
    // SAFETY: what is in a seat came from a box, and is taken out once.
    Some(unsafe { Box::from_raw(worker.as_ptr()) })
}

pub(super) fn sit_down(worker: Box<Worker>) {
    INDEX.with(|cell| cell.set(Some(worker.index)));
    WORKER.with(|cell| cell.set(Some(NonNull::from(Box::leak(worker)))));
}

/// Lends this thread's worker for the length of a poll (R6).
#[cold]
pub(crate) fn lend() {
    if let Some(worker) = vacate() {
        let index = worker.index;
        let loan = with_host(|host| {
            let shared = host.expect("it works for somebody");
            shared.remotes[index].offer.lend(worker)
        });
        SEAT.with(|seat| seat.set(Seat::Lent(index, loan)));
    }
}

/// Ends the loan, if there is one: this thread has its worker again, unless the worker was called in.
#[inline]
pub(crate) fn end_loan() {
    if let Seat::Lent(index, loan) = SEAT.with(Cell::get) {
        take_back_loan(index, loan);
    }
}

#[cold]
fn take_back_loan(index: usize, loan: u64) {
    let worker = with_host(|host| host.and_then(|host| host.remotes[index].offer.end_loan(loan)));
    let seat = match worker {
        Some(worker) => {
            sit_down(worker);
            Seat::Kept
        }
        None => Seat::Replaced,
    };
    SEAT.with(|cell| cell.set(seat));
}

/// This thread has polled a task: it has its worker again, or goes home without one.
#[inline]
pub(crate) fn poll_has_ended() {
    if !matches!(SEAT.with(Cell::get), Seat::Kept) {
        end_loan();
        stop_drifting();
    }
}

/// Whether this thread polls a task without a worker.
pub(super) fn is_drifting() -> bool {
    matches!(SEAT.with(Cell::get), Seat::Replaced | Seat::Adrift)
}

/// This thread no longer computes without a worker: it blocks, or its poll has ended. Returns whether it did.
#[cold]
pub(super) fn stop_drifting() -> bool {
    let seat = SEAT.with(|cell| cell.replace(Seat::Kept));
    with_host(|host| {
        if let (Seat::Replaced | Seat::Adrift, Some(host)) = (seat, host) {
            host.crew.adrift.stop(thread_state::here());
            host.driver.running.end(1);
        }
    });
    !matches!(seat, Seat::Kept)
}

/// This thread left its worker to block, and came back when another thread had it.
pub(super) fn set_adrift() {
    SEAT.with(|seat| seat.set(Seat::Adrift));
}

/// Calls `turn`, and publishes the wakes in it at once.
pub(crate) fn collect_wakes(shared: &Shared, turn: &mut dyn FnMut()) {
    let batch = Batch {
        shared: NonNull::from(shared),
        tasks: RefCell::default(),
    };
    {
        let _batch = Restore::after_setting(&BATCH, Some(NonNull::from(&batch)));
        turn();
    }
    shared.inject_all(&mut batch.tasks.into_inner());
}
