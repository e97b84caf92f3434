//! How a wait in the poller is cut short: by [`Signal::unpark`], or by a deadline nearer than the one it sleeps until.
//!
//! `sleeping_until` says what the holder of the poller does: [`AWAKE`], or sleeps until that many nanoseconds after
//! the reactor's birth ([`NEVER`]: until something happens). Only the holder stores it.
//!
//! Invariants:
//! 1. A holder that sleeps has, after announcing it, looked at `unparked` and at every deadline.
//! 2. Whoever sets `unparked`, or makes a deadline nearer, looks at `sleeping_until` afterwards, and kicks the holder
//!    where it would sleep past it.
//! 3. `sleeping_until` is never later than the moment the holder really sleeps until: it announces [`NEVER`] first,
//!    and lowers it once it knows better. An early look costs a kick for nothing, never a lost one.
//!
//! Orderings. Both sides store, fence (SeqCst), load: the holder stores `sleeping_until` and loads `unparked` and the
//! deadlines; the others store one of these and load `sleeping_until`. So the holder sees the news, or the other
//! sees the sleeper, or both; both is a kick for nothing. That a kick before the wait ends the wait is the poller's
//! own promise.

use std::fmt;

use heist_sync::sys::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// `sleeping_until` of a holder that does not sleep.
const AWAKE: u64 = 0;
/// A deadline that never comes.
pub const NEVER: u64 = u64::MAX;

/// Makes the wait under way in a poller, or else the next one, return.
pub trait Kick {
    /// Does so.
    fn kick(&self);
}

/// What cuts a wait short. See the head of this file.
pub struct Signal<K> {
    sleeping_until: AtomicU64,
    unparked: AtomicBool,
    kick: K,
}

impl<K: Kick> Signal<K> {
    /// Nobody sleeps, nothing has been signalled.
    pub fn new(kick: K) -> Self {
        Self {
            sleeping_until: AtomicU64::new(AWAKE),
            unparked: AtomicBool::new(false),
            kick,
        }
    }

    /// The holder is about to sleep. To be followed by a look at every deadline, [`settle`](Self::settle), the
    /// wait, and [`awake`](Self::awake). False where it must not sleep, as somebody has called
    /// [`unpark`](Self::unpark).
    #[must_use]
    pub fn announce(&self) -> bool {
        // Ordering: Relaxed, with the fence: pairs with the fences in `unpark` and `deadline_moved`.
        self.sleeping_until.store(NEVER, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Ordering: Relaxed: `awake` acquires what came before the unpark.
        !self.unparked.load(Ordering::Relaxed)
    }

    /// The holder knows now what it will sleep until: a deadline that it read after announcing.
    pub fn settle(&self, until: u64) {
        // Ordering: Relaxed: who reads the older, later value kicks for nothing (invariant 3).
        self.sleeping_until
            .store(until.max(AWAKE + 1), Ordering::Relaxed);
    }

    /// The holder has woken up, and will look at everything before it sleeps again.
    pub fn awake(&self) {
        // Ordering: Relaxed: who reads the older value kicks for nothing.
        self.sleeping_until.store(AWAKE, Ordering::Relaxed);
        self.consume_unpark();
    }

    /// Takes the signal of an [`unpark`](Self::unpark), if there is one.
    pub fn consume_unpark(&self) -> bool {
        // Ordering: hint only for the load, which keeps a quiet turn from writing; Acquire pairs with the Release in
        // `unpark`, so that the holder sees what was done before it.
        self.unparked.load(Ordering::Relaxed) && self.unparked.swap(false, Ordering::Acquire)
    }

    /// Makes the wait under way, or else the next one, return at once.
    pub fn unpark(&self) {
        // Ordering: Release pairs with the Acquire in `consume_unpark`. Where it was set already, whoever set it has
        // kicked or will, and this swap continues its release sequence.
        if self.unparked.swap(true, Ordering::AcqRel) {
            return;
        }
        // Ordering: pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed, ordered by the fence.
        if self.sleeping_until.load(Ordering::Relaxed) != AWAKE {
            self.kick.kick();
        }
    }

    /// A deadline has been stored that is nearer than its predecessor: wakes the holder if it would sleep past it.
    pub fn deadline_moved(&self, deadline: u64) {
        // Ordering: pairs with the fence in `announce`: the deadline was stored before it.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed, ordered by the fence.
        if self.sleeping_until.load(Ordering::Relaxed) > deadline {
            self.kick.kick();
        }
    }
}

impl<K> fmt::Debug for Signal<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").finish_non_exhaustive()
    }
}
