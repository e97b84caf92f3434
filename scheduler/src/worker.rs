//! A worker: it takes the next task, polls it, and sleeps when there is none.
//!
//! The order in which it looks, and the promise of fairness that follows:
//! 1. The slot: what the last poll woke; three times running at most, then its task goes to the back of 2.
//! 2. The fresh queue. One look in [`YIELDED_INTERVAL`] goes to 4 first.
//! 3. The injector; one look in `global_queue_interval` goes there first, and hands out what the reactor has. What an event
//!    woke is there while all workers are busy, so it comes before tasks that yield, however long their polls are.
//! 4. The yielded queue: tasks that would go on for ever if one let them.
//! 5. Others' queues, if it may search; at the very last others' slots. A spare takes no yielded tasks but those of a
//!    worker that has stalled: it is there for what waits, not for what goes on for ever.
//!
//! So of any 32 polls at least one is of a yielded task, if there is one (one in 16, but where the look at the injector
//! falls on the same poll), and of any 61 one is of what came from outside. A task that an event woke waits for those
//! woken before it, and for one poll in 15 beside them. Neither events nor yields starve the other, and neither starves
//! the outside.
//!
//! A current-thread runtime's worker looks at the reactor itself: after `event_interval` polls, when a millisecond has passed,
//! and before tasks that yielded are polled anew. Its root, the future of the `block_on`, has its turn as soon as it is
//! woken; one that wakes itself goes behind `event_interval` polls of tasks that are ready.
//!
//! A poll may give its worker away (`relief.rs`). So nothing of the worker is borrowed while user code runs inside a
//! task: the loop asks the thread's seat for the worker at each turn, and ends where there is none.

use std::cell::Cell;
use std::sync::Arc as StdArc;
use std::task::Waker;
use std::time::{Duration, Instant};

use heist_sync::coop;
use heist_sync::protocol::Patience;
use heist_sync::sys::rand::Rand;
use heist_sync::sys::{Arc, CachePadded, hint};

use crate::context;
use crate::crew;
use crate::driver;
use crate::hooks::contain;
use crate::metrics::Samples;
use crate::queue::{Local, Open, persist};
use crate::shared::{Flavor, Remote, Shared};
use crate::task::{Id, Runnable};

/// After how many polls the yielded tasks come before the fresh ones.
const YIELDED_INTERVAL: u32 = 16;
/// How many polls in a row the slot may give: enough for a request and its answer, and two tasks that wake each other
/// for ever starve nobody.
const SLOT_RUN: u32 = 3;
/// After how many short polls a worker that looks at the reactor itself asks the clock whether it is time to.
const CLOCK_INTERVAL: u32 = 4;
/// After how long it looks at the latest, once a poll has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// After how long it looks before it polls a task that yielded, or a root that woke itself.
const ROUND: Duration = Duration::from_micros(16);
/// How long a thief watches a slot before it takes what lies there, in turns of a spin loop (some microseconds).
const SLOT_AGE: u32 = if cfg!(heist_loom) { 1 } else { 128 };

/// A worker, which belongs to one thread at a time.
///
/// Aligned, so that no two share a cache line: they are made one after the other, and each thread writes its own at every
/// poll.
#[repr(align(128))]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    /// What others see of it: `shared.remotes[index]`, a step nearer.
    remote: StdArc<CachePadded<Remote>>,
    local: Local,
    rand: Rand,
    tick: Cell<u32>,
    /// In how many polls it hands out what the reactor has.
    events_in: Cell<u32>,
    /// In how many polls it looks at the injector first.
    injector_in: Cell<u32>,
    /// How many of the last polls came from the slot.
    slot_run: Cell<u32>,
    /// Whether it counts in `Idle::searching`.
    searching: Cell<bool>,
    /// Whether it sleeps between two turns of a foreign event loop.
    armed: Cell<bool>,
    samples: Samples,
    /// While events are handed out: how many tasks they woke.
    batch: Cell<Option<usize>>,
    /// Whom events are for, while they are collected; kept, so that nothing is allocated.
    woken: Cell<Vec<Waker>>,
    /// How it looks at the reactor, where no thread does that beside it.
    looks: Option<Looks>,
    /// A blocking job was given away since the worker last ran out of work.
    expecting: Cell<bool>,
    patience: Cell<Patience>,
}

