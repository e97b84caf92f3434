//! What a thread is to the runtimes of this process, in thread-locals: a worker, a collector of wakes, inside a
//! `block_on`, or entered by hand.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use heist_sync::sys::thread::LocalKey;
use heist_sync::sys::{Arc, thread_local_const};

use crate::lookout::thread_state;
use crate::relief;
use crate::runtime::Handle;
use crate::shared::{self, Flavor, Shared};
use crate::task::{Id, JoinHandle, Origin, Runnable};
use crate::worker::Worker;

thread_local_const! {
    /// The seat: the worker that this thread uses, owned. No destructor, so it can be asked at any time; `as_worker`
    /// sees to it that it is empty by the thread's end.
    static WORKER: Cell<Option<NonNull<Worker>>> = Cell::new(None);
}
thread_local_const! {
    /// The runtime that this thread works for, with its worker or, having given that away, without.
    static HOST: Cell<Option<NonNull<Arc<Shared>>>> = Cell::new(None);
}
thread_local_const! {
    /// Whether this thread drives a current-thread runtime: nobody else can do its work.
    static DRIVES: Cell<bool> = Cell::new(false);
}
thread_local_const! {
    /// The batch that this thread collects for a runtime.
    static BATCH: Cell<Option<NonNull<Batch>>> = Cell::new(None);
}
thread_local_const! {
    /// Whether this thread polls a future: a worker, or inside a `block_on`.
    static POLLING: Cell<bool> = Cell::new(false);
}
thread_local_const! {
    /// The runtime whose blocking job this thread runs, borrowed as long. Compared, never followed.
    static JOB_OF: Cell<*const Shared> = Cell::new(ptr::null());
}
thread_local_const! {
    static TASK: Cell<Option<Id>> = Cell::new(None);
}
thread_local_const! {
    static SEAT: Cell<Seat> = Cell::new(Seat::Kept);
}
thread_local_const! {
    /// The runtimes entered, each with the number of its guard, the innermost last.
    static ENTERED: RefCell<Vec<(u64, Handle)>> = RefCell::new(Vec::new());
}
thread_local_const! {
    static NEXT_GUARD: Cell<u64> = Cell::new(0);
}

/// How a thread that polls a task stands to its worker.
#[derive(Clone, Copy)]
enum Seat {
    /// It has it, or has left it on its offer and will ask for it there.
    Kept,
    /// It has lent it for the length of the poll: the worker's number, and the loan's.
    Lent(usize, u64),
    /// It had lent it, and another thread has it by now.
    Replaced,
    /// It left it to block, and came back when another had it.
    Adrift,
}

/// The wakes of one dispatch, to be published at once.
struct Batch {
    shared: NonNull<Shared>,
    tasks: RefCell<Vec<Runnable>>,
}

/// Where this thread queues a task of some runtime.
pub(crate) enum Place<'a> {
    /// It is a worker of that runtime.
    Worker(&'a Worker),
    /// It dispatches events for that runtime.
    Collecting(&'a mut Vec<Runnable>),
    Outside,
}

/// Sets a cell back to what it was, when dropped.
struct Restore<T: Copy + 'static>(&'static LocalKey<Cell<T>>, T);

impl<T: Copy> Restore<T> {
    fn after_setting(key: &'static LocalKey<Cell<T>>, value: T) -> Self {
        Self(key, key.with(|cell| cell.replace(value)))
    }
}

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        self.0.with(|cell| cell.set(self.1));
    }
}

/// Calls `f` with the worker in this thread's seat, if there is one. `f` calls no user code that could give the worker
/// away: none that runs inside a task.
#[inline]
pub(crate) fn with_seat<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    // SAFETY: the seat owns the worker, which leaves it on this thread only: in `leave_worker`, which a task calls, and
    // as `as_worker` ends. `f` does neither.
    f(WORKER
        .with(Cell::get)
        .map(|worker| unsafe { worker.as_ref() }))
}

/// Calls `f` with the worker of `shared` that this thread uses, if it does; `f` as in [`with_seat`].
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
            // Only `push` happens in the borrow; nothing in there wakes again.
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

/// Whether this thread holds `shared` by what it is: one that works for it, runs a job of it, or dispatches for it.
pub(crate) fn belongs_to(shared: &Shared) -> bool {
    is_inside(shared) || batch_of(shared).is_some()
}

