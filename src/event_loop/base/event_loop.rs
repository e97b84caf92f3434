//! The loop itself: which runtime it belongs to, what it is asked to run, and where it reports.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use heist_sync::sys::Mutex;

use super::pool::ThreadPoolExecutor;
use super::task_future::TaskFuture;
use crate::event_loop::callbacks::calls::{self, CallHandle, Calls, Home, Run, TimerHandle};
use crate::event_loop::callbacks::debug::{Debug, SlowCallbackHandler};
use crate::event_loop::callbacks::exception::{self, ExceptionContext, Reports};
use crate::runtime::{Handle, Runtime, TryCurrentError};
use crate::task;
use crate::time::Instant;

/// The event loop of a runtime.
///
/// It is cheap to clone, and all clones are the same loop. It lives as long as its runtime. Once the runtime is shut
/// down the loop is closed, and callbacks that are given to it are dropped.
///
/// The [module](crate::event_loop) says what runs where.
///
/// # Examples
///
/// ```
/// use heist::event_loop::EventLoop;
/// use std::time::Duration;
///
/// let event_loop = EventLoop::builder().build()?;
/// let stops = event_loop.clone();
/// event_loop.call_later(Duration::from_millis(1), move || stops.stop());
/// event_loop.run_forever();
/// assert!(!event_loop.is_running());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct EventLoop {
    shared: Arc<Shared>,
}

struct Shared {
    handle: Handle,
    calls: Arc<Calls>,
    reports: Reports<ExceptionHandler>,
    debug: Debug,
    task_factory: Mutex<Option<Arc<TaskFactory>>>,
    default_executor: Mutex<Option<Arc<ThreadPoolExecutor>>>,
}

/// What a runtime keeps of its loop. The runtime drops it when it ends.
struct Kept(EventLoop);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.shared.calls.close(&self.0);
    }
}

impl Home for EventLoop {
    fn report(&self, context: ExceptionContext) {
        self.call_exception_handler(context);
    }

