//! A current-thread runtime that stays on one thread, so that its tasks need not be `Send`.
//!
//! Invariants:
//! - **T1** Only the thread that built the runtime runs its tasks, cancels them or drops their futures. A current-thread
//!   runtime does that in `block_on`, in `turn` and at its end, each of which needs the [`Runtime`]. That is in here,
//!   isn't handed out, and isn't `Send`. Other threads have handles only; what they wake or abort goes into a queue.
//! - **T2** `Shared::local_to` is the number of that thread, and no other thread ever has it. So a thread with that
//!   number may spawn tasks that aren't `Send`.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use heist_sync::sys::Arc;

use super::builder::Builder;
use super::handle::{EnterGuard, Handle};
use super::metrics::RuntimeMetrics;
use super::{Runtime, ShutdownReport, Turn, blocking, entered};
use crate::cell::{Id, JoinHandle, Origin};
use crate::thread;
use crate::workers::home;
use crate::workers::shared::Shared;

/// A runtime whose tasks need not be [`Send`]: they run on the thread that made it, inside
/// [`block_on`](Self::block_on).
///
/// It is a current-thread runtime in all other respects. [`spawn_local`](Self::spawn_local) and
/// [`task::spawn_local`](crate::task::spawn_local) spawn tasks that need not be `Send`. `task::spawn` and the [`Handle`]
/// spawn tasks that are, from any thread. Tasks of both kinds count in the metrics, share the fairness of the queues, and
/// end with the runtime.
///
/// A [`LocalSet`](crate::task::LocalSet) works inside it too: in the future of its `run_until`, and in its tasks,
/// `task::spawn_local` spawns into the set.
///
/// Dropping the runtime drops all its tasks, on this thread, and waits for blocking jobs that run. See
/// [`Runtime`](Runtime#shutdown).
///
/// # Examples
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use heist::{runtime::LocalRuntime, task};
///
/// let runtime = LocalRuntime::new()?;
/// let counter = Rc::new(Cell::new(0));
/// runtime.block_on(async {
///     for _ in 0..3 {
///         let counter = counter.clone();
///         let task = task::spawn_local(async move { counter.set(counter.get() + 1) });
///         task.await.expect("no panic");
///     }
/// });
/// assert_eq!(counter.get(), 3);
/// # std::io::Result::Ok(())
/// ```
pub struct LocalRuntime {
    runtime: Runtime,
    /// It belongs to the thread that made it (T1).
    _not_send: PhantomData<*mut ()>,
}

/// Options of [`Builder::build_local`]. There are none at present.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    _not_send: PhantomData<*mut ()>,
}

impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

