//! Runtimes: how they are built, entered, and ended.

pub(crate) mod blocking;
mod builder;
mod current_thread;
pub(crate) mod eager;
pub(crate) mod entered;
mod handle;
mod metrics;
mod multi_thread;
mod root;
mod shutdown;

pub use crate::cell::UnjoinedPanic;
pub use crate::workers::hooks::UnhandledPanic;
pub use crate::workers::runtime_id::Id;
pub use crate::workers::stall::Stall;
pub use builder::Builder;
pub use handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use metrics::RuntimeMetrics;
pub use shutdown::{ShutdownReport, Unfinished};

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use crate::cell::JoinHandle;
use crate::thread;
use crate::workers::{driver, engage, relief, seat};
use current_thread::CurrentThread;
use multi_thread::MultiThread;
use root::Ended;

/// A runtime: workers that run tasks, a reactor, and a pool of threads for blocking jobs.
///
/// # Shutdown
/// Dropping a runtime ends it. Every task is dropped, at its next `await` where it runs at the moment; what is spawned
/// from then on is dropped at once. The drop returns when the runtime's threads have ended, and so waits for a task
/// that doesn't come to its next `await`, and for blocking jobs that run; [`shutdown_timeout`](Self::shutdown_timeout)
/// and [`shutdown_background`](Self::shutdown_background) don't. [`shutdown`](Self::shutdown) lets tasks end by
/// themselves first, and reports on those that don't. Dropped where futures are polled, it doesn't wait, as
/// that would hold up others: it is a `shutdown_background` there.
///
/// # After a fork
/// A runtime that the child of a `fork` inherits has no threads there and shares the parent's poller: its drop does
/// nothing in the child, and nothing else is to be done with it, nor with its sockets and timers. The child may build
/// runtimes of its own only where the parent had none at the time of the fork: threads that slept then leave traces in
/// the tables of the locks. Otherwise it may `exec` or exit.
///
/// # Examples
/// ```
/// use heist::runtime::Runtime;
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.spawn(async { 6 * 7 });
/// assert_eq!(runtime.block_on(handle).expect("no panic"), 42);
/// # std::io::Result::Ok(())
/// ```
pub struct Runtime {
    handle: Handle,
    kind: Kind,
    /// It was told to end, by something other than its drop.
    ended: bool,
    /// The process that has its threads.
    process: u32,
}

impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

/// What a [turn](Runtime::turn) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    polls: usize,
    wait: Option<Duration>,
}

impl Turn {
    /// How many times tasks were polled.
    pub fn polls(&self) -> usize {
        self.polls
    }

    /// For how long the runtime's [`descriptor`](Runtime::descriptor) may be waited for before the next turn. Zero: there
    /// is more to do now. `None`: until it is readable, however long that takes. Any other time: readable or not, by then
    /// a deadline has come, on systems whose descriptor can't say so.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }
}

enum Kind {
    CurrentThread(CurrentThread),
    MultiThread(MultiThread),
}

