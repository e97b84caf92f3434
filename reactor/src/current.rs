//! How a reactor is made, and how code finds the reactor that it needs. This is on a level above sleeps, as it makes
//! them the clock for the limits in `heist_sync`.

use std::io;

use crate::config::Config;
use crate::context::{self, EnterGuard};
use crate::reactor::Reactor;
use crate::time;

impl Reactor {
    /// A reactor without a thread. Until you call [`start_thread`](Self::start_thread), nothing happens but in the turns of
    /// those who [borrow](Self::try_borrow) the poller.
    ///
    /// # Errors
    ///
    /// If the operating system refuses the poller or its descriptors.
    pub fn new(config: Config) -> io::Result<Reactor> {
        time::serve_limits();
        Reactor::bare(config)
    }

    /// The reactor that this thread has [entered](Self::enter). If it has entered none: the default one, whose thread starts
    /// at first use.
    ///
    /// # Panics
    ///
    /// If the default reactor is needed, and the operating system refuses it a poller or a thread.
    #[track_caller]
    pub fn current() -> Reactor {
        if let Some(entered) = Self::try_current() {
            return entered;
        }
        match default_reactor() {
            Ok(reactor) => reactor.clone(),
            Err(error) => panic!("the default reactor can't be started: {error}"),
        }
    }

    /// The reactor that this thread has [entered](Self::enter).
    pub fn try_current() -> Option<Reactor> {
        context::with_entered(Reactor::clone)
    }

    /// Makes this reactor the current one of this thread until the guard is dropped.
    pub fn enter(&self) -> EnterGuard {
        context::enter(self.clone())
    }
}

/// The reactor for every thread that has entered none. It lives as long as the process.
pub(crate) fn default_reactor() -> io::Result<&'static Reactor> {
    time::serve_limits();
    context::default_reactor()
}
