//! Who holds the poller, and the promise that somebody looks after it.
//!
//! At most one thread holds the poller at a time. A worker with nothing to do borrows it. The reactor thread takes it
//! when nobody else has it. A borrower that finds work lets the poller go without telling anyone, so a hand-over costs
//! no wake-up. The reactor thread looks again at its next tick, and takes the poller if it has been free for a while.
//! When all is quiet, the thread stops ticking and sleeps without a limit, with or without the poller. From then on, a
//! thread that lets the poller go must wake it, and so must a thread that gets up to work.
//!
//! The reactor thread is in one of these states:
//!
//! | state | what the thread does | who looks after a free poller | who looks after workers |
//! |---|---|---|---|
//! | holding | waits in the poller for a tick, or hands out its events | the thread, which holds it | the thread |
//! | settled | waits in the poller without a limit; `settled` is true | the thread, which holds it | a worker that gets up wakes the thread |
//! | ticking | sleeps until its next tick (`ticker.rs`) | the thread takes it when it has been free for long enough | the thread |
//! | resting | sleeps in [`Handover::rest`]; `resting` is true | whoever lets it go wakes the thread | a worker that gets up wakes the thread |
//! | calling | has let the poller go, and calls wakers that may block | the thread once it is through, or else another in its place (`relay.rs`) | likewise |
//! | absent | was never started (current-thread runtimes), or has stopped | nobody: its one user holds it whenever it waits | nobody |
//!
//! Invariants:
//! 1. If the poller is free, the thread is awake, ticking or calling. This holds from the moment that whoever let the
//!    poller go has returned.
//! 2. Only the thread changes `resting` from false to true. Anyone may change it back, under `rest`. `settled` belongs
//!    to the thread.
//! 3. Only the holder of the lock touches the poller.
//! 4. If somebody is at work, the thread is awake, holding, ticking or calling. This holds from the moment that whoever
//!    got up has returned from [`Handover::rouse`]. (The scheduler says who is at work: by `quiet`, and by the look
//!    after [`Handover::settle`].)
//!
//! Orderings. The thread stores `resting`, then looks whether the poller is free and whether all is quiet. Or it stores
//! `settled`, then looks whether all is quiet. A borrower frees the poller, then looks at `resting`. A worker that gets
//! up first says so, then looks at both. Each side has a SeqCst fence between its store and its look, so at least one
//! of them sees the other's store (store buffering can't hide both). The race as cases:
//! - The other sees `resting`: it wakes the thread, under `rest`. So the wake can't fall between the thread's check and
//!   its sleep.
//! - The other sees `settled`: it kicks the poller. This ends the current wait or the next one.
//! - The other sees neither: then the thread sees that the poller is free, or that somebody is at work, and does not
//!   sleep.
//! - Both see each other's store: the thread doesn't sleep. The wake finds nobody asleep, or the kick ends a wait
//!   early.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use heist_sync::sys::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use heist_sync::sys::clock::Instant;
use heist_sync::sys::{Condvar, Mutex, MutexGuard};

const HELD: u64 = u64::MAX;

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
    /// When the poller was let go the last time, in nanoseconds after `born`. [`HELD`] while somebody holds it.
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

    /// Takes the poller if it is free.
    pub fn try_borrow(&self) -> Option<Held<'_, P>> {
        let guard = self.poller.try_lock()?;
        // Ordering: hint only.
        self.left_at.store(HELD, Ordering::Relaxed);
        Some(Held {
            handover: self,
            guard: Some(guard),
        })
    }

    /// For how long the poller has been free. `None` if somebody holds it. Without the lock, both are only estimates.
    pub fn free_for(&self) -> Option<Duration> {
        // Ordering: hint only.
        let left_at = self.left_at.load(Ordering::Relaxed);
        let free = self.born.elapsed();
        (left_at != HELD).then(|| free.saturating_sub(Duration::from_nanos(left_at)))
    }

    /// The reactor thread's sleep without a limit. Returns with the poller if it was free after all. Returns `None`
    /// once somebody has let the poller go, has got up to work ([`rouse`](Self::rouse)), or has told the thread to end.
    /// `quiet` says at the last moment whether there is still nobody at work.
    pub fn rest(&self, quiet: impl FnOnce() -> bool) -> Option<Held<'_, P>> {
        // Ordering: Relaxed with the fence, which pairs with the fences in `let_go` and `rouse`. See the head of this
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
        // Ordering: Relaxed: a thread that reads the old value wakes this one for nothing.
        self.resting.store(false, Ordering::Relaxed);
        held
    }

    /// Tells the reactor thread to end. The thread may be waiting in the poller or for its next tick, so wake it there too.
    pub fn stop(&self) {
        *self.rest.lock() = true;
        self.wake.notify_all();
    }

    /// Whether the reactor thread has been told to end.
    pub fn is_stopped(&self) -> bool {
        *self.rest.lock()
    }

    /// Says that the reactor thread, which holds the poller, is about to wait in it without a limit. The thread must
    /// then look once more whether anybody is at work. It must [`unsettle`](Self::unsettle) before it does anything
    /// else.
    pub fn settle(&self) {
        // Ordering: Relaxed with the fence, which pairs with the fence in `rouse`. See the head of this file.
        self.settled.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The reactor thread no longer waits without a limit.
    pub fn unsettle(&self) {
        // Ordering: Relaxed: a thread that reads the old value wakes this one for nothing.
        self.settled.store(false, Ordering::Relaxed);
    }

    /// Makes the reactor thread tick (invariant 4). Called by a thread that has got up to work. `kick` ends the current
    /// wait in the poller, or else the next one.
    pub fn rouse(&self, kick: impl FnOnce()) {
        // Ordering: pairs with the fences in `rest` and `settle`; see the head of this file.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed, ordered by the fence.
        if self.settled.load(Ordering::Relaxed) {
            kick();
        }
        self.wake_resting();
    }

    /// Wakes the reactor thread if it rests. Whoever frees the poller calls this afterwards (invariant 1).
    fn let_go(&self) {
        // Ordering: pairs with the fence in `rest`; see the head of this file.
        fence(Ordering::SeqCst);
        self.wake_resting();
    }

    /// Wakes the reactor thread if it rests. Call it after a fence.
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
