//! The scheduler's use of the reactor: this is the one file that names it.
//!
//! Down: a worker with nothing to do sleeps in the poller if that is free, else on its condition variable. Up: the
//! reactor returns wakers. The scheduler collects them while a turn dispatches, so that a batch is published at once.

use std::future::Future;
use std::io;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

pub(crate) use heist_reactor::Running;
use heist_reactor::blocking::{Pool, PoolConfig, Refused};
use heist_reactor::{Monitor, Reactor};

use super::park::Parker;
use crate::cell;

/// A runtime's way to its reactor.
#[derive(Debug)]
pub(crate) struct Driver {
    reactor: Reactor,
    /// The threads of a multi-thread runtime's workers, including those that have lost their worker.
    workers: Pool,
    /// What runs besides workers and blocking jobs, so that paused time stands still meanwhile.
    pub(crate) running: Running,
}

impl Driver {
    /// A reactor, and room for `worker_threads` threads of workers.
    pub(crate) fn new(config: heist_reactor::Config, worker_threads: usize) -> io::Result<Self> {
        let mut workers = PoolConfig::from_config(&config);
        workers.max_threads = worker_threads;
        let reactor = Reactor::new(config)?;
        Ok(Self {
            running: reactor.running(),
            reactor,
            workers: Pool::new(workers),
        })
    }

    /// Pauses time, before anything runs.
    pub(crate) fn pause(&self) {
        self.reactor.pause();
    }

    /// Makes a thread do `work`, at once.
    ///
    /// # Errors
    /// If no thread can be had.
    pub(crate) fn start_worker(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.workers.submit_now(work).map_err(why)
    }

    /// Makes the first thread that is free do `work`.
    ///
    /// # Errors
    /// If there is no thread, and none can be had.
    pub(crate) fn queue_worker(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.workers.submit(work).map_err(why)
    }

    /// Waits until the workers' threads have ended. Returns whether they have. No thread is started from here on.
    pub(crate) fn join_workers(&self, deadline: Option<Instant>) -> bool {
        self.workers.shutdown();
        self.workers.join(deadline)
    }

    /// Starts the reactor thread, which does what `monitor` says in addition to its own work.
    pub(crate) fn start_thread(&self, monitor: Box<dyn Monitor>) -> io::Result<()> {
        self.reactor.start_thread(monitor)
    }

    /// Makes this reactor the one that this thread's sockets and timers use.
    pub(crate) fn enter(&self) -> heist_reactor::EnterGuard {
        self.reactor.enter()
    }

    /// Sleeps until the parker has a token or an event came. If this thread is the one that waits for events, it sleeps
    /// for `limit` at most. The wakers of those events are added to `woken`. It waits for events if `may_wait_for_events`, and
    /// if no other thread does.
    ///
    /// The caller has announced that it sleeps, with a SeqCst fence. `at_rest` says whether all workers sleep and nothing is
    /// queued: paused time may jump then. `gets_up` takes the announcement back, before another thread may make time jump.
    pub(crate) fn park(
        &self,
        parker: &Parker,
        may_wait_for_events: bool,
        limit: Option<Duration>,
        woken: &mut Vec<Waker>,
        at_rest: &dyn Fn() -> bool,
        gets_up: impl FnOnce(),
    ) {
        let borrowed = may_wait_for_events.then(|| self.reactor.try_borrow());
        if let Some(mut turn) = borrowed.flatten() {
            parker.park_in(|| {
                turn.collect(limit, woken, at_rest);
            });
            gets_up();
        } else {
            self.rests();
            parker.park();
            gets_up();
        }
    }

    /// A worker is at rest, or isn't engaged any more. There was a SeqCst fence since.
    pub(crate) fn rests(&self) {
        self.reactor.rests();
    }

    /// Wakes the thread that sleeps with `parker` in [`park`](Self::park). True if the caller has to send one.
    pub(crate) fn unpark(&self, parker: &Parker) -> bool {
        parker.unpark(|| self.reactor.unpark())
    }

