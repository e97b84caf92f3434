//! Who holds the poller, and the promise that somebody looks after it.
//!
//! The poller is held by at most one thread at a time: a worker with nothing to do borrows it, and the reactor
//! thread takes it when nobody else has it. A borrower that finds work lets the poller go without a word to anyone,
//! so a hand-over costs no wake-up; the reactor thread looks again at its next tick, and takes the poller where it has
//! been left for a while. When all is quiet the thread stops ticking and sleeps for good, with the poller or without
//! it, and then the one who lets the poller go, and the one who gets up to work, must wake it.
//!
//! The reactor thread is in one of these states:
//!
//! | state | where it stands | who looks after a free poller | after those at work |
//! |---|---|---|---|
//! | holding | waits in the poller for a tick, or hands out its events | the thread, it holds it | the thread |
//! | settled | waits in the poller for good, `settled` is true | the thread, it holds it | who gets up, by waking it |
//! | ticking | [`Handover::tick`] | the thread: it takes it where it has been free for long enough | the thread |
//! | resting | [`Handover::rest`], `resting` is true | whoever lets it go, by waking the thread | who gets up, likewise |
//! | calling | calls wakers that may block, the poller let go | the thread when it is through, or else another in its place (`relay.rs`) | likewise |
//! | absent | never started (current-thread runtimes), or stopped | nobody: its one user holds it whenever it waits | nobody |
//!
//! Invariants:
//! 1. Whenever the poller is free, the thread is awake, ticking or calling, once the one who let it go has returned.
//! 2. `resting` goes from false to true only by the thread, and back by anyone, under `rest`. `settled` is the
//!    thread's.
//! 3. Only the holder of the lock touches the poller.
//! 4. Whenever somebody is at work, the thread is awake, holding, ticking or calling, once the one who got up has returned from
//!    [`Handover::rouse`]. (Who is at work is the scheduler's to say: `quiet` and the look after [`Handover::settle`].)
//!
//! Orderings. The thread stores `resting`, then looks whether the poller is free and whether all is quiet; or it stores
//! `settled`, then looks whether all is quiet. A borrower frees the poller, then looks at `resting`; one who gets up has
//! said so, then looks at both. Each has a SeqCst fence between its store and its look, so at least one of them sees
//! the other (store buffering can't hide both). The race as cases:
//! - the other sees `resting`: it wakes the thread, under `rest`, so the wake can't fall between the thread's check and
//!   its sleep;
//! - it sees `settled`: it kicks the poller, which ends the wait under way or the next one;
//! - it sees neither: then the thread sees the poller free, or somebody at work, and does not sleep;
//! - both see: the thread doesn't sleep, and the wake finds nobody asleep, or the kick ends a wait early.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use heist_sync::sys::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use heist_sync::sys::clock::Instant;
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
    born: Instant,
    /// When the poller was let go the last time, in nanoseconds after `born`.
    left_at: AtomicU64,
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
            born: Instant::now(),
            left_at: AtomicU64::new(0),
        }
    }

    /// Takes the poller where it is free.
    pub fn try_borrow(&self) -> Option<Held<'_, P>> {
        let guard = self.poller.try_lock()?;
        Some(Held {
            handover: self,
            guard: Some(guard),
        })
    }

    /// For how long the poller has been free; `None` where somebody holds it. Both as far as can be said from outside.
    pub fn free_for(&self) -> Option<Duration> {
        if self.poller.is_locked() {
            return None;
        }
        // Ordering: hint only.
        let left_at = Duration::from_nanos(self.left_at.load(Ordering::Relaxed));
        Some(self.born.elapsed().saturating_sub(left_at))
    }

    /// The reactor thread's sleep for good: returns with the poller where it was free after all, and with `None`
    /// once somebody let it go, got up ([`rouse`](Self::rouse)), or told the thread to end. `quiet` is asked at the last
    /// moment whether there is still nobody at work.
    pub fn rest(&self, quiet: impl FnOnce() -> bool) -> Option<Held<'_, P>> {
        // Ordering: Relaxed, with the fence: pairs with the fences in `let_go` and `rouse`; see the head of this file.
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

    /// Says that the reactor thread, which holds the poller, is about to wait in it for good. It has to look once more
    /// whether anybody is at work, and to [`unsettle`](Self::unsettle) before it does anything else.
    pub fn settle(&self) {
        // Ordering: Relaxed, with the fence: pairs with the fence in `rouse`; see the head of this file.
        self.settled.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The reactor thread doesn't wait for good.
    pub fn unsettle(&self) {
        // Ordering: Relaxed: a late reader wakes the thread for nothing.
        self.settled.store(false, Ordering::Relaxed);
    }

    /// Called by one who has got up to work: sees to it that the reactor thread ticks (invariant 4). `kick` ends the
    /// wait in the poller that is under way, or else the next one.
    pub fn rouse(&self, kick: impl FnOnce()) {
        // Ordering: pairs with the fences in `rest` and `settle`; see the head of this file.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed, ordered by the fence.
        if self.settled.load(Ordering::Relaxed) {
            kick();
        }
        self.wake_resting();
    }

    /// What whoever frees the poller owes the reactor thread, once it is free (invariant 1).
    fn let_go(&self) {
        // Ordering: pairs with the fence in `rest`; see the head of this file.
        fence(Ordering::SeqCst);
        self.wake_resting();
    }

    /// Wakes the reactor thread where it rests. To be called after a fence.
    fn wake_resting(&self) {
        // Ordering: Relaxed, ordered by the caller's fence.
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
        let left_at = self.handover.born.elapsed().as_nanos() as u64;
        // Ordering: hint only.
        self.handover.left_at.store(left_at, Ordering::Relaxed);
        self.guard = None;
        self.handover.let_go();
    }
}

impl<P> fmt::Debug for Held<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
