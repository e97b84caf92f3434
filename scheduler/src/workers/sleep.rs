//! How a worker sleeps and gets up (S1 to S5 in `idle/README.md`), and what it does with events.

use std::task::Waker;
use std::time::Duration;

use heist_sync::protocol::contain;

use super::driver;
use super::shared::{Shared, Worker};
use crate::cell::Id;

/// For how long nobody looks at events while all are at work.
const EVENTS_MOST: Duration = Duration::from_millis(1);

/// What else a worker's thread does between tasks: the future of a `block_on`, in a current-thread runtime.
pub(crate) trait Root {
    /// Does it, and returns whether the worker should leave its loop.
    fn turn(&mut self, shared: &Shared) -> bool;
    /// Whether `turn` has something to do.
    fn is_woken(&self, shared: &Shared) -> bool;
    /// Whether other threads' roots, if there are any, have nothing to do.
    fn others_rest(&self) -> bool {
        true
    }
    /// Whether it woke itself in its turn, so that it could go on for as long as it likes.
    fn goes_on(&self) -> bool {
        false
    }
}

/// Nothing else: the worker stays until its runtime closes.
pub(crate) struct NoRoot;

impl Root for NoRoot {
    fn turn(&mut self, shared: &Shared) -> bool {
        shared.modes.is_closed()
    }

    fn is_woken(&self, shared: &Shared) -> bool {
        shared.modes.is_closed()
    }
}

impl Worker {
    /// Falls asleep until [`disarm`](Self::disarm): whatever waits for the driver's descriptor wakes it. Returns how
    /// long that wait may be, which is zero if there is something to do.
    pub(super) fn arm(&self, root: &impl Root) -> Option<Duration> {
        let (shared, idle) = (&self.shared, &self.shared.idle);
        self.empty_slot();
        idle.announce(self.index, false);
        self.armed.set(true);
        let quiet =
            !shared.has_work() && !shared.modes.is_closed() && self.remote().parker.go_elsewhere();
        let wait = match quiet {
            true => shared
                .driver
                .arm(&|| root.others_rest() && shared.is_at_rest()),
            false => Some(Duration::ZERO),
        };
        if wait == Some(Duration::ZERO) {
            self.disarm();
        }
        wait
    }

    /// Gets up, if it was left [armed](Self::arm).
    pub(super) fn disarm(&self) {
        if self.armed.replace(false) {
            let searches = self.shared.place(self.index).get_up(true);
            self.searching.set(searches);
            self.end_search();
        }
    }

    /// This worker has given away a blocking job, which may end soon.
    pub(crate) fn expect(&self) {
        self.expecting.set(true);
    }

    /// If a blocking job was given away, waits awake for a moment, as a searcher: a short job ends sooner than it takes
    /// to sleep and be woken. True if there is something to do.
    pub(super) fn linger(&self, root: &impl Root) -> bool {
        let (shared, mut patience) = (&self.shared, self.patience.get());
        if !self.expecting.replace(false) {
            return false;
        }
        let mut paid = false;
        if patience.is_worth_it() && (self.searching.get() || shared.idle.try_search()) {
            self.searching.set(true);
            paid = patience.wait(|| shared.has_work_for(self.index) || root.is_woken(shared));
        }
        self.patience.set(patience);
        paid
    }

    /// S1 to S5 of the sleep protocol.
    pub(super) fn sleep(&self, root: &impl Root, limit: Option<Duration>) {
        let hooks = &self.shared.hooks;
        self.call(hooks.on_park.as_deref());
        self.sleep_announced(root, limit);
        self.call(hooks.on_unpark.as_deref());
    }

    /// Calls a hook, which may take long. No task may have to wait for this worker meanwhile.
    pub(super) fn call(&self, hook: Option<&(dyn Fn() + Send + Sync)>) {
        if let Some(hook) = hook {
            self.end_search();
            contain(hook);
        }
    }

