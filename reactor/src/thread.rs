//! The reactor thread: it looks after the poller whenever nobody else does, and ticks for the scheduler.
//!
//! `handover.rs` says how it and the borrowers hand the poller over. `relay.rs` says how another thread takes its place
//! when a waker blocks it. It polls no task.

use std::io;
use std::time::Duration;

use heist_sync::protocol::contain;
use heist_sync::sys::Arc;

use crate::monitor::{Crew, Monitor, Watch};
use crate::pool::Refused;
use crate::reactor::{Reactor, Shared, Turn};
use crate::relay::Next;
use crate::sources::shut_down;

/// For how long the poller must have been free before the thread takes it. A worker that serves one event after another
/// frees the poller for some microseconds each time. If the thread took it then, it would get between the worker and
/// its next event. This must be shorter than any tick.
const LINGER: Duration = Duration::from_micros(200);

impl Reactor {
    /// Starts the reactor thread. It keeps the reactor alive until [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread, if the reactor thread runs already, and after [`shutdown`](Self::shutdown).
    pub fn start_thread(&self, monitor: Box<dyn Monitor>) -> io::Result<()> {
        let mut life = self.0.life.lock();
        if life.thread_started || life.shut_down {
            return Err(io::Error::other(
                "the reactor thread runs already or has been shut down",
            ));
        }
        life.thread_started = true;
        drop(life);
        let shared = self.0.clone();
        let watch = Box::new(Watch::new(monitor));
        let started = self
            .0
            .threads
            .submit_now(Box::new(move || serve(&shared, watch)));
        started.map_err(|refused| {
            self.0.life.lock().thread_started = false;
            match refused {
                Refused::NoThread(_, error) => error,
                Refused::Shutdown(_) => shut_down(),
            }
        })
    }
}

/// The body of the reactor thread. It begins when the thread starts, or when the thread takes over with wakers that are
/// left to be called. It ends when everything ends, or when another thread has taken the watch.
fn serve(shared: &Arc<Shared>, mut watch: Box<Watch>) {
    loop {
        if !watch.foreign.is_empty() {
            let Some(kept) = call(shared, watch) else {
                return;
            };
            watch = kept;
        }
        if shared.handover.is_stopped() {
            return;
        }
        watch.look_after(shared);
    }
}

/// Calls the foreign wakers. If one of them blocks, another thread takes the watch over, and this one returns `None`.
fn call(shared: &Arc<Shared>, mut watch: Box<Watch>) -> Option<Box<Watch>> {
    watch.count(shared);
    watch.counted = 0;
    let mut foreign = std::mem::take(&mut watch.foreign);
    if shared.relay.lay_down(watch, &mut foreign) {
        let stand_in = {
            let shared = shared.clone();
            move || {
                if let Some((mut watch, left)) = shared.relay.stand_in(shared.keep_alive) {
                    watch.counted = left.len();
                    watch.foreign = left;
                    serve(&shared, watch);
                }
            }
        };
        if shared.threads.submit_now(Box::new(stand_in)).is_err() {
            shared.relay.has_none();
        }
    }
    loop {
        match shared.relay.next() {
            Next::Call(waker) => {
                contain(|| waker.wake());
                shared.standstill().end(1);
            }
            Next::Watch(mut watch) => {
                // It is empty: we keep its allocation.
                watch.foreign = foreign;
                return Some(watch);
            }
            Next::Nothing => return None,
        }
    }
}

impl Watch {
    /// Looks after the poller and ticks, until everything ends or there are foreign wakers to be called.
    fn look_after(&mut self, shared: &Shared) {
        let handover = &shared.handover;
        if !std::mem::take(&mut self.gave_way)
            && let Some(turn) = shared.try_borrow()
        {
            self.hold(turn);
        }
        let mut sleep = self.until_tick();
        while self.foreign.is_empty() && shared.sleep_until_tick(sleep) {
            self.tick();
            sleep = self.tick_length();
            let free = handover.free_for();
            // A deadline is seen to at once.
            let lingers = |free: &Duration| *free < LINGER && !shared.is_due();
            if let Some(free) = free.filter(lingers) {
                // Its borrower may be back at any moment. If not, we take the poller one tick after it was let go.
                sleep -= free;
            } else if let Some(turn) = free.and_then(|_| shared.try_borrow()) {
                self.hold(turn);
                sleep = self.until_tick();
            } else if self.may_rest() {
                self.rest(shared);
                sleep = self.until_tick();
            }
        }
    }

    /// Sleeps without a limit, while a worker has the poller and sleeps in it.
    fn rest(&mut self, shared: &Shared) {
        let poller = shared.handover.rest(|| self.is_quiet());
        self.wake_up();
        if let Some(poller) = poller {
            self.hold(Turn::new(shared, poller));
        }
    }

    /// Waits in the poller, until the workers look after it ([`Crew`]) or there are foreign wakers. These are called after the
    /// poller was let go.
    fn hold(&mut self, mut turn: Turn<'_>) {
        self.wait(&mut turn);
        self.count(turn.shared());
    }

    /// Counts the foreign wakers as running, before the poller is let go. Each is counted until it has been called.
    fn count(&mut self, shared: &Shared) {
        if self.foreign.len() > self.counted {
            shared.standstill().begin(self.foreign.len() - self.counted);
            self.counted = self.foreign.len();
        }
    }

    fn wait(&mut self, turn: &mut Turn<'_>) {
        let handover = &turn.shared().handover;
        while self.foreign.is_empty() {
            let settled = self.may_rest() && {
                handover.settle();
                self.is_quiet()
            };
            let limit = (!settled).then(|| {
                handover.unsettle();
                self.until_tick()
            });
            let before = self.foreign.len();
            let mut events = 0;
            self.collect(|foreign, at_rest| events = turn.collect(limit, foreign, at_rest));
            let woken = self.foreign.len() > before;
            self.dispatch();
            handover.unsettle();
            if handover.is_stopped() {
                return;
            }
            if settled {
                self.wake_up();
            }
            self.gave_way = match self.crew() {
                Crew::Nobody => false,
                Crew::Idle => woken,
                Crew::Busy => events > 0,
                Crew::Watchful => true,
            };
            if self.gave_way {
                return;
            }
            if self.is_due() {
                self.tick();
            }
        }
    }
}
