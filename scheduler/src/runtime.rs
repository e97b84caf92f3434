//! Runtimes: how to build one, enter it, and shut it down.
//!
//! Most programs need only `#[heist::main]`, which builds a [`Runtime`] and blocks on it. [`Builder`] sets what that macro
//! can't. [`Handle`] reaches a runtime from anywhere, and [`RuntimeMetrics`] says what it does.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use heist::runtime::Builder;
//!
//! let runtime = Builder::new_multi_thread()
//!     .worker_threads(2)
//!     .thread_name("crawler")
//!     .build()?;
//! runtime.block_on(async {
//!     heist::spawn(async { println!("hello") }).await.unwrap();
//! });
//! let report = runtime.shutdown(Duration::from_secs(5));
//! assert!(report.is_clean());
//! # std::io::Result::Ok(())
//! ```

pub(crate) mod blocking;
mod builder;
mod current_thread;
pub(crate) mod eager;
pub(crate) mod entered;
mod handle;
mod hook_home;
pub(crate) mod local_runtime;
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
#[doc(inline)]
pub use heist_reactor::backend::{self, Backend};
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use metrics::RuntimeMetrics;
pub use shutdown::{ShutdownReport, Unfinished};

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use crate::cell::JoinHandle;
use crate::thread;
use crate::workers::{driver, engage, relief, seat};
use current_thread::CurrentThread;
use hook_home::HookHome;
use multi_thread::MultiThread;
use root::Ended;

/// The number of the worker that polls the current task, as the methods of [`RuntimeMetrics`] take it. `None` outside any
/// worker: on a thread for blocking jobs, on any other thread, and in the `block_on` of a multi-thread runtime.
///
/// In a current-thread runtime it is `Some(0)` on the thread that drives the runtime. The number may change at each
/// `await`. Numbers from [`num_workers`](RuntimeMetrics::num_workers) on are those of spare workers. If a poll takes long
/// or blocks, another thread may take over the worker, so two threads may have the same number until the poll ends.
///
/// # Examples
/// ```
/// use heist::runtime::{Builder, worker_index};
///
/// let runtime = Builder::new_current_thread().build()?;
/// assert_eq!(runtime.block_on(async { worker_index() }), Some(0));
/// assert_eq!(worker_index(), None);
/// # std::io::Result::Ok(())
/// ```
pub fn worker_index() -> Option<usize> {
    seat::index()
}

/// Whether an operation failed because the runtime that it belongs to has been shut down.
///
/// # Examples
/// ```
/// use heist::net::TcpListener;
/// use heist::runtime::{Builder, is_rt_shutdown_err};
///
/// let runtime = Builder::new_current_thread().build()?;
/// let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
/// drop(runtime);
///
/// let other = Builder::new_current_thread().build()?;
/// let error = other.block_on(listener.accept()).expect_err("its runtime is gone");
/// assert!(is_rt_shutdown_err(&error));
/// # std::io::Result::Ok(())
/// ```
pub fn is_rt_shutdown_err(err: &io::Error) -> bool {
    heist_reactor::is_shutdown(err)
}

/// A runtime: workers that run tasks, a reactor, and a pool of threads for blocking jobs.
///
/// # Shutdown
///
/// Dropping a runtime ends it. Every task is dropped; a task that is being polled is dropped at its next `await`. Tasks
/// that are spawned after that are dropped at once. The drop returns when the runtime's threads have ended. So it waits
/// for a task that doesn't come to its next `await`, and for blocking jobs that run.
///
/// - [`shutdown`](Self::shutdown) lets tasks end by themselves first, and reports those that don't.
/// - [`shutdown_timeout`](Self::shutdown_timeout) and [`shutdown_background`](Self::shutdown_background) do not wait
///   for all threads.
///
/// If a runtime is dropped where futures are polled, the drop doesn't wait, because that would hold up other tasks. It
/// is a `shutdown_background` there.
///
/// # After a fork
///
/// If the child of a `fork` inherits a runtime, the runtime has no threads there, and shares the parent's poller. In the child
/// you may drop the runtime, which does nothing, and its sockets, which closes the child's copies alone. Making a socket
/// fails. Do nothing else with the runtime there, nor with its sockets and timers.
///
/// The child may build runtimes of its own only if the parent had none at the time of the fork, because threads that slept
/// then leave traces in the tables of the locks. Otherwise the child may only `exec` or exit.
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
    /// Whether it has been told to end already.
    ended: bool,
    /// The process in which its threads run.
    process: u32,
    /// Dropped after the threads have ended, if the runtime waits for them.
    _home: HookHome,
}

impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

/// What a [turn](Runtime::turn) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    polls: usize,
    wait: Option<Duration>,
}

impl Turn {
    /// How many times tasks were polled.
    ///
    /// [`wait`](Self::wait) has an example.
    pub fn polls(&self) -> usize {
        self.polls
    }

    /// How long you may wait for the runtime's [`descriptor`](Runtime::descriptor) before the next turn.
    ///
    /// - Zero: there is more to do now.
    /// - `None`: wait until the descriptor is readable, however long that takes.
    /// - Any other time: take the next turn after that time, even if the descriptor is not readable. A deadline has
    ///   come by then, on systems whose descriptor can't say so.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.spawn(async { 6 * 7 });
    /// let turn = runtime.turn(Some(Duration::ZERO));
    /// assert_eq!(turn.polls(), 1);
    /// assert!(task.is_finished());
    /// println!("the next turn is due in {:?}", turn.wait());
    /// # std::io::Result::Ok(())
    /// ```
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
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle().clone();
    /// // The handle can be taken to another thread.
    /// let thread = std::thread::spawn(move || handle.block_on(async { 6 * 7 }));
    /// assert_eq!(thread.join().expect("no panic"), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task. See [`task::spawn`](crate::task::spawn).
    ///
    /// [`Runtime`] has an example.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs a blocking job. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let sum = runtime.spawn_blocking(|| (1..=100).sum::<u32>());
    /// assert_eq!(runtime.block_on(sum).expect("no panic"), 5050);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(f)
    }

    /// Polls `future` on this thread until it completes, and returns its output.
    ///
    /// In a multi-thread runtime the tasks run on the workers meanwhile. In a current-thread runtime they run on this
    /// thread, and only here. Several threads may block on one runtime at once.
    ///
    /// Inside a task of a multi-thread runtime this blocks that task alone: another thread takes over the worker, as
    /// with [`block_in_place`](crate::task::block_in_place).
    ///
    /// # Panics
    /// Panics if `future` does. Panics too inside a current-thread runtime, because no other thread can take over from
    /// its one thread.
    ///
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let sum = runtime.block_on(async {
    ///     let one = heist::spawn(async { 1 });
    ///     one.await.expect("no panic") + 1
    /// });
    /// assert_eq!(sum, 2);
    /// # std::io::Result::Ok(())
    /// ```
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

    /// Takes one turn of a current-thread runtime. With this, an event loop that isn't heist's can drive the runtime: a
    /// window system's, a game's, or another runtime's.
    ///
    /// A turn runs the tasks that are ready. If there are none, it waits for events and deadlines for at most `limit`
    /// (`None`: until something happens) and runs the tasks that they wake. It returns after a bounded number of polls,
    /// even if tasks are still ready; [`Turn::wait`] tells.
    ///
    /// Between two turns the event loop may wait for the runtime's [`descriptor`](Self::descriptor). If another thread
    /// is in a `block_on` of this runtime, that thread drives it, and a turn does nothing.
    ///
    /// # Panics
    /// Panics on a multi-thread runtime, because its workers drive it. Panics too inside a current-thread runtime.
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

    /// A descriptor that a foreign event loop can wait for between two [turns](Self::turn). It becomes readable when
    /// there is something to do: an event, a deadline, or a task that another thread has woken. It lives as long as the
    /// runtime. Only wait for it, and do nothing else with it. `None` for a multi-thread runtime, and if the
    /// [backend] has no descriptor, like *poll*.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Backend, Builder};
    ///
    /// let runtime = Builder::new_current_thread().reactor(Backend::Mio).build()?;
    /// assert!(runtime.descriptor().is_some());
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(unix)]
    pub fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        match &self.kind {
            Kind::CurrentThread(_) => self.handle.shared().driver.descriptor(),
            Kind::MultiThread(_) => None,
        }
    }

    /// Makes this runtime the current one of this thread, until the guard is dropped. Tasks that are spawned and sockets
    /// that are made meanwhile belong to it, and so do timers that are first polled meanwhile.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let task = {
    ///     let _guard = runtime.enter();
    ///     // `spawn` panics outside any runtime.
    ///     heist::spawn(async { 6 * 7 })
    /// };
    /// assert_eq!(runtime.block_on(task).expect("no panic"), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Figures about the runtime.
    ///
    /// [`RuntimeMetrics`] has an example.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Ends the runtime as a drop does, but waits for at most `duration`. Threads that are still busy then are left
    /// behind, and end when their work ends.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// let (release, held) = mpsc::channel();
    /// runtime.spawn_blocking(move || held.recv());
    /// // The job runs, so a drop would wait for it.
    /// runtime.shutdown_timeout(Duration::from_millis(1));
    /// release.send(()).ok();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown_timeout(mut self, duration: Duration) {
        // A duration beyond the clock's range means no limit.
        self.end(Instant::now().checked_add(duration));
    }

    /// Ends the runtime and waits for nothing: the same as `shutdown_timeout` with a duration of zero.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// runtime.shutdown_background();
    /// // The task is dropped soon after that, so its handle returns.
    /// let other = Runtime::new()?;
    /// assert!(other.block_on(task).unwrap_err().is_cancelled());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }

    /// Ends the runtime gently: lets tasks and jobs go on for up to `grace`, then cancels what is left, and reports
    /// what that was.
    ///
    /// 1. From now on nothing is let in from outside: tasks that other threads spawn are dropped at once, and their
    ///    handles return a cancelled [`JoinError`](crate::task::JoinError). Tasks that the runtime's own tasks and
    ///    blocking jobs spawn are let in and waited for, because a connection that drains may need helpers. A task that
    ///    would go on for ever, such as one that accepts connections, has to be told to end.
    /// 2. The runtime ends as in a drop as soon as no task and no blocking job is left, or when `grace` is over. Tasks
    ///    are dropped at their next `await`, and jobs that haven't begun never will. From then on nothing at all is let
    ///    in.
    /// 3. The call waits for the runtime's threads, for up to one more second. A thread that is held up longer, by a
    ///    poll or a job that doesn't return, is left behind and reported.
    ///
    /// So the call takes no longer than `grace` and a second. The tasks of a current-thread runtime run on this thread
    /// meanwhile. The tasks of a [`LocalSet`](crate::task::LocalSet) don't belong to the runtime.
    ///
    /// If a task's panic ends the runtime (`unhandled_panic`), `grace` is over at that moment.
    ///
    /// Don't call it from a task or a blocking job of this very runtime: it would wait for its own caller until `grace`
    /// is over. After that it would not wait for the threads, so it might report tasks as left behind that were cancelled.
    ///
    /// # Panics
    /// Panics inside a current-thread runtime, as [`block_on`](Self::block_on) does. The runtime then ends as in a
    /// drop.
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
    /// assert!(report.tasks().iter().any(|task| task.name() == Some("listener")));
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
        // If this is a worker of another runtime, its other tasks go on meanwhile.
        relief::give_way(|| self.end(Instant::now().checked_add(bound)));
        left.report(&shared)
    }

    /// Whether this thread is one that must not wait for this runtime's threads.
    fn is_held_up(&self) -> bool {
        thread::is_polling() || seat::belongs_to(self.handle.shared())
    }

    /// Ends the runtime, and waits for its threads, until `deadline` if there is one. Calling it again does nothing, so
    /// that the drop after a shutdown with a limit keeps to that limit.
    fn end(&mut self, deadline: Option<Instant>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let shared = self.handle.shared();
        if self.process != std::process::id() {
            // This is a forked child: it can wait neither for the threads nor for the locks, and the poller still
            // belongs to the parent.
            std::mem::forget(shared.clone());
            return;
        }
        self.end_threads(deadline);
        self.handle.shared().extensions.close();
    }

    fn end_threads(&self, deadline: Option<Instant>) {
        let shared = self.handle.shared();
        engage::close(shared);
        shared.driver.pool().shutdown();
        match &self.kind {
            Kind::CurrentThread(runtime) => {
                // Tasks that other tasks spawn in their drops, and timers that they make there, belong to this runtime.
                let _entered = self.handle.enter();
                runtime.drain(shared);
            }
            Kind::MultiThread(runtime) => {
                if !runtime.join(shared, deadline) {
                    return;
                }
            }
        }
        // The last worker has ended the reactor, so that blocking jobs that wait for the reactor end too.
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
