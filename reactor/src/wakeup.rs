//! How a wait in the poller is cut short: by [`Signal::unpark`], or by a deadline that is nearer than the one the
//! holder sleeps until.
//!
//! `sleeping_until` says what the holder of the poller does. It is [`AWAKE`], or it sleeps until that many nanoseconds
//! after the reactor's birth ([`NEVER`]: until something happens). Only the holder stores it.
//!
//! Invariants:
//! 1. A holder announces that it sleeps, then looks at `unparked` and at every deadline, then sleeps.
//! 2. Whoever sets `unparked`, or makes a deadline nearer, looks at `sleeping_until` afterwards. It kicks the holder if
//!    the holder would sleep past it.
//! 3. `sleeping_until` is never earlier than the moment until which the holder really sleeps. The holder announces
//!    [`NEVER`] first, and lowers it once it knows the deadline. A reader of the older value kicks for nothing, but no
//!    kick is lost.
//!
//! Orderings. Both sides store, fence (SeqCst), load. The holder stores `sleeping_until` and loads `unparked` and the
//! deadlines. The others store one of these and load `sleeping_until`. So the holder sees the news, or the other sees
//! the sleeper, or both. If both, the kick is for nothing. The poller itself promises that a kick before the wait ends
//! the wait.

use std::fmt;

use heist_sync::sys::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// `sleeping_until` of a holder that is awake.
const AWAKE: u64 = 0;
/// A deadline that never comes.
pub const NEVER: u64 = u64::MAX;

/// Ends the current wait in a poller, or else the next one.
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
    /// A signal of which nobody sleeps, and which nobody has set.
    pub fn new(kick: K) -> Self {
        Self {
            sleeping_until: AtomicU64::new(AWAKE),
            unparked: AtomicBool::new(false),
            kick,
        }
    }

    /// The holder is about to sleep. Afterwards it must look at every deadline, call [`settle`](Self::settle), wait,
    /// and call [`awake`](Self::awake). Returns false if it must not sleep, because somebody has called
    /// [`unpark`](Self::unpark).
    #[must_use]
    pub fn announce(&self) -> bool {
        // Ordering: Relaxed with the fence, which pairs with the fences in `unpark` and `deadline_moved`.
        self.sleeping_until.store(NEVER, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Ordering: Relaxed: `awake` acquires what came before the unpark.
        !self.unparked.load(Ordering::Relaxed)
    }

    /// The holder now knows until when it will sleep: a deadline that it read after announcing.
    pub fn settle(&self, until: u64) {
        // Ordering: Relaxed: a reader of the older, later value kicks for nothing (invariant 3).
        self.sleeping_until
            .store(until.max(AWAKE + 1), Ordering::Relaxed);
    }

    /// The holder has woken up, and will look at everything before it sleeps again.
    pub fn awake(&self) {
        // Ordering: Relaxed: a reader of the older value kicks for nothing.
        self.sleeping_until.store(AWAKE, Ordering::Relaxed);
        self.consume_unpark();
    }

    /// Takes the signal of an [`unpark`](Self::unpark), if there is one.
    pub fn consume_unpark(&self) -> bool {
        // Ordering: the load is a hint only, which keeps a quiet turn from writing. Acquire pairs with the Release in
        // `unpark`, so that the holder sees what was done before it.
        self.unparked.load(Ordering::Relaxed) && self.unparked.swap(false, Ordering::Acquire)
    }

    /// Ends the current wait, or else the next one.
    pub fn unpark(&self) {
        // Ordering: Release pairs with the Acquire in `consume_unpark`. If it was set already, whoever set it has
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

    /// A deadline has been stored that is nearer than the one before. Wakes the holder if it would sleep past it.
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
