//! Ticks at equal distances.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use heist_sync::coop;

use super::{Instant, Sleep, sleep_until};

/// Makes an [`Interval`] that ticks every `period`. The first tick comes at once.
///
/// Unlike a [`sleep`](super::sleep()) in a loop, it takes into account the time that you spend between two calls of
/// [`tick`](Interval::tick). [`MissedTickBehavior`] says what happens if you miss ticks. By default it catches up.
///
/// # Panics
///
/// If `period` is zero.
///
/// ```
/// use heist::time::{Duration, Instant, interval};
///
/// #[heist::main]
/// async fn main() {
///     let start = Instant::now();
///     let mut interval = interval(Duration::from_millis(1));
///     for _ in 0..3 {
///         interval.tick().await;
///     }
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Makes an [`Interval`] that ticks every `period`. The first tick comes at `start`. Otherwise like [`interval`].
///
/// # Panics
///
/// If `period` is zero.
///
/// ```
/// use heist::time::{Duration, Instant, interval_at};
///
/// #[heist::main]
/// async fn main() {
///     let start = Instant::now() + Duration::from_millis(1);
///     let mut interval = interval_at(start, Duration::from_millis(1));
///     assert_eq!(interval.tick().await, start);
/// }
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval {
        sleep: sleep_until(start),
        period,
        missed: MissedTickBehavior::default(),
    }
}

/// How late a tick may be and still count as on time.
const IN_TIME: Duration = Duration::from_millis(5);

/// What an [`Interval`] does after a missed tick. A tick is missed if it comes more than five milliseconds after it was due.
///
/// ```
/// use heist::time::{Duration, Instant, MissedTickBehavior, interval, sleep};
///
/// // Time stands still in this test, and jumps to the next deadline when all wait.
/// #[heist::main(flavor = "current_thread", start_paused = true)]
/// async fn main() {
///     let second = Duration::from_secs(1);
///     let start = Instant::now();
///     let mut ticks = interval(second);
///     ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
///     assert_eq!(ticks.tick().await - start, 0 * second);
///     sleep(second * 7 / 2).await;
///     // This one is late, and the two after it are skipped.
///     assert_eq!(ticks.tick().await - start, 1 * second);
///     assert_eq!(ticks.tick().await - start, 4 * second);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Ticks without waiting until it has caught up. The next tick is due one period after the missed one was.
    #[default]
    Burst,
    /// Starts over: the next tick is due one period after the late one came.
    Delay,
    /// Skips the missed ticks: the next one comes when it would have come if none had been missed.
    Skip,
}

impl MissedTickBehavior {
    /// When the next tick is due, after one that was due at `due` and came at `now`.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            _ if now <= due.after(IN_TIME) => due.after(period),
            Self::Burst => due.after(period),
            Self::Delay => now.after(period),
            Self::Skip => {
                let past = (now - due).as_nanos() % period.as_nanos();
                // Not more than was missed. That can be counted in nanoseconds for up to 584 years.
                let past = Duration::from_nanos_u128(past);
                now.after(period - past)
            }
        }
    }
}

