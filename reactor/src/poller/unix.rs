//! Unix: sources are descriptors, so a poller can be any object that knows what to do with these. Processes fork.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use heist_sync::protocol::contain;
use heist_sync::sys::atomic::{AtomicU32, Ordering};
use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Token};

use crate::backend::{self, Backend, Event, PosixPoll};
use crate::readiness;

/// How long the reactor pauses after a wait that failed.
const PAUSE: Duration = Duration::from_millis(1);

/// What can be registered.
pub(crate) trait Pollable: AsRawFd {
    /// Registers it with mio.
    fn register_with(
        &mut self,
        registry: &mio::Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).register(registry, token, interest)
    }

    /// Deregisters it from mio.
    fn deregister_from(&mut self, registry: &mio::Registry) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).deregister(registry)
    }
}

impl<S: AsRawFd> Pollable for S {}

/// An object that is a poller, and the events of its last wait.
pub(super) struct Object {
    poller: Arc<dyn backend::Poller>,
    events: Vec<Event>,
}

/// The object, as other threads see it.
pub(crate) struct Shared(Arc<dyn backend::Poller>);

/// The events of a batch: each is a token and the news of its two directions.
pub(super) struct News<'a>(std::slice::Iter<'a, Event>);

impl Object {
    pub(super) fn new(backend: Backend) -> io::Result<Self> {
        let poller = match backend {
            Backend::Custom(custom) => Arc::from(custom.make()?),
            _ => Arc::new(PosixPoll::new()?) as Arc<dyn backend::Poller>,
        };
        let events = Vec::new();
        Ok(Self { poller, events })
    }

    pub(super) fn share(&self) -> Shared {
        Shared(self.poller.clone())
    }

    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.poller.descriptor().map(|fd| fd.as_raw_fd())
    }

    /// Waits for events. After an error, pauses.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) {
        self.events.clear();
        let waited = contain(|| self.poller.wait(&mut self.events, timeout));
        let failed = match waited {
            Some(result) => result.is_err_and(|error| error.kind() != io::ErrorKind::Interrupted),
            None => true,
        };
        if failed && timeout != Some(Duration::ZERO) {
            std::thread::sleep(PAUSE);
        }
    }

    pub(super) fn events(&self) -> News<'_> {
        News(self.events.iter())
    }
}

impl Iterator for News<'_> {
    type Item = (usize, readiness::News, readiness::News);

    fn next(&mut self) -> Option<Self::Item> {
        let Event { token, ready } = *self.0.next()?;
        let [readable, writable, read_closed, write_closed] = ready.parts();
        let news = readiness::News::NONE.and(ready.is_error(), readiness::News::ERROR);
        let read = news
            .and(readable, readiness::News::READY)
            .and(ready.has_priority(), readiness::News::URGENT)
            .and(read_closed, readiness::News::CLOSED);
        let write = news
            .and(writable, readiness::News::READY)
            .and(write_closed, readiness::News::CLOSED);
        Some((token, read, write))
    }
}

impl Shared {
    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    pub(super) fn notify(&self) {
        self.0.notify();
    }

    pub(super) fn register(
        &self,
        io: &impl AsRawFd,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let fd = io.as_raw_fd();
        contain(|| self.0.register(fd, token, interest.into())).unwrap_or_else(|| Err(panicked()))
    }

    pub(super) fn rearm(&self, token: usize, interest: Interest) {
        self.0.rearm(token, interest.into());
    }

    pub(super) fn deregister(&self, io: &impl AsRawFd, token: usize) -> io::Result<()> {
        let fd = io.as_raw_fd();
        contain(|| self.0.deregister(fd, token)).unwrap_or_else(|| Err(panicked()))
    }
}

fn panicked() -> io::Error {
    io::Error::other("the poller has panicked")
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.name()).finish()
    }
}

/// How often this process and those before it have forked a child that led to this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn forked() {
    // Ordering: Relaxed: only this thread has come over into the child.
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process in which a poller was made.
#[derive(Debug)]
pub(super) struct Origin(u32);

impl Origin {
    /// This process.
    ///
    /// # Errors
    ///
    /// If the system has no memory to note who is to hear of forks.
    pub(super) fn here() -> io::Result<Self> {
        static LISTENS: OnceLock<i32> = OnceLock::new();
        let error = *LISTENS.get_or_init(|| {
            // Miri knows no such handlers, and nothing forks there.
            if cfg!(miri) {
                return 0;
            }
            // SAFETY: the handler does nothing but add to an atomic number, which it may do in the child of a process with
            // threads.
            unsafe { libc::pthread_atfork(None, None, Some(forked)) }
        });
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        Ok(Self(now()))
    }

    /// Whether this is still that process, and not the child of a fork.
    #[inline]
    pub(super) fn is_here(&self) -> bool {
        self.0 == now()
    }
}

fn now() -> u32 {
    // Ordering: Relaxed: the number changes only while the process has a single thread.
    FORKS.load(Ordering::Relaxed)
}
