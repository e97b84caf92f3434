//! What a worker counts.

use super::figures::{Counter, Histogram};

/// What a worker counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) polls: Counter,
    /// The id of the task that it polls or polled last; 0 while it sleeps.
    pub(crate) polled: Counter,
    /// How many budgeted operations its polls have done.
    pub(crate) operations: Counter,
    pub(crate) steals: Counter,
    /// How many times it has gone to sleep and woken up. It is odd while the worker sleeps.
    pub(crate) parks_and_unparks: Counter,
    pub(crate) busy: BusyTime,
    /// How many tasks it has queued in its own queues.
    pub(crate) pushes: Counter,
    /// The lengths of the polls that were timed.
    pub(crate) poll_times: Histogram,
    pub(crate) mean_poll_nanos: Counter,
    /// How long tasks that it queued waited until it polled them.
    pub(crate) latencies: Histogram,
}

/// How long a worker has been awake in total. Moments are nanoseconds from the runtime's start.
///
/// It is one word, so that a look at any time sees a sum that is right. While the worker sleeps, the word is twice the
/// sum. While it is awake, the word is twice the moment at which it would have woken if it had never slept, plus one.
#[derive(Debug, Default)]
pub(crate) struct BusyTime(Counter);

impl BusyTime {
    /// The worker wakes.
    pub(crate) fn wakes(&self, now: u64) {
        self.0.set(now.saturating_sub(self.total(now)) * 2 + 1);
    }

    /// The worker goes to sleep.
    pub(crate) fn sleeps(&self, now: u64) {
        self.0.set(self.total(now) * 2);
    }

    /// Whether the worker sleeps.
    pub(crate) fn rests(&self) -> bool {
        self.0.get().is_multiple_of(2)
    }

    /// How long it has been awake by now.
    pub(crate) fn total(&self, now: u64) -> u64 {
        let word = self.0.get();
        match word % 2 {
            0 => word / 2,
            _ => now.saturating_sub(word / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BusyTime;

    #[test]
    fn the_time_that_a_worker_is_awake_is_counted_once() {
        let busy = BusyTime::default();
        assert_eq!((busy.rests(), busy.total(5)), (true, 0));
        busy.wakes(10);
        assert_eq!((busy.total(10), busy.total(17)), (0, 7));
        assert!(!busy.rests());
        // It wakes twice if a thread takes over the worker of another.
        busy.wakes(17);
        assert_eq!(busy.total(20), 10);
        busy.sleeps(20);
        assert_eq!(busy.total(1_000), 10);
        busy.sleeps(1_000);
        busy.wakes(1_000);
        assert_eq!(busy.total(1_001), 11);
    }
}
