//! How often timers may end a wait in the poller.
//!
//! Waking a thread for one timer costs as much as polling a dozen tasks. If so many timers fire that each would need a
//! wake-up of its own, they share wake-ups. To that end a turn may be put off, by [`SPACING`] at most, so that there is
//! no more than one turn in that time. Turns that come less often are never put off. Up to [`BURST`] turns in a row are
//! not put off either.
//!
//! One word says when the next turn would be due if the turns had come evenly. Invariants:
//! 1. A timer is put off by [`SPACING`] at most, counted from the end of the turn before it.
//! 2. In any period, the number of turns is at most the number of [`SPACING`]s that fit into it, plus [`BURST`].

/// How far apart turns for timers are when there are very many of them, in nanoseconds.
const SPACING: u64 = 100_000;
/// How many turns may come closer together than that.
const BURST: u64 = 16;

/// When the next turn may come, in nanoseconds since the reactor's birth.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    even: u64,
}

impl Pace {
    /// When to wake up for a deadline.
    pub(crate) fn wake_for(&self, deadline: u64) -> u64 {
        deadline.max(self.even.saturating_sub(BURST * SPACING))
    }

    /// A turn has found timers that were due.
    pub(crate) fn turned(&mut self, now: u64) {
        self.even = self.even.max(now).saturating_add(SPACING);
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, Pace, SPACING};

    #[test]
    fn turns_that_come_now_and_then_are_not_put_off() {
        let mut pace = Pace::default();
        for nth in 1..100 {
            let deadline = nth * SPACING;
            assert_eq!(pace.wake_for(deadline), deadline);
            pace.turned(deadline);
        }
    }

    #[test]
    fn a_burst_is_not_put_off() {
        let mut pace = Pace::default();
        for nth in 0..BURST {
            assert_eq!(pace.wake_for(1_000 + nth), 1_000 + nth);
            pace.turned(1_000 + nth);
        }
    }

    #[test]
    fn a_crowd_shares_its_turns_and_none_waits_longer_than_the_spacing() {
        let mut pace = Pace::default();
        let (mut now, mut turns) = (0, 0);
        while now < 1_000 * SPACING {
            let deadline = now + 100;
            let wake = pace.wake_for(deadline);
            assert!((deadline..=deadline + SPACING).contains(&wake));
            now = wake;
            pace.turned(now);
            turns += 1;
        }
        assert!(turns <= 1_000 + BURST + 1, "{turns} turns");
    }
}
