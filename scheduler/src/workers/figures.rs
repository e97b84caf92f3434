//! Figures that have one writer, and histograms of them.

use std::ops::Range;
use std::time::Duration;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU64;

/// A figure with one writer.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Default for Counter {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Counter {
    /// Adds `n`. For the one writer only.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // Ordering: hint only, both. With one writer no addition is lost.
        let now = self.0.load(Ordering::Relaxed);
        self.0.store(now.wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds one, and returns the sum. For the one writer only.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        let next = self.get().wrapping_add(1);
        self.set(next);
        next
    }

    /// Sets the figure. For the one writer only.
    #[inline]
    pub(crate) fn set(&self, n: u64) {
        // Ordering: hint only.
        self.0.store(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Ordering: hint only.
        self.0.load(Ordering::Relaxed)
    }
}

/// How many buckets a histogram has.
pub(crate) const BUCKETS: usize = 24;

/// The first bucket ends at two to this power, in nanoseconds.
const FIRST: u32 = 8;

/// How many times fell into each bucket. The first bucket holds those under 256 ns. Each further one holds those up to
/// twice as long as the bucket before it. The last holds all that are longer.
#[derive(Debug, Default)]
pub(crate) struct Histogram([Counter; BUCKETS]);

impl Histogram {
    /// The one writer's.
    pub(super) fn add(&self, time: Duration) {
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
