//! A runtime, seen from anywhere.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use heist_sync::sys::Arc;

use super::entered::{self, Entered};
use super::metrics::RuntimeMetrics;
use super::{blocking, eager, root};
use crate::cell::{self, JoinHandle, Origin};
use crate::workers::runtime_id::Id;
use crate::workers::shared::{Flavor, Shared};
use crate::workers::{engage, home, relief};

/// A reference to a runtime, which it doesn't keep from ending.
///
/// On a runtime that has shut down, spawning gives a handle whose task was cancelled.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// Which kind a runtime is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// Tasks run on the thread that calls `block_on`.
    CurrentThread,
    /// Workers have a thread each.
    MultiThread,
}

/// Leaves the runtime that [`Handle::enter`] entered, when dropped. Guards may be dropped in any order.
#[derive(Debug)]
#[must_use = "the runtime is left when the guard is dropped"]
pub struct EnterGuard<'a> {
    _entered: Entered,
    _handle: PhantomData<&'a Handle>,
}

impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl Handle {
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The runtime that this thread is in: the one entered last, or that whose task it polls.
    ///
    /// # Panics
    /// If it is in none; [`try_current`](Self::try_current) asks.
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime that this thread is in, if it is in one.
    ///
    /// # Errors
    /// If it is in none.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        entered::current().map(Self::of).ok_or(TryCurrentError(()))
    }

    /// As [`Runtime::enter`](super::Runtime::enter).
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _entered: entered::enter(self.shared.clone()),
            _handle: PhantomData,
        }
    }

    /// As [`task::spawn`](crate::task::spawn), on this runtime.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        home::spawn(&self.shared, future, cell::Id::next(), Origin::caller())
    }

    /// As [`task::spawn_eager`](crate::task::spawn_eager), on this runtime.
    #[track_caller]
    pub fn spawn_eager<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        eager::spawn_on(&self.shared, future, Origin::caller())
    }

    /// As [`task::spawn_blocking`](crate::task::spawn_blocking), on this runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        blocking::spawn(&self.shared, f, Origin::caller())
    }

    /// Polls `future` on this thread until it is done, inside this runtime. It turns no current-thread runtime: the
    /// tasks of one, and its reactor, wait for [`Runtime::block_on`](super::Runtime::block_on).
    ///
    /// # Panics
    /// As [`Runtime::block_on`](super::Runtime::block_on).
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        root::output(relief::block_on(|| root::block_on(&self.shared, future)))
    }

    /// Changes how many regular workers a multi-thread runtime has. More start at once; of fewer, those that go end
    /// their polls first, and what was in their queues goes to the others.
    ///
    /// # Errors
    /// Where the runtime wasn't built for so many ([`Builder::max_worker_threads`](super::Builder::max_worker_threads)),
    /// is a current-thread runtime, or is given no thread by the operating system.
    ///
    /// # Panics
    /// If `workers` is 0.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(1).max_worker_threads(4).build()?;
    /// runtime.handle().set_worker_threads(3)?;
    /// assert_eq!(runtime.metrics().num_workers(), 3);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_worker_threads(&self, workers: usize) -> io::Result<()> {
        assert!(workers > 0, "Worker threads cannot be set to 0");
        engage::resize(&self.shared, workers)
    }

    /// Which kind of runtime it is.
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match self.shared.flavor {
            Flavor::CurrentThread => RuntimeFlavor::CurrentThread,
            Flavor::MultiThread => RuntimeFlavor::MultiThread,
        }
    }

    /// Which runtime it is.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Builder, Handle};
    ///
    /// let (one, other) = (Builder::new_current_thread().build()?, Builder::new_current_thread().build()?);
    /// assert_ne!(one.handle().id(), other.handle().id());
    /// assert_eq!(one.block_on(async { Handle::current().id() }), one.handle().id());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn id(&self) -> Id {
        self.shared.id
    }

    /// What the runtime can tell of itself.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.shared.clone())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("flavor", &self.runtime_flavor())
            .finish_non_exhaustive()
    }
}

/// The thread is in no runtime.
#[derive(Debug)]
pub struct TryCurrentError(());

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there is no runtime here: this must be called from a task, inside `block_on`, or with a runtime entered",
        )
    }
}

impl Error for TryCurrentError {}
