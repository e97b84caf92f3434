//! Spinning for a moment before sleeping.
//!
//! If a thread sleeps and another wakes it, that costs the two some ten microseconds. If the other is about to answer
//! within less than that, spinning is cheaper for both. Nobody knows beforehand whether it is: [`Patience`] learns it
//! from the last waits. If a first wait doesn't pay, that has no effect. After that, each wait that doesn't pay doubles
//! the number of waits that sleep at once, up to [`MOST_SKIPPED`]. So a thread for which it never pays spends [`LIMIT`]
//! in one wait of many.

use std::sync::OnceLock;

use crate::sys::clock::Instant;
use crate::sys::hint;

/// How long to spin: about as long as it costs to sleep and be woken. So a wait that doesn't pay costs at most twice as
/// much as sleeping at once.
#[cfg(not(heist_loom))]
const LIMIT: std::time::Duration = std::time::Duration::from_micros(10);
/// The largest number of waits in a row that sleep at once before one spins again.
const MOST_SKIPPED: u32 = 64;

/// Whether spinning has paid lately.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// How many waits sleep at once before the next one spins.
    skip: u32,
    /// The value of `skip` after the next wait that doesn't pay.
    penalty: u32,
}

impl Patience {
    /// Expects it to pay.
    pub const fn new() -> Self {
        Self {
            skip: 0,
            penalty: 0,
        }
    }

    /// Whether to spin this time. Never on a machine with one core, where the other thread can't run meanwhile.
    pub fn is_worth_it(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        can_pay()
    }

    /// Spins until `ready`, for a few microseconds at most. Returns whether it was in time, and learns from that. If it
    /// returns false, it may be ready all the same.
    pub fn wait(&mut self, ready: impl Fn() -> bool) -> bool {
        let paid = wait(ready);
        self.learn(paid);
        paid
    }

    fn learn(&mut self, paid: bool) {
        if paid {
            *self = Self::new();
        } else {
            self.skip = self.penalty;
            self.penalty = (2 * self.penalty).clamp(1, MOST_SKIPPED);
        }
    }
}

#[cfg(not(heist_loom))]
fn wait(ready: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if ready() {
            // If it took longer, this thread has lost its core meanwhile, and might as well have slept.
            return start.elapsed() < LIMIT;
        }
        // A look at the clock takes about as long as these turns.
        (0..4).for_each(|_| hint::spin_loop());
        if start.elapsed() >= LIMIT {
            return false;
        }
    }
}

/// In a model one turn stands for all turns: what happens during it is seen, what happens later isn't.
#[cfg(heist_loom)]
fn wait(ready: impl Fn() -> bool) -> bool {
    let _ = Instant::now();
    hint::spin_loop();
    ready()
}

/// Whether there is more than one core.
fn can_pay() -> bool {
    static CORES: OnceLock<bool> = OnceLock::new();
    cfg!(heist_loom)
        || *CORES.get_or_init(|| std::thread::available_parallelism().is_ok_and(|n| n.get() > 1))
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use super::{MOST_SKIPPED, Patience};

    #[test]
    fn what_never_pays_is_tried_ever_less_often() {
        let mut patience = Patience::new();
        patience.learn(false);
        assert_eq!(patience.skip, 0, "the first is forgiven");
        for expected in [1, 2, 4, 8, 16, 32, MOST_SKIPPED, MOST_SKIPPED] {
            patience.learn(false);
            assert_eq!(patience.skip, expected);
            (0..expected).for_each(|_| assert!(!patience.is_worth_it()));
        }
        patience.learn(true);
        assert_eq!((patience.skip, patience.penalty), (0, 0), "it pays again");
    }
    #[test]
    fn a_wait_for_nothing_ends() {
        assert!(!Patience::new().wait(|| false));
    }
}
