//! The watchdog where there is no timerfd: arming it wakes the waiting thread, which then sleeps for a tick.

use std::io;
use std::time::Duration;

use heist_sync::sys::{Condvar, Mutex};

/// Rings a tick after it was armed, for whoever waits.
pub(super) struct Watchdog {
    state: Mutex<State>,
    changed: Condvar,
    tick: Duration,
}

#[derive(Default)]
struct State {
    armed: bool,
    /// Whether it rings at once, from now on.
    rings: bool,
}

impl Watchdog {
    pub(super) fn new(tick: Duration) -> io::Result<Self> {
        Ok(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            tick,
        })
    }

    /// Makes it ring in a tick.
    pub(super) fn arm(&self) {
        let was_armed = std::mem::replace(&mut self.state.lock().armed, true);
        if !was_armed {
            self.changed.notify_one();
        }
    }

    /// Makes it not ring.
    pub(super) fn disarm(&self) {
        self.state.lock().armed = false;
    }

    /// Makes it ring at once.
    pub(super) fn ring(&self) {
        self.state.lock().rings = true;
        self.changed.notify_one();
    }

    /// Waits until it rings, for `limit` at most. Returns false if it did not ring. True may be wrong.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.armed && !state.rings {
            self.changed.wait_for(&mut state, limit);
        }
        if state.armed && !state.rings {
            self.changed.wait_for(&mut state, self.tick);
        }
        state.armed || state.rings
    }
}