/// Whether what is spawned here is spawned by a task or a blocking job of `shared`.
pub(crate) fn is_inside(shared: &Shared) -> bool {
    is_host(shared) || is_job_of(shared)
}

fn is_host(shared: &Shared) -> bool {
    with_host(|host| host.is_some_and(|host| ptr::eq(&**host, shared)))
}

/// Calls `f` with the runtime that this thread works for.
fn with_host<R>(f: impl FnOnce(Option<&Arc<Shared>>) -> R) -> R {
    // SAFETY: `as_worker` sets the cell for as long as it borrows the `Arc`; all uses are on this thread, inside it.
    f(HOST.with(Cell::get).map(|host| unsafe { host.as_ref() }))
}

/// Calls `f` with the worker of `slot` in this thread's seat, as a thread that works for `shared`. Afterwards `slot` has
/// the worker that is in the seat then: none, if it was given away.
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
    let _polling = Restore::after_setting(&POLLING, true);
    let _kept = Restore::after_setting(&SEAT, Seat::Kept);
    let worker = slot.take().map(|worker| NonNull::from(Box::leak(worker)));
    let before = WORKER.with(|cell| cell.replace(worker));
    let _taken = Taken { slot, before };
    f()
}

/// Takes the worker out of this thread's seat, for another to use. Nobody borrows it: the worker's own methods call no
/// task, and this is called inside a task or around its poll.
fn vacate() -> Option<Box<Worker>> {
    let worker = WORKER.with(Cell::take)?;
    // SAFETY: what is in a seat came from a box, and is taken out once.
    Some(unsafe { Box::from_raw(worker.as_ptr()) })
}

