//! The watchdog on Linux: a timerfd, so that arming it wakes nobody, and arming it again puts it off.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// The longest limit that is handed to the kernel.
const DAY: Duration = Duration::from_secs(86_400);
const NEVER: Duration = Duration::ZERO;

/// Rings some time after it was armed, for whoever waits.
pub(crate) struct Watchdog {
    /// Never read: setting it also clears that it has rung.
    timer: OwnedFd,
}

impl Watchdog {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer })
    }

    /// Makes it ring after that time, and not before.
    pub(crate) fn arm(&self, after: Duration) {
        // Zero would disarm it.
        self.set(after.max(Duration::from_nanos(1)));
    }

    /// Makes it not ring.
    pub(crate) fn disarm(&self) {
        self.set(NEVER);
    }

    /// Makes it ring at once.
    pub(crate) fn ring(&self) {
        self.arm(Duration::ZERO);
    }

    /// Waits until it rings, for `limit` at most. Returns false if it did not ring. True may be wrong.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let mut timer = [PollFd::new(&self.timer, PollFlags::IN)];
        !matches!(poll(&mut timer, Some(&timespec(limit.min(DAY)))), Ok(0))
    }

    fn set(&self, after: Duration) {
        let value = Itimerspec {
            it_interval: timespec(NEVER),
            it_value: timespec(after),
        };
        // It can't fail: the descriptor is ours, and the time is valid.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value);
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    }
}
