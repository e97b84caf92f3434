//! Times that a worker takes of itself, one in [`EVERY`], in histograms whose buckets double.

use std::cell::Cell;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Counter, Counters};

/// One poll in so many is timed, and one push in so many.
const EVERY: u64 = 64;
/// How many buckets a histogram has.
pub(crate) const BUCKETS: usize = 24;
/// The first bucket ends at two to this power, in nanoseconds.
const FIRST: u32 = 8;

/// How many times fell into each bucket: the first holds those under 256 ns, each next one those up to twice as long, and
/// the last all that are longer.
#[derive(Debug, Default)]
pub(crate) struct Histogram([Counter; BUCKETS]);

impl Histogram {
    /// The one writer's.
    fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let doublings = (u64::BITS - nanos.leading_zeros()).saturating_sub(FIRST);
        self.0[(doublings as usize).min(BUCKETS - 1)].add(1);
    }

    #[track_caller]
    pub(crate) fn count(&self, bucket: usize) -> u64 {
        self.0[bucket].get()
    }

    /// Which times a bucket holds.
    #[track_caller]
    pub(crate) fn range(bucket: usize) -> Range<Duration> {
        assert!(bucket < BUCKETS, "there are {BUCKETS} buckets");
        let edge = |bucket: usize| Duration::from_nanos(1 << (bucket as u32 + FIRST - 1));
        let start = match bucket {
            0 => Duration::ZERO,
            _ => edge(bucket),
        };
        match bucket + 1 {
            BUCKETS => start..Duration::from_nanos(u64::MAX),
            next => start..edge(next),
        }
    }
}

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

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use super::{BUCKETS, Histogram};
    use std::time::Duration;

    #[test]
    fn a_time_falls_into_the_bucket_whose_range_holds_it() {
        for nanos in [
            0,
            1,
            255,
            256,
            511,
            512,
            1_000,
            1_023,
            1_024,
            1 << 40,
            u64::MAX,
        ] {
            let histogram = Histogram::default();
            let time = Duration::from_nanos(nanos);
            histogram.add(time);
            let filled: Vec<_> = (0..BUCKETS).filter(|&i| histogram.count(i) == 1).collect();
            assert_eq!(filled.len(), 1);
            let range = Histogram::range(filled[0]);
            assert!(
                range.contains(&time) || range.end == time,
                "{nanos}: {range:?}"
            );
        }
        assert_eq!(Histogram::range(0).start, Duration::ZERO);
        for bucket in 1..BUCKETS {
            let (before, this) = (Histogram::range(bucket - 1), Histogram::range(bucket));
            assert_eq!(before.end, this.start);
        }
    }
}
