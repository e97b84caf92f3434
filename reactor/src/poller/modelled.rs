//! The poller in a model. An event comes when a model writes to a [`Wire`](crate::wire::Wire). A wait ends when there is an event, or
//! when it is kicked. As with the real poller, a kick before the wait ends the next wait.

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
pub(crate) struct Bell {
    state: Mutex<State>,
    ring: Condvar,
}

#[derive(Default)]
struct State {
    rung: bool,
    readable: Vec<usize>,
}

impl Bell {
    /// What is registered with `token` is readable.
    pub(crate) fn report(&self, token: usize) {
        self.state.lock().readable.push(token);
        self.ring.notify_all();
    }
}

/// Ends a wait in the poller from another thread.
pub(crate) struct PollKick(Arc<Bell>);

impl Kick for PollKick {
    fn kick(&self) {
        self.0.state.lock().rung = true;
        self.0.ring.notify_all();
    }
}

/// The poller and what a turn works with.
pub(crate) struct Poller {
    pub(crate) pace: Pace,
    bell: Arc<Bell>,
    readable: Vec<usize>,
}

impl Poller {
    pub(crate) fn new(_: Backend) -> io::Result<(Self, PollKick)> {
        let bell = Arc::new(Bell::default());
        let poller = Self {
            pace: Pace::default(),
            bell: bell.clone(),
            readable: Vec::new(),
        };
        Ok((poller, PollKick(bell)))
    }

    pub(crate) fn registry(&self) -> io::Result<Registry> {
        Ok(Registry(self.bell.clone()))
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        None
    }

    pub(crate) fn arm(&mut self, _now: Instant, _deadline: Instant) -> Option<Duration> {
        None
    }

    pub(crate) fn look(&mut self) {
        let mut state = self.bell.state.lock();
        state.rung = false;
        self.readable = std::mem::take(&mut state.readable);
    }

    /// Waits until it is kicked, or there is an event. A deadline never comes: time stands still.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, _deadline: Option<(Instant, Instant)>) {
        if limit.is_some_and(|limit| limit.is_zero()) {
            return self.look();
        }
        let mut state = self.bell.state.lock();
        while !state.rung && state.readable.is_empty() {
            self.bell.ring.wait(&mut state);
        }
        state.rung = false;
        self.readable = std::mem::take(&mut state.readable);
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (usize, News, News)> {
        let news = |&token| (token, News::READY, News::NONE);
        self.readable.iter().map(news)
    }
}

/// What a model registers.
pub(crate) trait Pollable {
    /// It reports to this bell, with this token.
    fn registered(&mut self, bell: &Arc<Bell>, token: usize);
}

/// What sources are registered with.
pub(crate) struct Registry(Arc<Bell>);

impl Registry {
    pub(crate) fn name(&self) -> &str {
        "modelled"
    }

    pub(crate) fn is_inherited(&self) -> bool {
        false
    }

    pub(crate) fn register(
        &self,
        io: &mut impl Pollable,
        token: usize,
        _: mio::Interest,
    ) -> io::Result<()> {
        io.registered(&self.0, token);
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
