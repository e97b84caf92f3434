//! What is registered with the poller.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;

use heist_sync::sys::{Arc, Mutex};
use mio::Interest;

use crate::poller::Poller;
use crate::readiness::{News, Source};
use table::Table;

pub(crate) mod table;

/// The sources of one reactor.
pub(crate) struct Sources {
    registry: mio::Registry,
    table: Mutex<Table<Source>>,
}

impl Sources {
    pub(crate) fn new(registry: mio::Registry) -> Self {
        Self {
            registry,
            table: Mutex::default(),
        }
    }

    /// Registers a source, and returns its token.
    ///
    /// # Errors
    ///
    /// If the reactor has been shut down, or if it has no room.
    pub(crate) fn register<S: mio::event::Source>(
        &self,
        io: &mut S,
        interest: Interest,
        source: Arc<Source>,
    ) -> io::Result<usize> {
        let inserted = self.table.lock().insert(source);
        let token = inserted.ok_or_else(shut_down)?;
        if let Err(error) = self.registry.register(io, mio::Token(token), interest) {
            drop(self.table.lock().remove(token));
            return Err(error);
        }
        Ok(token)
    }

    /// Deregisters a source.
    pub(crate) fn deregister<S: mio::event::Source>(
        &self,
        io: &mut S,
        token: usize,
    ) -> io::Result<()> {
        let left = self.registry.deregister(io);
        let source = self.table.lock().remove(token);
        // Wakers may be dropped with it.
        drop(source);
        left
    }

    /// Tells the sources about a batch of events. Adds the wakers of those who waited to `wakers`.
    pub(crate) fn dispatch(&self, events: &mio::Events, wakers: &mut Vec<Waker>) {
        let mut events = events
            .iter()
            .filter(|event| Poller::is_source(event.token()))
            .peekable();
        if events.peek().is_none() {
            return;
        }
        let table = self.table.lock();
        for event in events {
            // A source that has left may still have events in the batch.
            let Some(source) = table.get(event.token().0) else {
                continue;
            };
            let news = News::NONE.and(event.is_error(), News::ERROR);
            let read = news
                .and(event.is_readable(), News::READY)
                .and(event.is_priority(), News::URGENT)
                .and(event.is_read_closed(), News::CLOSED);
            let write = news
                .and(event.is_writable(), News::READY)
                .and(event.is_write_closed(), News::CLOSED);
            source.tell(read, write, wakers);
        }
    }

    /// Makes everything fail that waits for a source, now or later, and takes the wakers.
    pub(crate) fn shut_down(&self, wakers: &mut Vec<Waker>) {
        let sources = self.table.lock().close();
        for source in sources {
            source.tell(News::SHUT_DOWN, News::SHUT_DOWN, wakers);
        }
    }
}

// No user code runs under its lock, so a panic leaves it as it is.
impl UnwindSafe for Sources {}
impl RefUnwindSafe for Sources {}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The error of an operation whose reactor has been shut down.
pub(crate) fn shut_down() -> io::Error {
    io::Error::other("the reactor that this belongs to has been shut down")
}
