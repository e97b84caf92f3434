//! The loop itself: which runtime it belongs to, what it is asked to run, and where it reports.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use heist_sync::sys::Mutex;

use super::calls::{self, CallHandle, Calls, TimerHandle};
use super::exception::{ExceptionContext, Reports};
use crate::runtime::{Handle, Id, Runtime, TryCurrentError};
use crate::sync::Notify;
use crate::task::JoinHandle;
use crate::time::Instant;

/// The event loop of a runtime.
///
/// It is cheap to clone, and all clones are the same loop. It lives as long as its runtime. Once the runtime is shut
/// down the loop is closed, and callbacks that are given to it are dropped.
///
/// The [module](self) says what runs where.
#[derive(Clone)]
pub struct EventLoop {
    shared: Arc<Shared>,
}

struct Shared {
    handle: Handle,
    calls: Arc<Calls>,
    reports: Reports<ExceptionHandler>,
    stop: Notify,
}

/// The loop of each runtime that has one. Entries of loops that are gone are removed when one is added.
static LOOPS: OnceLock<Mutex<HashMap<Id, Weak<Shared>>>> = OnceLock::new();

impl EventLoop {
    /// The event loop of the runtime that this code runs in.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     EventLoop::current().call_soon(|| println!("soon"));
    /// }
    /// ```
    #[track_caller]
    pub fn current() -> Self {
        Self::of(&Handle::current())
    }

