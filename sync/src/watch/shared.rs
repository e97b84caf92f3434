//! What the ends of a watch channel share: the value, the word that says which version of it there is, and the tasks
//! that wait for another version.
//!
//! # The word
//!
//! `version << 2 | WAITERS | CLOSED`. The version counts the changes, and wraps.
//!
//! # Invariants
//!
//! 1. The version is raised under the value's lock, which is held for writing, after the value was changed. So whoever
//!    holds that lock for reading knows which version it looks at.
//! 2. `WAITERS` is set if the queue is not empty, whenever the queue's lock is free. It is set under that lock, by a
//!    CAS from a word in which the waiter's version was the current one. It is cleared under that lock, and the queue
//!    is emptied in the same hold.
//! 3. Whoever raises the version or sets `CLOSED`, and had `WAITERS` in the word before, goes on to
//!    [`Shared::wake_all`].
//! 4. `CLOSED` is set when the last sender goes, and never cleared.
//! 5. No user code runs under the queue's lock. Under the value's lock, only the closures run that look at the value or
//!    change it.
//!
//! # No change is missed
//!
//! A change and a registration both work on the one word. The CAS that sets `WAITERS` fails if the version has changed.
//! A change that comes after it finds `WAITERS` set, unless a hold of the queue has emptied the queue since. So no
//! fence is needed.
//!
//! # Orderings
//!
//! A change is a Release of the word and a look an Acquire. So what was done before a change is seen after the look.
//! The value's lock orders the value, and the queue's lock orders the rest.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::Notify;
use crate::sys::RwLock;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::waiting::{FIRST_OUTCOME, Outcome, Standing, WaitQueue, Waiter};
use crate::wakes::Wakes;

const CLOSED: usize = 1;
const WAITERS: usize = 2;
/// One version in the word.
const STEP: usize = 4;

/// There is something to look at: a change, or the end.
const LOOK: Outcome = FIRST_OUTCOME;

/// Which state of the value a receiver has seen: the word without its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(usize);

impl Version {
    /// The version of the first value.
    pub(super) const FIRST: Self = Self(0);

    fn of(word: usize) -> Self {
        Self(word & !(WAITERS | CLOSED))
    }

    /// A version that is not the current one, for a receiver that has seen the current one.
    pub(super) fn before(self) -> Self {
        Self(self.0.wrapping_sub(STEP))
    }
}

pub(super) struct Shared<T> {
    pub(super) value: RwLock<T>,
    word: AtomicUsize,
    receivers: AtomicUsize,
    senders: AtomicUsize,
    queue: WaitQueue<()>,
    /// Notified when the last receiver has gone.
    receivers_gone: Notify,
}

/// What a look at the word tells a receiver that has seen a version.
pub(super) enum Look {
    /// There is another version.
    Changed(Version),
    /// There is no other version, and there will be none.
    Closed,
    /// There is no other version yet, in this word.
    Same(usize),
}

impl<T> Shared<T> {
    /// For one sender and one receiver.
    pub(super) fn new(value: T) -> Self {
        Self {
            value: RwLock::new(value),
            word: AtomicUsize::new(0),
            receivers: AtomicUsize::new(1),
            senders: AtomicUsize::new(1),
            queue: WaitQueue::new(),
            receivers_gone: Notify::new(),
        }
    }

    fn load(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `raise` and `remove_sender`, so that whoever sees a change or the
        // end sees what came before it.
        self.word.load(Ordering::Acquire)
    }

    /// The current version. A caller that holds the value's lock gets the version of that value.
    pub(super) fn version(&self) -> Version {
        Version::of(self.load())
    }

    /// Whether all senders are gone.
    pub(super) fn is_closed(&self) -> bool {
        self.load() & CLOSED != 0
    }

    /// What there is for a receiver that has seen `seen`.
    pub(super) fn look(&self, seen: Version) -> Look {
        let word = self.load();
        if Version::of(word) != seen {
            Look::Changed(Version::of(word))
        } else if word & CLOSED != 0 {
            Look::Closed
        } else {
            Look::Same(word)
        }
    }

