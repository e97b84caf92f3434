//! Who holds the poller, and the promise that somebody looks after it.
//!
//! The poller is held by at most one thread at a time: a worker with nothing to do borrows it, and the reactor
//! thread takes it when nobody else has it. A borrower that finds work lets the poller go without a word to anyone,
//! so a hand-over costs no wake-up; the reactor thread looks again at its next tick, and takes the poller where it has
//! been left. When all is quiet the thread stops ticking and rests for good, and then the one who lets the poller go
//! must wake it.
//!
//! The reactor thread is in one of these states:
//!
//! | state | where it stands | who looks after a free poller |
//! |---|---|---|
//! | holding | waits in the poller or hands out its events | the thread, it holds it |
//! | ticking | [`Handover::tick`] | the thread: it takes it at the end of a tick in which nobody did |
//! | resting | [`Handover::rest`], `resting` is true | whoever lets the poller go, by waking the thread |
//! | absent | never started (current-thread runtimes), or stopped | nobody: its one user holds it whenever it waits |
//!
//! Invariants:
//! 1. Whenever the poller is free, the thread is awake or ticking, once the one who let it go has returned.
//! 2. `resting` goes from false to true only by the thread, and back by anyone, under `rest`.
//! 3. Only the holder of the lock touches the poller.
//!
//! Orderings. The thread stores `resting`, then looks whether the poller is free; a borrower frees the poller, then
//! looks at `resting`. Each has a SeqCst fence between its store and its look, so at least one of them sees the
//! other (store buffering can't hide both). The race as cases:
//! - the borrower sees `resting`: it wakes the thread, under `rest`, so the wake can't fall between the thread's
//!   check and its sleep;
//! - the borrower doesn't: then the thread sees the poller free, and takes it instead of sleeping;
//! - both: the thread has taken the poller, and the wake finds nobody asleep.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use heist_sync::sys::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use heist_sync::sys::{Condvar, Mutex, MutexGuard};

/// A poller, lent to one thread at a time. See the head of this file.
pub struct Handover<P> {
    poller: Mutex<P>,
    resting: AtomicBool,
    /// Whether the reactor thread holds the poller and is about to wait in it without a limit.
    settled: AtomicBool,
    /// Whether the reactor thread has been told to end.
    rest: Mutex<bool>,
    wake: Condvar,
    /// Counts the borrowings, so that the thread sees whether anything went on since its last tick.
    borrowings: AtomicUsize,
}

impl<P> Handover<P> {
    /// A free poller, without a thread to look after it yet.
    pub fn new(poller: P) -> Self {
        Self {
            poller: Mutex::new(poller),
            resting: AtomicBool::new(false),
            settled: AtomicBool::new(false),
            rest: Mutex::new(false),
            wake: Condvar::new(),
            borrowings: AtomicUsize::new(0),
        }
    }

    /// Takes the poller where it is free.
    pub fn try_borrow(&self) -> Option<Held<'_, P>> {
        let guard = self.poller.try_lock()?;
        // Ordering: hint only; the thread compares it with an older value to see that something went on.
        self.borrowings.fetch_add(1, Ordering::Relaxed);
        Some(Held {
            handover: self,
            guard: Some(guard),
        })
    }

    /// Whether somebody holds the poller, as far as can be said from outside.
    pub fn is_held(&self) -> bool {
        self.poller.is_locked()
    }

    /// How often the poller has been borrowed.
    pub fn borrowings(&self) -> usize {
        // Ordering: hint only.
        self.borrowings.load(Ordering::Relaxed)
    }

    /// The reactor thread's sleep for good: returns with the poller where it was free after all, and with `None`
    /// once somebody let it go, got up ([`rouse`](Self::rouse)), or told the thread to end. `quiet` is asked at the last
    /// moment whether there is still nothing to watch.
    pub fn rest(&self, quiet: impl FnOnce() -> bool) -> Option<Held<'_, P>> {
        // Ordering: Relaxed, with the fence: pairs with the fences in `let_go` and `is_settled`; see the head of this
        // file.
        self.resting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let held = self.try_borrow();
        if held.is_none() && quiet() {
            let mut stopped = self.rest.lock();
            // Ordering: Relaxed, as it is cleared under the lock that we hold (invariant 2).
            while self.resting.load(Ordering::Relaxed) && !*stopped {
                self.wake.wait(&mut stopped);
            }
        }
        // Ordering: Relaxed: a late reader wakes the thread for nothing.
        self.resting.store(false, Ordering::Relaxed);
        held
    }

    /// The reactor thread's short sleep; [`stop`](Self::stop) cuts it short. Returns whether to go on.
    pub fn tick(&self, length: Duration) -> bool {
        let mut stopped = self.rest.lock();
        if !*stopped {
            self.wake.wait_for(&mut stopped, length);
        }
        !*stopped
    }

    /// Tells the reactor thread to end. It may stand in the poller: wake it there too.
    pub fn stop(&self) {
        *self.rest.lock() = true;
        self.wake.notify_all();
    }

    /// Whether the reactor thread has been told to end.
    pub fn is_stopped(&self) -> bool {
        *self.rest.lock()
    }

    /// What whoever frees the poller owes the reactor thread, once it is free (invariant 1).
    fn let_go(&self) {
        // Ordering: pairs with the fence in `rest`; see the head of this file.
        fence(Ordering::SeqCst);
        self.rouse();
    }

    /// Says that the reactor thread, which holds the poller, is about to wait in it without a limit. It looks once more
    /// whether there is anything to watch, and [`unsettle`](Self::unsettle)s.
    pub fn settle(&self) {
        // Ordering: Relaxed, with the fence: pairs with the fence in `is_settled`: of one who gets up and one who
        // settles, at least one sees the other.
        self.settled.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The reactor thread is awake.
    pub fn unsettle(&self) {
        // Ordering: Relaxed: a late reader wakes the thread for nothing.
        self.settled.store(false, Ordering::Relaxed);
    }

    /// Asked by one who has just got up: whether the reactor thread has to be woken in the poller.
    pub fn is_settled(&self) -> bool {
        // Ordering: pairs with the fence in `settle`.
        fence(Ordering::SeqCst);
        self.settled.load(Ordering::Relaxed)
    }

    /// Wakes the reactor thread where it rests.
    pub fn rouse(&self) {
        // Ordering: Relaxed, ordered by the fence in `let_go`; a hint only to others.
        if self.resting.load(Ordering::Relaxed) {
            let stopped = self.rest.lock();
            // Ordering: Relaxed, read under the same lock.
            self.resting.store(false, Ordering::Relaxed);
            drop(stopped);
            self.wake.notify_all();
        }
    }
}

impl<P> fmt::Debug for Handover<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}

/// The poller, held. Dropping it lets the poller go.
pub struct Held<'a, P> {
    handover: &'a Handover<P>,
    /// `None` only while being dropped.
    guard: Option<MutexGuard<'a, P>>,
}

impl<P> Deref for Held<'_, P> {
    type Target = P;
    fn deref(&self) -> &P {
        self.guard.as_ref().expect("held until dropped")
    }
}

impl<P> DerefMut for Held<'_, P> {
    fn deref_mut(&mut self) -> &mut P {
        self.guard.as_mut().expect("held until dropped")
    }
}

impl<P> Drop for Held<'_, P> {
    fn drop(&mut self) {
        self.guard = None;
        self.handover.let_go();
    }
}

impl<P> fmt::Debug for Held<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