    fn watch(&self, location: &'static Location<'static>, callback: impl FnOnce()) {
        self.shared.debug.watch("a callback", location, callback);
    }
}

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
        match handle.extension(|| Kept(Self::new(handle))) {
            Some(kept) => kept.0.clone(),
            None => {
                let closed = Self::new(handle);
                closed.shared.calls.close(&closed);
                closed
            }
        }
    }

    fn new(handle: &Handle) -> Self {
        Self {
            shared: Arc::new(Shared {
                handle: handle.clone(),
                calls: Calls::new(),
                reports: Reports::new(),
                debug: Debug::new(),
                task_factory: Mutex::new(None),
                default_executor: Mutex::new(None),
            }),
        }
    }

    /// Spawns the task that runs the callbacks.
    fn spawn_runner(&self) {
        let runner = calls::run(self.shared.calls.clone(), self.clone());
        drop(self.spawn_named("callbacks of the event loop", runner));
    }

    /// Spawns a task of the loop's own. Reports show its name.
    pub(crate) fn spawn_named<F>(&self, name: &str, future: F) -> task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::Builder::new()
            .name(name)
            .spawn_on(future, &self.shared.handle)
            .expect("spawning a task never fails")
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
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + Send + 'static) -> CallHandle {
        self.call_soon_from(Location::caller(), callback)
    }

    /// [`call_soon`](Self::call_soon) for a callback that comes from there.
    pub(crate) fn call_soon_from(
        &self,
        location: &'static Location<'static>,
        callback: impl FnOnce() + Send + 'static,
    ) -> CallHandle {
        let spawn = || self.spawn_runner();
        self.shared.calls.soon(self, spawn, callback, location)
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
    #[track_caller]
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
    #[track_caller]
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
    #[track_caller]
    pub fn call_at(&self, when: Instant, callback: impl FnOnce() + Send + 'static) -> TimerHandle {
        let (spawn, location) = (|| self.spawn_runner(), Location::caller());
        self.shared.calls.at(self, spawn, when, callback, location)
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

    /// Waits until [`stop`](Self::stop) is called.
    ///
    /// At least one turn of the loop passes, also if `stop` was called before: the callbacks that are ready run.
    ///
    /// The callbacks of a runtime's loop run whether or not anyone waits here, as long as the runtime runs. A multi-thread
    /// runtime always runs, a current-thread one only while something blocks on it. For a loop that owns its runtime
    /// there is [`OwnedEventLoop::run_forever`](crate::event_loop::OwnedEventLoop::run_forever), which blocks; its callbacks run only
    /// while someone runs it.
    ///
    /// If the loop is closed, this returns at once.
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
        if let Some(run) = self.begin_run() {
            run.until_over().await;
        }
    }

    pub(crate) fn begin_run(&self) -> Option<Run<'_>> {
        self.shared.calls.begin_run(|| self.spawn_runner())
    }

    /// Ends a run after one more turn.
    pub(crate) async fn finish_run(&self, run: Run<'_>) {
        run.finish(|| self.spawn_runner()).await;
    }

    /// Ends all runs that are under way.
    ///
    /// Called by a callback of the loop, it lets the callbacks of the same turn run first. Those that they schedule wait for
    /// the next run. Called elsewhere, it ends the runs after one more turn. If there is no run, the next one ends after
    /// its first turn. Calling it twice before it has taken effect is the same as calling it once.
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
        self.shared.calls.stop(|| self.spawn_runner());
    }

    /// Whether the loop's callbacks run. Those of a loop that owns its runtime run while someone runs it. Those of a
    /// runtime's loop run until the runtime is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// assert!(!event_loop.is_running());
    /// let same = event_loop.clone();
    /// assert!(event_loop.run_until_complete(async move { same.is_running() }).unwrap());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_running(&self) -> bool {
        let calls = &self.shared.calls;
        !calls.is_closed() && (calls.is_running() || !calls.is_gated())
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

    /// Makes callbacks run only during runs.
    pub(crate) fn gate(&self) {
        self.shared.calls.gate();
    }

    /// Whether one of this loop's callbacks runs on this thread.
    pub(crate) fn runs_here(&self) -> bool {
        self.shared.calls.run_here()
    }

    /// Whether debug mode is on. [`set_debug`](Self::set_debug) says what it does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// assert!(!event_loop.get_debug());
    /// event_loop.set_debug(true);
    /// assert!(event_loop.get_debug());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_debug(&self) -> bool {
        self.shared.debug.is_enabled()
    }

    /// Switches debug mode on or off. In debug mode each callback and each poll of the loop's tasks is timed. Those that
    /// take [`slow_callback_duration`](Self::slow_callback_duration) or longer are reported, with where they were
    /// scheduled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().debug(true).build()?;
    /// event_loop.set_slow_callback_duration(Duration::from_millis(1));
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// event_loop.set_slow_callback_handler(Some(Box::new(move |slow| sender.send(slow.to_string()).unwrap())));
    /// event_loop.call_soon(|| std::thread::sleep(Duration::from_millis(2)));
    /// event_loop.stop();
    /// event_loop.run_forever();
    /// assert!(receiver.recv().unwrap().starts_with("a callback scheduled at "));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_debug(&self, enabled: bool) {
        self.shared.debug.enable(enabled);
    }

    /// From which duration on debug mode reports a callback: at first 100 ms.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// assert_eq!(event_loop.slow_callback_duration(), Duration::from_millis(100));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn slow_callback_duration(&self) -> Duration {
        self.shared.debug.slow()
    }

    /// Sets from which duration on debug mode reports a callback.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// event_loop.set_slow_callback_duration(Duration::from_millis(5));
    /// assert_eq!(event_loop.slow_callback_duration(), Duration::from_millis(5));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.shared.debug.set_slow(duration);
    }

    /// Sets who hears of slow callbacks. `None` sets the default, which writes a line to standard error.
    ///
    /// The handler runs on the thread of the callback. If it panics, that is ignored.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().debug(true).slow_callback_duration(Duration::ZERO).build()?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// event_loop.set_slow_callback_handler(Some(Box::new(move |slow| sender.send(slow.what()).unwrap())));
    /// event_loop.call_soon(|| ());
    /// event_loop.run_until_complete(async {}).unwrap();
    /// assert_eq!(receiver.recv().unwrap(), "a callback");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_slow_callback_handler(&self, handler: Option<SlowCallbackHandler>) {
        self.shared.debug.set_handler(handler);
    }

    /// Runs user code that was scheduled at `location`, and in debug mode tells if that took long.
    pub(crate) fn watch<R>(
        &self,
        what: &'static str,
        location: &'static Location<'static>,
        f: impl FnOnce() -> R,
    ) -> R {
        self.shared.debug.watch(what, location, f)
    }

    /// The task factory, if one is set.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// assert!(event_loop.get_task_factory().is_none());
    /// event_loop.set_task_factory(Some(Box::new(|_, task| task.with_name("mine"))));
    /// assert!(event_loop.get_task_factory().is_some());
    /// # }
    /// ```
    pub fn get_task_factory(&self) -> Option<Arc<TaskFactory>> {
        self.shared.task_factory.lock().clone()
    }

    pub(crate) fn replace_task_factory(&self, factory: Option<Arc<TaskFactory>>) {
        let old = std::mem::replace(&mut *self.shared.task_factory.lock(), factory);
        drop(old);
    }

    pub(crate) fn default_executor(&self) -> Option<Arc<ThreadPoolExecutor>> {
        self.shared.default_executor.lock().clone()
    }

    pub(crate) fn replace_default_executor(&self, executor: Arc<ThreadPoolExecutor>) {
        let old = self.shared.default_executor.lock().replace(executor);
        drop(old);
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

    /// The handler that [`set_exception_handler`](Self::set_exception_handler) has set.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// assert!(event_loop.get_exception_handler().is_none());
    /// event_loop.set_exception_handler(Some(Box::new(|_, context| println!("{context}"))));
    /// assert!(event_loop.get_exception_handler().is_some());
    /// # }
    /// ```
    pub fn get_exception_handler(&self) -> Option<Arc<ExceptionHandler>> {
        self.shared.reports.get()
    }

    /// What is done if no handler is set: writes a line to standard error. Handlers may call it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     EventLoop::current().set_exception_handler(Some(Box::new(|event_loop, context| {
    ///         println!("trouble:");
    ///         event_loop.default_exception_handler(context);
    ///     })));
    /// }
    /// ```
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        exception::write_to_stderr(context);
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

/// What [`EventLoop::set_task_factory`] takes. It gets the future of each task, and returns what is spawned in its place.
pub type TaskFactory = Box<dyn Fn(&EventLoop, TaskFuture) -> TaskFuture + Send + Sync>;

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
