//! The kernel's coarse clock: the time of its last tick. Reading it costs a quarter of what reading the exact clock
//! costs.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// By how much the coarse clock may be behind: more than the longest tick that Linux is built with. It may be further
/// behind, as in a machine that stood still. Then a deadline that has come still counts as in the future, and the next
/// turn finds it due.
const BEHIND: u64 = 20_000_000;

/// The coarse clock, from a reactor's birth on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coarse {
    birth: u64,
}

impl Coarse {
    /// A clock that starts now.
    pub(super) fn new() -> Self {
        Self {
            birth: nanos(clock_gettime(ClockId::Monotonic)),
        }
    }

    /// Whether a deadline, in nanoseconds since the birth, is certainly still in the future.
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