    fn sleep_announced(&self, root: &impl Root, limit: Option<Duration>) {
        let (shared, idle) = (&self.shared, &self.shared.idle);
        // A hook may have woken a task.
        self.empty_slot();
        idle.announce(self.index, self.searching.replace(false));
        let work = match shared.polls_for_itself(self.index) {
            true => shared.has_work_for(self.index),
            // It hands over its own tasks. The rest is for the chief.
            false => self.open().has_fresh(),
        };
        if work || root.is_woken(shared) || self.remote().is_dismissed() {
            if idle.retract(self.index) {
                idle.search();
            }
            self.searching.set(true);
            shared.driver.running.pass();
            return;
        }
        if shared.crew.is_spare(self.index) && shared.has_yielded() {
            // Our search may have kept a regular worker from being woken for it.
            shared.wake_regular();
        }
        self.count_asleep();
        let remote = self.remote();
        remote.counters.parks_and_unparks.add(1);
        let mut woken = self.woken.take();
        let at_rest = || !root.is_woken(shared) && root.others_rest() && shared.is_at_rest();
        let gets_up = || {
            remote.counters.parks_and_unparks.add(1);
            self.count_awake();
            // Before any waker is called: that may take long, and the worker to be woken for the batch must not be us.
            self.searching.set(!idle.retract(self.index));
        };
        let driver = &shared.driver;
        // If another worker polls for all, events are for that one.
        let may_wait = shared.polls_for_itself(self.index);
        driver.park(
            &remote.parker,
            may_wait,
            limit,
            &mut woken,
            &at_rest,
            gets_up,
        );
        driver.get_up();
        let tasks = self.wake(woken);
        shared.wake_for(tasks.saturating_sub(1));
        self.look_out();
    }

    /// Between two polls: helps others if it is time to look whether they need it.
    pub(super) fn look_out(&self) {
        let Some(rounds) = self.shared.rounds.get() else {
            return;
        };
        if self.is_lent() {
            return;
        }
        // Its own interval may be that of polls that were shorter, or the user's.
        let free = self.shared.driver.free_for();
        if free.is_some_and(|free| free >= EVENTS_MOST) {
            self.look_at_reactor();
        }
        rounds.pass(&self.shared, self.index);
    }

    /// A thread takes the worker from its offer. `counts`: if it was claimed, it counts as searching.
    pub(crate) fn arrive(&self, counts: bool) {
        let searches = self.shared.place(self.index).get_up(counts);
        self.searching.set(searches);
        self.count_awake();
        self.shared.driver.get_up();
    }

    /// The worker goes on in the middle of a poll of `task`. Another thread may have had it meanwhile.
    pub(crate) fn goes_on(&self, task: Option<Id>) {
        let remote = self.remote();
        remote.thread.set_here();
        remote.counters.polled.set(task.map_or(0, |id| id.as_u64()));
    }

    pub(crate) fn count_awake(&self) {
        self.remote().counters.busy.wakes(self.shared.nanos());
    }

    pub(crate) fn count_asleep(&self) {
        // If a poll is being timed, the thread blocked in it.
        self.samples.forget_poll();
        let counters = &self.remote().counters;
        counters.busy.sleeps(self.shared.nanos());
        counters.polled.set(0);
    }

    /// Collects the reactor's events, and wakes the tasks that they are for.
    pub(super) fn look_at_reactor(&self) {
        let mut woken = self.woken.take();
        self.shared.driver.poll(&mut woken);
        let tasks = self.wake(woken);
        self.shared.wake_for(tasks);
        if let Some(looks) = &self.looks {
            looks.has_looked();
        }
    }

    /// Only yielded tasks are left: looks at the reactor, if no other thread does and it is time to. Returns whether it
    /// did.
    pub(super) fn look_before_yields(&self) -> bool {
        let due = self
            .looks
            .as_ref()
            .is_some_and(|it| it.due_before_yields.get());
        if due {
            self.look_at_reactor();
        }
        due
    }

    /// Calls the wakers, and counts the tasks of this runtime that they wake. These are in the fresh queue, not yet
    /// announced. A spare calls foreign wakers, which may block, with its worker on loan ([`Next::Call`]).
    ///
    /// [`Next::Call`]: super::worker::Next::Call
    fn wake(&self, mut woken: Vec<Waker>) -> usize {
        self.batch.set(Some(0));
        driver::wake_own(&mut woken);
        match self.is_lent() {
            true => {
                // They are called from the end.
                woken.reverse();
                self.owes_calls.set(!woken.is_empty());
            }
            false => driver::wake_all(&mut woken),
        }
        self.woken.set(woken);
        self.batch.take().unwrap_or(0)
    }

    /// The next waker that is to be called on loan. The rest stay with the worker, in case that this one blocks.
    pub(super) fn next_call(&self) -> Option<Waker> {
        if !self.owes_calls.get() {
            return None;
        }
        let mut woken = self.woken.take();
        let waker = woken.pop();
        self.owes_calls.set(!woken.is_empty());
        self.woken.set(woken);
        if waker.is_some() {
            self.calls();
        }
        waker
    }
}
