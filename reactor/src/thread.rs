//! The reactor thread: it looks after the poller whenever nobody else does, and ticks for the scheduler.
//!
//! How it and the borrowers hand the poller over is told in `handover.rs`. It polls no task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::reactor::{Shared, Turn};

/// How long the thread sleeps between two looks at a poller that somebody else holds.
const TICK: Duration = Duration::from_millis(1);
/// The same where its monitor sees something that can't wait.
const FAST_TICK: Duration = Duration::from_micros(250);
/// How long a poller that was borrowed since the last tick must stay free before the thread takes it. A worker that
/// serves one event after the other frees it for some microseconds each time, and taking it then would put the
/// thread between the worker and its next event.
const LINGER: Duration = Duration::from_micros(200);
/// For how many ticks nothing may happen before the thread rests for good.
const QUIET_TICKS: u32 = 20;

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
    /// When all is quiet the thread stops ticking. It starts again, with a fast tick, when the poller wakes somebody,
    /// when somebody lets the poller go, and on [`Reactor::unpark`](crate::Reactor::unpark).
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
}

impl<'a> Watch<'a> {
    pub(crate) fn new(shared: &'a Shared, monitor: Box<dyn Monitor>) -> Self {
        Self {
            shared,
            monitor,
            last_tick: Instant::now(),
            pace: Pace::Rest,
        }
    }

    pub(crate) fn run(&mut self) {
        let handover = &self.shared.handover;
        if let Some(turn) = self.shared.try_borrow() {
            self.hold(turn);
        }
        let mut quiet = 0;
        let mut seen = handover.borrowings();
        while handover.tick(self.pace.length()) {
            self.tick();
            let now = handover.borrowings();
            let borrowed = now != seen;
            let mut left = !handover.is_held();
            if left && borrowed {
                if !handover.tick(LINGER) {
                    return;
                }
                left = handover.borrowings() == now;
            }
            if let Some(turn) = left.then(|| self.shared.try_borrow()).flatten() {
                self.hold(turn);
                quiet = 0;
            } else if borrowed || self.pace > Pace::Rest {
                quiet = 0;
            } else {
                quiet += 1;
            }
            if quiet >= QUIET_TICKS {
                let still = || {
                    self.tick();
                    self.pace == Pace::Rest
                };
                match handover.rest(still) {
                    Some(poller) => self.hold(Turn::new(self.shared, poller)),
                    None => self.pace = Pace::Fast,
                }
                quiet = 0;
            }
            seen = handover.borrowings();
        }
    }

    /// Waits in the poller, until a worker wants it.
    fn hold(&mut self, mut turn: Turn<'_>) {
        loop {
            if self.pace == Pace::Rest {
                self.shared.handover.settle();
                // Someone may have got up before he could see that we settle.
                self.tick();
            }
            let limit = (self.pace > Pace::Rest).then_some(self.pace.length());
            let mut woken = 0;
            // A dispatch that panicked has either had its turn or will have the next.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                self.monitor.dispatch(&mut || woken += turn.wait(limit));
            }));
            self.shared.handover.unsettle();
            if self.shared.handover.is_stopped() {
                return;
            }
            let asked = || self.monitor.wants_poller();
            if woken > 0 && catch_unwind(AssertUnwindSafe(asked)).unwrap_or(false) {
                // Whom the turn has woken is at work now, so the tick is owed a look.
                if self.pace == Pace::Rest {
                    self.pace = Pace::Fast;
                }
                return;
            }
            if woken > 0 && self.pace == Pace::Rest {
                self.pace = Pace::Fast;
                self.last_tick = Instant::now();
            } else if self.pace == Pace::Rest || self.last_tick.elapsed() >= self.pace.length() {
                self.tick();
            }
        }
    }

    fn tick(&mut self) {
        self.last_tick = Instant::now();
        self.pace = catch_unwind(AssertUnwindSafe(|| self.monitor.tick())).unwrap_or(Pace::Rest);
    }
}
