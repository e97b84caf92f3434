//! How the reactor thread sleeps between two ticks, and how a tick is put off.
//!
//! A thread that wakes up a thousand times a second takes the processor each time from a thread that is in the middle of
//! something. So whoever has done what the next tick is there for puts the tick off. On Linux the sleeping thread isn't woken
//! for that. Elsewhere a tick is not put off, and finds nothing to do.

use std::fmt;
use std::io;
use std::time::Duration;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints;

use crate::watchdog::Watchdog;

/// The reactor thread's short sleep.
pub struct Ticker {
    watchdog: Watchdog,
    /// Whether the thread sleeps here, as far as others need to know.
    sleeps: hints::AtomicBool,
}

impl Ticker {
    /// # Errors
    ///
    /// If the operating system refuses a descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            watchdog: Watchdog::new()?,
            sleeps: hints::AtomicBool::new(false),
        })
    }

    /// Sleeps for `length`, and longer if the tick is put off. [`end`](Self::end) cuts it short. Returns whether to go on:
    /// `stopped` is false.
    pub fn sleep(&self, length: Duration, stopped: impl Fn() -> bool) -> bool {
        self.watchdog.arm(length);
        // Ordering: hint only, here and below: a tick that isn't put off comes for nothing.
        self.sleeps.store(true, Ordering::Relaxed);
        // Whoever stops the thread says so before it rings. So either this sees it, or it rings after this was armed.
        if !stopped() {
            self.watchdog.wait(Duration::MAX);
        }
        self.sleeps.store(false, Ordering::Relaxed);
        !stopped()
    }

    /// Puts the tick off: it comes in `length`. It does nothing if the thread doesn't sleep here.
    pub fn put_off(&self, length: Duration, stopped: impl Fn() -> bool) {
        if self.sleeps.load(Ordering::Relaxed) {
            self.watchdog.arm(length);
            // As in `sleep`: this may have been armed after it rang.
            if stopped() {
                self.end();
            }
        }
    }

    /// Ends the thread's sleep. Call it once `stopped` is true.
    pub fn end(&self) {
        self.watchdog.ring();
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").finish_non_exhaustive()
    }
}
