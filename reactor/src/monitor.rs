//! How the reactor thread belongs to a scheduler, and what makes a thread the reactor thread.

use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

use heist_sync::protocol::contain;

/// How long the thread sleeps between two looks at a poller that somebody else holds.
const TICK: Duration = Duration::from_millis(1);
/// The same where its monitor sees something that can't wait.
const FAST_TICK: Duration = Duration::from_micros(250);
/// For how many ticks nothing may happen before the thread sleeps for good. To be woken again costs its waker and itself
/// about as much as some ticks.
const QUIET_TICKS: u32 = 3;

/// How the reactor thread belongs to a scheduler. A method that panics is taken to have returned its default.
pub trait Monitor: Send + 'static {
    /// Wakes the scheduler's own tasks, and removes their wakers from `woken`. The thread holds the poller meanwhile, so these
    /// wakes must take no time. The wakers that are left may block, and are called later. A scheduler can publish all the tasks
    /// of one call at once.
    fn dispatch(&mut self, woken: &mut Vec<Waker>) {
        let _ = woken;
    }

    /// Called after a turn that has woken somebody. Return true if an idle worker will take the poller. Then the thread lets
    /// it go, and looks again a tick later.
    fn wants_poller(&mut self) -> bool {
        false
    }

    /// Called as long as there is something to watch. Returns when to call it next.
    ///
    /// When all is quiet, the thread calls this a last time and stops ticking. Once it has woken up it calls this again, and
    /// starts ticking if there is something to watch. It wakes up for an event, when somebody lets the poller go, and by
    /// [`Reactor::rouse_thread`](crate::Reactor::rouse_thread) or [`Reactor::unpark`](crate::Reactor::unpark).
    ///
    /// What this calls itself must take no time. What may block it adds to `calls` as a waker, to be woken later.
    fn tick(&mut self, calls: &mut Vec<Waker>) -> Pace {
        let _ = calls;
        Pace::Rest
    }
}

/// When the reactor thread looks after its [`Monitor`] next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// There is nothing to watch.
    Rest,
    /// In a millisecond: there is work running.
    Slow,
    /// In a quarter of a millisecond: something may be held up.
    Fast,
}

impl Pace {
    fn length(self) -> Duration {
        match self {
            Pace::Fast => FAST_TICK,
            Pace::Slow | Pace::Rest => TICK,
        }
    }
}

/// The monitor of a reactor that serves no scheduler.
#[derive(Debug)]
pub(crate) struct NoScheduler;

impl Monitor for NoScheduler {}

/// What makes a thread the reactor thread. There is one of each reactor: see `relay.rs`.
pub(crate) struct Watch {
    monitor: Box<dyn Monitor>,
    last_tick: Instant,
    pace: Pace,
    /// At how many ticks in a row there was nothing to watch.
    quiet: u32,
    /// It has let the poller go for a worker to take.
    pub(crate) gave_way: bool,
    /// The wakers that are to be called with the poller let go, as they may block.
    pub(crate) foreign: Vec<Waker>,
}

impl Watch {
    pub(crate) fn new(monitor: Box<dyn Monitor>) -> Self {
        Self {
            monitor,
            last_tick: Instant::now(),
            pace: Pace::Rest,
            quiet: 0,
            gave_way: false,
            foreign: Vec::new(),
        }
    }

    /// Whether there is still nothing to watch, as the thread is about to sleep for good.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.tick();
        self.pace == Pace::Rest && self.foreign.is_empty()
    }

    /// The thread has slept for good. Whoever is at work may have been for a moment.
    pub(crate) fn wake_up(&mut self) {
        if !self.is_quiet() {
            self.pace = Pace::Fast;
        }
    }

    pub(crate) fn until_tick(&self) -> Duration {
        let left = self.pace.length().saturating_sub(self.last_tick.elapsed());
        match self.pace {
            Pace::Fast => left,
            // In whole milliseconds, which the poller keeps without setting its alarm.
            Pace::Slow | Pace::Rest => TICK,
        }
    }

    pub(crate) fn tick(&mut self) {
        self.last_tick = Instant::now();
        let tick = || self.monitor.tick(&mut self.foreign);
        self.pace = contain(tick).unwrap_or(Pace::Rest);
        self.quiet = match self.pace {
            Pace::Rest => self.quiet.saturating_add(1),
            Pace::Slow | Pace::Fast => 0,
        };
    }

    /// Has the monitor wake those that are its scheduler's own. What a monitor that panics leaves is woken as others' is.
    pub(crate) fn dispatch(&mut self) {
        contain(|| self.monitor.dispatch(&mut self.foreign));
    }

    /// Whether there is a worker that will take the poller.
    pub(crate) fn wants_poller(&mut self) -> bool {
        contain(|| self.monitor.wants_poller()).unwrap_or(false)
    }

    /// Whether the next tick is due.
    pub(crate) fn is_due(&self) -> bool {
        self.last_tick.elapsed() >= self.pace.length()
    }

    /// Whether the thread may sleep for good, as far as it knows.
    pub(crate) fn may_rest(&self) -> bool {
        self.quiet >= QUIET_TICKS
    }

    /// How long to sleep until the next tick, after one.
    pub(crate) fn tick_length(&self) -> Duration {
        self.pace.length()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
