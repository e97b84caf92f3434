//! A handle to a runtime, which can be used from anywhere.

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

/// A reference to a runtime. It doesn't keep the runtime from ending.
///
/// [`current`](Self::current) has an example.
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
    /// Tasks run on workers that have a thread each.
    MultiThread,
}

/// Leaves the runtime that [`Handle::enter`] entered when it is dropped. Guards may be dropped in any order.
///
/// [`Runtime::enter`](super::Runtime::enter) has an example.
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

    /// The current runtime of this thread: the one that was entered last, or the one whose task is being polled.
    ///
    /// # Panics
    /// Panics if the thread is in no runtime. [`try_current`](Self::try_current) returns an error instead.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Handle;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let handle = Handle::current();
    ///     // A thread that isn't the runtime's can spawn tasks with it.
    ///     let thread = std::thread::spawn(move || handle.spawn(async { 6 * 7 }));
    ///     let task = thread.join().expect("no panic");
    ///     assert_eq!(task.await.expect("no panic"), 42);
    /// }
    /// ```
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The current runtime of this thread, if it has one.
    ///
    /// # Errors
    /// Fails if the thread is in no runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Handle, Runtime};
    ///
    /// assert!(Handle::try_current().unwrap_err().is_missing_context());
    /// let runtime = Runtime::new()?;
    /// let _guard = runtime.enter();
    /// assert!(Handle::try_current().is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        entered::current()
            .map(Self::of)
            .ok_or_else(|| TryCurrentError {
                thread_ends: entered::is_gone(),
            })
    }

    /// The same as [`Runtime::enter`](super::Runtime::enter), which has an example.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _entered: entered::enter(self.shared.clone()),
            _handle: PhantomData,
        }
    }

    /// Like [`task::spawn`](crate::task::spawn), on this runtime. If it has shut down, the task's handle returns a
    /// cancelled error.
    ///
    /// [`current`](Self::current) has an example.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        home::spawn(&self.shared, future, cell::Id::next(), Origin::caller())
    }

    /// Like [`task::spawn_eager`](crate::task::spawn_eager), on this runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// // It is ready at its first poll, so no worker ever sees it.
    /// let task = runtime.handle().spawn_eager(async { 6 * 7 });
    /// assert!(task.is_finished());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_eager<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        eager::spawn_on(&self.shared, future, Origin::caller())
    }

    /// Like [`task::spawn_blocking`](crate::task::spawn_blocking), on this runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let job = runtime.handle().spawn_blocking(|| std::fs::metadata("."));
    /// assert!(runtime.block_on(job).expect("no panic")?.is_dir());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        blocking::spawn(&self.shared, f, Origin::caller())
    }

    /// Polls `future` on this thread until it completes, inside this runtime. This doesn't drive a current-thread
    /// runtime: its tasks, sockets and timers wait until some thread is in [`Runtime::block_on`](super::Runtime::block_on).
    ///
    /// # Panics
    /// The same as for [`Runtime::block_on`](super::Runtime::block_on).
    ///
    /// [`Runtime::handle`](super::Runtime::handle) has an example.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        root::output(relief::block_on(|| root::block_on(&self.shared, future)))
    }

    /// Changes the number of regular workers of a multi-thread runtime. New workers start at once. Workers that are
    /// taken away finish their polls first, and their queues go to the others.
    ///
    /// # Errors
    /// Fails if the runtime wasn't built for so many
    /// ([`Builder::max_worker_threads`](super::Builder::max_worker_threads)), if it is a current-thread runtime, or if
    /// the operating system refuses a thread.
    ///
    /// # Panics
    /// Panics if `workers` is 0.
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

    /// The kind of this runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Builder, RuntimeFlavor};
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// assert_eq!(runtime.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match self.shared.flavor {
            Flavor::CurrentThread => RuntimeFlavor::CurrentThread,
            Flavor::MultiThread => RuntimeFlavor::MultiThread,
        }
    }

    /// The name that the runtime was given with [`Builder::name`](super::Builder::name), which has an example.
    pub fn name(&self) -> Option<&str> {
        self.shared.name.as_deref()
    }

    /// The id of this runtime.
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

    /// What the poller of this runtime's reactor is called: `"mio"`, `"poll"`, or what
    /// [the program's own](super::Backend::custom) says.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Backend, Builder};
    ///
    /// let runtime = Builder::new_current_thread().reactor(Backend::Mio).build()?;
    /// assert_eq!(runtime.handle().backend(), "mio");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn backend(&self) -> &str {
        self.shared.driver.backend()
    }

    /// A value that is kept with the runtime: the one of this type, or else what `make` returns. The runtime drops it when
    /// it ends, after its tasks; if it ends in the background, before they are all gone. So a library can keep one object
    /// for each runtime, and learns from the object's drop that the runtime has ended.
    ///
    /// Returns `None` once the runtime has ended. If several threads ask at once, `make` may be called by several, and all
    /// get the same value.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::sync::Arc;
    ///
    /// struct Cache(u32);
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let handle = runtime.handle().clone();
    /// let cache = handle.extension(|| Cache(1)).expect("the runtime has not ended");
    /// assert_eq!(handle.extension(|| Cache(2)).map(|same| same.0), Some(1));
    /// drop(runtime);
    /// assert_eq!(Arc::strong_count(&cache), 1);
    /// assert!(handle.extension(|| Cache(3)).is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn extension<T>(&self, make: impl FnOnce() -> T) -> Option<std::sync::Arc<T>>
    where
        T: std::any::Any + Send + Sync,
    {
        self.shared.extensions.get_or_insert(make)
    }

    /// Figures about the runtime.
    ///
    /// [`RuntimeMetrics`] has an example.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.shared.clone())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("flavor", &self.runtime_flavor())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// The thread is in no runtime. See [`Handle::try_current`].
#[derive(Debug)]
pub struct TryCurrentError {
    thread_ends: bool,
}

impl TryCurrentError {
    /// Whether the thread simply is in no runtime.
    ///
    /// [`Handle::try_current`] has an example.
    pub fn is_missing_context(&self) -> bool {
        !self.thread_ends
    }

    /// Whether the thread is ending, and can't tell any more which runtime it is in.
    pub fn is_thread_local_destroyed(&self) -> bool {
        self.thread_ends
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.thread_ends {
            "there is no runtime here: this thread is ending, and its locals are gone"
        } else {
            "there is no runtime here: this must be called from a task, inside `block_on`, or with a runtime entered"
        })
    }
}

impl Error for TryCurrentError {}
