//! How fast the work went over some ticks of the lookout, and whether it went faster than at another time.
//!
//! The rate varies from tick to tick, and much if other processes want the processors: these come in slices of some
//! milliseconds. So the comparison is a sequential test (A. Wald, "Sequential Tests of Statistical Hypotheses", 1945, has the
//! idea): it is clear early if the difference is large, and takes the longer the smaller the difference is.

use std::time::Duration;

/// By what part the rate of a single tick is taken to be off, at least. A few ticks that are alike by chance mean little.
const DOUBT: f64 = 0.2;
/// After how many ticks what lies far back counts half.
const MEMORY: u32 = 128;

/// What the workers have done over some ticks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) ticks: u32,
    seconds: f64,
    done: f64,
    /// The sum of the squares of each tick's rate, times its length.
    squares: f64,
    /// For how many seconds the workers were awake, on average.
    awake: f64,
}

impl Tally {
    /// One more tick.
    pub(super) fn add(&mut self, done: u64, time: Duration, awake: Duration) {
        if self.ticks == MEMORY {
            self.ticks /= 2;
            for sum in [
                &mut self.seconds,
                &mut self.done,
                &mut self.squares,
                &mut self.awake,
            ] {
                *sum /= 2.0;
            }
        }
        let (done, seconds) = (done as f64, time.as_secs_f64());
        self.ticks += 1;
        self.seconds += seconds;
        self.done += done;
        self.squares += done * done / seconds;
        self.awake += awake.as_secs_f64();
    }

    /// How much was done per second.
    pub(super) fn rate(&self) -> f64 {
        self.done / self.seconds
    }

    /// Whether the workers slept at times. If they did, something outside limits the rate.
    pub(super) fn sleeps(&self) -> bool {
        self.awake < 0.95 * self.seconds
    }

    /// Whether the work went faster than `factor` times the rate of `other`. `None` if that isn't clear: the difference is less
    /// than two standard errors.
    pub(super) fn is_faster(&self, factor: f64, other: &Tally) -> Option<bool> {
        let gain = self.gain(factor, other);
        let error = (self.variance() + factor * factor * other.variance()).sqrt();
        (gain.abs() >= 2.0 * error).then_some(gain >= 0.0)
    }

    /// By how much the rate is above `factor` times that of `other`.
    pub(super) fn gain(&self, factor: f64, other: &Tally) -> f64 {
        self.rate() - factor * other.rate()
    }

    /// The variance of the rate, which is a mean over the ticks.
    fn variance(&self) -> f64 {
        let (rate, ticks) = (self.rate(), f64::from(self.ticks));
        let measured = (self.squares / self.seconds - rate * rate) / ticks;
        measured.max((DOUBT * rate / ticks).powi(2))
    }
}

#[cfg(all(test, not(any(heist_loom, miri))))]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    fn of(ticks: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        ticks
            .into_iter()
            .for_each(|done| tally.add(done, TICK, TICK));
        tally
    }

    #[test]
    fn a_large_difference_is_clear_at_once_and_a_small_one_after_more_ticks() {
        let clear_after = |done: u64, before: u64| {
            let before = of([before; 32]);
            (1..100).find(|&n| of(vec![done; n]).is_faster(1.0, &before).is_some())
        };
        assert_eq!(clear_after(200, 100), Some(1));
        assert_eq!(clear_after(100, 200), Some(1));
        let small = clear_after(110, 100).unwrap();
        assert!((3..10).contains(&small), "{small}");
        assert_eq!(of([200; 4]).is_faster(1.1, &of([100; 4])), Some(true));
        assert_eq!(of([50; 4]).is_faster(1.1, &of([100; 4])), Some(false));
    }

    #[test]
    fn what_wavers_takes_more_ticks() {
        let before = of([100; 128]);
        let wavering = |n: usize| of((0..n as u64).map(|i| 60 + 110 * (i % 2)));
        assert_eq!(wavering(4).is_faster(1.0, &before), None);
        assert_eq!(wavering(100).is_faster(1.0, &before), Some(true));
    }

    #[test]
    fn what_lies_far_back_counts_less() {
        let mut tally = of([1_000; 128]);
        for _ in 0..640 {
            tally.add(100, TICK, TICK);
        }
        assert!(tally.rate() < 130.0 * 1_000.0, "{}", tally.rate());
        assert!(tally.ticks <= 128);
    }

    #[test]
    fn workers_that_sleep_a_tenth_of_the_time_sleep() {
        let mut tally = Tally::default();
        tally.add(1, TICK, TICK);
        assert!(!tally.sleeps());
        tally.add(1, TICK, TICK * 8 / 10);
        assert!(tally.sleeps());
    }
}