    /// Leaves the wait for events to whatever waits for the [descriptor](Self::descriptor), until the next
    /// [`poll`](Self::poll) or [`park`](Self::park). Returns how long that wait may be at most.
    pub(crate) fn arm(&self, at_rest: &dyn Fn() -> bool) -> Option<Duration> {
        match self.reactor.try_borrow() {
            Some(mut turn) => turn.arm(at_rest),
            None => Some(Duration::ZERO),
        }
    }

    /// What the reactor's poller is called.
    pub(crate) fn backend(&self) -> &str {
        self.reactor.backend()
    }

    /// The descriptor that becomes readable when there are events, once [armed](Self::arm). `None` if the poller has none.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.reactor.descriptor()
    }

    /// Adds the wakers of what has happened to `woken`, without waiting.
    pub(crate) fn poll(&self, woken: &mut Vec<Waker>) {
        if let Some(mut turn) = self.reactor.try_borrow() {
            // Its caller is at work.
            turn.collect(Some(Duration::ZERO), woken, &|| false);
        }
    }

    /// A worker has got up, and is seen to be awake. It waits here while paused time jumps. The reactor thread, which
    /// watches the workers, has to be awake too.
    pub(crate) fn get_up(&self) {
        self.reactor.get_up();
    }

    /// A worker has done what the reactor thread does for the workers at a tick: the next tick comes in `length`.
    pub(crate) fn put_off_tick(&self, length: Duration) {
        self.reactor.put_off_tick(length);
    }

    /// For how long the poller has been free. `None` if somebody holds it.
    pub(crate) fn free_for(&self) -> Option<Duration> {
        self.reactor.free_for()
    }

    /// There is work: the reactor thread, which watches the workers, has to be awake.
    pub(crate) fn work_begins(&self) {
        self.reactor.rouse_thread();
    }

    /// The threads for blocking jobs.
    pub(crate) fn pool(&self) -> &heist_reactor::blocking::Pool {
        self.reactor.pool()
    }

    /// Ends the reactor: whatever still waits for it fails. A waker that blocks delays no task.
    pub(crate) fn shutdown(&self) {
        let mut woken = Vec::new();
        self.reactor.close(&mut woken);
        wake_all(&mut woken);
    }

    /// How many threads have not ended: those of workers, those of blocking jobs, and the reactor's.
    pub(crate) fn threads_left(&self) -> usize {
        self.workers.num_left() + self.pool().num_left() + self.reactor.threads_left()
    }

    /// Waits until the reactor thread has ended. Returns whether it has.
    pub(crate) fn join_thread(&self, deadline: Option<Instant>) -> bool {
        self.reactor.join_thread(deadline)
    }
}

fn why(refused: Refused) -> io::Error {
    match refused {
        Refused::NoThread(_, error) => error,
        Refused::Shutdown(_) => io::Error::other("the runtime has shut down"),
    }
}

/// Calls all wakers: first those of tasks, then the others, which may block. If one panics, the others are still
/// called.
pub(crate) fn wake_all(woken: &mut Vec<Waker>) {
    wake_own(woken);
    heist_reactor::wake_all(woken);
}

/// Calls the wakers that belong to tasks, and leaves the others.
pub(super) fn wake_own(woken: &mut Vec<Waker>) {
    let own = woken.extract_if(.., |waker| cell::wakes_at_once(waker));
    own.for_each(Waker::wake);
}

/// Waits for `future`, for `limit` at most, by the clock of the current reactor.
pub(crate) async fn at_most(limit: Duration, future: impl Future<Output = ()>) {
    let _ = heist_reactor::time::timeout(limit, future).await;
}

/// Polls a task with its own waker, so that timers which begin and end in the same poll cost next to nothing.
#[inline]
pub(crate) fn nursed<R>(waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
    Reactor::nursed(waker, poll)
}
