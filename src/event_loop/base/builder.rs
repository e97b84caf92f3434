//! Loops that own their runtime: how to build one, run it and close it.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::Deref;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::event_loop::{EventLoop, ExceptionHandler};
use super::implementations;
use crate::runtime::{self, Handle, Runtime, RuntimeFlavor, ShutdownReport, worker_index};

type Configure = Box<dyn FnOnce(&mut runtime::Builder)>;

/// Builds an [`OwnedEventLoop`]. Made by [`EventLoop::builder`].
///
/// # Examples
///
/// ```
/// use heist::event_loop::EventLoop;
///
/// let event_loop = EventLoop::builder().implementation("current_thread").debug(true).build()?;
/// assert_eq!(event_loop.run_until_complete(async { 6 * 7 }), Ok(42));
/// # std::io::Result::Ok(())
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    implementation: Option<String>,
    debug: bool,
    slow: Option<Duration>,
    handler: Option<ExceptionHandler>,
    configure: Vec<Configure>,
}

impl EventLoop {
    /// Builds a loop that owns its runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// assert_eq!(event_loop.run_until_complete(async { 6 * 7 }), Ok(42));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Which implementation to take, by its name: see [`implementations`](super::implementations()). By default the one
    /// that the environment variable `HEIST_EVENT_LOOP` names, or else `multi_thread`. `auto` is the same as the default.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().implementation("current_thread").build()?;
    /// assert_eq!(event_loop.handle().metrics().num_workers(), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn implementation(mut self, name: impl Into<String>) -> Self {
        self.implementation = Some(name.into());
        self
    }

    /// Whether [debug mode](EventLoop::set_debug) is on.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().debug(true).build()?;
    /// assert!(event_loop.get_debug());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// See [`EventLoop::set_slow_callback_duration`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().slow_callback_duration(Duration::from_millis(5)).build()?;
    /// assert_eq!(event_loop.slow_callback_duration(), Duration::from_millis(5));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn slow_callback_duration(mut self, duration: Duration) -> Self {
        self.slow = Some(duration);
        self
    }

    /// See [`EventLoop::set_exception_handler`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, ExceptionContext};
    ///
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let handler = move |_: &EventLoop, context: &ExceptionContext| sender.send(context.to_string()).unwrap();
    /// let event_loop = EventLoop::builder().exception_handler(Box::new(handler)).build()?;
    /// event_loop.call_exception_handler(ExceptionContext::new("the cache is full"));
    /// assert_eq!(receiver.recv().unwrap(), "the cache is full");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn exception_handler(mut self, handler: ExceptionHandler) -> Self {
        self.handler = Some(handler);
        self
    }

    /// How many workers a multi-thread loop has, if its implementation is one of heist's.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if it is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().implementation("multi_thread").worker_threads(2).build()?;
    /// assert_eq!(event_loop.handle().metrics().num_workers(), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn worker_threads(self, workers: usize) -> Self {
        self.configure(move |builder| {
            builder.worker_threads(workers);
        })
    }

    /// Sets anything else of the runtime, if its implementation is one of heist's.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder()
    ///     .configure(|builder| {
    ///         builder.thread_name("callbacks").max_blocking_threads(8);
    ///     })
    ///     .build()?;
    /// # drop(event_loop);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn configure(mut self, configure: impl FnOnce(&mut runtime::Builder) + 'static) -> Self {
        self.configure.push(Box::new(configure));
        self
    }

    /// Builds the loop and its runtime.
    ///
    /// # Errors
    ///
    /// Fails if there is no such implementation, or if the operating system refuses what the runtime needs.
    ///
    /// # Panics
    ///
    /// Panics if a setting is wrong, 0 workers for instance: [`runtime::Builder`] says which are.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::ErrorKind;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// assert_eq!(event_loop.run_until_complete(async { "done" }), Ok("done"));
    /// let refused = EventLoop::builder().implementation("unknown").build();
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn build(self) -> io::Result<OwnedEventLoop> {
        let choice = implementations::choose(self.implementation.as_deref())?;
        let runtime = choice.build(|builder| {
            for configure in self.configure {
                configure(builder);
            }
        })?;
        let event_loop = EventLoop::of(runtime.handle());
        event_loop.gate();
        event_loop.set_debug(self.debug);
        if let Some(slow) = self.slow {
            event_loop.set_slow_callback_duration(slow);
        }
        event_loop.set_exception_handler(self.handler);
        Ok(OwnedEventLoop {
            event_loop,
            runtime,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("implementation", &self.implementation)
            .field("debug", &self.debug)
            .finish_non_exhaustive()
    }
}

/// Runs `future` on a new event loop, and closes the loop: tasks and callbacks that are left are dropped.
///
/// # Errors
///
/// Fails if the loop can't be built, or was stopped before the future was complete.
///
/// # Panics
///
/// Panics if the future does, or if another event loop runs on this thread.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{self, EventLoop};
///
/// let answer = event_loop::run(async { EventLoop::current().create_task(async { 42 }).await });
/// assert_eq!(answer?.unwrap(), 42);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn run<F: Future>(future: F) -> io::Result<F::Output> {
    let event_loop = EventLoop::builder().build()?;
    event_loop
        .run_until_complete(future)
        .map_err(io::Error::other)
}

