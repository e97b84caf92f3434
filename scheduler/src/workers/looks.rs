//! When a worker looks at the reactor, if no other thread does. This is the worker of a current-thread runtime.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// After how many short polls such a worker reads the clock, to see whether it is time to look.
const CLOCK_INTERVAL: u32 = 4;

/// The longest time between two looks, apart from the poll under way.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// If its last look is longer ago than this, it looks before it polls a task that yielded, or a root that woke itself.
const ROUND: Duration = Duration::from_micros(16);

/// When the worker of a current-thread runtime looks at the reactor.
pub(super) struct Looks {
    /// When it looked last.
    last: Cell<Instant>,
    /// When it read the clock last.
    asked: Cell<Instant>,
    /// After how many polls it reads the clock again.
    ask_in: Cell<u32>,
    /// Whether it has to look before it polls a task that yielded.
    pub(super) due_before_yields: Cell<bool>,
    /// When the root that wakes itself had its turn.
    root_turn: Cell<Instant>,
}

impl Looks {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            last: Cell::new(now),
            asked: Cell::new(now),
            ask_in: Cell::new(1),
            due_before_yields: Cell::new(false),
            root_turn: Cell::new(now),
        }
    }

    /// A poll has ended. Returns whether it is time to look.
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
        // As long as polls are long, the clock is read after each of them.
        let short = now - asked < ROUND;
        self.ask_in.set(if short { CLOCK_INTERVAL } else { 1 });
        let time = now - self.last.get();
        self.due_before_yields.set(time >= ROUND);
        time >= LOOK_INTERVAL
    }

    /// The root has had its turn, and has woken itself.
    pub(super) fn root_had_turn(&self) {
        self.root_turn.set(Instant::now());
    }

    /// Whether the others have had as much time since as there may be between two looks. It reads no clock, but goes by the
    /// last reading.
    pub(super) fn root_is_due(&self) -> bool {
        self.asked
            .get()
            .saturating_duration_since(self.root_turn.get())
            >= LOOK_INTERVAL
    }

    pub(super) fn has_looked(&self) {
        self.last.set(Instant::now());
        self.due_before_yields.set(false);
    }
}
