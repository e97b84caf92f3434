//! The poller of a reactor: mio's, or an object that keeps the contract (`backend.rs`).
//!
//! This is not a protocol: whoever touches it holds it (`handover.rs`). The default is a variant of its own, so it is called
//! directly. Anything else is called through a table of functions.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::readiness::News;
use crate::timers::Pace;
use crate::wakeup::Kick;

mod mio;
#[cfg(unix)]
#[path = "poller/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "poller/windows.rs"]
mod system;

pub(crate) use system::Pollable;

/// The poller and what a turn works with.
pub(crate) struct Poller {
    inner: Inner,
    /// How often timers may end a wait.
    pub(crate) pace: Pace,
}

enum Inner {
    Mio(mio::Poller),
    Object(system::Object),
}

/// Ends a wait in the poller from another thread.
#[derive(Debug)]
pub(crate) enum PollKick {
    Mio(mio::PollKick),
    Object(system::Shared),
}

/// What sources are registered with.
pub(crate) struct Registry {
    inner: InnerRegistry,
    origin: system::Origin,
}

enum InnerRegistry {
    Mio(::mio::Registry),
    Object(system::Shared),
}

/// A batch of events: each is a token and the news of its two directions.
enum Events<'a> {
    Mio(mio::News<'a>),
    Object(system::News<'a>),
}

impl Kick for PollKick {
    fn kick(&self) {
        match self {
            PollKick::Mio(kick) => kick.kick(),
            PollKick::Object(object) => object.notify(),
        }
    }
}

impl Poller {
    pub(crate) fn new(backend: Backend) -> io::Result<(Self, PollKick)> {
        let (inner, kick) = match backend.chosen()? {
            Backend::Mio => {
                let (poller, kick) = mio::Poller::new()?;
                (Inner::Mio(poller), PollKick::Mio(kick))
            }
            other => {
                let object = system::Object::new(other)?;
                let kick = PollKick::Object(object.share());
                (Inner::Object(object), kick)
            }
        };
        let pace = Pace::default();
        Ok((Self { inner, pace }, kick))
    }

    /// Another handle to the poller's registry.
    pub(crate) fn registry(&self) -> io::Result<Registry> {
        let inner = match &self.inner {
            Inner::Mio(poller) => InnerRegistry::Mio(poller.registry()?),
            Inner::Object(object) => InnerRegistry::Object(object.share()),
        };
        let origin = system::Origin::here()?;
        Ok(Registry { inner, origin })
    }

    /// The poller's own descriptor, which is readable while there are events to take. `None` if it has none.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        match &self.inner {
            Inner::Mio(poller) => Some(poller.descriptor()),
            Inner::Object(object) => object.descriptor(),
        }
    }

    /// Makes the descriptor readable at `deadline`, which is later than `now`. If the system has no alarm, returns for
    /// how long whoever waits for the descriptor may wait.
    pub(crate) fn arm(&mut self, now: Instant, deadline: Instant) -> Option<Duration> {
        match &mut self.inner {
            Inner::Mio(poller) => poller.arm(now, deadline),
            Inner::Object(_) => Some(deadline.saturating_duration_since(now)),
        }
    }

    /// Asks for events without waiting.
    pub(crate) fn look(&mut self) {
        match &mut self.inner {
            Inner::Mio(poller) => poller.look(),
            Inner::Object(object) => object.wait(Some(Duration::ZERO)),
        }
    }

    /// Waits for events, for `limit` at most, and until `deadline`. `deadline` is kept more exactly than a `limit` of a
    /// millisecond or more.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, deadline: Option<(Instant, Instant)>) {
        match &mut self.inner {
            Inner::Mio(poller) => poller.wait(limit, deadline),
            Inner::Object(object) => {
                let left = deadline.map(|(now, at)| at.saturating_duration_since(now));
                object.wait(limit.into_iter().chain(left).min());
            }
        }
    }

    /// The events of the last wait: each is a token and the news of its two directions.
    pub(crate) fn events(&self) -> impl Iterator<Item = (usize, News, News)> {
        match &self.inner {
            Inner::Mio(poller) => Events::Mio(poller.events()),
            Inner::Object(object) => Events::Object(object.events()),
        }
    }
}

impl Iterator for Events<'_> {
    type Item = (usize, News, News);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Events::Mio(events) => events.next(),
            Events::Object(events) => events.next(),
        }
    }
}

impl Registry {
    /// What the poller is called.
    pub(crate) fn name(&self) -> &str {
        match &self.inner {
            InnerRegistry::Mio(_) => "mio",
            InnerRegistry::Object(object) => object.name(),
        }
    }

    /// Whether another process has made the poller: this one is a child that was forked since. The poller still
    /// belongs to the parent, and threads that are not here may have held the locks.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.origin.is_here()
    }

    pub(crate) fn register(
        &self,
        io: &mut impl Pollable,
        token: usize,
        interest: ::mio::Interest,
    ) -> io::Result<()> {
        match &self.inner {
            InnerRegistry::Mio(registry) => {
                io.register_with(registry, ::mio::Token(token), interest)
            }
            InnerRegistry::Object(object) => object.register(io, token, interest),
        }
    }

    /// An operation has found a source not ready.
    #[inline]
    pub(crate) fn rearm(&self, token: usize, interest: ::mio::Interest) {
        match &self.inner {
            // Its edges need no rearming.
            InnerRegistry::Mio(_) => {}
            InnerRegistry::Object(object) => object.rearm(token, interest),
        }
    }

    pub(crate) fn deregister(&self, io: &mut impl Pollable, token: usize) -> io::Result<()> {
        match &self.inner {
            InnerRegistry::Mio(registry) => io.deregister_from(registry),
            InnerRegistry::Object(object) => object.deregister(io, token),
        }
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
