//! How a thread sleeps until it is unparked: a token and a place to sleep.
//!
//! | state | meaning | set by |
//! |---|---|---|
//! | `EMPTY` | awake, no token | the parked thread, when it wakes |
//! | `NOTIFIED` | a token: the next park returns at once | `unpark` |
//! | `PARKED` | asleep on the condition variable | the parking thread, under the lock |
//! | `ELSEWHERE` | asleep in a place that the caller chose, which has its own way to be woken | the parking thread |
//! | `AWAY` | no thread is here: the caller of `unpark` has to send one | the thread that leaves |
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

    /// Calls `sleep`, which sleeps somewhere else, unless there is a token. Takes the token. `sleep` may return for
    /// reasons of its own.
    pub fn park_in(&self, sleep: impl FnOnce()) {
        if self.take_token() || !self.enter(ELSEWHERE) {
            return;
        }
        sleep();
        // Ordering: Acquire pairs with the Release in `unpark`: everything before the unpark is seen.
        self.state.swap(EMPTY, Ordering::Acquire);
    }

    /// From here until [`come_back`](Self::come_back), the thread sleeps somewhere that the caller chose, and
    /// `elsewhere` of [`unpark`](Self::unpark) ends that sleep. If there is a token, takes it and returns false at
    /// once.
    #[must_use]
    pub fn go_elsewhere(&self) -> bool {
        !self.take_token() && self.enter(ELSEWHERE)
    }

    /// From here until [`come_back`](Self::come_back), there is no thread here. If there is a token, takes it and
    /// returns false at once.
    #[must_use]
    pub fn go_away(&self) -> bool {
        !self.take_token() && self.enter(AWAY)
    }

    /// A thread is here again, the one that left or another. Takes the token that it was sent with, if there is one.
    pub fn come_back(&self) {
        // Ordering: Acquire pairs with the Release in `unpark`.
        self.state.swap(EMPTY, Ordering::Acquire);
    }

    /// Leaves a token, and wakes the thread if it sleeps. If it sleeps in `park_in`, `elsewhere` is called for that.
    /// True if there is no thread here, so that the caller has to send one. Only the first caller is told that.
    pub fn unpark(&self, elsewhere: impl FnOnce()) -> bool {
        // Ordering: Release pairs with the Acquires of the parking thread. AcqRel, because two unparks form a chain.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            EMPTY | NOTIFIED => {}
            ELSEWHERE => elsewhere(),
            AWAY => return true,
            _ => {
                // K1: the parking thread set PARKED under the lock, and gives up the lock only by waiting.
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
        // Ordering: Relaxed is enough to say where: `unpark` synchronizes through the token, which is acquired if this
        // fails.
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
