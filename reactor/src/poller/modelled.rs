//! The poller in a model. No event ever comes, and a wait ends when it is kicked. As with the real poller, a kick
//! before the wait ends the next wait.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use heist_sync::sys::{Arc, Condvar, Mutex};

use crate::backend::Backend;
use crate::readiness::News;
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
    pub(crate) pace: Pace,
    bell: Arc<Bell>,
}

impl Poller {
    pub(crate) fn new(_: Backend) -> io::Result<(Self, PollKick)> {
        let bell = Arc::new(Bell::default());
        let poller = Self {
            pace: Pace::default(),
            bell: bell.clone(),
        };
        Ok((poller, PollKick(bell)))
    }

    pub(crate) fn registry(&self) -> io::Result<Registry> {
        Ok(Registry)
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        None
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

    pub(crate) fn events(&self) -> impl Iterator<Item = (usize, News, News)> {
        std::iter::empty()
    }
}

/// What a model registers: nothing.
pub(crate) trait Pollable {}

/// What sources would be registered with.
pub(crate) struct Registry;

impl Registry {
    pub(crate) fn name(&self) -> &str {
        "modelled"
    }

    pub(crate) fn is_inherited(&self) -> bool {
        false
    }

    pub(crate) fn register(
        &self,
        _: &mut impl Pollable,
        _: usize,
        _: mio::Interest,
    ) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn rearm(&self, _: usize, _: mio::Interest) {}

    pub(crate) fn deregister(&self, _: &mut impl Pollable, _: usize) -> io::Result<()> {
        Ok(())
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
