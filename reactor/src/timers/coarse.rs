//! The kernel's coarse clock: the time of its last tick. To ask it costs a quarter of what the exact one costs.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// By how much the coarse clock may be behind: more than the longest tick that Linux is built with. Where it is behind
/// by more, as in a machine that stood still, a deadline is taken to be before us when it has come, and is found due
/// by the next turn.
const BEHIND: u64 = 20_000_000;

/// The coarse clock, from a reactor's birth on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coarse {
    birth: u64,
}

impl Coarse {
    /// Now is the birth.
    pub(super) fn new() -> Self {
        Self {
            birth: nanos(clock_gettime(ClockId::Monotonic)),
        }
    }

    /// Whether a deadline, in nanoseconds since the birth, is still before us for certain.
    #[inline]
    pub(super) fn is_before(&self, deadline: u64) -> bool {
        let now = nanos(clock_gettime(ClockId::MonotonicCoarse)).saturating_sub(self.birth);
        now.saturating_add(BEHIND) < deadline
    }
}

fn nanos(time: Timespec) -> u64 {
    // The time since the machine's start is not negative, and fits for 584 years.
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}
