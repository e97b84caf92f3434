//! The reactor thread: it looks after the poller whenever nobody else does, and ticks for the scheduler.
//!
//! How it and the borrowers hand the poller over is told in `handover.rs`. It polls no task.

use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

use heist_sync::protocol::contain;
use heist_sync::sys::Arc;

use crate::reactor::{Shared, Turn};
use crate::relay::Next;

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
    /// Wakes those of `woken` whose wakers are the scheduler's own, and leaves the others there. A wake in here must take
    /// no time, as the thread holds the poller; the others may block. A scheduler publishes a batch at once in here.
    fn dispatch(&mut self, woken: &mut Vec<Waker>) {
        let _ = woken;
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

/// What makes a thread the reactor thread. There is one of each reactor: see `relay.rs`.
pub(crate) struct Watch {
    monitor: Box<dyn Monitor>,
    last_tick: Instant,
    pace: Pace,
    /// At how many ticks in a row there was nothing to watch.
    quiet: u32,
    /// It has let the poller go for a worker to take.
    gave_way: bool,
}

/// The body of the reactor thread: from its start, or from when it takes over with wakers that are left to be called, until
/// all ends or another thread has taken the watch.
pub(crate) fn serve(shared: &Arc<Shared>, mut watch: Box<Watch>, mut foreign: Vec<Waker>) {
    loop {
        if !foreign.is_empty() {
            let Some(kept) = call(shared, watch, &mut foreign) else {
                return;
            };
            watch = kept;
        }
        if shared.handover.is_stopped() {
            return;
        }
        watch.look_after(shared, &mut foreign);
    }
}

/// Calls wakers, which may block: then another thread takes the watch over, and this one has nothing.
fn call(shared: &Arc<Shared>, watch: Box<Watch>, foreign: &mut Vec<Waker>) -> Option<Box<Watch>> {
    if shared.relay.lay_down(watch, foreign) {
        let stand_in = {
            let shared = shared.clone();
            move || {
                if let Some((watch, left)) = shared.relay.stand_in(shared.keep_alive) {
                    serve(&shared, watch, left);
                }
            }
        };
        if shared.threads.submit_now(Box::new(stand_in)).is_err() {
            shared.relay.has_none();
        }
    }
    loop {
        match shared.relay.next() {
            Next::Call(waker) => drop(contain(|| waker.wake())),
            Next::Watch(watch) => return Some(watch),
            Next::Nothing => return None,
        }
    }
}

impl Watch {
    pub(crate) fn new(monitor: Box<dyn Monitor>) -> Self {
        Self {
            monitor,
            last_tick: Instant::now(),
            pace: Pace::Rest,
            quiet: 0,
            gave_way: false,
        }
    }

    /// Looks after the poller and ticks, until all ends or there are `foreign` wakers to be called.
    fn look_after(&mut self, shared: &Shared, foreign: &mut Vec<Waker>) {
        let handover = &shared.handover;
        if !std::mem::take(&mut self.gave_way)
            && let Some(turn) = shared.try_borrow()
        {
            self.hold(turn, foreign);
        }
        let mut sleep = self.until_tick();
        while foreign.is_empty() && handover.tick(sleep) {
            self.tick();
            sleep = self.pace.length();
            let free = handover.free_for();
            if let Some(free) = free.filter(|free| *free < LINGER) {
                // Its borrower may be back at any moment. If not, we take it a tick after it was left.
                sleep -= free;
            } else if let Some(turn) = free.and_then(|_| shared.try_borrow()) {
                self.hold(turn, foreign);
                sleep = self.until_tick();
            } else if self.quiet >= QUIET_TICKS {
                self.rest(shared, foreign);
                sleep = self.until_tick();
            }
        }
    }

    /// Sleeps for good, while a worker has the poller and sleeps in it.
    fn rest(&mut self, shared: &Shared, foreign: &mut Vec<Waker>) {
        let poller = shared.handover.rest(|| self.is_quiet());
        self.wake_up();
        if let Some(poller) = poller {
            self.hold(Turn::new(shared, poller), foreign);
        }
    }

    /// Waits in the poller, until a worker wants it, or there are `foreign` wakers: they are called with the poller let go.
    fn hold(&mut self, mut turn: Turn<'_>, foreign: &mut Vec<Waker>) {
        let handover = &turn.shared().handover;
        while foreign.is_empty() {
            let settled = self.quiet >= QUIET_TICKS && {
                handover.settle();
                self.is_quiet()
            };
            let limit = (!settled).then(|| {
                handover.unsettle();
                self.until_tick()
            });
            turn.collect(limit, foreign);
            let woken = !foreign.is_empty();
            // What a dispatch that panics leaves is woken as others' is.
            contain(|| self.monitor.dispatch(foreign));
            handover.unsettle();
            if handover.is_stopped() {
                return;
            }
            if settled {
                self.wake_up();
            }
            let asked = || self.monitor.wants_poller();
            if woken && contain(asked).unwrap_or(false) {
                // Whom the turn has woken is at work now.
                self.gave_way = true;
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

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
