//! The alarm on Linux: a timerfd in the poller. epoll's own timeout counts in milliseconds and rounds up.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Ends a wait in the poller at a given time.
///
/// It is armed only if it would ring too late. If it rings too early, that costs one turn for nothing. Putting it off
/// would cost a system call each time that the nearest timer is dropped. It is never read: the poller is
/// edge-triggered, and each expiry is an edge.
pub(super) struct Alarm {
    timer: OwnedFd,
    /// When it rings next, if it has not rung yet.
    armed: Option<Instant>,
}

impl Alarm {
    pub(super) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        registry.register(
            &mut SourceFd(&timer.as_raw_fd()),
            token,
            mio::Interest::READABLE,
        )?;
        Ok(Self { timer, armed: None })
    }

    /// Makes it ring at `deadline`, which is later than `now`. Returns the timeout that the poller needs besides.
    pub(super) fn arm(&mut self, now: Instant, deadline: Instant) -> Option<Duration> {
        // If it was armed for a moment that has passed, it has rung.
        if self.armed.is_some_and(|at| now < at && at <= deadline) {
            return None;
        }
        let left = deadline.saturating_duration_since(now);
        let value = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        match timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value) {
            Ok(_) => {
                self.armed = Some(deadline);
                None
            }
            Err(_) => {
                self.armed = None;
                Some(left)
            }
        }
    }
}
