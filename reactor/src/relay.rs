//! How another thread replaces the reactor thread when a waker blocks it.
//!
//! A waker is anybody's code. The wakers of a scheduler's own tasks take no time and never block, so the reactor thread
//! wakes them in [`Monitor::dispatch`](crate::Monitor::dispatch). All other wakers are *foreign*: one of them may
//! block, and events, timers and the monitor must not wait for it. So before the reactor thread calls foreign wakers,
//! it lets the poller go. It also leaves two things here: its *watch*, which is what makes a thread the reactor thread,
//! and the wakers. It takes the wakers from here one by one, and takes the watch back after the last one. Meanwhile
//! another thread, the *stand-in*, sleeps until a watchdog wakes it. If the calls have made no progress for a whole
//! tick by then, the stand-in takes the watch and the wakers that are left. From then on it is the reactor thread. The
//! thread that was blocked finds no watch, and ends.
//!
//! | the watch is | the reactor thread | left by |
//! |---|---|---|
//! | held | whoever holds it | [`lay_down`](Relay::lay_down) |
//! | here | calls wakers | [`next`](Relay::next), after the last waker; [`stand_in`](Relay::stand_in), if the calls make no progress |
//!
//! Invariants, under the one lock:
//! 1. There is one watch. A thread holds it, or it is here.
//! 2. Each waker leaves once, to be called. It goes to a thread that asks for the next one, or leaves with the watch.
//! 3. While the watch is here, the watchdog is armed, and a stand-in waits for it, unless no thread could be started. A
//!    stand-in leaves when it takes the watch, when the watch isn't here, or when everything ends.
//! 4. A stand-in takes the watch if nothing has come or gone for a whole tick.
//!
//! Costs. A batch without a foreign waker doesn't come here. Any other batch pays for the lock, which is some tens of
//! nanoseconds for each waker, and for arming and disarming the watchdog (`watchdog.rs`). On Linux these are two
//! system calls, and nobody is woken. Elsewhere arming wakes the stand-in, which then sleeps for a tick. Three other
//! ways were rejected:
//! - Other threads always call the foreign wakers. Then each wake would wait until such a thread runs. On a busy
//!   machine that takes longer than the wake itself.
//! - Another thread takes the poller before each call. Then whoever is woken by the next event would wait just as long.
//! - A worker notices. But all workers may be busy, and the default reactor has none.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::task::Waker;
use std::time::Duration;

use heist_sync::sys::Mutex;

use crate::watchdog::Watchdog;

/// For how long calls may make no progress before the stand-in takes over. Under loom that may be at any moment.
const TICK: Duration = Duration::from_millis(if cfg!(heist_loom) { 0 } else { 1 });

/// Where the reactor thread leaves its watch while it calls foreign wakers. See the head of this file.
pub struct Relay<W> {
    state: Mutex<State<W>>,
    /// Armed while the watch is here. It is armed and disarmed under the lock.
    watchdog: Watchdog,
}

struct State<W> {
    watch: Option<W>,
    wakers: VecDeque<Waker>,
    /// How often something has come or gone.
    moves: u64,
    /// What `moves` was at the last look. If it is still the same when the watchdog rings, the calls have made no
    /// progress for a tick.
    seen: u64,
    /// Whether there is a stand-in, or one was asked for.
    has_stand_in: bool,
    stop: bool,
}

/// What a thread that calls wakers has to do next.
#[derive(Debug)]
pub enum Next<W> {
    /// Call this waker, and ask again.
    Call(Waker),
    /// All wakers have been called. The thread is the reactor thread again.
    Watch(W),
    /// Another thread has the watch.
    Nothing,
}

impl<W> Relay<W> {
    /// A relay whose watch is held by the caller.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a descriptor.
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
            watchdog: Watchdog::new()?,
        })
    }

    /// Leaves the watch and the wakers that are to be called. The caller goes on with [`next`](Self::next). If this
    /// returns true, the caller must first start a stand-in: a thread that calls [`stand_in`](Self::stand_in).
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
        self.watchdog.arm(TICK);
        !std::mem::replace(&mut state.has_stand_in, true)
    }

    /// No stand-in could be started. The next batch tries again.
    pub fn has_none(&self) {
        self.state.lock().has_stand_in = false;
    }

    /// What a thread that has left its watch here has to do next.
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

    /// Looks after the calls. If they make no progress for a tick, returns the watch and the wakers that are left.
    /// Returns `None` if there has been nothing to look after for `keep_alive`, or if everything ends.
    pub fn stand_in(&self, keep_alive: Duration) -> Option<(W, Vec<Waker>)> {
        loop {
            let rang = self.watchdog.wait(keep_alive);
            let mut state = self.state.lock();
            if state.stop || !rang && state.watch.is_none() {
                state.has_stand_in = false;
                return None;
            }
            if !rang {
                // The watchdog has been armed since.
                continue;
            }
            if state.moves > state.seen {
                state.seen = state.moves;
                if state.watch.is_some() {
                    self.watchdog.arm(TICK);
                }
            } else if let Some(watch) = state.watch.take() {
                self.watchdog.disarm();
                state.has_stand_in = false;
                return Some((watch, state.wakers.drain(..).collect()));
            }
        }
    }

    /// Everything ends. Takes the wakers that nobody has called yet, for the caller to call, and ends the stand-in. If
    /// a thread leaves its watch here after this, nobody stands in for it.
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
