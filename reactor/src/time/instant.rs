//! A moment of the monotonic clock.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::{clock, context};

/// A moment in time, by a clock that never goes backwards.
///
/// It is a [`std::time::Instant`] inside, and behaves like one. [`From`] converts both ways, and so do
/// [`from_std`](Self::from_std) and [`into_std`](Self::into_std).
///
/// It is a type of its own, as in tokio, because heist's clock may differ from the system's: it does in a runtime in which
/// time was [paused](super::pause). [`sleep_until`](super::sleep_until) and its like take only this type, so the compiler
/// finds the places where a program mixes the two clocks.
///
/// ```
/// use heist::time::{Duration, Instant};
///
/// let start = Instant::now();
/// assert!(start.elapsed() < Duration::from_secs(60));
/// assert_eq!(start + Duration::from_secs(1) - start, Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(std::time::Instant);

impl Instant {
    /// The present moment, by the clock of the current runtime. That is the system's, unless time was
    /// [paused](super::pause) there.
    ///
    /// [`Instant`] has an example.
    #[must_use]
    #[inline]
    pub fn now() -> Instant {
        if clock::any_was_paused() {
            return Self::now_here();
        }
        Instant(std::time::Instant::now())
    }

    /// The present moment, if the clock of the current runtime may differ from the system's.
    #[cold]
    fn now_here() -> Instant {
        let now = context::with_entered(|reactor| reactor.timers().now());
        Instant(now.unwrap_or_else(std::time::Instant::now))
    }

    /// Converts a [`std::time::Instant`].
    ///
    /// ```
    /// use heist::time::Instant;
    ///
    /// let std = std::time::Instant::now();
    /// assert_eq!(Instant::from_std(std).into_std(), std);
    /// ```
    #[must_use]
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant(std)
    }

    /// Converts to a [`std::time::Instant`].
    ///
    /// [`from_std`](Self::from_std) has an example.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.0
    }

    /// The moment `duration` after this one. If that can't be represented, a moment decades away.
    pub(super) fn after(self, duration: Duration) -> Instant {
        // About 30 years, as not every system can count further.
        const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
        self.checked_add(duration)
            .or_else(|| self.checked_add(FAR))
            .unwrap_or(self)
    }

    /// The time from `earlier` to this moment. Zero if `earlier` is later than this moment.
    ///
    /// ```
    /// use heist::time::{Duration, Instant};
    ///
    /// let earlier = Instant::now();
    /// let later = earlier + Duration::from_secs(2);
    /// assert_eq!(later.duration_since(earlier), Duration::from_secs(2));
    /// assert_eq!(earlier.duration_since(later), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time from `earlier` to this moment. `None` if `earlier` is later than this moment.
    ///
    /// ```
    /// use heist::time::{Duration, Instant};
    ///
    /// let earlier = Instant::now();
    /// let later = earlier + Duration::from_secs(2);
    /// assert_eq!(later.checked_duration_since(earlier), Some(Duration::from_secs(2)));
    /// assert_eq!(earlier.checked_duration_since(later), None);
    /// ```
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The time from `earlier` to this moment. Zero if `earlier` is later than this moment.
    ///
    /// [`duration_since`](Self::duration_since) does the same and has an example.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since this moment. Zero if it is in the future.
    ///
    /// [`Instant`] has an example.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// The moment `duration` after this one. `None` if that is too far away to be represented.
    ///
    /// ```
    /// use heist::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// assert_eq!(now.checked_add(Duration::from_secs(2)), Some(now + Duration::from_secs(2)));
    /// assert_eq!(now.checked_add(Duration::MAX), None);
    /// ```
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// The moment `duration` before this one. `None` if that can't be represented.
    ///
    /// ```
    /// use heist::time::{Duration, Instant};
    ///
    /// let later = Instant::now() + Duration::from_secs(2);
    /// assert_eq!(later.checked_sub(Duration::from_secs(2)), Some(later - Duration::from_secs(2)));
    /// assert_eq!(later.checked_sub(Duration::MAX), None);
    /// ```
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
    /// If the sum can't be represented. [`checked_add`](Instant::checked_add) returns `None` instead.
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
    /// If the difference can't be represented. [`checked_sub`](Instant::checked_sub) returns `None` instead.
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
