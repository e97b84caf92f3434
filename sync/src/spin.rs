//! Waiting awake for a moment before sleeping.
//!
//! A thread that sleeps and is woken by another costs the two of them some ten microseconds. So where the other is
//! about to answer within less, waiting awake is cheaper for both. Nobody knows that beforehand: [`Patience`] learns it
//! from the last waits. A first wait that doesn't pay is forgiven; from then on each doubles the number of waits that
//! sleep at once, up to [`MOST_SKIPPED`]. So a thread for which it never pays spends [`LIMIT`] in one wait of many.

use std::sync::OnceLock;

use crate::sys::clock::Instant;
use crate::sys::hint;

/// How long to wait awake: about what it costs to sleep and be woken, so that a wait for nothing costs at most twice
/// what sleeping at once would have.
#[cfg(not(heist_loom))]
const LIMIT: std::time::Duration = std::time::Duration::from_micros(10);
/// How many waits in a row sleep at once, at the most, before one is tried awake again.
const MOST_SKIPPED: u32 = 64;

/// Whether it has paid lately to wait awake.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// How many waits sleep at once before the next is tried awake.
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

    /// Whether to wait awake this time. Never on a machine with one core, where whom one waits for can't run meanwhile.
    pub fn is_worth_it(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        can_pay()
    }

    /// Waits awake until `ready`, for a few microseconds at most; returns whether it was in time, and learns from that.
    /// Where it returns false it may be ready all the same.
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
            // Later, this thread has lost its core meanwhile, and might as well have slept.
            return start.elapsed() < LIMIT;
        }
        // A look at the clock takes about as long as these turns.
        (0..4).for_each(|_| hint::spin_loop());
        if start.elapsed() >= LIMIT {
            return false;
        }
    }
}

/// In a model one turn stands for all: what comes during it is seen, what comes later isn't.
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
