//! The reactor thread: it looks after the poller whenever nobody else does, and ticks for the scheduler.
//!
//! How it and the borrowers hand the poller over is told in `handover.rs`. It polls no task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::reactor::{Shared, Turn};

/// How long the thread sleeps between two looks at a poller that somebody else holds.
const TICK: Duration = Duration::from_millis(1);
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

    /// Called once a millisecond as long as there is something to watch. True: there is work running, go on ticking.
    ///
    /// When all is quiet the thread stops ticking. It starts again when the poller wakes somebody, when somebody
    /// lets the poller go, and on [`Reactor::unpark`](crate::Reactor::unpark).
    fn tick(&mut self) -> bool {
        false
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
    /// The monitor has work running.
    busy: bool,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(shared: &'a Shared, monitor: Box<dyn Monitor>) -> Self {
        Self {
            shared,
            monitor,
            last_tick: Instant::now(),
            busy: false,
        }
    }

    pub(crate) fn run(&mut self) {
        let handover = &self.shared.handover;
        if let Some(turn) = self.shared.try_borrow() {
            self.hold(turn);
        }
        let mut quiet = 0;
        let mut seen = handover.borrowings();
        while handover.tick(TICK) {
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
            } else if borrowed || self.busy {
                quiet = 0;
            } else {
                quiet += 1;
            }
            if quiet >= QUIET_TICKS {
                if let Some(poller) = handover.rest() {
                    self.hold(Turn::new(self.shared, poller));
                }
                quiet = 0;
            }
            seen = handover.borrowings();
        }
    }

    /// Waits in the poller, until a worker wants it.
    fn hold(&mut self, mut turn: Turn<'_>) {
        loop {
            let limit = self.busy.then_some(TICK);
            let mut woken = 0;
            // A dispatch that panicked has either had its turn or will have the next.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                self.monitor.dispatch(&mut || woken += turn.wait(limit));
            }));
            if self.shared.handover.is_stopped() {
                return;
            }
            let asked = || self.monitor.wants_poller();
            if woken > 0 && catch_unwind(AssertUnwindSafe(asked)).unwrap_or(false) {
                // Whom the turn has woken is at work now, so the tick is owed a look.
                self.busy = true;
                return;
            }
            if woken > 0 && !self.busy {
                self.busy = true;
                self.last_tick = Instant::now();
            } else if !self.busy || self.last_tick.elapsed() >= TICK {
                self.tick();
            }
        }
    }

    fn tick(&mut self) {
        self.last_tick = Instant::now();
        self.busy = catch_unwind(AssertUnwindSafe(|| self.monitor.tick())).unwrap_or(false);
    }
}
