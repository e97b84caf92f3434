//! mio's readiness, a waker for it, and an alarm clock that is finer than its timeout.
//!
//! How it keeps the contract (`backend.rs`): epoll and kqueue work by edges, and mio does the same on Windows.

use std::io;
use std::time::{Duration, Instant};

use crate::readiness;

// Miri has no timerfd.
#[cfg(all(target_os = "linux", not(miri)))]
#[path = "linux.rs"]
mod alarm;
#[cfg(any(not(target_os = "linux"), miri))]
#[path = "portable.rs"]
mod alarm;

/// The token of the poller's own waker.
const KICK: mio::Token = mio::Token(usize::MAX);
/// The token of the alarm.
const ALARM: mio::Token = mio::Token(usize::MAX - 1);
/// How many events one wait takes from the kernel. Further ready events stay there for the next wait.
const EVENTS: usize = 1024;
/// The unit to which a poll's timeout is rounded up.
const TIMEOUT_UNIT: Duration = Duration::from_millis(1);
/// Ends a wait in the poller from another thread.
#[derive(Debug)]
pub(crate) struct PollKick(mio::Waker);

impl PollKick {
    pub(super) fn kick(&self) {
        // mio deals with a full counter. Nothing but a signal is left that can be in the way.
        while self
            .0
            .wake()
            .is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
        {}
    }
}

/// The poller, and the events of its last wait.
pub(super) struct Poller {
    poll: mio::Poll,
    events: mio::Events,
    alarm: alarm::Alarm,
}

/// The events of a batch: each is a token and the news of its two directions.
pub(super) struct News<'a>(mio::event::Iter<'a>);

impl Poller {
    pub(super) fn new() -> io::Result<(Self, PollKick)> {
        let poll = mio::Poll::new()?;
        let kick = PollKick(mio::Waker::new(poll.registry(), KICK)?);
        let alarm = alarm::Alarm::new(poll.registry(), ALARM)?;
        let poller = Self {
            poll,
            events: mio::Events::with_capacity(EVENTS),
            alarm,
        };
        Ok((poller, kick))
    }

    /// Another handle to the poller's registry.
    pub(super) fn registry(&self) -> io::Result<mio::Registry> {
        self.poll.registry().try_clone()
    }

    /// The poller's own descriptor, which is readable while there are events to take.
    #[cfg(unix)]
    pub(super) fn descriptor(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.poll)
    }

    /// Makes the descriptor readable at `deadline`, which is later than `now`. If the system has no alarm, returns for
    /// how long whoever waits for the descriptor may wait.
    pub(super) fn arm(&mut self, now: Instant, deadline: Instant) -> Option<Duration> {
        self.alarm.arm(now, deadline)
    }

    /// Asks for events without waiting.
    pub(super) fn look(&mut self) {
        self.poll(Some(Duration::ZERO));
    }

    /// Waits for events, for `limit` at most, and until `deadline`. `deadline` is kept more exactly than a `limit` of a
    /// millisecond or more.
    pub(super) fn wait(&mut self, limit: Option<Duration>, deadline: Option<(Instant, Instant)>) {
        let (limit, deadline) = match limit.filter(|limit| *limit < TIMEOUT_UNIT) {
            Some(short) => {
                let now = deadline.map_or_else(Instant::now, |(now, _)| now);
                let nearest = deadline.map_or(now + short, |(_, at)| at.min(now + short));
                (None, Some((now, nearest)))
            }
            None => (limit, deadline),
        };
        let Some((now, deadline)) = deadline else {
            return self.poll(limit);
        };
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() || limit.is_some_and(|limit| limit.is_zero()) {
            return self.look();
        }
        // The poll's own timeout is exact to a millisecond, so one that ends near the deadline could end after it.
        if limit.is_some_and(|limit| limit.saturating_add(TIMEOUT_UNIT) <= left) {
            return self.poll(limit);
        }
        let timeout = self.alarm.arm(now, deadline);
        self.poll(limit.into_iter().chain(timeout).min());
    }

    fn poll(&mut self, timeout: Option<Duration>) {
        // EINTR ends the wait early, which all callers allow. Nothing else can fail while the descriptor is ours.
        if let Err(error) = self.poll.poll(&mut self.events, timeout) {
            self.events.clear();
            debug_assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
        }
    }

    /// The events of the last wait.
    pub(super) fn events(&self) -> News<'_> {
        News(self.events.iter())
    }
}

impl Iterator for News<'_> {
    type Item = (usize, readiness::News, readiness::News);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Those of the waker and the alarm belong to no source.
        let is_source = |event: &&mio::event::Event| !matches!(event.token(), KICK | ALARM);
        let event = self.0.find(is_source)?;
        let news = readiness::News::NONE.and(event.is_error(), readiness::News::ERROR);
        let read = news
            .and(event.is_readable(), readiness::News::READY)
            .and(event.is_priority(), readiness::News::URGENT)
            .and(event.is_read_closed(), readiness::News::CLOSED);
        let write = news
            .and(event.is_writable(), readiness::News::READY)
            .and(event.is_write_closed(), readiness::News::CLOSED);
        Some((event.token().0, read, write))
    }
}
