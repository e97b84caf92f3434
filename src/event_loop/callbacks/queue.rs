//! The order in which a loop runs its callbacks, and when its runs end. This file knows neither tasks nor clocks, so
//! a model can hold it against every interleaving.
//!
//! A loop's *runner* takes callbacks by turns: all that are ready when the turn begins, and none that come during it.
//! The runner is there only while there is something to do. Whoever gives the loop something to do starts it.
//!
//! | the runner is | who changes that |
//! |---|---|
//! | absent | [`claim_start`](Queue::claim_start), by whoever found something to do |
//! | starting: its task is being spawned | the spawner by [`confirm_start`](Queue::confirm_start), or its first look, or its drop if the runtime refused it |
//! | running: it looks once more before it waits or ends | itself, by [`next`](Queue::next) |
//! | waiting for a time | whoever has something to do for it, and owes it a wake |
//!
//! Invariants:
//! 1. `ready` is in the order of running. Timers move to its end once their time has come, in the order of
//!    (time, number); each timer gets the next number.
//! 2. If there is something to do, the runner isn't absent, or a thread is about to claim the start. So nothing is left
//!    lying.
//! 3. The runner goes to waiting or absent in the same hold of the lock in which it found nothing to do.
//! 4. A stop ends all runs that are under way when the turn with the number `stop_at` ends. A run that begins after
//!    a stop puts that off to a turn that is yet to begin. So each run has at least one whole turn.
//! 5. `closed` is set once. Nothing is added after that.

use std::collections::{BTreeMap, VecDeque};

use heist_sync::sys::Mutex;

/// The queue of callbacks `C` with times `T`.
pub(crate) struct Queue<C, T>(Mutex<State<C, T>>);

/// Where a timer stands.
pub(crate) type Key<T> = (T, u64);

struct State<C, T> {
    ready: VecDeque<C>,
    timers: BTreeMap<Key<T>, C>,
    next_number: u64,
    runner: Runner,
    /// Whether callbacks run only during runs.
    gated: bool,
    /// How many runs are under way.
    runs: usize,
    /// Changes when runs are ended by a stop.
    epoch: u64,
    /// The turn that is under way, or else the last one.
    turn: u64,
    /// The last turn that has ended.
    ended: u64,
    /// With the end of which turn the runs end.
    stop_at: Option<u64>,
    /// Up to which turn there have to be turns, if need be empty ones.
    finish_at: u64,
    /// How many of the runs end with that turn.
    finishing: usize,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runner {
    Absent,
    Starting,
    /// The runtime has dropped it before it began.
    Refused,
    Running,
    Waiting,
}

/// What the caller owes the runner.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    Nothing,
    /// The runner waits: wake it.
    Wake,
    /// There is none: start one.
    Start,
}

/// What the runner does next.
pub(crate) enum Next<C, T> {
    /// Runs these, then calls [`Queue::end_turn`].
    Turn(VecDeque<C>),
    /// Waits until then, or until it is woken.
    Wait(T),
    /// Ends.
    End,
}

/// A run of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunId(u64);

impl<C, T: Ord + Copy> State<C, T> {
    fn turn_wanted(&self) -> bool {
        self.finish_at > self.ended || (self.runs > 0 && self.stop_at.is_some())
    }

    fn may_run(&self) -> bool {
        !self.gated || self.runs > 0
    }

    fn has_work(&self) -> bool {
        let waiting = !self.ready.is_empty() || !self.timers.is_empty();
        self.may_run() && (waiting || self.turn_wanted())
    }

    /// What is owed after a change; `urgent` means that a waiting runner must hear of it.
    fn owed(&mut self, urgent: bool) -> Owed {
        match self.runner {
            // One that is starting may be refused. `claim_start` comes after that.
            Runner::Absent | Runner::Starting | Runner::Refused if self.has_work() => Owed::Start,
            Runner::Waiting if urgent => {
                self.runner = Runner::Running;
                Owed::Wake
            }
            _ => Owed::Nothing,
        }
    }