/// What else a worker's thread does between tasks: the future of a `block_on`, in a current-thread runtime.
pub(crate) trait Root {
    /// Does it, and says whether the worker should leave its loop.
    fn turn(&mut self, shared: &Shared) -> bool;
    /// Whether `turn` has something to do.
    fn is_woken(&self, shared: &Shared) -> bool;
    /// Whether it woke itself in its turn, and so goes on for as long as it likes.
    fn goes_on(&self) -> bool {
        false
    }
}

/// What a worker's thread does next.
enum Next {
    Poll(Runnable),
    /// Poll it with the worker lent (R6).
    PollOnLoan(Runnable),
    /// Look again: it has slept, or is to.
    Look,
    Leave,
}

/// Nothing else: the worker stays until its runtime closes.
pub(crate) struct NoRoot;

impl Root for NoRoot {
    fn turn(&mut self, shared: &Shared) -> bool {
        shared.is_closed()
    }

    fn is_woken(&self, shared: &Shared) -> bool {
        shared.is_closed()
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, local: Local) -> Self {
        let alone = shared.flavor == Flavor::CurrentThread;
        Self {
            remote: shared.remotes[index].clone(),
            shared,
            index,
            local,
            rand: Rand::new(index as u64 + 1),
            tick: Cell::new(0),
            events_in: Cell::new(1),
            injector_in: Cell::new(1),
            slot_run: Cell::new(0),
            searching: Cell::new(false),
            armed: Cell::new(false),
            samples: Samples::default(),
            batch: Cell::new(None),
            woken: Cell::default(),
            looks: alone.then(Looks::new),
            expecting: Cell::new(false),
            patience: Cell::default(),
        }
    }

    fn remote(&self) -> &Remote {
        &self.remote
    }

    fn open(&self) -> &Open {
        &self.remote().open
    }

    /// What to do next, having slept if there was nothing.
    #[inline(always)]
    fn step(&self, root: &impl Root) -> Next {
        if self.remote().is_dismissed() {
            return Next::Leave;
        }
        if self.shared.chief().is_some_and(|chief| chief != self.index) {
            self.hand_over();
            self.sleep(root, None);
            return Next::Look;
        }
        match self.next().or_else(|| self.search()) {
            Some(task) => {
                self.polls(&task);
                match self.is_lent() {
                    false => Next::Poll(task),
                    true => Next::PollOnLoan(task),
                }
            }
            None => {
                if root.goes_on() {
                    self.look_before_yields();
                } else if !self.linger(root) {
                    self.sleep(root, None);
                }
                Next::Look
            }
        }
    }

    /// Falls asleep, for whoever waits for the driver's descriptor to wake it: [`disarm`](Self::disarm). Answers for how
    /// long one may wait; not at all where there is something to do.
    fn arm(&self) -> Option<Duration> {
        let (shared, idle) = (&self.shared, &self.shared.idle);
        self.empty_slot();
        idle.announce(self.index, false);
        self.armed.set(true);
        let quiet =
            !shared.has_work() && !shared.is_closed() && self.remote().parker.go_elsewhere();
        let wait = match quiet {
            true => shared.driver.arm(),
            false => Some(Duration::ZERO),
        };
        if wait == Some(Duration::ZERO) {
            self.disarm();
        }
        wait
    }

    /// Gets up, if it was left [armed](Self::arm).
    fn disarm(&self) {
        if self.armed.replace(false) {
            let searches = self.shared.place(self.index).get_up(true);
            self.searching.set(searches);
            self.end_search();
        }
    }

    /// What to do next, the runtime having closed.
    fn last_step(&self) -> Next {
        let mut task = self.anything();
        if task.is_none() {
            if self.shared.settled() {
                return Next::Leave;
            }
            // After the fence in `settled`; a later push finds the runtime closed, and unparks us.
            task = self.anything();
        }
        match task {
            Some(task) => {
                self.polls(&task);
                Next::Poll(task)
            }
            None => Next::Look,
        }
    }

    /// Queues a task that was woken on this thread.
    #[inline]
    pub(crate) fn push(&self, task: Runnable) {
        let nth = self.remote().counters.pushes.next();
        self.samples.pushes(nth, task.id().as_u64());
        self.is_watched();
        if let Some(n) = self.batch.get() {
            // Whoever hands out events announces the whole batch at its end.
            self.batch.set(Some(n + 1));
            self.local.fresh.push(task);
        } else if self.shared.is_closed() {
            // Where other workers find it while they drain.
            self.push_fresh(task);
        } else if let Some(older) = self.open().slot.put(task) {
            self.push_fresh(older);
        }
    }

