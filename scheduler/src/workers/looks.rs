//! When a worker looks at the reactor, where no other thread does: that of a current-thread runtime.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// After how many short polls a worker that looks at the reactor itself asks the clock whether it is time to.
const CLOCK_INTERVAL: u32 = 4;

/// After how long it looks at the latest, once a poll has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// After how long it looks before it polls a task that yielded, or a root that woke itself.
const ROUND: Duration = Duration::from_micros(16);

/// How a worker looks at the reactor that no other thread looks at: a current-thread runtime's.
pub(super) struct Looks {
    /// When it did the last time.
    last: Cell<Instant>,
    /// When it asked the clock the last time.
    asked: Cell<Instant>,
    /// After how many polls it asks the clock again.
    ask_in: Cell<u32>,
    /// It is to look before it polls a task that yielded.
    pub(super) due_before_yields: Cell<bool>,
}

impl Looks {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            last: Cell::new(now),
            asked: Cell::new(now),
            ask_in: Cell::new(1),
            due_before_yields: Cell::new(false),
        }
    }

    /// A poll has ended. Whether it is time to look.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        let left = self.ask_in.get() - 1;
        self.ask_in.set(left);
        left == 0 && self.ask()
    }

    #[cold]
    fn ask(&self) -> bool {
        let now = Instant::now();
        let asked = self.asked.replace(now);
        // As long as polls are long, each is followed by a question.
        let short = now - asked < ROUND;
        self.ask_in.set(if short { CLOCK_INTERVAL } else { 1 });
        let time = now - self.last.get();
        self.due_before_yields.set(time >= ROUND);
        time >= LOOK_INTERVAL
    }

    pub(super) fn has_looked(&self) {
        self.last.set(Instant::now());
        self.due_before_yields.set(false);
    }
}