    /// Changes the value by `change`, and tells the receivers if that returned true. If it panics, the panic goes on
    /// and nobody is told.
    pub(super) fn change(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.value.write();
        if !change(&mut value) {
            return false;
        }
        // Invariant 1. Ordering: Release pairs with the Acquire in `load`.
        let before = self.word.fetch_add(STEP, Ordering::Release);
        drop(value);
        // Invariant 3.
        if before & WAITERS != 0 {
            self.wake_all();
        }
        true
    }

    /// Releases all that wait.
    fn wake_all(&self) {
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        // Invariant 2. Ordering: hint only, the lock orders it.
        self.word.fetch_and(!WAITERS, Ordering::Relaxed);
        while let Some(waker) = locked.pop_front(LOOK) {
            wakes.push(waker);
        }
        drop(locked);
        wakes.wake_all();
    }

    /// A waiter for a change.
    pub(super) fn waiter(&self) -> Waiter<'_, ()> {
        Waiter::new(&self.queue, ())
    }

    /// Waits for a version other than `seen`; `None` if the channel has ended.
    pub(super) fn poll_change(
        &self,
        seen: Version,
        mut waiter: Pin<&mut Waiter<'_, ()>>,
        cx: &Context<'_>,
    ) -> Poll<Option<Version>> {
        loop {
            match self.look(seen) {
                Look::Changed(version) => return Poll::Ready(Some(version)),
                Look::Closed => return Poll::Ready(None),
                Look::Same(_) => {}
            }
            if waiter.standing() == Standing::Idle {
                let waker = cx.waker().clone();
                let mut locked = self.queue.lock();
                if self.announce(seen) {
                    locked.push_back(waiter, waker);
                    return Poll::Pending;
                }
            } else {
                ready!(waiter.as_mut().poll_queued(cx));
                waiter.as_mut().reset();
            }
        }
    }

    /// Under the queue's lock: makes sure that WAITERS is set, unless there is something to look at.
    fn announce(&self, seen: Version) -> bool {
        while let Look::Same(word) = self.look(seen) {
            if word & WAITERS != 0 {
                return true;
            }
            // Ordering: hint only. If a change comes first, it makes the CAS fail; if it comes later, it sees the flag.
            let announced = self.word.compare_exchange(
                word,
                word | WAITERS,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if announced.is_ok() {
                return true;
            }
        }
        false
    }

    pub(super) fn senders(&self) -> usize {
        // Ordering: hint only; the count is a figure.
        self.senders.load(Ordering::Relaxed)
    }

    pub(super) fn add_sender(&self) {
        // Ordering: hint only. The count is not 0, because the caller's sender is counted.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// A sender is dropped. The last one closes the channel.
    pub(super) fn remove_sender(&self) {
        // Ordering: Release for the others and Acquire for the last, which passes on what all of them did.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Ordering: Release pairs with the Acquire in `load`.
            let before = self.word.fetch_or(CLOSED, Ordering::Release);
            // Invariant 3.
            if before & WAITERS != 0 {
                self.wake_all();
            }
        }
    }

    pub(super) fn receivers(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `remove_receiver`, so that whoever sees that all have gone sees
        // what they did.
        self.receivers.load(Ordering::Acquire)
    }

    pub(super) fn add_receiver(&self) {
        // Ordering: hint only; the count orders nothing.
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_receiver(&self) {
        // Ordering: Release pairs with the Acquire in `receivers`; Acquire, so that the last passes on what all of them
        // did.
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.receivers_gone.notify_waiters();
        }
    }

    /// Waits until there is no receiver.
    pub(super) async fn receivers_gone(&self) {
        while self.receivers() > 0 {
            let notified = self.receivers_gone.notified();
            // If a receiver goes after this look, it notifies `notified`. If its notification came too early for that,
            // it is gone by this look.
            if self.receivers() == 0 {
                return;
            }
            notified.await;
            // There may be a new receiver by now.
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("value", &self.value)
            .field("version", &self.version())
            .field("is_closed", &self.is_closed())
            .field("ref_count_rx", &self.receivers())
            .finish()
    }
}
