//! The poller in a model. No event ever comes, and a wait ends when it is kicked. As with the real poller, a kick
//! before the wait ends the next wait.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use heist_sync::sys::{Arc, Condvar, Mutex};

use crate::timers::Pace;
use crate::wakeup::Kick;

/// What ends a wait.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

/// Ends a wait in the poller from another thread.
pub(crate) struct PollKick(Arc<Bell>);

impl Kick for PollKick {
    fn kick(&self) {
        *self.0.rung.lock() = true;
        self.0.ring.notify_all();
    }
}

/// The poller and what a turn works with.
pub(crate) struct Poller {
    /// Only for its registry: nobody waits in it.
    poll: mio::Poll,
    pub(crate) events: mio::Events,
    pub(crate) pace: Pace,
    bell: Arc<Bell>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<(Self, PollKick)> {
        let bell = Arc::new(Bell::default());
        let poller = Self {
            poll: mio::Poll::new()?,
            events: mio::Events::with_capacity(1),
            pace: Pace::default(),
            bell: bell.clone(),
        };
        Ok((poller, PollKick(bell)))
    }

    pub(crate) fn registry(&self) -> io::Result<mio::Registry> {
        self.poll.registry().try_clone()
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.poll)
    }

    pub(crate) fn arm(&mut self, _now: Instant, _deadline: Instant) -> Option<Duration> {
        None
    }

    pub(crate) fn look(&mut self) {
        *self.bell.rung.lock() = false;
    }

    /// Waits until it is kicked. A deadline never comes: time stands still.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, _deadline: Option<(Instant, Instant)>) {
        if limit.is_some_and(|limit| limit.is_zero()) {
            return self.look();
        }
        let mut rung = self.bell.rung.lock();
        while !std::mem::take(&mut *rung) {
            self.bell.ring.wait(&mut rung);
        }
    }

    pub(crate) fn is_source(_token: mio::Token) -> bool {
        true
    }
}

impl fmt::Debug for PollKick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollKick").finish_non_exhaustive()
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}