/// Ticks at regular intervals, until it is dropped. Made by [`interval`] and [`interval_at`].
///
/// [`interval`] has an example.
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick. Returns the moment at which it was due.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no tick is lost.
    ///
    /// [`interval`] has an example.
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick. If several tasks poll, only the last one is woken.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let coop = ready!(coop::poll_proceed(cx));
        ready!(self.sleep.poll_elapsed(cx));
        coop.made_progress();
        let due = self.sleep.deadline();
        let next = self.missed.next(due, Instant::now(), self.period);
        self.move_to(next);
        Poll::Ready(due)
    }

    /// Makes the next tick come one period from now.
    ///
    /// ```
    /// use heist::time::{Duration, Instant, interval, sleep};
    ///
    /// // Time stands still in this test, and jumps to the next deadline when all wait.
    /// #[heist::main(flavor = "current_thread", start_paused = true)]
    /// async fn main() {
    ///     let start = Instant::now();
    ///     let mut idle = interval(Duration::from_secs(10));
    ///     idle.tick().await;
    ///     sleep(Duration::from_secs(9)).await;
    ///     idle.reset();
    ///     idle.tick().await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(19));
    /// }
    /// ```
    pub fn reset(&mut self) {
        self.move_to(Instant::now().after(self.period));
    }

    /// Makes the next tick come at once.
    ///
    /// [`reset_after`](Self::reset_after) has an example.
    pub fn reset_immediately(&mut self) {
        self.move_to(Instant::now());
    }

    /// Makes the next tick come after `after`.
    ///
    /// ```
    /// use heist::time::{Duration, Instant, interval};
    ///
    /// // Time stands still in this test, and jumps to the next deadline when all wait.
    /// #[heist::main(flavor = "current_thread", start_paused = true)]
    /// async fn main() {
    ///     let start = Instant::now();
    ///     let mut ticks = interval(Duration::from_secs(10));
    ///     ticks.tick().await;
    ///     ticks.reset_after(Duration::from_secs(3));
    ///     assert_eq!(ticks.tick().await - start, Duration::from_secs(3));
    ///     ticks.reset_immediately();
    ///     assert_eq!(ticks.tick().await - start, Duration::from_secs(3));
    ///     ticks.reset_at(start + Duration::from_secs(5));
    ///     assert_eq!(ticks.tick().await - start, Duration::from_secs(5));
    ///     // After that it goes on with its period.
    ///     assert_eq!(ticks.tick().await - start, Duration::from_secs(15));
    /// }
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.move_to(Instant::now().after(after));
    }

    /// Makes the next tick come at `deadline`. If that has passed, the tick comes at once, and is late.
    ///
    /// [`reset_after`](Self::reset_after) has an example.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.move_to(deadline);
    }

    fn move_to(&mut self, deadline: Instant) {
        Pin::new(&mut self.sleep).reset(deadline);
    }

    /// What it does after a missed tick.
    ///
    /// ```
    /// use heist::time::{Duration, MissedTickBehavior, interval};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut ticks = interval(Duration::from_secs(1));
    ///     assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Burst);
    ///     ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ///     assert_eq!(ticks.period(), Duration::from_secs(1));
    /// }
    /// ```
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what it does after a missed tick.
    ///
    /// [`MissedTickBehavior`] has an example.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The time between two ticks.
    ///
    /// [`missed_tick_behavior`](Self::missed_tick_behavior) has an example.
    pub fn period(&self) -> Duration {
        self.period
    }
}

#[cfg(test)]
mod tests {
    use super::MissedTickBehavior::{Burst, Delay, Skip};
    use super::{Duration, Instant, MissedTickBehavior};

    /// When the next tick is due, in milliseconds after the late one was due. The late tick came `late` milliseconds
    /// after it was due, and the period is `period` milliseconds.
    fn next(behavior: MissedTickBehavior, period: u64, late: u64) -> u64 {
        let (due, of) = (Instant::now(), Duration::from_millis);
        let next = behavior.next(due, due + of(late), of(period));
        (next - due).as_millis() as u64
    }

    #[test]
    fn the_next_tick_is_due_as_tokio_has_it() {
        // The period, how late the tick came, and when the next one is due: by `Burst`, by `Delay`, by `Skip`.
        for (period, late, expected) in [
            (100, 0, [100, 100, 100]),
            (100, 5, [100, 100, 100]),
            (100, 6, [100, 106, 100]),
            (100, 90, [100, 190, 100]),
            (100, 99, [100, 199, 100]),
            (100, 100, [100, 200, 200]),
            (100, 101, [100, 201, 200]),
            (100, 250, [100, 350, 300]),
            (2, 5, [2, 2, 2]),
            (2, 7, [2, 9, 8]),
            (10, 6, [10, 16, 10]),
        ] {
            let got = [Burst, Delay, Skip].map(|behavior| next(behavior, period, late));
            assert_eq!(got, expected, "{late} ms late, with a period of {period}");
        }
    }

    #[test]
    fn a_period_too_long_to_be_counted_is_as_good_as_for_ever() {
        let due = Instant::now();
        for behavior in [Burst, Delay, Skip] {
            for late in [Duration::ZERO, Duration::from_secs(1)] {
                let next = behavior.next(due, due + late, Duration::MAX);
                assert!(next - due > Duration::from_secs(86_400 * 365));
            }
        }
    }
}
