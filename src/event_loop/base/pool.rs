//! Pools of threads for blocking functions.

use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use heist_sync::sys::Mutex;

use crate::runtime::{Builder, Handle, Runtime};
use crate::task::JoinHandle;

/// Longer than any program runs.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A pool of threads for blocking functions, with a name and a limit of its own.
///
/// Threads start when they are needed, and end when they have had nothing to do for a while. Functions that find no
/// thread free wait their turn. Dropping the pool is [`shutdown(false)`](Self::shutdown).
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
    handle: Handle,
    /// A runtime whose blocking pool alone is used. `None` once it is shut down.
    runtime: Mutex<Option<Runtime>>,
}

impl ThreadPoolExecutor {
    /// Makes a pool of at most `max_workers` threads with this name.
    ///
    /// # Errors
    ///
    /// Fails if the operating system refuses what the pool needs.
    ///
    /// # Panics
    ///
    /// Panics if `max_workers` is 0.
    pub fn new(name: impl Into<String>, max_workers: usize) -> io::Result<Self> {
        let name = name.into();
        let runtime = Builder::new_current_thread()
            .name(&name)
            .thread_name(&name)
            .max_blocking_threads(max_workers)
            .build()?;
        Ok(Self {
            name,
            max_workers,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
        })
    }

    /// The name, which the threads have too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many threads there are at most.
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// Runs `function` on one of the threads. After a [`shutdown`](Self::shutdown) the handle returns a cancelled error.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::new("pool", 1)?;
    /// assert_eq!(pool.submit(|| 2 + 2).blocking_join().unwrap(), 4);
    /// pool.shutdown(true);
    /// assert!(pool.submit(|| 2 + 2).blocking_join().unwrap_err().is_cancelled());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn submit<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(function)
    }

    /// Takes no more functions. Those that were submitted run. If `wait`, this blocks until they have ended.
    ///
    /// # Panics
    ///
    /// With `wait`, panics on one of the pool's own threads, which would wait for itself.
    #[track_caller]
    pub fn shutdown(&self, wait: bool) {
        let is_here = Handle::try_current().is_ok_and(|here| here.id() == self.handle.id());
        assert!(
            !wait || !is_here,
            "`ThreadPoolExecutor::shutdown` on one of the pool's own threads would wait for itself"
        );
        let Some(runtime) = self.runtime.lock().take() else {
            return;
        };
        // On a thread of its own, because the caller may be in a runtime.
        let ends = move || drop(runtime.shutdown(FOR_EVER));
        if let Ok(thread) = thread::Builder::new().name(self.name.clone()).spawn(ends)
            && wait
        {
            // It doesn't panic.
            let _ = thread.join();
        }
    }
}

impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        self.shutdown(false);
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
