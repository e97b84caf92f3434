//! How the arrival of a signal reaches those who listen for it.
//!
//! A signal handler interrupts a thread anywhere, so it may take no lock, allocate nothing and call no waker. It does two
//! things: it counts the arrival, and then it rings the *bell*. The bell is a pipe: to ring it is to write a byte. A reactor
//! waits until the pipe is readable, and tells the pipe's [`Direction`]. All listeners, of whatever kind of signal, wait for
//! that one direction. A listener compares the count with the one that it has seen last. If they differ, it has heard.
//! Otherwise it silences the bell, which is to empty the pipe, and waits again.
//!
//! No thread passes arrivals on, so none can be blocked on the way by a listener's waker. The price is that each signal wakes
//! the listeners of all kinds. There are few.
//!
//! Invariants:
//! 1. An arrival is counted before the bell is rung for it.
//! 2. The pipe is emptied only while the direction is ready, by one listener at a time, who clears the direction afterwards. So
//!    nobody empties the pipe while another waits for the event of what is in it: the poller would find nothing and tell of
//!    nothing. A bell that is rung after the pipe was emptied brings a new event. That changes the word, so the clear of
//!    the old one has no effect.
//! 3. A listener looks at the count after its waker is in place.
//!
//! No arrival is missed. Ringing does nothing if the pipe is full, so only the count tells of an arrival for sure. Say that
//! listener B put its waker in place, looked at the count, and hasn't seen the arrival. There is a byte in the pipe after the
//! arrival, its own or an older one. Two cases:
//! - Its event comes after B's waker, and takes it. B looks again.
//! - Its event came earlier, or never because the pipe had been emptied. B found the direction not ready, so listener A has
//!   emptied the pipe of that byte and has cleared the direction since. B's look at the direction has acquired that, and so
//!   B has seen the arrival when it looked at the count (invariant 3): this case can't be.
//!
//! Orderings. The kernel orders a write to a pipe before the read that finds its byte, or that finds the older ones that left
//! no room. What a clear publishes needs a fence of its own, because [`Direction::clear`] publishes nothing.

use std::fmt;
use std::task::{Context, Poll};

use heist_sync::sys::atomic::{AtomicUsize, Ordering, fence};
use heist_sync::sys::{Arc, Mutex};

use crate::readiness::{Direction, Listed};

/// How often signals of one kind have arrived. It wraps around.
#[derive(Debug, Default)]
pub struct Arrivals(AtomicUsize);

impl Arrivals {
    /// Counts one arrival, and then rings the bell. It takes no lock and allocates nothing.
    pub fn arrive(&self, ring: impl FnOnce()) {
        // Ordering: Release pairs with the Acquire in `so_far`: whoever hears of the signal sees what came before it.
        self.0.fetch_add(1, Ordering::Release);
        ring();
    }

    fn so_far(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `arrive`.
        self.0.load(Ordering::Acquire)
    }
}

/// What the listeners of one bell wait for.
#[derive(Debug, Clone, Copy)]
pub struct Bell<'a> {
    /// It is told of each event of the bell.
    pub direction: &'a Direction,
    /// Held by the one who silences the bell.
    pub silencing: &'a Mutex<()>,
}

/// One who listens for signals of one kind. Before you drop it, call [`leave`](Self::leave).
pub struct Listener {
    arrivals: Arc<Arrivals>,
    /// How many arrivals it has heard of.
    heard: usize,
    entry: Option<Listed>,
}

impl Listener {
    /// A listener for what arrives from now on.
    pub fn new(arrivals: Arc<Arrivals>) -> Self {
        let heard = arrivals.so_far();
        Self {
            arrivals,
            heard,
            entry: None,
        }
    }

    /// Waits until something has arrived that it hasn't heard of. Any number of arrivals since the last time count as one.
    /// `silence` empties the pipe.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        bell: Bell<'_>,
        mut silence: impl FnMut(),
    ) -> Poll<()> {
        loop {
            if self.hear() {
                return Poll::Ready(());
            }
            let Poll::Ready(seen) = bell.direction.poll_listed(cx, &mut self.entry) else {
                // Invariant 3.
                return if self.hear() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            };
            // Invariant 2.
            let _one = bell.silencing.lock();
            if bell.direction.look() == seen {
                silence();
                // Ordering: Release pairs, through the clear, with the Acquire by which another listener looks at the
                // direction: whoever finds it cleared sees what was counted before the pipe was emptied.
                fence(Ordering::Release);
                bell.direction.clear(seen);
            }
        }
    }

    /// Whether something has arrived since the last time.
    fn hear(&mut self) -> bool {
        let so_far = self.arrivals.so_far();
        std::mem::replace(&mut self.heard, so_far) != so_far
    }

    /// Stops waiting.
    pub fn leave(&mut self, bell: Bell<'_>) {
        if let Some(entry) = self.entry.take() {
            bell.direction.unlist(entry);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