/// The event loop was stopped before the future was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped(());

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop was stopped before the future was complete")
    }
}

impl Error for Stopped {}

/// An event loop that owns its runtime. Made by [`EventLoop::builder`].
///
/// It dereferences to [`EventLoop`], and `clone` gives an [`EventLoop`] that callbacks can keep. Dropping it closes the
/// loop. As nobody can close it while it is borrowed to run, there is no error for that.
///
/// Its callbacks run only while [`run_forever`](Self::run_forever) or
/// [`run_until_complete`](Self::run_until_complete) runs. Those that are scheduled in between wait. Tasks and connections
/// of a multi-thread loop run on its workers all the time.
///
/// # Examples
///
/// A program in callbacks:
///
/// ```
/// use heist::event_loop::EventLoop;
/// use std::time::Duration;
///
/// fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::builder().build()?;
///     let same = event_loop.clone();
///     event_loop.call_later(Duration::from_millis(1), move || same.stop());
///     event_loop.run_forever();
///     event_loop.close();
///     Ok(())
/// }
/// ```
pub struct OwnedEventLoop {
    event_loop: EventLoop,
    runtime: Runtime,
}

thread_local! {
    /// Whether this thread runs a loop.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// This thread runs a loop.
struct Running;

impl Running {
    #[track_caller]
    fn begin(event_loop: &EventLoop) -> Self {
        assert!(
            !event_loop.runs_here(),
            "this event loop is already running: one of its callbacks wants to run it"
        );
        let driven = worker_index().is_some()
            && Handle::try_current()
                .is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::CurrentThread);
        assert!(
            !driven && !RUNNING.get(),
            "an event loop can't run while another one runs on the same thread: run it on a thread of its own, or \
             give the work to the loop that runs"
        );
        RUNNING.set(true);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(false);
    }
}

impl OwnedEventLoop {
    /// Runs the loop until [`stop`](EventLoop::stop) is called. If it was called before, one turn runs.
    ///
    /// Several threads may run the same loop. One stop ends all of these runs.
    ///
    /// # Panics
    ///
    /// Panics inside one of the loop's callbacks, and where another event loop or a current-thread runtime runs on this
    /// thread.
    ///
    /// # Examples
    ///
    /// See [`OwnedEventLoop`].
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// let (same, (sender, receiver)) = (event_loop.clone(), std::sync::mpsc::channel());
    /// event_loop.call_soon(move || {
    ///     sender.send("ran").unwrap();
    ///     same.stop();
    /// });
    /// event_loop.run_forever();
    /// assert_eq!(receiver.try_recv(), Ok("ran"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn run_forever(&self) {
        let _running = Running::begin(&self.event_loop);
        self.runtime.block_on(self.event_loop.run_forever());
    }

    /// Runs the loop until `future` is complete, and returns its output. The future is polled on this thread. Callbacks
    /// that it scheduled before its end run before this returns. What they schedule may have to wait for the next run.
    ///
    /// # Errors
    ///
    /// Fails if [`stop`](EventLoop::stop) ends the run before the future is complete. The future is dropped then.
    ///
    /// # Panics
    ///
    /// Panics if `future` does, and where [`run_forever`](Self::run_forever) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// assert_eq!(event_loop.run_until_complete(async { "done" }), Ok("done"));
    ///
    /// event_loop.stop();
    /// assert!(event_loop.run_until_complete(std::future::pending::<()>()).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn run_until_complete<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        let _running = Running::begin(&self.event_loop);
        self.runtime.block_on(async {
            let run = self.event_loop.begin_run().ok_or(Stopped(()))?;
            let output = {
                let (mut future, mut over) = (pin!(future), pin!(run.until_over()));
                poll_fn(|cx| match future.as_mut().poll(cx) {
                    Poll::Ready(output) => Poll::Ready(Ok(output)),
                    Poll::Pending => over.as_mut().poll(cx).map(|()| Err(Stopped(()))),
                })
                .await?
            };
            self.event_loop.finish_run(run).await;
            Ok(output)
        })
    }

    /// Closes the loop: ends its runtime as a [drop](Runtime#shutdown) does. Callbacks and tasks that are left are
    /// dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// let call = event_loop.call_soon(|| unreachable!());
    /// event_loop.close();
    /// assert!(call.cancelled());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(self) {}

    /// Ends the loop's runtime gently: [`Runtime::shutdown`]. Callbacks run meanwhile, and those that wait for their time
    /// are waited for.
    ///
    /// # Panics
    ///
    /// Panics inside a current-thread runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// event_loop.call_later(Duration::from_millis(1), || println!("still in time"));
    /// assert!(event_loop.shutdown(Duration::from_secs(60)).is_clean());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(self, grace: Duration) -> ShutdownReport {
        let Self {
            event_loop,
            runtime,
        } = self;
        let _run = event_loop.begin_run();
        runtime.shutdown(grace)
    }
}

impl Deref for OwnedEventLoop {
    type Target = EventLoop;

    fn deref(&self) -> &EventLoop {
        &self.event_loop
    }
}

impl fmt::Debug for OwnedEventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event_loop.fmt(f)
    }
}
