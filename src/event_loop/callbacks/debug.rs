//! Debug mode: what takes long is named, with where it was scheduled.

use std::fmt;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heist_sync::sys::Mutex;
use heist_sync::sys::hints::{AtomicBool, AtomicU64};
use std::sync::atomic::Ordering::Relaxed;

/// A callback or a poll that took longer than [`slow_callback_duration`](crate::event_loop::EventLoop::slow_callback_duration).
///
/// # Examples
///
/// ```
/// use heist::event_loop::EventLoop;
/// use std::time::Duration;
///
/// let event_loop = EventLoop::builder().debug(true).slow_callback_duration(Duration::ZERO).build()?;
/// let (sender, receiver) = std::sync::mpsc::channel();
/// event_loop.set_slow_callback_handler(Some(Box::new(move |slow| sender.send(*slow).unwrap())));
/// event_loop.call_soon(|| ());
/// event_loop.stop();
/// event_loop.run_forever();
/// let slow = receiver.recv().unwrap();
/// assert_eq!(slow.what(), "a callback");
/// println!("{} took {:?}", slow.location(), slow.duration());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowCallback {
    what: &'static str,
    location: &'static Location<'static>,
    duration: Duration,
}

impl SlowCallback {
    /// What it was, for people: `"a callback"` for instance, or the name of a protocol's callback.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, SlowCallback};
    /// # use std::time::Duration;
    ///
    /// # let event_loop = EventLoop::builder().debug(true).slow_callback_duration(Duration::ZERO).build()?;
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// event_loop.set_slow_callback_handler(Some(Box::new(move |slow: &SlowCallback| sender.send(*slow).unwrap())));
    /// event_loop.call_soon(|| ());
    /// event_loop.run_until_complete(async {}).unwrap();
    /// assert_eq!(receiver.recv().unwrap().what(), "a callback");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Where it was scheduled or spawned. For a protocol's callback: where its connection or its server was asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, SlowCallback};
    /// # use std::time::Duration;
    ///
    /// # let event_loop = EventLoop::builder().debug(true).slow_callback_duration(Duration::ZERO).build()?;
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// event_loop.set_slow_callback_handler(Some(Box::new(move |slow: &SlowCallback| sender.send(*slow).unwrap())));
    /// event_loop.call_soon(|| ());
    /// event_loop.run_until_complete(async {}).unwrap();
    /// assert_eq!(receiver.recv().unwrap().location().file(), file!());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// How long it took.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, SlowCallback};
    /// use std::time::Duration;
    ///
    /// # let event_loop = EventLoop::builder().debug(true).slow_callback_duration(Duration::from_millis(1)).build()?;
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// event_loop.set_slow_callback_handler(Some(Box::new(move |slow: &SlowCallback| sender.send(*slow).unwrap())));
    /// event_loop.call_soon(|| std::thread::sleep(Duration::from_millis(2)));
    /// event_loop.run_until_complete(async {}).unwrap();
    /// assert!(receiver.recv().unwrap().duration() >= Duration::from_millis(2));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl fmt::Display for SlowCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            location,
            duration,
        } = self;
        write!(f, "{what} scheduled at {location} took {duration:?}")
    }
}

/// What [`EventLoop::set_slow_callback_handler`](crate::event_loop::EventLoop::set_slow_callback_handler) takes.
pub type SlowCallbackHandler = Box<dyn Fn(&SlowCallback) + Send + Sync>;

/// The debug settings of a loop.
pub(crate) struct Debug {
    // Ordering: both are settings, and nothing else is read because of them.
    enabled: AtomicBool,
    slow_nanos: AtomicU64,
    handler: Mutex<Option<Arc<SlowCallbackHandler>>>,
}

impl Debug {
    pub(crate) fn new() -> Self {
        Self {
            enabled: AtomicBool::new(false),
            slow_nanos: AtomicU64::new(100_000_000),
            handler: Mutex::new(None),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    pub(crate) fn enable(&self, enabled: bool) {
        self.enabled.store(enabled, Relaxed);
    }

    pub(crate) fn slow(&self) -> Duration {
        Duration::from_nanos(self.slow_nanos.load(Relaxed))
    }

    pub(crate) fn set_slow(&self, slow: Duration) {
        let nanos = u64::try_from(slow.as_nanos()).unwrap_or(u64::MAX);
        self.slow_nanos.store(nanos, Relaxed);
    }

    pub(crate) fn set_handler(&self, handler: Option<SlowCallbackHandler>) {
        let handler = handler.map(Arc::new);
        let old = std::mem::replace(&mut *self.handler.lock(), handler);
        drop(old);
    }

    /// Runs `f`, and in debug mode tells if that took long.
    pub(crate) fn watch<R>(
        &self,
        what: &'static str,
        location: &'static Location<'static>,
        f: impl FnOnce() -> R,
    ) -> R {
        if !self.is_enabled() {
            return f();
        }
        let start = Instant::now();
        let result = f();
        let duration = start.elapsed();
        if duration >= self.slow() {
            self.tell(&SlowCallback {
                what,
                location,
                duration,
            });
        }
        result
    }

    /// Never panics, whatever the handler does.
    fn tell(&self, slow: &SlowCallback) {
        let handler = self.handler.lock().clone();
        let told = catch_unwind(AssertUnwindSafe(|| match &handler {
            Some(handler) => handler(slow),
            // If this fails, nobody is left to tell.
            None => drop(writeln!(io::stderr(), "heist: {slow}")),
        }));
        if let Err(payload) = told {
            // A payload that panics when it is dropped can't then.
            std::mem::forget(payload);
        }
        drop(handler);
    }
}