    fn take_all(&mut self) -> Vec<C> {
        let timers = std::mem::take(&mut self.timers);
        let ready = std::mem::take(&mut self.ready);
        ready.into_iter().chain(timers.into_values()).collect()
    }
}

impl<C, T: Ord + Copy> Queue<C, T> {
    /// An empty queue. If `gated`, callbacks run only during runs.
    pub(crate) fn new(gated: bool) -> Self {
        Self(Mutex::new(State {
            ready: VecDeque::new(),
            timers: BTreeMap::new(),
            next_number: 0,
            runner: Runner::Absent,
            gated,
            runs: 0,
            epoch: 0,
            turn: 0,
            ended: 0,
            stop_at: None,
            finish_at: 0,
            finishing: 0,
            closed: false,
        }))
    }

    /// Adds a callback that is ready. It comes back if the queue is closed.
    pub(crate) fn push(&self, call: C) -> Result<Owed, C> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(call);
        }
        state.ready.push_back(call);
        let urgent = state.may_run();
        Ok(state.owed(urgent))
    }

    /// Adds a callback for a time. It comes back if the queue is closed.
    pub(crate) fn push_timer(&self, when: T, call: C) -> Result<(Key<T>, Owed), C> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(call);
        }
        let key = (when, state.next_number);
        state.next_number += 1;
        state.timers.insert(key, call);
        let first = state.timers.keys().next() == Some(&key);
        let urgent = first && state.may_run();
        Ok((key, state.owed(urgent)))
    }

    /// Takes a timer back. A runner that waited for it alone has to end.
    pub(crate) fn remove_timer(&self, key: &Key<T>) -> (Option<C>, Owed) {
        let mut state = self.0.lock();
        let removed = state.timers.remove(key);
        let urgent = removed.is_some() && state.timers.is_empty();
        (removed, state.owed(urgent))
    }

    /// Whether the caller has to spawn the runner now, and then call [`confirm_start`](Self::confirm_start). One thread
    /// at a time is between these two.
    #[must_use]
    pub(crate) fn claim_start(&self) -> bool {
        let mut state = self.0.lock();
        let claimed = state.runner == Runner::Absent && state.has_work() && !state.closed;
        if claimed {
            state.runner = Runner::Starting;
        }
        claimed
    }

    /// The runner was spawned. False if the runtime has refused it.
    #[must_use]
    pub(crate) fn confirm_start(&self) -> bool {
        let mut state = self.0.lock();
        match state.runner {
            Runner::Starting => state.runner = Runner::Running,
            Runner::Refused => {
                state.runner = Runner::Absent;
                return false;
            }
            Runner::Absent | Runner::Running | Runner::Waiting => {}
        }
        true
    }

    /// The runner's look: what to do next.
    pub(crate) fn next(&self, now: impl FnOnce() -> T) -> Next<C, T> {
        let mut state = self.0.lock();
        let state = &mut *state;
        state.runner = Runner::Running;
        if !state.has_work() || state.closed {
            state.runner = Runner::Absent;
            return Next::End;
        }
        if !state.timers.is_empty() {
            let now = now();
            while let Some(timer) = state.timers.first_entry().filter(|it| it.key().0 <= now) {
                state.ready.push_back(timer.remove());
            }
        }
        if !state.ready.is_empty() || state.turn_wanted() {
            state.turn += 1;
            return Next::Turn(std::mem::take(&mut state.ready));
        }
        // It has work, so there is a timer.
        match state.timers.keys().next() {
            Some(first) => {
                state.runner = Runner::Waiting;
                Next::Wait(first.0)
            }
            None => {
                state.runner = Runner::Absent;
                Next::End
            }
        }
    }

    /// The turn is over. True if those who wait for the end of a run or a turn have to be told.
    #[must_use]
    pub(crate) fn end_turn(&self) -> bool {
        let mut state = self.0.lock();
        state.ended = state.turn;
        let stops = state.runs > 0 && state.stop_at.is_some_and(|turn| turn <= state.ended);
        if stops {
            state.runs = 0;
            state.finishing = 0;
            state.epoch += 1;
            state.stop_at = None;
        }
        let finishes = state.finish_at == state.ended;
        if finishes {
            // In this hold of the lock, so that a gated queue runs nothing more.
            state.runs -= state.finishing;
            state.finishing = 0;
            if state.runs == 0 {
                state.stop_at = None;
            }
        }
        stops || finishes
    }

    /// The runner was dropped. If it had begun, so has the end of the runtime: the queue is closed, and its callbacks
    /// are returned to be dropped.
    pub(crate) fn runner_dropped(&self) -> Option<Vec<C>> {
        let mut state = self.0.lock();
        match state.runner {
            Runner::Starting => state.runner = Runner::Refused,
            Runner::Running | Runner::Waiting => {
                drop(state);
                return Some(self.close());
            }
            Runner::Absent | Runner::Refused => {}
        }
        None
    }

    /// Makes the runs end with a turn: with this one if a callback of the loop says so (`inside`), else with the next
    /// one. Without a run, the next run ends after its first turn.
    pub(crate) fn stop(&self, inside: bool) -> Owed {
        let mut state = self.0.lock();
        let turn = if inside { state.turn } else { state.turn + 1 };
        state.stop_at = Some(state.stop_at.map_or(turn, |earlier| earlier.min(turn)));
        let urgent = state.runs > 0;
        state.owed(urgent)
    }

    /// Begins a run. `None` if the queue is closed.
    pub(crate) fn begin_run(&self) -> Option<(RunId, Owed)> {
        let mut state = self.0.lock();
        if state.closed {
            return None;
        }
        state.runs += 1;
        let next = state.turn + 1;
        state.stop_at = state.stop_at.map(|turn| turn.max(next));
        Some((RunId(state.epoch), state.owed(true)))
    }

    /// Whether the run has been ended by a stop, or the queue was closed.
    pub(crate) fn is_over(&self, run: RunId) -> bool {
        let state = self.0.lock();
        state.closed || state.epoch != run.0
    }

    /// Makes a run end with one more whole turn, whose number it returns. If no other run goes on, a stop that came for
    /// this one counts no more. `None` if the run is over.
    pub(crate) fn finish(&self, run: RunId) -> Option<(u64, Owed)> {
        let mut state = self.0.lock();
        if state.epoch != run.0 || state.closed {
            return None;
        }
        let turn = state.turn + 1;
        state.finish_at = turn;
        state.finishing += 1;
        Some((turn, state.owed(true)))
    }

    /// Whether the turn with this number has ended, or the queue was closed.
    pub(crate) fn has_ended(&self, turn: u64) -> bool {
        let state = self.0.lock();
        state.closed || state.ended >= turn
    }

    /// Ends a run, unless a stop has done so, or the turn that it was to end with.
    pub(crate) fn end_run(&self, run: RunId, ends_with: Option<u64>) -> Owed {
        let mut state = self.0.lock();
        if state.epoch != run.0 || state.closed {
            return Owed::Nothing;
        }
        match ends_with {
            None => {}
            Some(turn) if turn > state.ended => state.finishing -= 1,
            Some(_) => return Owed::Nothing,
        }
        state.runs -= 1;
        let urgent = !state.may_run();
        state.owed(urgent)
    }

    /// Whether a run is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.0.lock().runs > 0
    }

    /// Whether callbacks run only during runs.
    pub(crate) fn is_gated(&self) -> bool {
        self.0.lock().gated
    }

    /// Makes callbacks run only during runs.
    pub(crate) fn gate(&self) {
        self.0.lock().gated = true;
    }

    /// Closes the queue and returns its callbacks, to be dropped. All runs are over.
    pub(crate) fn close(&self) -> Vec<C> {
        let mut state = self.0.lock();
        state.closed = true;
        state.runs = 0;
        state.finishing = 0;
        state.epoch += 1;
        state.take_all()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}