    /// Queues a task that was woken while it was polled.
    pub(crate) fn push_yielded(&self, task: Runnable) {
        self.remote().counters.pushes.add(1);
        self.is_watched();
        self.local.yielded.push(task);
        self.shared.wake_regular();
    }

    fn push_fresh(&self, task: Runnable) {
        self.local.fresh.push(task);
        self.shared.wake_one();
    }

    /// Sees to it that the lookout watches: this thread isn't blocked, or no longer.
    #[inline]
    fn is_watched(&self) {
        if self.shared.is_unwatched() {
            self.shared.rouse();
        }
    }

    /// Whether it is lent for the length of each poll: a spare's is (R6).
    #[inline]
    pub(crate) fn is_lent(&self) -> bool {
        self.shared.crew.is_spare(self.index) && !self.shared.is_closed()
    }

    /// Before a poll.
    #[inline]
    fn polls(&self, task: &Runnable) {
        self.end_search();
        self.is_watched();
        let counters = &self.remote().counters;
        let id = task.id().as_u64();
        let nth = counters.polls.next();
        counters.polled.set(id);
        self.samples.polls(nth, id, counters);
    }

    /// After a poll.
    #[inline]
    fn has_polled(&self, operations: u16) {
        self.remote().counters.operations.add(operations.into());
        self.samples.poll_has_ended(&self.remote().counters);
    }

    /// F1 and F2 of the sleep protocol.
    pub(crate) fn end_search(&self) {
        let shared = &self.shared;
        if self.searching.replace(false) && shared.idle.search_ended(|| shared.has_work()) {
            shared.wake_for_rest();
        }
    }

