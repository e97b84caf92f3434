//! Pools of threads for blocking functions.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use heist_sync::sys::Mutex;
use heist_sync::sys::hints::{AtomicBool, AtomicUsize};

use crate::runtime::{Builder, Handle, Runtime};
use crate::task::JoinHandle;

/// Longer than any program runs.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A pool of threads for blocking functions, with a name and a limit of its own.
///
/// Threads start when they are needed, and end when they have had nothing to do for a while. Functions that find no
/// thread free wait their turn. Dropping the pool is [`shutdown(false, false)`](Self::shutdown).
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, ThreadPoolExecutor};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let database = ThreadPoolExecutor::new("database", 4)?;
///     let rows = EventLoop::current().run_in_executor(Some(&database), || 3);
///     assert_eq!(rows.await.unwrap(), 3);
///     Ok(())
/// }
/// ```
pub struct ThreadPoolExecutor {
    name: String,
    max_workers: usize,
    initializer: Option<Arc<Initializer>>,
    handle: Handle,
    /// A runtime whose blocking pool alone is used: it is heist's pool, and it hands out `JoinHandle`s. `None` once it
    /// is shut down.
    runtime: Mutex<Option<Runtime>>,
    /// Set when all threads have ended.
    ended: Arc<OnceLock<()>>,
}

/// What each thread calls before its first function.
struct Initializer {
    function: Box<dyn Fn() + Send + Sync>,
    /// Ordering: nothing else is read because of it.
    panicked: AtomicBool,
}

thread_local! {
    /// Whether this thread of a pool has called its initializer.
    static INITIALIZED: Cell<bool> = const { Cell::new(false) };
}

impl Initializer {
    fn call_once_here(&self) {
        if !INITIALIZED.replace(true)
            && let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.function)()))
        {
            self.panicked.store(true, Relaxed);
            resume_unwind(payload);
        }
        assert!(
            !self.panicked.load(Relaxed),
            "the initializer of the `ThreadPoolExecutor` has panicked"
        );
    }
}