impl Runtime {
    /// The runtime's handle.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task. See [`task::spawn`](crate::task::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs a blocking job. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(f)
    }

    /// Polls `future` on this thread until it is done, and gives its output.
    ///
    /// In a multi-thread runtime the tasks run on the workers meanwhile; in a current-thread runtime they run here,
    /// and only here. Several threads may block on one runtime at once.
    ///
    /// Inside a task of a multi-thread runtime it blocks that task alone, as
    /// [`block_in_place`](crate::task::block_in_place) does: another thread goes on with the worker.
    ///
    /// # Panics
    /// If `future` does, and inside a current-thread runtime, whose one thread can't be relieved.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        root::output(self.try_block_on(future))
    }

    fn try_block_on<F: Future>(&self, future: F) -> Option<Result<F::Output, Ended>> {
        let _entered = self.enter();
        let shared = self.handle.shared();
        relief::block_on(|| match &self.kind {
            Kind::CurrentThread(runtime) => thread::driving(|| runtime.block_on(shared, future)),
            Kind::MultiThread(_) => root::block_on(shared, future),
        })
    }

    /// One turn of a current-thread runtime, for an event loop that isn't heist's (a window system's, a game's, another
    /// runtime's): runs the tasks that are ready; where there were none, waits for events and deadlines for `limit` at most
    /// (`None`: until something happens); runs what they woke. It returns after a bounded number of polls, though tasks
    /// be ready still; [`Turn::wait`] says so.
    ///
    /// Between two turns the foreign loop may wait for the runtime's [`descriptor`](Self::descriptor). Where another thread
    /// is in a `block_on` of this runtime, that thread drives it, and a turn does nothing.
    ///
    /// # Panics
    /// On a multi-thread runtime, whose workers drive it, and inside a current-thread runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::time::sleep;
    /// use heist::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.spawn(sleep(Duration::from_millis(1)));
    /// while !task.is_finished() {
    ///     runtime.turn(Some(Duration::from_millis(20)));
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn turn(&self, limit: Option<Duration>) -> Turn {
        let Kind::CurrentThread(runtime) = &self.kind else {
            panic!("a multi-thread runtime is driven by its workers");
        };
        let _entered = self.enter();
        let turn = || {
            Ok(thread::driving(|| {
                runtime.turn(self.handle.shared(), limit)
            }))
        };
        let (polls, wait) = root::output(relief::block_on(turn));
        Turn { polls, wait }
    }

    /// What a foreign event loop waits for between two [turns](Self::turn): a descriptor that becomes readable when there
    /// is something to do, be it an event, a deadline or a task that was woken by another thread. It lives as long as
    /// the runtime, and is to be waited for only. `None` for a multi-thread runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// assert!(runtime.descriptor().is_some());
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(unix)]
    pub fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        match &self.kind {
            Kind::CurrentThread(_) => Some(self.handle.shared().driver.descriptor()),
            Kind::MultiThread(_) => None,
        }
    }

    /// Makes this runtime the current one of this thread, until the guard is dropped: what is spawned, and sockets and
    /// timers that are made, belong to it.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// What the runtime can tell of itself.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Ends the runtime as a drop would, but waits for `duration` at most. Threads that are held up by then are left
    /// behind; they end when what they do ends.
    pub fn shutdown_timeout(mut self, duration: Duration) {
        // A duration beyond the clock's range is as good as none.
        self.end(Instant::now().checked_add(duration));
    }

    /// Ends the runtime and waits for nothing: `shutdown_timeout` with a duration of zero.
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }

    /// Ends the runtime gently: lets what runs go on for up to `grace`, then cancels what is left, and tells what that was.
    ///
    /// 1. From the call on nothing is let in from outside: what other threads spawn is dropped at once, and its handle
    ///    gives a cancelled [`JoinError`](crate::task::JoinError). What the runtime's own tasks and blocking jobs spawn is
    ///    let in, and waited for like them: a connection that drains may need helpers. So a task that would go on for ever
    ///    (one that accepts connections, say) has to be told to end, before or meanwhile.
    /// 2. As soon as no task and no blocking job is left, or else when `grace` is over, the runtime ends as in a drop:
    ///    tasks are dropped at their next `await`, jobs that haven't begun never will. Then nothing at all is let in.
    /// 3. Its threads are waited for, up to one second more. A thread that is held up longer, by a poll or a job that
    ///    doesn't return, is left behind, and reported.
    ///
    /// So the call takes no longer than `grace` and a second. A current-thread runtime's tasks run on this thread meanwhile.
    /// Tasks of a [`LocalSet`](crate::task::LocalSet) are that set's.
    ///
    /// Where a task's panic ends the runtime (`unhandled_panic`), it is as if `grace` were over then.
    ///
    /// Called by a task or a blocking job of this very runtime it waits for that one in vain, for all of `grace`, but not
    /// for the threads: what was cancelled may be reported as left behind then.
    ///
    /// # Panics
    /// Inside a current-thread runtime, as [`block_on`](Self::block_on); this runtime ends as in a drop then.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use heist::{runtime::Runtime, task};
    ///
    /// let runtime = Runtime::new()?;
    /// let reply = runtime.spawn(async { task::yield_now().await });
    /// task::Builder::new().name("listener").spawn_on(std::future::pending::<()>(), runtime.handle())?;
    ///
    /// let report = runtime.shutdown(Duration::from_millis(20));
    /// assert!(reply.is_finished());
    /// assert!(!report.is_clean());
    /// assert_eq!(report.tasks()[0].name(), Some("listener"));
    /// println!("{report}");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(mut self, grace: Duration) -> ShutdownReport {
        let shared = self.handle.shared().clone();
        shared.alive.refuse_outsiders();
        let waited = self.try_block_on(driver::at_most(grace, shared.alive.nobody_left()));
        if waited.is_none() {
            // Says why, at the caller's place.
            return root::output(None);
        }
        let left = shutdown::Left::of(&shared);
        let bound = if seat::belongs_to(&shared) {
            Duration::ZERO
        } else {
            shutdown::THREADS
        };
        // On a worker of another runtime others go on meanwhile.
        relief::give_way(|| self.end(Instant::now().checked_add(bound)));
        left.report(&shared)
    }

    /// Whether this thread is one that must not wait for this runtime's threads.
    fn is_held_up(&self) -> bool {
        thread::is_polling() || seat::belongs_to(self.handle.shared())
    }

    /// Ends the runtime; waits until `deadline`, if there is one, for its threads. Calling it again does nothing, so
    /// that the drop after a shutdown with a limit keeps to the limit.
    fn end(&mut self, deadline: Option<Instant>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let shared = self.handle.shared();
        if self.process != std::process::id() {
            // Neither its threads nor its locks can be waited for, and the poller is the parent's still.
            std::mem::forget(shared.clone());
            return;
        }
        engage::close(shared);
        shared.driver.pool().shutdown();
        match &self.kind {
            Kind::CurrentThread(runtime) => {
                // What the tasks' drops spawn, and the timers that they make, are this runtime's.
                let _entered = self.handle.enter();
                runtime.drain(shared);
            }
            Kind::MultiThread(runtime) => {
                if !runtime.join(shared, deadline) {
                    return;
                }
            }
        }
        // The last worker has ended the reactor, so that blocking jobs which wait for it end too.
        let _ = shared.driver.join_thread(deadline) && shared.driver.pool().join(deadline);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let here = self.is_held_up();
        self.end(here.then(Instant::now));
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("flavor", &self.handle.runtime_flavor())
            .finish_non_exhaustive()
    }
}
