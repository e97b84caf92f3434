//! How a thread that blocks inside a task leaves its worker to others, and then takes it back or goes on without: the
//! first row of the table in `offer.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use heist_sync::coop;
use heist_sync::sys::Arc;

use super::seat;
use super::shared::{Flavor, Shared, Worker};
use super::thread_state;
use super::wake::send_any_thread;
use crate::thread;

/// Calls `f`, which may block, with this thread's worker on offer.
///
/// `None` inside a current-thread runtime, whose worker can't be given to another thread. On a thread that is no
/// worker, `f` is simply called, because that delays no other tasks.
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> Option<R> {
    if thread::drives() {
        return None;
    }
    Some(give_way(f))
}

/// As [`block_in_place`], but calls `f` even if the worker can't be given to another thread.
pub(crate) fn give_way<R>(f: impl FnOnce() -> R) -> R {
    let Some(away) = leave_worker() else {
        return f();
    };
    let counted = || thread::as_counted(Arc::as_ptr(&away.shared).cast(), f);
    let result = catch_unwind(AssertUnwindSafe(|| coop::without_budget(counted)));
    return_to_worker(away);
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Calls `f` as the inside of a `block_on`. It gives way if this thread is a worker. `None` if this thread drives a
/// current-thread runtime.
pub(crate) fn block_on<R>(f: impl FnOnce() -> R) -> Option<R> {
    block_in_place(|| thread::as_polling(f))
}

/// A thread that blocks, and has left its worker on its offer, or had none. It is counted as running, so that paused time
/// stands still: nobody knows what it waits for.
struct Away {
    shared: Arc<Shared>,
    /// Where it left its worker.
    index: Option<usize>,
}

/// Puts this thread's worker on offer, if it polls a task of a runtime whose workers can change threads.
fn leave_worker() -> Option<Away> {
    thread::task_id()?;
    seat::end_loan();
    if seat::is_drifting() {
        let shared = seat::with_host(|host| host.cloned())?;
        shared.driver.running.begin(1);
        seat::stop_drifting();
        thread::set_polling(false);
        return Some(Away {
            shared,
            index: None,
        });
    }
    let away = seat::with_seat(|worker| {
        let worker = worker.filter(|worker| worker.shared.flavor == Flavor::MultiThread)?;
        Some(Away {
            shared: worker.shared.clone(),
            index: Some(worker.index),
        })
    })?;
    let worker = seat::vacate()?;
    away.shared.driver.running.begin(1);
    thread::set_polling(false);
    offer(&away.shared, worker);
    Some(away)
}

/// Takes the worker back, if no other thread has it. Else waits for its turn, and goes on without.
fn return_to_worker(away: Away) {
    let Away { shared, index } = away;
    if let Some(worker) = index.and_then(|index| take_back(&shared, index)) {
        // A worker in the middle of a poll doesn't search.
        worker.end_search();
        worker.goes_on(thread::task_id());
        let is_lent = worker.is_lent();
        seat::sit_down(worker);
        if is_lent {
            // The rest of the poll may block too (R6).
            seat::lend();
        }
        shared.driver.running.end(1);
    } else {
        go_on_adrift(&shared);
        // It stays counted until its poll has ended.
        seat::set_adrift();
    }
    thread::set_polling(true);
}

/// Puts a worker on offer, asleep.
fn offer(shared: &Shared, worker: Box<Worker>) {
    let index = worker.index;
    worker.empty_slot();
    worker.count_asleep();
    // What this thread does no longer says anything about the worker.
    shared.remotes[index].thread.clear();
    let offer = &shared.remotes[index].offer;
    offer.fall_asleep(worker, shared.place(index));
    // The second look (S3). If the runtime has closed, this thread may be waiting for a task to be dropped.
    if (shared.has_work_for(index) || shared.modes.is_closed()) && shared.idle.retract(index) {
        shared.idle.search();
        send_any_thread(shared, index);
    }
}

/// Takes the worker back from its offer, if it is there still.
fn take_back(shared: &Shared, index: usize) -> Option<Box<Worker>> {
    let (worker, counts) = shared.remotes[index].offer.take_back()?;
    worker.arrive(counts);
    Some(worker)
}

/// This thread comes back from blocking and finds its worker in use: it waits until it may go on without.
fn go_on_adrift(shared: &Shared) {
    let bound = match shared.modes.is_closed() {
        true => usize::MAX,
        false => shared.crew.spares.max(1),
    };
    let interval = shared.stalls.threshold;
    let adrift = &shared.crew.adrift;
    adrift.go_on(thread_state::here(), bound, interval);
}
