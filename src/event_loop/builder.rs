//! Loops that own their runtime: how to build one, run it and close it.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use super::base::EventLoop;
use crate::runtime::{self, Runtime, ShutdownReport};

/// Builds an [`OwnedEventLoop`]. Made by [`EventLoop::builder`].
///
/// # Examples
///
/// ```
/// use heist::event_loop::EventLoop;
///
/// let event_loop = EventLoop::builder().build()?;
/// assert_eq!(event_loop.run_until_complete(async { 6 * 7 }), 42);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    _private: (),
}

impl EventLoop {
    /// Builds a loop that owns its runtime.
    pub fn builder() -> Builder {
        Builder { _private: () }
    }
}

impl Builder {
    /// Builds the loop and its runtime.
    ///
    /// # Errors
    ///
    /// Fails if the operating system refuses what the runtime needs.
    pub fn build(self) -> io::Result<OwnedEventLoop> {
        let runtime = runtime::Builder::new_multi_thread().build()?;
        let event_loop = EventLoop::of(runtime.handle());
        Ok(OwnedEventLoop {
            event_loop,
            runtime,
        })
    }
}

/// An event loop that owns its runtime. Made by [`EventLoop::builder`].
///
/// It dereferences to [`EventLoop`], and `clone` gives an [`EventLoop`] that callbacks can keep. Dropping it closes the
/// loop.
pub struct OwnedEventLoop {
    event_loop: EventLoop,
    runtime: Runtime,
}

impl OwnedEventLoop {
    /// Runs the loop until [`stop`](EventLoop::stop) is called.
    pub fn run_forever(&self) {
        self.runtime.block_on(self.event_loop.run_forever());
    }

    /// Runs the loop until `future` is complete, and returns its output.
    pub fn run_until_complete<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Closes the loop: ends its runtime as a drop does.
    pub fn close(self) {}

    /// Ends the loop's runtime gently: [`Runtime::shutdown`].
    pub fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.runtime.shutdown(grace)
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
