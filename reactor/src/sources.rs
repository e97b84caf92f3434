//! What is registered with the poller.
//!
//! The memory shared between threads that the paths of a source touch. The kernel's own locks come to it:
//!
//! | path | writes | reads |
//! |---|---|---|
//! | register, and so accept and connect | the new source; the lock of its slot; the lock of this thread's pool of free slots; this thread's count of references | where the slots are |
//! | deregister | the source; the lock of its slot; the lock of this thread's pool; the count of the thread that registered it | where the slots are |
//! | read, write | the word of the direction, if it was drained | the word of the direction |
//! | wait | the word and the lock of the direction | |
//! | an event | the lock of its slot; the word of each direction that it is about; a direction's lock, if somebody waits there; then a wake | where the slots are |
//! | each 32nd register, while there are more sources than ever before | the lock for new slots | each pool |
//! | register, if this thread's pool is empty | the lock of a pool that has more than 32 slots; at least 16 of them come along | each pool |
//!
//! This is which threads share it:
//!
//! | memory | written by | read by |
//! |---|---|---|
//! | a source and its slot | its users; whoever holds the poller | the same |
//! | a pool, one for each thread | its thread; a thread that has run out | threads that have run out |
//! | a count of references, one for each thread | its thread; whoever deregisters what it registered | nobody |
//! | where the slots are | the thread that makes more of them: at 32 sources, and each time that the number has doubled | all |
//! | the lock for new slots | see above; shutdown | the same |
//!
//! So no lock is taken by all workers, however many connections come and go.
//!
//! On 64-bit systems a registered source takes 236 bytes, beside the object itself: 208 for the source, 24 for its slot,
//! and 4 for the slot's index. Wakers that wait in its lists come to it.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;

use heist_sync::sys::{Arc, CachePadded, thread};
use mio::Interest;

use crate::poller::{Pollable, Registry};
use crate::readiness::{News, Source};
use table::Table;

pub(crate) mod table;

/// The sources of one reactor.
pub(crate) struct Sources {
    registry: Registry,
    table: Table<Source>,
}

/// A reference to the sources. It is counted apart from those that other threads have made.
#[derive(Debug, Clone)]
pub(crate) struct Share(Arc<CachePadded<Arc<Sources>>>);

/// The sources, and a first reference for each thread to clone.
#[derive(Debug)]
pub(crate) struct Shares {
    sources: Arc<Sources>,
    shares: Box<[Share]>,
}

impl Shares {
    /// No sources yet. `threads` is a power of two: how many threads do not get in each other's way.
    pub(crate) fn new(registry: Registry, threads: usize) -> Self {
        let sources = Arc::new(Sources {
            registry,
            table: Table::new(threads),
        });
        let share = |_| Share(Arc::new(CachePadded::new(sources.clone())));
        Self {
            shares: (0..threads).map(share).collect(),
            sources,
        }
    }

    /// A reference for something that this thread registers.
    pub(crate) fn share(&self) -> Share {
        self.shares[thread::number() & (self.shares.len() - 1)].clone()
    }
}

impl Deref for Shares {
    type Target = Sources;

    fn deref(&self) -> &Sources {
        &self.sources
    }
}

impl Deref for Share {
    type Target = Sources;

    fn deref(&self) -> &Sources {
        &self.0
    }
}

impl Sources {
    /// Registers a source, and returns its token.
    ///
    /// # Errors
    ///
    /// If the reactor has been shut down, or if it has no room. In the child of a fork.
    pub(crate) fn register<S: Pollable>(
        &self,
        io: &mut S,
        interest: Interest,
        source: Arc<Source>,
    ) -> io::Result<usize> {
        if self.registry.is_inherited() {
            return Err(inherited());
        }
        let inserted = self.table.insert(thread::number(), source);
        let token = inserted.ok_or_else(shut_down)?;
        if let Err(error) = self.registry.register(io, token, interest) {
            drop(self.table.remove(thread::number(), token));
            return Err(error);
        }
        Ok(token)
    }

    /// Deregisters a source. In the child of a fork it does nothing: the poller and the table are the parent's, and there is
    /// only a copy of the source here.
    pub(crate) fn deregister<S: Pollable>(&self, io: &mut S, token: usize) -> io::Result<()> {
        if self.registry.is_inherited() {
            return Ok(());
        }
        let left = self.registry.deregister(io, token);
        let source = self.table.remove(thread::number(), token);
        // Wakers may be dropped with it.
        drop(source);
        left
    }

    /// An operation has found a source not ready for `interest`, and its readiness is cleared: the poller must tell again.
    #[inline]
    pub(crate) fn rearm(&self, token: usize, interest: Interest) {
        self.registry.rearm(token, interest);
    }

    /// Tells the sources about a batch of events: tokens, and the news of their two directions. A token may be one of a
    /// source that has left, or none at all: the poller may be anybody's. Adds the wakers of those who waited to `wakers`.
    pub(crate) fn dispatch(
        &self,
        events: impl Iterator<Item = (usize, News, News)>,
        wakers: &mut Vec<Waker>,
    ) -> usize {
        let mut n = 0;
        for (token, read, write) in events {
            // A source that has left may still have events in the batch.
            self.table
                .with(token, |source| source.tell(read, write, wakers));
            n += 1;
        }
        n
    }

    /// What the poller is called.
    pub(crate) fn backend(&self) -> &str {
        self.registry.name()
    }

    /// Makes everything fail that waits for a source, now or later, and takes the wakers.
    pub(crate) fn shut_down(&self, wakers: &mut Vec<Waker>) {
        let sources = self.table.close();
        for source in sources {
            source.tell(News::SHUT_DOWN, News::SHUT_DOWN, wakers);
        }
    }
}

// No user code runs under its locks, so a panic leaves it as it is.
impl UnwindSafe for Sources {}
impl RefUnwindSafe for Sources {}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The error of an operation whose reactor has been shut down.
pub(crate) fn shut_down() -> io::Error {
    io::Error::other(ShutDown)
}

/// Whether an error says that a reactor has been shut down.
pub fn is_shutdown(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<ShutDown>())
}

#[derive(Debug)]
struct ShutDown;

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reactor that this belongs to has been shut down")
    }
}

impl Error for ShutDown {}

/// The error of who registers a source in the child of a fork.
fn inherited() -> io::Error {
    io::Error::other(
        "the reactor belongs to the process that has made it, not to a child made by fork",
    )
}
