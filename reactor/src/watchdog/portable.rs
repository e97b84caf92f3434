//! The watchdog where there is no timerfd. Arming it wakes the waiting thread, which then sleeps until it rings. Arming it
//! again while the thread sleeps does not put that off.

use std::io;
use std::time::Duration;

use heist_sync::sys::{Condvar, Mutex};

/// Rings some time after it was armed, for whoever waits.
pub(crate) struct Watchdog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Disarmed,
    /// It rings after this time.
    Armed(Duration),
    Rings,
}

impl Watchdog {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            state: Mutex::new(State::Disarmed),
            changed: Condvar::new(),
        })
    }

    /// Makes it ring after that time. If the waiting thread sleeps already, it may ring earlier.
    pub(crate) fn arm(&self, after: Duration) {
        self.set(State::Armed(after));
    }

    /// Makes it not ring.
    pub(crate) fn disarm(&self) {
        self.set(State::Disarmed);
    }

    /// Makes it ring at once.
    pub(crate) fn ring(&self) {
        self.set(State::Rings);
    }

    /// Waits until it rings, for `limit` at most. Returns false if it did not ring. True may be wrong.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        if *state == State::Disarmed {
            self.changed.wait_for(&mut state, limit);
        }
        if let State::Armed(after) = *state {
            self.changed.wait_for(&mut state, after);
        }
        *state != State::Disarmed
    }

    fn set(&self, state: State) {
        let before = std::mem::replace(&mut *self.state.lock(), state);
        let sleeps_on = match state {
            State::Disarmed => true,
            State::Armed(_) => before != State::Disarmed,
            State::Rings => false,
        };
        if !sleeps_on {
            self.changed.notify_one();
        }
    }
}
