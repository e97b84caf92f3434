//! How a thread sleeps until it is unparked: a token and a place to sleep.
//!
//! | state | meaning | set by |
//! |---|---|---|
//! | `EMPTY` | awake, no token | the parked thread, as it wakes |
//! | `NOTIFIED` | a token: the next park returns at once | `unpark` |
//! | `PARKED` | asleep on the condition variable | the parking thread, under the lock |
//! | `ELSEWHERE` | asleep in a place of its caller's, which has its own way to be woken | the parking thread |
//! | `AWAY` | no thread is here: who unparks has to send one | the thread that leaves |
//!
//! **K1** An unpark before, during or after the decision to park makes that park return.

use heist_sync::sys::atomic::{AtomicU32, Ordering};
use heist_sync::sys::{Condvar, Mutex};

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED: u32 = 2;
const ELSEWHERE: u32 = 3;
const AWAY: u32 = 4;

/// One thread's place to sleep.
#[derive(Debug)]
pub struct Parker {
    state: AtomicU32,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Default for Parker {
    fn default() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }
}

impl Parker {
    /// Sleeps until there's a token, and takes it.
    pub fn park(&self) {
        if self.take_token() {
            return;
        }
        let mut guard = self.lock.lock();
        if !self.enter(PARKED) {
            return;
        }
        while !self.take_token() {
            self.wake.wait(&mut guard);
        }
    }

    /// Calls `sleep`, which sleeps somewhere else, unless there is a token; takes the token. `sleep` may return for
    /// reasons of its own.
    pub fn park_in(&self, sleep: impl FnOnce()) {
        if self.take_token() || !self.enter(ELSEWHERE) {
            return;
        }
        sleep();
        // Ordering: Acquire pairs with the Release in `unpark`: what preceded the unpark is seen.
        self.state.swap(EMPTY, Ordering::Acquire);
    }

    /// Leaves the place to a sleep of the caller's that [`unpark`](Self::unpark)'s `elsewhere` ends, until
    /// [`come_back`](Self::come_back). False, at once, if there was a token, which is taken.
    #[must_use]
    pub fn go_elsewhere(&self) -> bool {
        !self.take_token() && self.enter(ELSEWHERE)
    }

    /// Leaves a token, and the place, until [`come_back`](Self::come_back). False, at once, if there was a token,
    /// which is taken.
    #[must_use]
    pub fn go_away(&self) -> bool {
        !self.take_token() && self.enter(AWAY)
    }

    /// A thread is here again, be it the one that left or another. Takes the token that it was sent by, if any.
    pub fn come_back(&self) {
        // Ordering: Acquire pairs with the Release in `unpark`.
        self.state.swap(EMPTY, Ordering::Acquire);
    }

    /// Leaves a token; wakes the thread where it sleeps. `elsewhere` is called if that is in `park_in`. True if there
    /// is no thread, so that the caller has to send one; only the first to unpark hears that.
    pub fn unpark(&self, elsewhere: impl FnOnce()) -> bool {
        // Ordering: Release pairs with the Acquires of the parking thread; AcqRel, as two unparks form a chain.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            EMPTY | NOTIFIED => {}
            ELSEWHERE => elsewhere(),
            AWAY => return true,
            _ => {
                // K1: the parking thread set PARKED under the lock, and gives the lock up only by waiting.
                drop(self.lock.lock());
                self.wake.notify_one();
            }
        }
        false
    }

    /// Takes the token, if there is one.
    fn take_token(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `unpark`.
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Says where this thread sleeps. False if there was a token, which is taken.
    fn enter(&self, place: u32) -> bool {
        // Ordering: Relaxed is enough to say where: `unpark` synchronizes through the token, which a failure acquires.
        if self
            .state
            .compare_exchange(EMPTY, place, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            return true;
        }
        let token = self.take_token();
        debug_assert!(token, "only a token can be in the way");
        false
    }
}
