//! Blocking functions on the pools of the loop.

use std::sync::Arc;
use std::time::Duration;

use super::event_loop::EventLoop;
use super::pool::ThreadPoolExecutor;
use crate::event_loop::context::copy_context;
use crate::task::JoinHandle;
use crate::time::{error::Elapsed, timeout};

impl EventLoop {
    /// Runs a blocking function on an executor. `None` is the default executor: the one that
    /// [`set_default_executor`](Self::set_default_executor) has set, or else the runtime's own pool,
    /// [`Handle::spawn_blocking`](crate::runtime::Handle::spawn_blocking).
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     let size = event_loop.run_in_executor(None, || std::fs::metadata(".").map(|found| found.len()));
    ///     assert!(size.await.unwrap().is_ok());
    /// }
    /// ```
    #[track_caller]
    pub fn run_in_executor<F, R>(
        &self,
        executor: Option<&ThreadPoolExecutor>,
        function: F,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if let Some(executor) = executor {
            return executor.submit(function);
        }
        match self.default_executor() {
            Some(executor) => executor.submit(function),
            None => self.handle().spawn_blocking(function),
        }
    }

    /// Sets what [`run_in_executor`](Self::run_in_executor) takes for `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, ThreadPoolExecutor};
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     event_loop.set_default_executor(Arc::new(ThreadPoolExecutor::new("files", 2)?));
    ///     let name = event_loop.run_in_executor(None, || std::thread::current().name().map(str::to_owned));
    ///     assert_eq!(name.await.unwrap().as_deref(), Some("files_0"));
    ///     event_loop.shutdown_default_executor(None).await.unwrap();
    ///     Ok(())
    /// }
    /// ```
    pub fn set_default_executor(&self, executor: Arc<ThreadPoolExecutor>) {
        self.replace_default_executor(executor);
    }

    /// Shuts the default executor down, and waits until its functions have ended, for up to `limit`. Afterwards it takes
    /// no more: the handles return a cancelled error. If none was set, this does nothing: the runtime's own pool ends with
    /// the runtime.
    ///
    /// # Errors
    ///
    /// Fails if functions go on longer than `limit`. They run on then.
    ///
    /// # Cancel safety
    ///
    /// The executor is shut down even if the future is dropped after its first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, ThreadPoolExecutor};
    /// # use std::sync::Arc;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let event_loop = EventLoop::current();
    /// event_loop.set_default_executor(Arc::new(ThreadPoolExecutor::new("files", 2)?));
    /// let before = event_loop.run_in_executor(None, || 5);
    /// event_loop.shutdown_default_executor(None).await.unwrap();
    /// assert_eq!(before.await.unwrap(), 5);
    /// let after = event_loop.run_in_executor(None, || 5);
    /// assert!(after.await.unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown_default_executor(&self, limit: Option<Duration>) -> Result<(), Elapsed> {
        let Some(executor) = self.default_executor() else {
            return Ok(());
        };
        let ends = self
            .handle()
            .spawn_blocking(move || executor.shutdown(true, false));
        match limit {
            // It doesn't panic. It is cancelled if the runtime ends.
            None => drop(ends.await),
            Some(limit) => drop(timeout(limit, ends).await?),
        }
        Ok(())
    }
}

/// Runs a blocking function on the blocking pool of the current runtime, in a copy of the [context](crate::event_loop::context) of
/// this place.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use heist::event_loop::to_thread;
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(to_thread(|| 6 * 7).await.unwrap(), 42);
/// }
/// ```
#[track_caller]
pub fn to_thread<F, R>(function: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let mut context = copy_context();
    EventLoop::current().run_in_executor(None, move || context.run(function))
}