    /// The next task among those that are this worker's to take without a search.
    fn next(&self) -> Option<Runnable> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        if due(&self.events_in, || self.shared.hooks.event_interval)
            || self.looks.as_ref().is_some_and(Looks::is_due)
        {
            self.look_at_reactor();
        }
        if due(&self.injector_in, || self.shared.hooks.injector_interval)
            && let Some(task) = self.injected()
        {
            return Some(task);
        }
        if tick.is_multiple_of(YIELDED_INTERVAL)
            && let Some(task) = self.local.yielded.pop()
        {
            return Some(task);
        }
        self.slotted()
            .or_else(|| self.local.fresh.pop())
            .or_else(|| self.injected())
            .or_else(|| self.yielded())
    }

    /// The next task that yielded. Where no other thread looks at the reactor, this does at times; what it finds there
    /// comes first.
    fn yielded(&self) -> Option<Runnable> {
        if self.look_before_yields()
            && let Some(task) = self.local.fresh.pop().or_else(|| self.injected())
        {
            return Some(task);
        }
        self.local.yielded.pop()
    }

    fn slotted(&self) -> Option<Runnable> {
        let task = self.open().slot.take();
        if task.is_none() {
            self.slot_run.set(0);
            return None;
        }
        let run = self.slot_run.get();
        if run < SLOT_RUN {
            self.slot_run.set(run + 1);
            return task;
        }
        self.slot_run.set(0);
        let first = self.local.fresh.pop();
        match (task, first) {
            (Some(task), Some(first)) => {
                self.local.fresh.push(task);
                Some(first)
            }
            // Nobody else is waiting.
            (task, _) => task,
        }
    }

    fn injected(&self) -> Option<Runnable> {
        if self.shared.injector.is_empty() {
            return None;
        }
        persist(|| self.shared.injector.steal_batch_and_pop(&self.local.fresh))
    }

    /// Looks through others' queues, if it may.
    fn search(&self) -> Option<Runnable> {
        let all = self.shared.reachable();
        if all.len() < 2 || !(self.searching.get() || self.shared.idle.try_search()) {
            return None;
        }
        self.searching.set(true);
        let task = self
            .steal(all, |victim| victim.open.steal_fresh(&self.local.fresh))
            .or_else(|| self.steal_yielded(all))
            .or_else(|| self.injected())
            .or_else(|| self.steal_slots(all));
        if task.is_some() {
            self.remote().counters.steals.add(1);
        }
        task
    }

    /// Takes what yielded, where that is this worker's to take.
    fn steal_yielded(&self, all: &[StdArc<CachePadded<Remote>>]) -> Option<Runnable> {
        let spare = self.shared.crew.is_spare(self.index);
        self.steal(all, |victim| {
            let may = victim.gives_yielded(spare);
            may.then(|| victim.open.steal_yielded(&self.local.fresh))
                .flatten()
        })
    }

    /// Asks `from` each other worker of `all`, beginning anywhere, until one gives something.
    fn steal(
        &self,
        all: &[StdArc<CachePadded<Remote>>],
        from: impl Fn(&Remote) -> Option<Runnable>,
    ) -> Option<Runnable> {
        let first = self.rand.below(all.len() as u32) as usize;
        (first..first + all.len())
            .map(|i| i % all.len())
            .filter(|&i| i != self.index)
            .find_map(|i| from(&all[i]))
    }

    /// Takes a task out of a slot that has aged: its owner has polled nothing while we watched.
    fn steal_slots(&self, all: &[StdArc<CachePadded<Remote>>]) -> Option<Runnable> {
        (0..all.len()).filter(|&i| i != self.index).find_map(|i| {
            let seen = all[i].open.slot.look()?;
            let polls = all[i].counters.polls.get();
            for _ in 0..SLOT_AGE {
                hint::spin_loop();
            }
            let aged = all[i].counters.polls.get() == polls;
            aged.then(|| all[i].open.slot.steal(seen)).flatten()
        })
    }

    /// This worker has given a blocking job away, which may end soon.
    pub(crate) fn expect(&self) {
        self.expecting.set(true);
    }

    /// Waits awake for a moment, as one who searches, where a blocking job was given away: a short one ends sooner than
    /// it takes to sleep and be woken. True where there is something to do.
    fn linger(&self, root: &impl Root) -> bool {
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
    fn sleep(&self, root: &impl Root, limit: Option<Duration>) {
        let hooks = &self.shared.hooks;
        self.call(hooks.on_park.as_deref());
        self.sleep_announced(root, limit);
        self.call(hooks.on_unpark.as_deref());
    }

    /// Calls a hook, which may take long: nobody is to wait for what this worker would find meanwhile.
    fn call(&self, hook: Option<&(dyn Fn() + Send + Sync)>) {
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
        let work = match shared.chief() {
            // What it has itself it hands over, the rest is the chief's.
            Some(chief) if chief != self.index => self.open().has_fresh(),
            _ => shared.has_work_for(self.index),
        };
        if work || root.is_woken(shared) || self.remote().is_dismissed() {
            if idle.retract(self.index) {
                idle.search();
            }
            self.searching.set(true);
            return;
        }
        if shared.crew.is_spare(self.index) && shared.has_yielded() {
            // Our search may have kept a regular worker from being woken for it.
            shared.wake_regular();
        }
        self.count_asleep();
        let remote = self.remote();
        remote.counters.parks.add(1);
        let mut woken = self.woken.take();
        shared.driver.park(&remote.parker, limit, &mut woken);
        self.count_awake();
        // Before any waker is called: that may take long, and whoever is to be woken for the batch must not be us.
        self.searching.set(!idle.retract(self.index));
        shared.driver.work_begins();
        let tasks = self.wake(woken);
        shared.wake_for(tasks.saturating_sub(1));
    }

    /// A thread takes the worker from its offer. `counts`: claimed, it counts as searching.
    pub(crate) fn arrive(&self, counts: bool) {
        let searches = self.shared.place(self.index).get_up(counts);
        self.searching.set(searches);
        self.count_awake();
        self.shared.driver.work_begins();
    }

    /// In the middle of a poll of `task`, another thread may have had it meanwhile.
    pub(crate) fn goes_on(&self, task: Option<Id>) {
        let remote = self.remote();
        remote.thread.set_here();
        remote.counters.polled.set(task.map_or(0, |id| id.as_u64()));
    }

    pub(crate) fn count_awake(&self) {
        self.remote().counters.awake_since.set(self.shared.nanos());
    }

    pub(crate) fn count_asleep(&self) {
        // A poll that is timed is one in which the thread blocks.
        self.samples.forget_poll();
        let counters = &self.remote().counters;
        let since = counters.awake_since.get();
        counters
            .busy_nanos
            .add(self.shared.nanos().saturating_sub(since));
        counters.awake_since.set(0);
        counters.polled.set(0);
    }

    /// Puts what is in the slot where others find it (Q2).
    pub(crate) fn empty_slot(&self) {
        if let Some(task) = self.open().slot.take() {
            self.local.fresh.push(task);
        }
    }

    /// Leaves what there is to the chief.
    #[cold]
    fn hand_over(&self) {
        if self.empty() > 0 {
            self.shared.wake_one();
        }
    }

    /// Moves all tasks to the injector; says how many there were. The caller wakes workers for them.
    pub(crate) fn empty(&self) -> usize {
        self.end_search();
        let mut moved = 0;
        while let Some(task) = self.own() {
            self.shared.injector.push(task);
            moved += 1;
        }
        moved
    }

    /// Hands out what the reactor has.
    fn look_at_reactor(&self) {
        let mut woken = self.woken.take();
        self.shared.driver.poll(&mut woken);
        let tasks = self.wake(woken);
        self.shared.wake_for(tasks);
        if let Some(looks) = &self.looks {
            looks.has_looked();
        }
    }

    /// Only tasks that yielded are left: hands out what the reactor has, where no other thread does and it is time to.
    /// Whether it did.
    fn look_before_yields(&self) -> bool {
        let due = self
            .looks
            .as_ref()
            .is_some_and(|it| it.due_before_yields.get());
        if due {
            self.look_at_reactor();
        }
        due
    }

    /// Calls the wakers, and counts the tasks of this runtime that they wake. These are in the fresh queue, unannounced.
    fn wake(&self, mut woken: Vec<Waker>) -> usize {
        self.batch.set(Some(0));
        driver::wake_all(&mut woken);
        self.woken.set(woken);
        self.batch.take().unwrap_or(0)
    }

    /// A task of its own.
    fn own(&self) -> Option<Runnable> {
        let slot = self.open().slot.take();
        slot.or_else(|| self.local.fresh.pop())
            .or_else(|| self.local.yielded.pop())
    }

    /// Any task, wherever it is, slots included.
    fn anything(&self) -> Option<Runnable> {
        let all = self.shared.reachable();
        self.own()
            .or_else(|| self.injected())
            .or_else(|| self.steal(all, |victim| victim.open.steal_into(&self.local.fresh)))
            .or_else(|| {
                self.steal(all, |victim| {
                    victim.open.slot.steal(victim.open.slot.look()?)
                })
            })
    }
}

