//! How the reactor thread is replaced where a waker blocks it.
//!
//! A waker is anybody's code. Those of a scheduler's own tasks take no time and never block: the reactor thread wakes them
//! in [`Monitor::dispatch`](crate::Monitor::dispatch). All others are *foreign*: one of them may block, and then events,
//! timers and the monitor must not wait for it. So before the thread calls a foreign waker it lets the poller go, and lays
//! down here what makes it the reactor thread, its *watch*, together with the wakers. It takes them from here one by one,
//! and takes the watch up again after the last. Meanwhile another thread, the *stand-in*, sleeps until a watchdog
//! wakes it. Where the calls have stood still for a whole tick then, it takes the watch and the wakers that are left, and is
//! the reactor thread from then on. The thread that was blocked finds no watch, and ends.
//!
//! | the watch is | the reactor thread | left by |
//! |---|---|---|
//! | held | whoever holds it | [`lay_down`](Relay::lay_down) |
//! | here | calls wakers | [`next`](Relay::next), after the last waker; [`stand_in`](Relay::stand_in), where the calls stand still |
//!
//! Invariants, under the one lock:
//! 1. There is one watch: a thread holds it, or it is here.
//! 2. Each waker leaves once, to be called: to a thread that asks for the next one, or with the watch.
//! 3. While the watch is here, the watchdog is armed, and a stand-in waits for it, unless no thread was to be had. A
//!    stand-in leaves with the watch, where the watch isn't here, or at the end of all.
//! 4. A stand-in takes the watch where nothing has come or gone for a whole tick.
//!
//! Costs. A batch without a foreign waker doesn't come here. Any other pays for the lock, some tens of nanoseconds a waker,
//! and for arming and disarming the watchdog (`relay/watchdog.rs`): on Linux two system calls, and nobody is woken;
//! elsewhere it wakes the stand-in, which then sleeps for a tick. Three other ways were rejected:
//! - to have foreign wakers called by other threads always: each wake would wait until such a thread runs, and on a busy
//!   machine that takes longer than the wake itself;
//! - to have another thread take the poller before each call: the same, for whoever is woken by the next event;
//! - to have a worker notice: all of them may be busy, and the default reactor has none.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::task::Waker;
use std::time::Duration;

use heist_sync::sys::Mutex;
use watchdog::Watchdog;

// Miri has no timerfd, and a model no time.
#[cfg_attr(
    any(not(target_os = "linux"), miri, heist_loom),
    path = "relay/watchdog/portable.rs"
)]
mod watchdog;

/// For how long calls may stand still before the stand-in takes over. Under loom that may be at any moment.
const TICK: Duration = Duration::from_millis(if cfg!(heist_loom) { 0 } else { 1 });

/// Where the reactor thread leaves its watch while it calls foreign wakers. See the head of this file.
pub struct Relay<W> {
    state: Mutex<State<W>>,
    /// Armed while the watch is here. It is told under the lock.
    watchdog: Watchdog,
}

struct State<W> {
    watch: Option<W>,
    wakers: VecDeque<Waker>,
    /// How often something has come or gone.
    moves: u64,
    /// Where that stands still when the watchdog rings, the calls have not got on for a tick.
    seen: u64,
    /// Whether there is a stand-in, or one was asked for.
    has_stand_in: bool,
    stop: bool,
}

/// What is next for a thread that calls wakers.
#[derive(Debug)]
pub enum Next<W> {
    /// To call this one, and to ask again.
    Call(Waker),
    /// All have been called: it is the reactor thread again.
    Watch(W),
    /// Another thread has the watch.
    Nothing,
}

impl<W> Relay<W> {
    /// The watch is held.
    ///
    /// # Errors
    ///
    /// Where the operating system refuses a descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            state: Mutex::new(State {
                watch: None,
                wakers: VecDeque::new(),
                moves: 0,
                seen: 0,
                has_stand_in: false,
                stop: false,
            }),
            watchdog: Watchdog::new(TICK)?,
        })
    }

    /// Lays down the watch, and the wakers that are to be called. The caller goes on with [`next`](Self::next). True where
    /// it has to bring a stand-in first: a thread that calls [`stand_in`](Self::stand_in).
    #[must_use]
    pub fn lay_down(&self, watch: W, wakers: &mut Vec<Waker>) -> bool {
        let mut state = self.state.lock();
        state.watch = Some(watch);
        state.wakers.extend(wakers.drain(..));
        state.moves += 1;
        // The first waker is called at once.
        state.seen = state.moves + 1;
        if state.stop {
            return false;
        }
        self.watchdog.arm();
        !std::mem::replace(&mut state.has_stand_in, true)
    }

    /// No stand-in could be brought. The next batch tries again.
    pub fn has_none(&self) {
        self.state.lock().has_stand_in = false;
    }

    /// What is next for a thread that has laid down the watch.
    pub fn next(&self) -> Next<W> {
        let mut state = self.state.lock();
        state.moves += 1;
        if let Some(waker) = state.wakers.pop_front() {
            return Next::Call(waker);
        }
        match state.watch.take() {
            Some(watch) => {
                if !state.stop {
                    self.watchdog.disarm();
                }
                Next::Watch(watch)
            }
            None => Next::Nothing,
        }
    }

    /// Looks after the calls. Gives the watch where they don't get on for a tick, with the wakers that are left; `None`
    /// where there has been nothing to look after for so long, or all ends.
    pub fn stand_in(&self, keep_alive: Duration) -> Option<(W, Vec<Waker>)> {
        loop {
            let rang = self.watchdog.wait(keep_alive);
            let mut state = self.state.lock();
            if state.stop || !rang && state.watch.is_none() {
                state.has_stand_in = false;
                return None;
            }
            if !rang {
                // It has been armed since.
                continue;
            }
            if state.moves > state.seen {
                state.seen = state.moves;
                if state.watch.is_some() {
                    self.watchdog.arm();
                }
            } else if let Some(watch) = state.watch.take() {
                self.watchdog.disarm();
                state.has_stand_in = false;
                return Some((watch, state.wakers.drain(..).collect()));
            }
        }
    }

    /// All ends: takes the wakers that nobody has called yet, to be called, and ends the stand-in. Nobody stands in for a
    /// thread that lays its watch down after this.
    pub fn stop(&self, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.stop = true;
        wakers.extend(state.wakers.drain(..));
        self.watchdog.ring();
    }
}

impl<W> fmt::Debug for Relay<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}
