//! The clock of a reactor: the system's, until it is paused. From then on it is the reactor's own. It stands still while
//! it is paused, moves by jumps, and runs on from where it stood when it is resumed. It never goes back.
//!
//! This says what time it is. `standstill.rs` says when a paused clock may jump.

use std::fmt;
use std::time::{Duration, Instant};

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::{Mutex, hints};

/// Whether any clock of this process has ever been paused. As long as none has, nobody has to ask which clock is his.
static ANY_WAS_PAUSED: hints::AtomicBool = hints::AtomicBool::new(false);

/// Whether any clock of this process has ever been paused.
#[inline(always)]
pub(crate) fn any_was_paused() -> bool {
    // Ordering: Relaxed: it never becomes false again, so whoever comes after the pause sees it.
    ANY_WAS_PAUSED.load(Ordering::Relaxed)
}

/// What a reactor takes for the time.
pub(crate) struct Clock {
    /// Whether it has ever been paused. If not, it tells the system's time.
    was_paused: hints::AtomicBool,
    state: Mutex<State>,
    /// It isn't moved on beyond this.
    end: Option<Instant>,
}

#[derive(Clone, Copy)]
struct State {
    /// What time it is, or was at `since`.
    time: Instant,
    /// Since when, by the system's clock, this one runs. `None` while it is paused.
    since: Option<Instant>,
}

impl State {
    fn now(self) -> Instant {
        let elapsed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.time + elapsed
    }
}

impl Clock {
    /// A clock that runs with the system's. It can be moved on until `end`.
    pub(crate) fn new(end: Option<Instant>) -> Self {
        let now = Instant::now();
        Self {
            was_paused: hints::AtomicBool::new(false),
            state: Mutex::new(State {
                time: now,
                since: Some(now),
            }),
            end,
        }
    }

    /// What time it is.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        // Ordering: Relaxed, as in `any_was_paused`. The lock orders the rest.
        if !any_was_paused() || !self.was_paused.load(Ordering::Relaxed) {
            return Instant::now();
        }
        self.state.lock().now()
    }

    /// Stops it. `Err` says why not.
    pub(crate) fn pause(&self) -> Result<(), &'static str> {
        let mut state = self.state.lock();
        if state.since.is_none() {
            return Err("time is already frozen");
        }
        state.time = state.now();
        state.since = None;
        // Ordering: Relaxed; see `now`.
        self.was_paused.store(true, Ordering::Relaxed);
        ANY_WAS_PAUSED.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes it run on. `Err` says why not.
    pub(crate) fn resume(&self) -> Result<(), &'static str> {
        let mut state = self.state.lock();
        if state.since.is_some() {
            return Err("time is not frozen");
        }
        state.since = Some(Instant::now());
        Ok(())
    }

    /// Moves it on while it is paused. `Err` says why not.
    pub(crate) fn advance(&self, duration: Duration) -> Result<(), &'static str> {
        let mut state = self.state.lock();
        if state.since.is_some() {
            return Err("time is not frozen");
        }
        let later = state.time.checked_add(duration);
        let later = later.filter(|&later| self.end.is_none_or(|end| later <= end));
        state.time = later.ok_or("overflow when adding duration to instant")?;
        Ok(())
    }

    /// Moves it on to `at`, if it is paused and `at` is later. Returns whether it did.
    pub(crate) fn jump_to(&self, at: Instant) -> bool {
        let mut state = self.state.lock();
        let jumps = state.since.is_none() && state.time < at;
        if jumps {
            state.time = at;
        }
        jumps
    }

    /// When it will be `at` here, by the system's clock. `None` while it is paused.
    pub(crate) fn real(&self, at: Instant) -> Option<Instant> {
        // Ordering: Relaxed; see `now`.
        if !self.was_paused.load(Ordering::Relaxed) {
            return Some(at);
        }
        let state = *self.state.lock();
        // A moment that the system's clock can't count is as good as none.
        state
            .since?
            .checked_add(at.saturating_duration_since(state.time))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use super::{Clock, Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_was_never_paused_is_the_systems() {
        let clock = Clock::new(None);
        let before = Instant::now();
        let now = clock.now();
        assert!(before <= now && now <= Instant::now());
        assert_eq!(clock.real(now), Some(now));
    }

    #[test]
    fn a_paused_clock_stands_still_and_goes_on_from_there() {
        let clock = Clock::new(None);
        clock.pause().unwrap();
        let stands = clock.now();
        while stands.elapsed() < Duration::from_millis(2) {}
        assert_eq!(clock.now(), stands);
        assert_eq!(clock.real(stands + SECOND), None);
        clock.advance(100 * SECOND).unwrap();
        assert!(clock.jump_to(stands + 200 * SECOND));
        assert!(!clock.jump_to(stands + 150 * SECOND), "never back");
        assert_eq!(clock.now(), stands + 200 * SECOND);
        let before = Instant::now();
        clock.resume().unwrap();
        let real = clock.real(stands + 201 * SECOND).unwrap();
        assert!(before + SECOND <= real && real <= Instant::now() + SECOND);
        let later = clock.now();
        assert!(stands + 200 * SECOND <= later && later < stands + 300 * SECOND);
        clock.pause().unwrap();
        assert!(clock.now() >= later, "never back");
    }

    #[test]
    fn what_the_clocks_state_forbids_changes_nothing() {
        let clock = Clock::new(Instant::now().checked_add(100 * SECOND));
        assert!(clock.resume().is_err() && clock.advance(SECOND).is_err());
        assert!(!clock.jump_to(Instant::now() + SECOND));
        clock.pause().unwrap();
        let stands = clock.now();
        assert!(clock.pause().is_err() && clock.advance(Duration::MAX).is_err());
        assert!(clock.advance(101 * SECOND).is_err(), "beyond its end");
        assert_eq!(clock.now(), stands);
    }
}