/// How a worker looks at the reactor that no other thread looks at: a current-thread runtime's.
struct Looks {
    /// When it did the last time.
    last: Cell<Instant>,
    /// When it asked the clock the last time.
    asked: Cell<Instant>,
    /// After how many polls it asks the clock again.
    ask_in: Cell<u32>,
    /// It is to look before it polls a task that yielded.
    due_before_yields: Cell<bool>,
}

impl Looks {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            last: Cell::new(now),
            asked: Cell::new(now),
            ask_in: Cell::new(1),
            due_before_yields: Cell::new(false),
        }
    }

    /// A poll has ended. Whether it is time to look.
    #[inline]
    fn is_due(&self) -> bool {
        let left = self.ask_in.get() - 1;
        self.ask_in.set(left);
        left == 0 && self.ask()
    }

    #[cold]
    fn ask(&self) -> bool {
        let now = Instant::now();
        let asked = self.asked.replace(now);
        // As long as polls are long, each is followed by a question.
        let short = now - asked < ROUND;
        self.ask_in.set(if short { CLOCK_INTERVAL } else { 1 });
        let time = now - self.last.get();
        self.due_before_yields.set(time >= ROUND);
        time >= LOOK_INTERVAL
    }

    fn has_looked(&self) {
        self.last.set(Instant::now());
        self.due_before_yields.set(false);
    }
}

/// Counts down, and says whether it has come to the end; begins anew then.
#[inline]
fn due(left: &Cell<u32>, interval: impl FnOnce() -> u32) -> bool {
    let now = left.get() - 1;
    left.set(now);
    let due = now == 0;
    if due {
        left.set(interval());
    }
    due
}

/// Works on this thread for as long as it has a worker to work with.
pub(crate) fn serve(shared: &Arc<Shared>, worker: Box<Worker>) {
    worker.remote().thread.set_here();
    if let Some(hook) = &shared.hooks.on_worker_start {
        worker.call(Some(&|| hook(worker.index)));
    }
    let _reactor = shared.driver.enter();
    let mut next = Some(worker);
    while next.is_some() {
        let mut slot = next.take();
        run(shared, &mut slot, &mut NoRoot);
        // Given away, another thread has it.
        next = match slot {
            Some(worker) if !shared.is_closed() => crew::retire(shared, worker),
            Some(worker) => return drain(shared, worker),
            None => None,
        };
    }
}

