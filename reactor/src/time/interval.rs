//! Ticks at equal distances.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use heist_sync::coop;

use super::{Instant, Sleep, sleep_until};

/// Ticks every `period`, the first time at once.
///
/// # Panics
///
/// Where `period` is zero.
///
/// ```
/// use heist_reactor::time::{Duration, Instant, interval};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let start = Instant::now();
/// let mut interval = interval(Duration::from_millis(1));
/// for _ in 0..3 {
///     interval.tick().await;
/// }
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// Where `period` is zero.
///
/// ```
/// use heist_reactor::time::{Duration, Instant, interval_at};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let start = Instant::now() + Duration::from_millis(1);
/// let mut interval = interval_at(start, Duration::from_millis(1));
/// assert_eq!(interval.tick().await, start);
/// # });
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

/// What an [`Interval`] does about the ticks that nobody waited for in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Ticks as fast as it is asked until it has caught up.
    #[default]
    Burst,
    /// Ticks once, and from then on every period.
    Delay,
    /// Ticks once, and from then on when it would have ticked had none been missed.
    Skip,
}

impl MissedTickBehavior {
    /// When the next tick is due, after one that was due at `due` and came at `now`.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        let on_time = due.after(period);
        match self {
            Self::Burst => on_time,
            _ if now <= on_time => on_time,
            Self::Delay => now.after(period),
            Self::Skip => {
                let past = (now - due).as_nanos() % period.as_nanos();
                // Less than a period, which can be counted in nanoseconds up to 584 years.
                let past = Duration::from_nanos_u128(past);
                now.after(period - past)
            }
        }
    }
}

/// Ticks at equal distances: see [`interval`] and [`interval_at`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Completes at the next tick, with the moment at which it was due.
    ///
    /// # Cancel safety
    ///
    /// No tick is lost by dropping the future.
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let coop = ready!(coop::poll_proceed(cx));
        ready!(self.sleep.poll_elapsed(cx));
        coop.made_progress();
        let due = self.sleep.deadline();
        let next = self.missed.next(due, Instant::now(), self.period);
        self.move_to(next);
        Poll::Ready(due)
    }

    /// Ticks next a period from now.
    pub fn reset(&mut self) {
        self.move_to(Instant::now().after(self.period));
    }

    /// Ticks next as soon as it is asked.
    pub fn reset_immediately(&mut self) {
        self.move_to(Instant::now());
    }

    /// Ticks next after `after`.
    pub fn reset_after(&mut self, after: Duration) {
        self.move_to(Instant::now().after(after));
    }

    /// Ticks next at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.move_to(deadline);
    }

    fn move_to(&mut self, deadline: Instant) {
        Pin::new(&mut self.sleep).reset(deadline);
    }

    /// What it does about ticks that were missed.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what it does about ticks that were missed.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
