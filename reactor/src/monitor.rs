//! How the reactor thread works for a scheduler, and what makes a thread the reactor thread.

use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

use heist_sync::protocol::contain;

/// How long the thread sleeps between two looks at a poller that somebody else holds.
const TICK: Duration = Duration::from_millis(1);
/// The same if its monitor sees something that can't wait.
const FAST_TICK: Duration = Duration::from_micros(250);
/// After how many ticks with nothing to watch the thread sleeps without a limit. Being woken again costs the thread and
/// its waker about as much as some ticks.
const QUIET_TICKS: u32 = 3;

/// How the reactor thread belongs to a scheduler. A method that panics is taken to have returned its default.
pub trait Monitor: Send + 'static {
    /// Wakes the scheduler's own tasks, and removes their wakers from `woken`. The thread holds the poller meanwhile, so these
    /// wakes must take no time. The wakers that are left may block, and are called later. A scheduler can publish all the tasks
    /// of one call at once.
    fn dispatch(&mut self, woken: &mut Vec<Waker>) {
        let _ = woken;
    }

    /// Called after a turn. What the scheduler's own threads did before the turn woke their tasks.
    fn crew(&mut self) -> Crew {
        Crew::Nobody
    }

    /// Whether nothing of the scheduler's runs or is about to, apart from what [`Running`](crate::Running) counts. A paused
    /// clock may jump then. It is called often while the clock is paused, and must take no time.
    fn is_at_rest(&self) -> bool {
        true
    }

    /// Called as long as there is something to watch, unless [that is put off](crate::Reactor::put_off_tick). Returns when to
    /// call it next.
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

/// What the threads of a scheduler do, which wait in the poller themselves when they have nothing else to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crew {
    /// There are none.
    Nobody,
    /// One of them sleeps. If the turn has woken somebody, that thread gets up, and takes the poller when it has nothing more
    /// to do. So the reactor thread lets the poller go, and looks again a tick later.
    Idle,
    /// All are at work. They look at the poller every now and then. If the reactor thread waited on, the next event
    /// would take processor time from them, and nobody would be free to serve it. So it lets the poller go, and looks
    /// again a tick later.
    Busy,
    /// All are at work, and one of them has lately done what the [`Monitor`] does at a tick. So the reactor thread lets the
    /// poller go, whether there were events or not: it would wake up at each tick for nothing. It sleeps until its next tick,
    /// which they put off ([`Reactor::put_off_tick`](crate::Reactor::put_off_tick)).
    Watchful,
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

/// What makes a thread the reactor thread. Each reactor has one watch: see `relay.rs`.
pub(crate) struct Watch {
    monitor: Box<dyn Monitor>,
    last_tick: Instant,
    pace: Pace,
    /// For how many ticks in a row there was nothing to watch.
    quiet: u32,
    /// Whether the thread has let the poller go because the workers look after it.
    pub(crate) gave_way: bool,
    /// The wakers that may block. They are to be called after the poller was let go.
    pub(crate) foreign: Vec<Waker>,
    /// How many of them are counted as running: they may wake what runs (`standstill.rs`).
    pub(crate) counted: usize,
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
            counted: 0,
        }
    }

    /// Whether there is still nothing to watch. The thread is about to sleep without a limit.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.tick();
        self.pace == Pace::Rest && self.foreign.is_empty()
    }

    /// The thread has slept without a limit. A worker may have been at work for a moment.
    pub(crate) fn wake_up(&mut self) {
        if !self.is_quiet() {
            self.pace = Pace::Fast;
        }
    }

    pub(crate) fn until_tick(&self) -> Duration {
        let left = self.pace.length().saturating_sub(self.last_tick.elapsed());
        match self.pace {
            Pace::Fast => left,
            // In whole milliseconds, which the poller can wait for without setting its alarm.
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

    /// Calls `collect` with the foreign wakers, and with what says whether the scheduler is at rest.
    pub(crate) fn collect(&mut self, collect: impl FnOnce(&mut Vec<Waker>, &dyn Fn() -> bool)) {
        let monitor = &self.monitor;
        let at_rest = || contain(|| monitor.is_at_rest()).unwrap_or(true);
        collect(&mut self.foreign, &at_rest);
    }

    /// Lets the monitor wake its scheduler's own tasks. If the monitor panics, the wakers that it leaves count as
    /// foreign.
    pub(crate) fn dispatch(&mut self) {
        contain(|| self.monitor.dispatch(&mut self.foreign));
    }

    /// What the scheduler's threads do.
    pub(crate) fn crew(&mut self) -> Crew {
        contain(|| self.monitor.crew()).unwrap_or(Crew::Nobody)
    }

    /// Whether it is time for the next tick.
    pub(crate) fn is_due(&self) -> bool {
        self.last_tick.elapsed() >= self.pace.length()
    }

    /// Whether the thread may sleep without a limit, as far as it knows.
    pub(crate) fn may_rest(&self) -> bool {
        self.quiet >= QUIET_TICKS
    }

    /// After a tick: how long to sleep until the next one.
    pub(crate) fn tick_length(&self) -> Duration {
        self.pace.length()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