/// Calls `f` with the worker of `slot` in this thread's seat, awake.
fn seated<R>(shared: &Arc<Shared>, slot: &mut Option<Box<Worker>>, f: impl FnOnce() -> R) -> R {
    context::as_worker(shared, slot, || {
        context::with_seat(|worker| worker.map(Worker::disarm));
        f()
    })
}

/// Runs tasks with the worker of `slot` until `root` says that it is enough, the worker has been dismissed, or a task
/// has given it away: `slot` is empty then.
pub(crate) fn run(shared: &Arc<Shared>, slot: &mut Option<Box<Worker>>, root: &mut impl Root) {
    seated(shared, slot, || {
        // In how many polls the root has its next turn: at once, or, where it woke itself, after others had theirs.
        let mut root_in = 0;
        loop {
            if root_in == 0 {
                if root.turn(shared) {
                    break;
                }
                if root.goes_on() {
                    root_in = shared.hooks.event_interval;
                }
            }
            let next = context::with_seat(|worker| worker.map(|worker| worker.step(root)));
            match next {
                Some(Next::Poll(task)) => {
                    poll(task);
                    root_in = root_in.saturating_sub(1);
                }
                Some(Next::PollOnLoan(task)) => {
                    context::lend();
                    poll(task);
                }
                Some(Next::Look) => root_in = 0,
                Some(Next::Leave) | None => break,
            }
        }
        context::with_seat(|worker| worker.map(Worker::end_search));
    });
}

/// How many polls a turn of a foreign event loop may take before and after its look for events.
const TURN: usize = 256;

/// One turn for a foreign event loop: runs what is ready, waits for events for `limit` at most where nothing was, and runs
/// what they woke. Answers how many polls that were, and for how long one may wait for the driver's descriptor before
/// the next turn.
pub(crate) fn turn(
    shared: &Arc<Shared>,
    slot: &mut Option<Box<Worker>>,
    limit: Option<Duration>,
) -> (usize, Option<Duration>) {
    seated(shared, slot, || {
        let before = run_ready();
        context::with_seat(|worker| {
            worker.map(|worker| match before {
                0 => worker.sleep(&NoRoot, limit),
                _ => worker.look_at_reactor(),
            })
        });
        let after = run_ready();
        let wait = context::with_seat(|worker| {
            worker.map(|worker| {
                worker.end_search();
                worker.arm()
            })
        });
        (before + after, wait.flatten())
    })
}

/// Polls tasks as long as some are ready, up to [`TURN`] of them. How many it polled.
fn run_ready() -> usize {
    let mut polled = 0;
    while polled < TURN
        && let Some(task) = context::with_seat(|worker| {
            worker.and_then(|worker| worker.next().inspect(|task| worker.polls(task)))
        })
    {
        poll(task);
        polled += 1;
    }
    polled
}

/// Polls a task. Nothing of the worker is borrowed meanwhile, as the task may give it away.
fn poll(task: Runnable) {
    let operations = context::as_task(task.id(), || {
        coop::budget(|| {
            task.run();
            coop::spent()
        })
    });
    context::poll_has_ended();
    context::with_seat(|worker| worker.map(|worker| worker.has_polled(operations)));
}

/// The runtime has closed: cancels all tasks, and leaves once none is alive (H1), unless a task's drop gives the worker
/// away: whoever takes it goes on here.
pub(crate) fn drain(shared: &Arc<Shared>, worker: Box<Worker>) {
    let index = worker.index;
    let mut slot = Some(worker);
    seated(shared, &mut slot, || {
        shared.owned.close_with(poll);
        while let Some(next) = context::with_seat(|worker| worker.map(Worker::last_step)) {
            match next {
                Next::Poll(task) | Next::PollOnLoan(task) => poll(task),
                Next::Look => shared.remotes[index].parker.park(),
                Next::Leave => break,
            }
        }
    });
    if let Some(worker) = slot {
        worker.count_asleep();
        drop(worker);
        crew::strike(shared, index);
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index)
            .finish()
    }
}
