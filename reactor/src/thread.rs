//! The reactor thread: it looks after the poller whenever nobody else does, and ticks for the scheduler.
//!
//! How it and the borrowers hand the poller over is told in `handover.rs`. It polls no task.

use std::time::{Duration, Instant};

use crate::reactor::{Shared, Turn};
use heist_sync::protocol::contain;

/// How long the thread sleeps between two looks at a poller that somebody else holds.
const TICK: Duration = Duration::from_millis(1);
/// The same where its monitor sees something that can't wait.
const FAST_TICK: Duration = Duration::from_micros(250);
/// For how long the poller must have been free before the thread takes it. A worker that serves one event after the
/// other frees it for some microseconds each time, and taking it then would put the thread between the worker and its
/// next event. Shorter than any tick.
const LINGER: Duration = Duration::from_micros(200);
/// For how many ticks nothing may happen before the thread sleeps for good. To be woken again costs its waker and itself
/// about as much as some ticks.
const QUIET_TICKS: u32 = 3;

/// How the reactor thread belongs to a scheduler. A method that panics is taken to have returned its default.
pub trait Monitor: Send + 'static {
    /// Calls `turn` once: it waits in the poller and wakes whom the events are for. A scheduler collects the wakes
    /// in here, so as to publish them at once.
    fn dispatch(&mut self, turn: &mut dyn FnMut()) {
        turn();
    }

    /// Asked after a turn that has woken somebody: is there a worker with nothing to do that will take the poller?
    /// Then the thread lets it go, and looks again a tick later.
    fn wants_poller(&mut self) -> bool {
        false
    }

    /// Called as long as there is something to watch; says when to call it next.
    ///
    /// When all is quiet the thread asks a last time and stops ticking. It starts again, with a fast tick, where it is
    /// told otherwise after it has woken up: by an event, by somebody who lets the poller go, by
    /// [`Reactor::rouse_thread`](crate::Reactor::rouse_thread) or [`Reactor::unpark`](crate::Reactor::unpark).
    fn tick(&mut self) -> Pace {
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

/// What the reactor thread does, from its start until it is told to end.
pub(crate) struct Watch<'a> {
    shared: &'a Shared,
    monitor: Box<dyn Monitor>,
    last_tick: Instant,
    pace: Pace,
    /// At how many ticks in a row there was nothing to watch.
    quiet: u32,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(shared: &'a Shared, monitor: Box<dyn Monitor>) -> Self {
        Self {
            shared,
            monitor,
            last_tick: Instant::now(),
            pace: Pace::Rest,
            quiet: 0,
        }
    }

    pub(crate) fn run(&mut self) {
        let handover = &self.shared.handover;
        if let Some(turn) = self.shared.try_borrow() {
            self.hold(turn);
        }
        let mut sleep = self.until_tick();
        while handover.tick(sleep) {
            self.tick();
            sleep = self.pace.length();
            let free = handover.free_for();
            if let Some(free) = free.filter(|free| *free < LINGER) {
                // Its borrower may be back at any moment. If not, we take it a tick after it was left.
                sleep -= free;
            } else if let Some(turn) = free.and_then(|_| self.shared.try_borrow()) {
                self.hold(turn);
                sleep = self.until_tick();
            } else if self.quiet >= QUIET_TICKS {
                self.rest();
                sleep = self.until_tick();
            }
        }
    }

    /// Sleeps for good, while a worker has the poller and sleeps in it.
    fn rest(&mut self) {
        let shared = self.shared;
        let poller = shared.handover.rest(|| self.is_quiet());
        self.wake_up();
        if let Some(poller) = poller {
            self.hold(Turn::new(shared, poller));
        }
    }

    /// Waits in the poller, until a worker wants it.
    fn hold(&mut self, mut turn: Turn<'_>) {
        loop {
            let settled = self.quiet >= QUIET_TICKS && {
                self.shared.handover.settle();
                self.is_quiet()
            };
            let limit = (!settled).then(|| {
                self.shared.handover.unsettle();
                self.until_tick()
            });
            let mut woken = 0;
            // A dispatch that panicked has either had its turn or will have the next.
            contain(|| self.monitor.dispatch(&mut || woken += turn.wait(limit)));
            self.shared.handover.unsettle();
            if self.shared.handover.is_stopped() {
                return;
            }
            if settled {
                self.wake_up();
            }
            let asked = || self.monitor.wants_poller();
            if woken > 0 && contain(asked).unwrap_or(false) {
                // Whom the turn has woken is at work now.
                return;
            }
            if self.last_tick.elapsed() >= self.pace.length() {
                self.tick();
            }
        }
    }

    /// Whether there is still nothing to watch, as the thread is about to sleep for good.
    fn is_quiet(&mut self) -> bool {
        self.tick();
        self.pace == Pace::Rest
    }

    /// The thread has slept for good. Whoever is at work may have been for a moment.
    fn wake_up(&mut self) {
        if !self.is_quiet() {
            self.pace = Pace::Fast;
        }
    }

    fn until_tick(&self) -> Duration {
        let left = self.pace.length().saturating_sub(self.last_tick.elapsed());
        match self.pace {
            Pace::Fast => left,
            // In whole milliseconds, which the poller keeps without setting its alarm.
            Pace::Slow | Pace::Rest => TICK,
        }
    }

    fn tick(&mut self) {
        self.last_tick = Instant::now();
        self.pace = contain(|| self.monitor.tick()).unwrap_or(Pace::Rest);
        self.quiet = match self.pace {
            Pace::Rest => self.quiet.saturating_add(1),
            Pace::Slow | Pace::Fast => 0,
        };
    }
}
