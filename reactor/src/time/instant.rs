//! A moment of the monotonic clock.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A moment of the monotonic clock: [`std::time::Instant`], under the name that the rest of [`time`](super) uses.
///
/// ```
/// use heist_reactor::time::{Duration, Instant};
///
/// let start = Instant::now();
/// assert!(start.elapsed() < Duration::from_secs(60));
/// assert_eq!(start + Duration::from_secs(1) - start, Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(std::time::Instant);

impl Instant {
    /// Now.
    #[must_use]
    #[inline]
    pub fn now() -> Instant {
        Instant(std::time::Instant::now())
    }

    /// The same moment as one of heist's.
    #[must_use]
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant(std)
    }

    /// The same moment as one of std's.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.0
    }

    /// `duration` from this moment on; where that can't be counted, so far away that nobody will see it come.
    pub(super) fn after(self, duration: Duration) -> Instant {
        // Some 30 years, as not every system can count further.
        const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
        self.checked_add(duration)
            .or_else(|| self.checked_add(FAR))
            .unwrap_or(self)
    }

    /// The time from `earlier` to this moment; zero where `earlier` is the later one.
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time from `earlier` to this moment; `None` where `earlier` is the later one.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The time from `earlier` to this moment; zero where `earlier` is the later one.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since this moment; zero where it is yet to come.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// This moment and `duration`; `None` where that can't be counted.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// This moment less `duration`; `None` where that can't be counted.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_sub(duration).map(Instant)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Instant {
        Instant(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// # Panics
    ///
    /// Where the sum can't be counted; [`checked_add`](Instant::checked_add) asks.
    #[track_caller]
    fn add(self, duration: Duration) -> Instant {
        let sum = self.checked_add(duration);
        sum.expect("overflow when adding duration to instant")
    }
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// # Panics
    ///
    /// Where the difference can't be counted; [`checked_sub`](Instant::checked_sub) asks.
    #[track_caller]
    fn sub(self, duration: Duration) -> Instant {
        let difference = self.checked_sub(duration);
        difference.expect("overflow when subtracting duration from instant")
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}