fn sit_down(worker: Box<Worker>) {
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

/// Ends the loan, if there is one: this thread has its worker again, unless that was called in.
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

/// This thread has polled a task: it has its worker again, or goes home without.
#[inline]
pub(crate) fn poll_has_ended() {
    if !matches!(SEAT.with(Cell::get), Seat::Kept) {
        end_loan();
        stop_drifting();
    }
}

/// This thread doesn't compute without a worker any more: it blocks, or its poll has ended. Whether it did.
#[cold]
fn stop_drifting() -> bool {
    let seat = SEAT.with(|cell| cell.replace(Seat::Kept));
    with_host(|host| {
        if let (Seat::Replaced | Seat::Adrift, Some(host)) = (seat, host) {
            host.crew.adrift.stop(thread_state::here());
        }
    });
    !matches!(seat, Seat::Kept)
}

/// A thread that blocks, and has left its worker on its offer, or had none.
pub(crate) struct Away {
    shared: Arc<Shared>,
    /// Where it left its worker.
    index: Option<usize>,
}

/// Puts this thread's worker on offer, if it polls a task of a runtime whose workers can change threads.
pub(crate) fn leave_worker() -> Option<Away> {
    TASK.with(Cell::get)?;
    end_loan();
    if stop_drifting() {
        let shared = with_host(|host| host.cloned())?;
        POLLING.with(|cell| cell.set(false));
        return Some(Away {
            shared,
            index: None,
        });
    }
    let away = with_seat(|worker| {
        let worker = worker.filter(|worker| worker.shared.flavor == Flavor::MultiThread)?;
        Some(Away {
            shared: worker.shared.clone(),
            index: Some(worker.index),
        })
    })?;
    let worker = vacate()?;
    POLLING.with(|cell| cell.set(false));
    relief::offer(&away.shared, worker);
    Some(away)
}

/// Takes the worker back, if nobody else has it; else goes on without, in its turn.
pub(crate) fn return_to_worker(away: Away) {
    let Away { shared, index } = away;
    if let Some(worker) = index.and_then(|index| relief::take_back(&shared, index)) {
        // In the middle of a poll it doesn't search.
        worker.end_search();
        worker.goes_on(task_id());
        let is_lent = worker.is_lent();
        sit_down(worker);
        if is_lent {
            // The rest of the poll may block, too (R6).
            lend();
        }
    } else {
        shared.crew.go_on_adrift(&shared);
        SEAT.with(|seat| seat.set(Seat::Adrift));
    }
    POLLING.with(|cell| cell.set(true));
}

/// Calls `f`, which may call user code though it isn't a task's, inside a task.
pub(crate) fn aside<R>(f: impl FnOnce() -> R) -> R {
    let _task = Restore::after_setting(&TASK, None);
    f()
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

/// Calls `f` as the inside of a `block_on`, which gives way where this thread is a worker; `None` where it drives a
/// current-thread runtime.
pub(crate) fn block_on<R>(f: impl FnOnce() -> R) -> Option<R> {
    relief::block_in_place(|| as_polling(f))
}

/// Calls `f` as something that polls a future.
pub(crate) fn as_polling<R>(f: impl FnOnce() -> R) -> R {
    let _polling = Restore::after_setting(&POLLING, true);
    f()
}

/// Whether this thread polls futures, so that to block it would hold others up.
pub(crate) fn is_polling() -> bool {
    POLLING.with(Cell::get)
}

/// Calls `f` as a blocking job of `shared`.
pub(crate) fn as_job<R>(shared: &Shared, f: impl FnOnce() -> R) -> R {
    let _job = Restore::after_setting(&JOB_OF, ptr::from_ref(shared));
    f()
}

/// Whether this thread runs a blocking job of `shared`.
fn is_job_of(shared: &Shared) -> bool {
    ptr::eq(JOB_OF.with(Cell::get), shared)
}

/// Calls `f` as the poll of a task.
#[inline]
pub(crate) fn as_task<R>(id: Id, f: impl FnOnce() -> R) -> R {
    let _task = Restore::after_setting(&TASK, Some(id));
    f()
}

/// Whether a worker of this thread's calls user code in the middle of its own business, as a waker does that an event
/// woke: then nothing may be polled as a task here, lest it give the worker away ([`leave_worker`]).
pub(crate) fn in_a_workers_hands() -> bool {
    task_id().is_none()
        && with_seat(|worker| worker.is_some_and(|it| it.shared.flavor == Flavor::MultiThread))
}

/// The task that this thread polls.
pub(crate) fn task_id() -> Option<Id> {
    TASK.with(Cell::get)
}

/// The runtime that this thread is in: the one entered last, else the one that it works for.
pub(crate) fn current() -> Option<Handle> {
    ENTERED
        .try_with(|entered| entered.borrow().last().map(|(_, handle)| handle.clone()))
        .ok()
        .flatten()
        .or_else(|| with_host(|host| host.map(|host| Handle::of(host.clone()))))
}

/// Whether [`current`] would give a handle of `shared`.
pub(crate) fn is_current(shared: &Shared) -> bool {
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        entered
            .last()
            .map(|(_, handle)| ptr::eq(&**handle.shared(), shared))
    });
    match entered {
        Ok(Some(same)) => same,
        _ => is_host(shared),
    }
}

/// Spawns on the runtime that [`current`] would give, without counting it where nothing was entered by hand. Gives the
/// future back where this thread is in no runtime.
#[inline]
pub(crate) fn try_spawn<F>(future: F, id: Id, origin: Origin) -> Result<JoinHandle<F::Output>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        entered.last().map(|(_, handle)| handle.shared().clone())
    });
    if let Ok(Some(shared)) = entered {
        return Ok(shared::spawn(&shared, future, id, origin));
    }
    with_host(|host| match host {
        Some(shared) => Ok(shared::spawn(shared, future, id, origin)),
        None => Err(future),
    })
}

/// Makes a runtime this thread's current one, until the guard is dropped. Guards may be dropped in any order.
#[derive(Debug)]
pub(crate) struct Entered {
    number: u64,
    _reactor: heist_reactor::EnterGuard,
    /// It belongs to the thread that entered: it may be shared, but not sent.
    _not_send: PhantomData<std::sync::MutexGuard<'static, ()>>,
}

pub(crate) fn enter(handle: Handle) -> Entered {
    let number = NEXT_GUARD.with(|next| next.replace(next.get() + 1));
    let reactor = handle.shared().driver.enter();
    // On a thread whose locals are gone nothing can be entered, and nothing needs to be left.
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((number, handle)));
    Entered {
        number,
        _reactor: reactor,
        _not_send: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let at = entered
                .iter()
                .rposition(|&(number, _)| number == self.number);
            at.map(|at| entered.remove(at))
        });
        // Perhaps the last reference to a runtime: dropped with the borrow given back.
        drop(left);
    }
}
