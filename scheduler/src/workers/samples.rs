//! How a worker measures its own times: one poll and one push in [`EVERY`].

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::counters::Counters;

/// One poll in this many is timed, and one push in this many.
const EVERY: u64 = 64;

/// The times that a worker is measuring at the moment.
#[derive(Debug)]
pub(crate) struct Samples {
    poll: Cell<Option<Instant>>,
    /// The number of the task whose wait is timed; 0 if there is none.
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
    /// The `nth` poll begins. It polls `task`.
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

    /// A poll has ended, or the worker has something else to do. If a poll is timed, that one has ended.
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

    /// The thread blocks in the middle of a poll: this poll isn't timed.
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
            // It was queued again before it was polled here, so another worker had it meanwhile.
            self.pushed.set(0);
        }
        // A task that still waits is given time, but not for ever: it may have been stolen for good.
        if self.pushed.get() == 0 || nth.is_multiple_of(EVERY * EVERY) {
            self.pushed.set(task);
            self.since.set(Instant::now());
        }
    }
}
