//! The alarm on systems without one: the poller's own timeout, which is rounded up to its unit.

use std::io;
use std::time::{Duration, Instant};

/// Ends a wait in the poller at a given time.
pub(super) struct Alarm;

impl Alarm {
    pub(super) fn new(_registry: &mio::Registry, _token: mio::Token) -> io::Result<Self> {
        Ok(Self)
    }

    /// Returns the timeout that the poller needs to wake up at `deadline`.
    pub(super) fn arm(&mut self, now: Instant, deadline: Instant) -> Option<Duration> {
        Some(deadline.saturating_duration_since(now))
    }
}
