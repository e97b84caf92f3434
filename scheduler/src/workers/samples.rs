//! Times that a worker takes of itself, one in [`EVERY`].

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::counters::Counters;

/// One poll in so many is timed, and one push in so many.
const EVERY: u64 = 64;

/// What a worker is in the middle of timing.
#[derive(Debug)]
pub(crate) struct Samples {
    poll: Cell<Option<Instant>>,
    /// The number of the task whose wait is timed; 0: none.
    pushed: Cell<u64>,
    since: Cell<Instant>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            poll: Cell::new(None),
            pushed: Cell::new(0),
            since: Cell::new(Instant::now()),
        }
    }
}

impl Samples {
    /// The `nth` poll begins, which is of `task`.
    #[inline]
    pub(crate) fn polls(&self, nth: u64, task: u64, counters: &Counters) {
        if nth.is_multiple_of(EVERY) || self.pushed.get() == task {
            self.turn(nth, task, counters);
        }
    }

    #[cold]
    fn turn(&self, nth: u64, task: u64, counters: &Counters) {
        if nth.is_multiple_of(EVERY) {
            self.poll.set(Some(Instant::now()));
        }
        if self.pushed.get() == task {
            self.pushed.set(0);
            counters.latencies.add(self.since.get().elapsed());
        }
    }

    /// A poll has ended, or the worker has something else to do: the poll that is timed, if one is, has ended.
    #[inline]
    pub(crate) fn poll_has_ended(&self, counters: &Counters) {
        if let Some(since) = self.poll.get() {
            self.poll.set(None);
            Self::poll_took(since.elapsed(), counters);
        }
    }

    #[cold]
    fn poll_took(time: Duration, counters: &Counters) {
        counters.poll_times.add(time);
        let (nanos, mean) = (time.as_nanos() as u64, counters.mean_poll_nanos.get());
        // A moving average, in which a poll weighs a tenth.
        let mean = match mean {
            0 => nanos,
            mean => mean - mean / 10 + nanos / 10,
        };
        counters.mean_poll_nanos.set(mean);
    }

    /// The thread blocks in the middle of a poll: that one isn't timed.
    pub(crate) fn forget_poll(&self) {
        self.poll.set(None);
    }

    /// The `nth` task is queued.
    #[inline]
    pub(crate) fn pushes(&self, nth: u64, task: u64) {
        if nth.is_multiple_of(EVERY) || self.pushed.get() == task {
            self.pushed_one(nth, task);
        }
    }

    #[cold]
    fn pushed_one(&self, nth: u64, task: u64) {
        if self.pushed.get() == task {
            // Queued again before it was polled here: another worker had it meanwhile.
            self.pushed.set(0);
        }
        // One that waits still is given time, but not for ever: it may have been stolen for good.
        if self.pushed.get() == 0 || nth.is_multiple_of(EVERY * EVERY) {
            self.pushed.set(task);
            self.since.set(Instant::now());
        }
    }
}