impl ThreadPoolExecutor {
    /// Makes a pool of at most `max_workers` threads. They are called `name_0`, `name_1` and so on. NUL characters in the
    /// name are left out there.
    ///
    /// # Errors
    ///
    /// Fails if the operating system refuses what the pool needs.
    ///
    /// # Panics
    ///
    /// Panics if `max_workers` is 0, or if the name is empty or blank.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::new("files", 2)?;
    /// let name = pool.submit(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(name.blocking_join().unwrap().as_deref(), Some("files_0"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn new(name: impl Into<String>, max_workers: usize) -> io::Result<Self> {
        Self::make(name.into(), max_workers, None)
    }

    /// Like [`new`](Self::new), with a function that each thread calls before its first function.
    ///
    /// If it panics, so does the function that was about to run, and all that come after it.
    ///
    /// # Errors, panics
    ///
    /// See [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::ThreadPoolExecutor;
    /// use std::cell::Cell;
    ///
    /// thread_local!(static CONNECTION: Cell<u32> = const { Cell::new(0) });
    ///
    /// let pool = ThreadPoolExecutor::with_initializer("database", 4, || CONNECTION.set(7))?;
    /// assert_eq!(pool.submit(|| CONNECTION.get()).blocking_join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn with_initializer(
        name: impl Into<String>,
        max_workers: usize,
        initializer: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let initializer = Initializer {
            function: Box::new(initializer),
            panicked: AtomicBool::new(false),
        };
        Self::make(name.into(), max_workers, Some(Arc::new(initializer)))
    }

    #[track_caller]
    fn make(
        name: String,
        max_workers: usize,
        initializer: Option<Arc<Initializer>>,
    ) -> io::Result<Self> {
        let (prefix, next) = (name.clone(), AtomicUsize::new(0));
        let runtime = Builder::new_current_thread()
            .name(&name)
            // Ordering: the numbers only have to be distinct.
            .thread_name_fn(move || format!("{prefix}_{}", next.fetch_add(1, Relaxed)))
            .max_blocking_threads(max_workers)
            .build()?;
        Ok(Self {
            name,
            max_workers,
            initializer,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            ended: Arc::new(OnceLock::new()),
        })
    }

    /// The name of the pool. The names of its threads begin with it.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = heist::event_loop::ThreadPoolExecutor::new("files", 2)?;
    /// assert_eq!(pool.name(), "files");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many threads there are at most.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = heist::event_loop::ThreadPoolExecutor::new("files", 2)?;
    /// assert_eq!(pool.max_workers(), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// Runs `function` on one of the threads. After a [`shutdown`](Self::shutdown) the handle returns a cancelled error.
    ///
    /// Aborting the handle keeps a function that has not begun from running, as `cancel` does in asyncio.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::new("pool", 1)?;
    /// assert_eq!(pool.submit(|| 2 + 2).blocking_join().unwrap(), 4);
    /// pool.shutdown(true, false);
    /// assert!(pool.submit(|| 2 + 2).blocking_join().unwrap_err().is_cancelled());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn submit<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let Some(initializer) = self.initializer.clone() else {
            return self.handle.spawn_blocking(function);
        };
        self.handle.spawn_blocking(move || {
            initializer.call_once_here();
            function()
        })
    }

    /// Submits `function` for each of `items`. The handles come in their order.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::ThreadPoolExecutor;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let pool = ThreadPoolExecutor::new("squares", 4)?;
    ///     let mut squares = Vec::new();
    ///     for square in pool.map(|number| number * number, 1..4) {
    ///         squares.push(square.await.unwrap());
    ///     }
    ///     assert_eq!(squares, [1, 4, 9]);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn map<T, R>(
        &self,
        function: impl Fn(T) -> R + Send + Sync + 'static,
        items: impl IntoIterator<Item = T>,
    ) -> Vec<JoinHandle<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let function = Arc::new(function);
        let mut handles = Vec::new();
        for item in items {
            let function = function.clone();
            handles.push(self.submit(move || function(item)));
        }
        handles
    }

    /// Takes no more functions. Those that run go on. Those that wait for a thread run too, or, with `cancel_futures`,
    /// are dropped, and their handles return a cancelled error. With `wait`, this blocks until all threads have ended.
    ///
    /// Only the first call decides about `cancel_futures`.
    ///
    /// # Panics
    ///
    /// With `wait`, panics on one of the pool's own threads, which would wait for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::new("pool", 1)?;
    /// let (release, held) = std::sync::mpsc::channel::<()>();
    /// let running = pool.submit(move || { let _ = held.recv(); });
    /// let waiting = pool.submit(|| ());
    /// pool.shutdown(false, true);
    /// assert!(waiting.blocking_join().unwrap_err().is_cancelled());
    /// drop(release);
    /// pool.shutdown(true, false);
    /// # drop(running);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) {
        let is_here = Handle::try_current().is_ok_and(|here| here.id() == self.handle.id());
        assert!(
            !wait || !is_here,
            "`ThreadPoolExecutor::shutdown` on one of the pool's own threads would wait for itself"
        );
        let taken = self.runtime.lock().take();
        if let Some(runtime) = taken {
            self.end(runtime, cancel_futures);
        }
        if wait {
            self.ended.wait();
        }
    }

    /// Ends the runtime on a thread of its own, because the caller may be in a runtime.
    fn end(&self, runtime: Runtime, cancel_futures: bool) {
        let ended = self.ended.clone();
        let ends = move || {
            if cancel_futures {
                drop(runtime);
            } else {
                drop(runtime.shutdown(FOR_EVER));
            }
            let _ = ended.set(());
        };
        // The names of the runtime's own threads have no NUL characters either.
        let name = self.name.replace('\0', "");
        let thread = thread::Builder::new().name(name).spawn(ends);
        if thread.is_err() {
            // The runtime was dropped, here.
            let _ = self.ended.set(());
        }
    }
}

impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        self.shutdown(false, false);
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolExecutor")
            .field("name", &self.name)
            .field("max_workers", &self.max_workers)
            .finish_non_exhaustive()
    }
}