impl LocalRuntime {
    /// Makes a local runtime with the default configuration. [`Builder::build_local`] makes others.
    ///
    /// # Errors
    /// Fails if the operating system refuses the poller.
    ///
    /// [`LocalRuntime`] has an example.
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().build_local(LocalOptions::default())
    }

    /// The runtime's handle. It may be sent to other threads. Tasks that are spawned with it have to be `Send`.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::LocalRuntime;
    ///
    /// let runtime = LocalRuntime::new()?;
    /// let handle = runtime.handle().clone();
    /// let thread = std::thread::spawn(move || handle.spawn(async { 6 * 7 }));
    /// let task = thread.join().expect("no panic");
    /// assert_eq!(runtime.block_on(task).expect("no panic"), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task that need not be `Send`. It runs when this thread next blocks on the runtime.
    ///
    /// # Examples
    /// ```
    /// use std::rc::Rc;
    /// use heist::runtime::LocalRuntime;
    ///
    /// let runtime = LocalRuntime::new()?;
    /// let text = Rc::new("not to be sent");
    /// let task = runtime.spawn_local(async move { text.len() });
    /// assert_eq!(runtime.block_on(task).expect("no panic"), 14);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Here::of(self.handle().shared()).spawn(future, Origin::caller())
    }

    /// Runs a blocking job. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::LocalRuntime;
    ///
    /// let runtime = LocalRuntime::new()?;
    /// let sum = runtime.spawn_blocking(|| (1..=100).sum::<u32>());
    /// assert_eq!(runtime.block_on(sum).expect("no panic"), 5050);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        blocking::spawn(self.handle().shared(), func, Origin::caller())
    }

    /// Polls `future` on this thread until it completes, runs the tasks meanwhile, and returns the future's output.
    ///
    /// # Panics
    /// Panics if `future` does. Panics too inside a current-thread runtime.
    ///
    /// [`LocalRuntime`] has an example.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Takes one turn of the runtime, for an event loop that isn't heist's. See [`Runtime::turn`].
    ///
    /// # Panics
    /// Panics inside a current-thread runtime.
    #[track_caller]
    pub fn turn(&self, limit: Option<Duration>) -> Turn {
        self.runtime.turn(limit)
    }

    /// A descriptor that a foreign event loop can wait for between two [turns](Self::turn). See
    /// [`Runtime::descriptor`].
    #[cfg(unix)]
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        let descriptor = self.runtime.descriptor();
        descriptor.expect("it is a current-thread runtime")
    }

    /// Makes this runtime the current one of this thread, until the guard is dropped. Meanwhile
    /// [`task::spawn_local`](crate::task::spawn_local) spawns into it as well. See [`Runtime::enter`].
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Figures about the runtime.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.runtime.metrics()
    }

    /// Ends the runtime as a drop does, but waits for blocking jobs for at most `duration`. See
    /// [`Runtime::shutdown_timeout`].
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.shutdown_timeout(duration);
    }

    /// Ends the runtime and waits for nothing. All tasks have been dropped when this returns; blocking jobs that run go on.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }

    /// Ends the runtime gently, as [`Runtime::shutdown`] does: tasks and jobs may go on for up to `grace`, and what is
    /// left then is cancelled and reported.
    ///
    /// # Panics
    /// Panics inside a current-thread runtime.
    #[track_caller]
    pub fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.runtime.shutdown(grace)
    }
}

impl Builder {
    /// Builds a runtime that belongs to this thread, and whose tasks need not be `Send`.
    ///
    /// # Errors
    /// Fails if the operating system refuses the poller.
    ///
    /// # Panics
    /// Panics for a multi-thread runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Builder, LocalOptions};
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .name("window")
    ///     .build_local(LocalOptions::default())?;
    /// assert_eq!(runtime.handle().name(), Some("window"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        let LocalOptions { _not_send } = options;
        assert!(
            !self.is_multi_thread(),
            "multi_thread is not supported for LocalRuntime"
        );
        Ok(LocalRuntime {
            // T2.
            runtime: self.build_for(Some(thread::number()))?,
            _not_send,
        })
    }
}

/// Evidence that this thread is the one of a local runtime.
pub(crate) struct Here {
    shared: Arc<Shared>,
    _not_send: PhantomData<*mut ()>,
}

impl Here {
    /// For the thread of the runtime only.
    fn of(shared: &Arc<Shared>) -> Self {
        assert_eq!(shared.local_to, Some(thread::number()));
        Self {
            shared: shared.clone(),
            _not_send: PhantomData,
        }
    }

    /// If the runtime that was entered last is a local one of this thread, and was entered after `number`.
    pub(crate) fn entered_after(number: Option<u64>) -> Option<Self> {
        let (entered, shared) = entered::innermost()?;
        let is_here = shared.local_to == Some(thread::number()) && number < Some(entered);
        is_here.then(|| Self::of(&shared))
    }

    /// Spawns a task into the runtime.
    pub(crate) fn spawn<F>(&self, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let start = |task| self.shared.schedule(task);
        // SAFETY: T1: the runtime's tasks run on this thread only, because it is the one that `local_to` names (T2). A
        // handle to an output that isn't `Send` isn't `Send` either.
        unsafe { home::spawn_here_by(&self.shared, future, Id::next(), origin, start) }
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime")
            .field("name", &self.handle().name())
            .finish_non_exhaustive()
    }
}
