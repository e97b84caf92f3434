//! The loops of a worker's thread: it works, takes one turn for a foreign event loop, or drains a runtime that has
//! closed.

use std::time::Duration;

use heist_sync::coop;
use heist_sync::protocol::contain;
use heist_sync::sys::Arc;

use super::engage;
use super::looks::Looks;
use super::seat;
use super::shared::{Shared, Worker};
use super::sleep::{NoRoot, Root};
use super::worker::Next;
use crate::cell::Runnable;
use crate::thread;

/// A thread that was sent to a worker works with it: the runtime's [`Serve`](super::shared::Serve).
pub(crate) fn serve(shared: &Arc<Shared>, worker: Box<Worker>, counts: bool) {
    worker.arrive(counts);
    work(shared, worker);
}

/// Works on this thread for as long as it has a worker to work with.
pub(crate) fn work(shared: &Arc<Shared>, worker: Box<Worker>) {
    worker.remote().thread.set_here();
    if let Some(hook) = &shared.hooks.on_worker_start {
        worker.call(Some(&|| hook(worker.index)));
    }
    let _reactor = shared.driver.enter();
    let mut next = Some(worker);
    while next.is_some() {
        let mut slot = next.take();
        run(shared, &mut slot, &mut NoRoot);
        // If the worker was given away, another thread has it.
        next = match slot {
            Some(worker) if !shared.modes.is_closed() => engage::retire(shared, worker),
            Some(worker) => return drain(shared, worker),
            None => None,
        };
    }
}

/// Calls `f` with the worker of `slot` in this thread's seat, awake.
fn seated<R>(shared: &Arc<Shared>, slot: &mut Option<Box<Worker>>, f: impl FnOnce() -> R) -> R {
    seat::as_worker(shared, slot, || {
        seat::with_seat(|worker| worker.map(Worker::disarm));
        f()
    })
}

/// Runs tasks with the worker of `slot` until `root` says that it is enough, the worker has been dismissed, or a task
/// has given it away. In the last case `slot` is empty.
pub(crate) fn run(shared: &Arc<Shared>, slot: &mut Option<Box<Worker>>, root: &mut impl Root) {
    seated(shared, slot, || {
        // In how many polls the root has its next turn: at once, or, if it woke itself, after the others had theirs. If
        // their polls are long, a millisecond is enough.
        let mut root_in = 0;
        loop {
            if root_in == 0 {
                if root.turn(shared) {
                    break;
                }
                if root.goes_on() {
                    root_in = shared.hooks.event_interval;
                    with_looks(Looks::root_had_turn);
                }
            }
            let next = seat::with_seat(|worker| worker.map(|worker| worker.step(root)));
            match next {
                Some(Next::Poll(task)) => {
                    poll(task);
                    root_in = root_in.saturating_sub(1);
                    if root_in > 0 && with_looks(Looks::root_is_due) == Some(true) {
                        root_in = 0;
                    }
                }
                Some(Next::PollOnLoan(task)) => {
                    seat::lend();
                    poll(task);
                }
                Some(Next::Call(waker)) => {
                    seat::lend();
                    contain(|| waker.wake());
                    seat::poll_has_ended();
                }
                Some(Next::Look) => root_in = 0,
                Some(Next::Leave) | None => break,
            }
        }
        seat::with_seat(|worker| worker.map(Worker::end_search));
        // The runtime has closed meanwhile.
        while let Some(waker) = seat::with_seat(|worker| worker.and_then(Worker::next_call)) {
            contain(|| waker.wake());
        }
    });
}

/// Calls `f` if this thread's worker is that of a current-thread runtime.
fn with_looks<R>(f: impl FnOnce(&Looks) -> R) -> Option<R> {
    seat::with_seat(|worker| worker.and_then(|worker| worker.looks.as_ref()).map(f))
}

/// How many polls a turn of a foreign event loop may take before and after its look for events.
const TURN: usize = 256;

/// One turn for a foreign event loop: runs what is ready; if nothing was, waits for events, for `limit` at most; then
/// runs what the events woke. Returns how many polls that were, and how long the caller may wait for the driver's
/// descriptor before the next turn.
pub(crate) fn turn(
    shared: &Arc<Shared>,
    slot: &mut Option<Box<Worker>>,
    root: &impl Root,
    limit: Option<Duration>,
) -> (usize, Option<Duration>) {
    seated(shared, slot, || {
        let before = run_ready();
        seat::with_seat(|worker| {
            worker.map(|worker| match before {
                0 => worker.sleep(root, limit),
                _ => worker.look_at_reactor(),
            })
        });
        let after = run_ready();
        let wait = seat::with_seat(|worker| {
            worker.map(|worker| {
                worker.end_search();
                worker.arm(root)
            })
        });
        (before + after, wait.flatten())
    })
}

/// Polls tasks as long as some are ready, up to [`TURN`] of them. Returns how many it polled.
fn run_ready() -> usize {
    let mut polled = 0;
    while polled < TURN
        && let Some(task) = seat::with_seat(|worker| {
            worker.and_then(|worker| worker.next().inspect(|task| worker.polls(task)))
        })
    {
        poll(task);
        polled += 1;
    }
    polled
}

/// Polls a task. Nothing of the worker is borrowed meanwhile, because the task may give it away.
fn poll(task: Runnable) {
    let operations = thread::as_task(task.id(), || {
        coop::budget(|| {
            task.run();
            coop::spent()
        })
    });
    seat::poll_has_ended();
    seat::with_seat(|worker| worker.map(|worker| worker.has_polled(operations)));
}

/// The runtime has closed: cancels all tasks, and leaves once none is alive (H1). If a task's drop gives the worker
/// away, the thread that takes the worker goes on here.
pub(crate) fn drain(shared: &Arc<Shared>, worker: Box<Worker>) {
    let index = worker.index;
    let mut slot = Some(worker);
    seated(shared, &mut slot, || {
        shared.alive.tasks.close_with(poll);
        while let Some(next) = seat::with_seat(|worker| worker.map(Worker::last_step)) {
            match next {
                Next::Poll(task) | Next::PollOnLoan(task) => poll(task),
                Next::Call(waker) => drop(contain(|| waker.wake())),
                Next::Look => shared.remotes[index].parker.park(),
                Next::Leave => break,
            }
        }
    });
    if let Some(worker) = slot {
        worker.count_asleep();
        drop(worker);
        engage::strike(shared, index);
    }
}