    /// The event loop of the runtime that this code runs in.
    ///
    /// # Errors
    ///
    /// Fails outside of a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(heist::event_loop::EventLoop::try_current().is_err());
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(|handle| Self::of(&handle))
    }

    /// The handle of the loop's runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::RuntimeExt;
    ///
    /// let runtime = heist::runtime::Builder::new_current_thread().build().unwrap();
    /// assert_eq!(runtime.event_loop().handle().id(), runtime.handle().id());
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.shared.handle
    }

    /// The event loop of the runtime that `handle` belongs to. [`RuntimeExt`] is easier to read.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let runtime = heist::runtime::Builder::new_current_thread().build().unwrap();
    /// let event_loop = EventLoop::of(runtime.handle());
    /// runtime.block_on(async move { assert_eq!(event_loop, EventLoop::current()) });
    /// ```
    pub fn of(handle: &Handle) -> Self {
        let mut loops = LOOPS.get_or_init(Mutex::default).lock();
        if let Some(shared) = loops.get(&handle.id()).and_then(Weak::upgrade) {
            return Self { shared };
        }
        loops.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared {
            handle: handle.clone(),
            calls: Arc::default(),
            reports: Reports::new(),
            stop: Notify::new(),
        });
        loops.insert(handle.id(), Arc::downgrade(&shared));
        drop(loops);
        let event_loop = Self { shared };
        // The task keeps the loop alive until the runtime ends.
        let same = event_loop.clone();
        handle.spawn(calls::run(
            event_loop.shared.calls.clone(),
            move |context| same.call_exception_handler(context),
        ));
        event_loop
    }

    /// Runs a callback soon, after the callbacks that are already waiting.
    ///
    /// This may be called from any thread. Callbacks run in the order in which they were given, never two at once.
    /// Dropping the handle doesn't cancel the callback.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use heist::sync::mpsc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = EventLoop::current();
    ///     let (sender, mut receiver) = mpsc::unbounded_channel();
    ///     for number in 0..3 {
    ///         let sender = sender.clone();
    ///         event_loop.call_soon(move || sender.send(number).unwrap());
    ///     }
    ///     for number in 0..3 {
    ///         assert_eq!(receiver.recv().await, Some(number));
    ///     }
    /// }
    /// ```
    pub fn call_soon(&self, callback: impl FnOnce() + Send + 'static) -> CallHandle {
        self.shared.calls.soon(Box::new(callback))
    }

    /// The same as [`call_soon`](Self::call_soon), which may be called from any thread. It has the name that asyncio
    /// uses.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::RuntimeExt;
    ///
    /// let runtime = heist::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    /// let event_loop = runtime.event_loop();
    /// let (promise, future) = event_loop.create_future();
    /// std::thread::spawn(move || event_loop.call_soon_threadsafe(move || promise.set_result(()).unwrap()));
    /// runtime.block_on(future).unwrap();
    /// ```
    pub fn call_soon_threadsafe(&self, callback: impl FnOnce() + Send + 'static) -> CallHandle {
        self.call_soon(callback)
    }

    /// Runs a callback after `delay`: the same as [`call_at`](Self::call_at) at [`time`](Self::time)` + delay`.
    ///
    /// If the delay is too long for the clock, the callback never runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let timer = EventLoop::current().call_later(Duration::from_secs(60), || println!("a minute later"));
    ///     timer.cancel();
    ///     assert!(timer.cancelled());
    /// }
    /// ```
    pub fn call_later(
        &self,
        delay: Duration,
        callback: impl FnOnce() + Send + 'static,
    ) -> TimerHandle {
        self.call_at(calls::after(self.time(), delay), callback)
    }

    /// Runs a callback at `when`, or soon if that is past.
    ///
    /// Callbacks run in the order of their times. Of callbacks with the same time, the one that was given first runs
    /// first. Dropping the handle doesn't cancel the callback.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let event_loop = EventLoop::current();
    ///     let (promise, future) = event_loop.create_future();
    ///     let when = event_loop.time() + Duration::from_millis(2);
    ///     let timer = event_loop.call_at(when, move || promise.set_result("now").unwrap());
    ///     assert_eq!(timer.when(), when);
    ///     assert_eq!(future.await.unwrap(), "now");
    /// }
    /// ```
    pub fn call_at(&self, when: Instant, callback: impl FnOnce() + Send + 'static) -> TimerHandle {
        self.shared.calls.at(when, Box::new(callback))
    }

    /// The loop's clock, which [`call_at`](Self::call_at) uses.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     assert!(event_loop.time() <= event_loop.time());
    /// }
    /// ```
    pub fn time(&self) -> Instant {
        Instant::now()
    }

    /// Runs a future as a task of the loop's runtime: [`Handle::spawn`].
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let task = heist::event_loop::EventLoop::current().create_task(async { 1 + 1 });
    ///     assert_eq!(task.await.unwrap(), 2);
    /// }
    /// ```
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: std::future::Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.handle.spawn(future)
    }

    /// Runs a blocking function on the runtime's blocking pool: [`Handle::spawn_blocking`].
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     let size = event_loop.run_in_executor(|| std::fs::metadata(".").map(|found| found.len()));
    ///     assert!(size.await.unwrap().is_ok());
    /// }
    /// ```
    #[track_caller]
    pub fn run_in_executor<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.shared.handle.spawn_blocking(function)
    }

    /// Waits until [`stop`](Self::stop) is called. If it was called before, this returns at once.
    ///
    /// The loop's callbacks run whether or not anyone waits here, as long as the runtime runs. A multi-thread runtime
    /// always runs, a current-thread one only while something blocks on it.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: if it is dropped, a stop that it didn't return for is kept for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::RuntimeExt;
    ///
    /// let runtime = heist::runtime::Builder::new_current_thread().build().unwrap();
    /// let event_loop = runtime.event_loop();
    /// let same = event_loop.clone();
    /// event_loop.call_soon(move || same.stop());
    /// runtime.block_on(event_loop.run_forever());
    /// ```
    pub async fn run_forever(&self) {
        self.shared.stop.notified().await;
    }

    /// Makes [`run_forever`](Self::run_forever) return.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     event_loop.stop();
    ///     event_loop.run_forever().await;
    /// }
    /// ```
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }

    /// Whether the loop's runtime is shut down. Callbacks are then dropped instead of run.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::RuntimeExt;
    ///
    /// let runtime = heist::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    /// let event_loop = runtime.event_loop();
    /// assert!(!event_loop.is_closed());
    /// drop(runtime);
    /// assert!(event_loop.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.calls.is_closed()
    }

    /// Sets the handler of panics in callbacks, and of errors that no caller can be given. `None` sets the default
    /// handler, which writes a line to standard error.
    ///
    /// The handler runs on the thread where the callback panicked, possibly on several threads at once. If it panics
    /// itself, the default handler reports both.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, ExceptionContext};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = EventLoop::current();
    ///     let (promise, told) = event_loop.create_future();
    ///     let handler = move |_: &EventLoop, context: &ExceptionContext| {
    ///         let _ = promise.set_result(context.panic_message().map(str::to_owned));
    ///     };
    ///     event_loop.set_exception_handler(Some(Box::new(handler)));
    ///     event_loop.call_soon(|| panic!("oh no"));
    ///     assert_eq!(told.await.unwrap().as_deref(), Some("oh no"));
    /// }
    /// ```
    pub fn set_exception_handler(&self, handler: Option<ExceptionHandler>) {
        self.shared.reports.set(handler.map(Arc::new));
    }

    /// Reports something to the exception handler.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, ExceptionContext};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     EventLoop::current().call_exception_handler(ExceptionContext::new("the cache is full"));
    /// }
    /// ```
    pub fn call_exception_handler(&self, context: ExceptionContext) {
        self.shared
            .reports
            .report(context, |handler, context| handler(self, context));
    }
}

/// What [`EventLoop::set_exception_handler`] takes.
pub type ExceptionHandler = Box<dyn Fn(&EventLoop, &ExceptionContext) + Send + Sync>;

impl PartialEq for EventLoop {
    /// Whether both are the loop of the same runtime.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for EventLoop {}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Adds [`event_loop`](RuntimeExt::event_loop) to the types of a runtime.
pub trait RuntimeExt {
    /// The runtime's event loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::RuntimeExt;
    ///
    /// let runtime = heist::runtime::Builder::new_current_thread().build().unwrap();
    /// assert_eq!(runtime.event_loop(), runtime.handle().event_loop());
    /// ```
    fn event_loop(&self) -> EventLoop;
}

impl RuntimeExt for Runtime {
    fn event_loop(&self) -> EventLoop {
        EventLoop::of(self.handle())
    }
}

impl RuntimeExt for Handle {
    fn event_loop(&self) -> EventLoop {
        EventLoop::of(self)
    }
}
