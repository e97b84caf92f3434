//! What the workers of a runtime share, and the ways by which a task comes to them.
//!
//! A task points here without counting: [`Home`]. That is sound by
//! - **H1** A worker leaves only when no task is alive: [`Worker::drain`](crate::worker::Worker) waits for it. Each
//!   worker holds `Shared` by an `Arc` of its own. So a task that isn't complete has a `Shared`.
//! - **H2** A thread that queues a task touches `Shared` after the push (someone has to be woken), by when the task
//!   may be complete. So it holds `Shared` by something else: a worker and the reactor thread by what they are, any
//!   other thread by an `Arc` that it takes before the push.
//! - **H3** A blocking job, which is no worker's, has an `Arc` of its own until it is complete.
//!
//! So spawning, waking and completing on a worker touch no counter that the workers share.

use std::future::Future;
use std::ptr::NonNull;
use std::sync::{Arc as StdArc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

use heist_sync::Notify;
use heist_sync::sys::atomic::{AtomicBool, Ordering, fence};
use heist_sync::sys::deque::Injector;
use heist_sync::sys::{Arc, CachePadded, hints};

use crate::context;
use crate::crew::{self, Crew};
use crate::driver::{self, Driver};
use crate::hooks::{Alarm, Hooks, OnUnjoined, UnhandledPanic};
use crate::idle::Idle;
use crate::lookout::thread_state::Tid;
use crate::metrics::Counters;
use crate::park::Parker;
use crate::queue::Open;
use crate::relief::{self, Offer, Place};
use crate::runtime;
use crate::stall::Stalls;
use crate::task::{
    Id, JoinHandle, Origin, Owned, Runnable, Schedule, TaskRef, eager, new_task_from,
};
use crate::worker::Worker;

/// What the workers of a runtime share.
pub(crate) struct Shared {
    pub(crate) remotes: Box<[StdArc<CachePadded<Remote>>]>,
    pub(crate) injector: Injector<Runnable>,
    pub(crate) idle: Idle,
    pub(crate) owned: Owned,
    /// Blocking jobs, queued or running.
    pub(crate) jobs: Owned,
    /// Notified when tasks or jobs have ended and nobody from outside is let in any more.
    pub(crate) emptied: Notify,
    pub(crate) driver: Driver,
    pub(crate) crew: Crew,
    pub(crate) stalls: Stalls,
    pub(crate) hooks: Hooks,
    /// Rung by a panic, where the runtime is to end then.
    pub(crate) alarm: Alarm,
    /// How many tasks came from outside.
    pub(crate) injections: CachePadded<hints::AtomicU64>,
    /// How often a worker was woken.
    pub(crate) wakes: CachePadded<hints::AtomicU64>,
    /// Set once: the runtime ends.
    closed: AtomicBool,
    /// One more than the number of the worker that polls for all, or 0 (`together.rs`).
    chief: hints::AtomicUsize,
    /// The lookout rests though a worker is awake, whose thread is blocked (`lookout.rs`).
    unwatched: hints::AtomicBool,
    /// Itself, with the right to make an `Arc` of it.
    home: OnceLock<Home>,
    pub(crate) flavor: Flavor,
    pub(crate) id: runtime::Id,
    started: Instant,
}

/// Which kind of runtime it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// What others see of a worker.
pub(crate) struct Remote {
    pub(crate) open: Open,
    pub(crate) parker: Parker,
    pub(crate) counters: Counters,
    /// Where the worker lies that no thread uses.
    pub(crate) offer: Offer<Box<Worker>>,
    /// The thread that uses it.
    pub(crate) thread: Tid,
    /// It is to put itself there. Real in a model too: the token that follows orders it.
    pub(crate) dismissed: hints::AtomicBool,
    /// Its poll has lasted so long that spares may take what yielded, too.
    pub(crate) stalled: hints::AtomicBool,
}

impl Remote {
    pub(crate) fn new(open: Open) -> Self {
        Self {
            open,
            parker: Parker::default(),
            counters: Counters::default(),
            offer: Offer::new(),
            thread: Tid::new(),
            dismissed: hints::AtomicBool::new(false),
            stalled: hints::AtomicBool::new(false),
        }
    }
}

impl Shared {
    pub(crate) fn new(
        remotes: Vec<Remote>,
        crew: Crew,
        stalls: Stalls,
        hooks: Hooks,
        driver: Driver,
        flavor: Flavor,
    ) -> Arc<Self> {
        let places = remotes.len();
        let shared = Arc::new(Self {
            remotes: remotes
                .into_iter()
                .map(|remote| StdArc::new(CachePadded::new(remote)))
                .collect(),
            injector: Injector::new(),
            idle: Idle::new(places),
            // One more, for spawns from other threads.
            owned: Owned::new(places + 1),
            jobs: Owned::new(places + 1),
            emptied: Notify::new(),
            driver,
            crew,
            stalls,
            hooks,
            alarm: Alarm::default(),
            injections: CachePadded::new(hints::AtomicU64::new(0)),
            wakes: CachePadded::new(hints::AtomicU64::new(0)),
            closed: AtomicBool::new(false),
            chief: hints::AtomicUsize::new(0),
            unwatched: hints::AtomicBool::new(false),
            home: OnceLock::new(),
            flavor,
            id: runtime::Id::next(),
            started: Instant::now(),
        });
        let _ = shared.home.set(Home::of(&shared));
        shared
    }

    /// An `Arc` of it.
    pub(crate) fn counted(&self) -> Arc<Self> {
        let home = self.home.get().expect("set as it was made");
        // SAFETY: it is borrowed, so it is there.
        unsafe { home.counted() }
    }

    /// Nanoseconds since the runtime's start, at least one.
    pub(crate) fn nanos(&self) -> u64 {
        (self.started.elapsed().as_nanos() as u64).max(1)
    }

    /// Queues a task from whichever thread this is, which holds `Shared` (H2).
    pub(crate) fn schedule(&self, task: Runnable) {
        context::with_place(self, task, |place, task| match place {
            context::Place::Worker(worker) => worker.push(task),
            context::Place::Collecting(batch) => batch.push(task),
            context::Place::Outside => self.inject(task),
        });
    }

    /// Queues a task from outside, and sees to it that someone runs it.
    fn inject(&self, task: Runnable) {
        // Ordering: hint only. Of those who queue from outside, who share more than this.
        self.injections.fetch_add(1, Ordering::Relaxed);
        self.injector.push(task);
        self.wake_one();
        self.rouse_lookout();
    }

    /// Queues tasks from outside, and wakes the workers that they are worth, once.
    pub(crate) fn inject_all(&self, tasks: &mut Vec<Runnable>) {
        let n = tasks.len();
        // Ordering: hint only.
        self.injections.fetch_add(n as u64, Ordering::Relaxed);
        for task in tasks.drain(..) {
            self.injector.push(task);
        }
        self.wake_for(n);
        self.rouse_lookout();
    }

    /// Work has come from outside: where all workers are blocked, somebody has to notice. (The models have no lookout.)
    fn rouse_lookout(&self) {
        if !cfg!(heist_loom) && self.idle.asleep() == 0 {
            self.driver.work_begins();
        }
    }

    /// The lookout, which is about to rest beside a blocked worker, says so, or takes it back.
    pub(crate) fn set_unwatched(&self, unwatched: bool) {
        // Ordering: Relaxed, with the fence: the look at the threads' states that follows comes after it. A thread that
        // slept in the kernel at that look reads this once it runs, as the kernel orders what a thread does before and
        // after it sleeps. Those who push from outside don't read it: `work_begins` has a fence of its own.
        if unwatched {
            self.unwatched.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        } else if self.is_unwatched() {
            self.unwatched.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a worker that polls or pushes has to [rouse](Self::rouse) the lookout first.
    #[inline]
    pub(crate) fn is_unwatched(&self) -> bool {
        // Ordering: see `set_unwatched`.
        self.unwatched.load(Ordering::Relaxed)
    }

    /// A worker goes on that the lookout took for blocked.
    #[cold]
    pub(crate) fn rouse(&self) {
        self.set_unwatched(false);
        self.driver.work_begins();
    }

    /// After a push of `n` tasks: wakes one sleeper for each, as far as there are any. The first is woken only if
    /// nobody searches already.
    pub(crate) fn wake_for(&self, n: usize) {
        if n == 0 {
            return;
        }
        self.wake_one();
        if self.chief().is_some() {
            return;
        }
        for _ in 1..n {
            match self.idle.claim_any() {
                Some(worker) => self.unpark(worker),
                None => return,
            }
        }
    }

    /// After a push: wakes a sleeper, if one has to be woken.
    #[inline]
    pub(crate) fn wake_one(&self) {
        match self.chief() {
            None => self.wake_some(),
            Some(chief) if self.idle.claim_this(chief) => self.unpark(chief),
            Some(_) => {}
        }
        self.wake_draining();
    }

    #[inline]
    fn wake_some(&self) {
        if let Some(worker) = self.idle.claim() {
            self.unpark(worker);
        }
    }

    /// Which worker polls for all, if one does.
    #[inline]
    pub(crate) fn chief(&self) -> Option<usize> {
        // Ordering: hint only.
        self.chief.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Makes a worker the chief, or all work apart. The lookout's.
    pub(crate) fn set_chief(&self, chief: Option<usize>) {
        // Ordering: hint only; the fence orders the look at the queues after it.
        self.chief
            .store(chief.map_or(0, |it| it + 1), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if chief.is_none() && self.has_work() {
            self.wake_for(self.crew.regular());
        }
    }

    /// After a push, and the fence of `claim` after it: a worker that drains either sees the push or is seen here.
    #[inline]
    fn wake_draining(&self) {
        // Ordering: Relaxed; the fence in `claim` pairs with the one in `settled`.
        if self.closed.load(Ordering::Relaxed) {
            self.unpark_all();
        }
    }

    /// After a push to a yielded queue, of which spares take nothing: wakes a regular worker that sleeps, if one has to
    /// be woken.
    pub(crate) fn wake_regular(&self) {
        if self.chief().is_some() {
            return self.wake_one();
        }
        if let Some(worker) = self.idle.claim_below(self.crew.regular()) {
            self.unpark(worker);
        }
        self.wake_draining();
    }

    /// F2: wakes a sleeper for the work that a searcher has left.
    pub(crate) fn wake_for_rest(&self) {
        // A spare's view: it takes what is fresh.
        if self.has_work_for(usize::MAX) {
            self.wake_one();
        } else {
            self.wake_regular();
        }
    }

    /// Wakes a worker, or sends it a thread.
    pub(crate) fn unpark(&self, worker: usize) {
        // Ordering: hint only.
        self.wakes.fetch_add(1, Ordering::Relaxed);
        if self.driver.unpark(&self.remotes[worker].parker) {
            // Without a thread its queues wait for its own to return, and for thieves.
            let _ = relief::send_thread(self, worker);
        }
    }

    /// Where a worker sleeps.
    pub(crate) fn place(&self, worker: usize) -> Place<'_> {
        Place {
            idle: &self.idle,
            index: worker,
            parker: &self.remotes[worker].parker,
        }
    }

    fn unpark_all(&self) {
        for worker in 0..self.crew.reach() {
            self.unpark(worker);
        }
    }

    /// The workers that may have something to steal.
    pub(crate) fn reachable(&self) -> &[StdArc<CachePadded<Remote>>] {
        &self.remotes[..self.crew.reach().min(self.remotes.len())]
    }

    /// Every queue that can hold work. A worker's slot is none (Q2).
    pub(crate) fn has_work(&self) -> bool {
        self.has_work_for(0)
    }

    /// S3: every queue that can hold work for `worker`.
    pub(crate) fn has_work_for(&self, worker: usize) -> bool {
        let spare = self.crew.is_spare(worker);
        !self.injector.is_empty()
            || self.reachable().iter().any(|remote| {
                remote.open.has_fresh() || remote.gives_yielded(spare) && remote.open.has_yielded()
            })
    }

    /// Whether a task lies somewhere that only regular workers may take.
    pub(crate) fn has_yielded(&self) -> bool {
        self.reachable()
            .iter()
            .any(|remote| remote.open.has_yielded())
    }

    /// From here on nothing is spawned from outside: by what isn't a task or a blocking job of this runtime.
    pub(crate) fn refuse_outsiders(&self) {
        self.owned.refuse_outsiders();
        self.jobs.refuse_outsiders();
    }

    /// Outsiders being refused: waits until no task and no blocking job is left. One waits at a time.
    pub(crate) async fn nobody_left(&self) {
        while !Owned::none_alive(&[&self.owned, &self.jobs]) {
            // Whoever ends after the look above leaves a permit.
            self.emptied.notified().await;
        }
    }

    /// The shard for what is spawned on this thread.
    #[inline]
    pub(crate) fn shard(&self) -> u16 {
        let outside = self.remotes.len();
        let shard = context::with_worker(self, |worker| worker.map_or(outside, |it| it.index));
        // Should there ever be more workers, they share the last one.
        u16::try_from(shard).unwrap_or(u16::MAX)
    }

    /// Lists a task in `owned`, one of this runtime's two lists, if it is let in.
    #[inline]
    pub(crate) fn lets_in(&self, owned: &Owned, task: TaskRef) -> bool {
        owned.list_if(task, || context::is_inside(self))
    }

    /// The runtime ends: the workers leave their loops, cancel all tasks and go. Returns at once.
    pub(crate) fn close(&self) {
        // Ordering: Release: hint only to the workers' loops, which are woken by a token; see also `settled`.
        self.closed.store(true, Ordering::Release);
        crew::close(self);
        self.unpark_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `close`.
        self.closed.load(Ordering::Acquire)
    }

    /// For a worker that drains and has found nothing: whether all tasks are complete. If they aren't, the worker
    /// looks once more and parks, as whoever queues a task, or completes the last, unparks all.
    pub(crate) fn settled(&self) -> bool {
        let settled = self.owned.live() == 0;
        // Ordering: SeqCst: pairs with the fence in `Idle::claim`: a push that the look after this doesn't see has
        // its fence after this one, and reads `closed` as true.
        fence(Ordering::SeqCst);
        settled
    }
}

impl Remote {
    pub(crate) fn is_dismissed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `dismiss`.
        self.dismissed.load(Ordering::Acquire)
    }

    /// Whether its poll has lasted for long: the lookout's word.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        if stalled != self.is_stalled() {
            // Ordering: hint only.
            self.stalled.store(stalled, Ordering::Relaxed);
        }
    }

    /// Whether its poll has lasted for long.
    pub(crate) fn is_stalled(&self) -> bool {
        // Ordering: hint only: whoever sets it wakes a spare afterwards.
        self.stalled.load(Ordering::Relaxed)
    }

    /// Whether another worker may take what yielded here; a spare may not, unless this one has stalled.
    pub(crate) fn gives_yielded(&self, to_spare: bool) -> bool {
        !to_spare || self.is_stalled()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("flavor", &self.flavor)
            .field("workers", &self.remotes.len())
            .finish_non_exhaustive()
    }
}

/// Spawns a task: lists it, and queues it.
pub(crate) fn spawn<F>(
    shared: &Arc<Shared>,
    future: F,
    id: Id,
    origin: Origin,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_by(shared, future, id, origin, |task| shared.schedule(task))
}

/// Spawns a task: lists it, and has `start` see to its first poll.
#[inline]
pub(crate) fn spawn_by<F>(
    shared: &Arc<Shared>,
    future: F,
    id: Id,
    origin: Origin,
    start: impl FnOnce(Runnable),
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let home = Home::of(shared);
    // SAFETY: the future and its output are `Send`.
    let (task, runnable, handle) =
        unsafe { new_task_from(future, home, id, shared.shard(), origin) };
    if shared.lets_in(&shared.owned, task) {
        start(runnable);
    } else {
        // Dropped, the evidence cancels the task.
        drop(runnable);
    }
    handle
}

/// A task's pointer to the runtime that it belongs to, uncounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home(NonNull<Shared>);

// SAFETY: `Shared` is `Send` and `Sync`; that it is there is H1's business, and H3's.
unsafe impl Send for Home {}
// SAFETY: as for `Send`.
unsafe impl Sync for Home {}

impl Home {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        // From the `Arc`, not through a reference, as `with` makes an `Arc` of it again.
        Self(NonNull::new(Arc::as_ptr(shared).cast_mut()).expect("an Arc points somewhere"))
    }

    /// Calls `f` with the runtime, held for as long as `f` runs (H2).
    pub(crate) fn with(self, f: impl FnOnce(&Shared)) {
        // SAFETY: H1 and H3: a task or a job that isn't complete is being queued or released.
        let shared = unsafe { self.0.as_ref() };
        if context::belongs_to(shared) {
            return f(shared);
        }
        // SAFETY: as above.
        let held = unsafe { self.counted() };
        f(&held);
    }

    /// # Safety
    /// The runtime is there.
    unsafe fn counted(self) -> Arc<Shared> {
        // SAFETY: the caller's promise; `Shared` is made in an `Arc` and nowhere else.
        unsafe {
            Arc::increment_strong_count(self.0.as_ptr());
            Arc::from_raw(self.0.as_ptr())
        }
    }
}

impl Schedule for Home {
    fn schedule(&self, task: Runnable) {
        self.with(|shared| shared.schedule(task));
    }

    fn yield_now(&self, task: Runnable) {
        // The poll has ended, unless it is an eager one inside another.
        if !eager::polls_here() {
            context::end_loan();
        }
        self.with(|shared| {
            context::with_worker(shared, |worker| match worker {
                Some(worker) => worker.push_yielded(task),
                None => shared.inject(task),
            });
        });
    }

    #[inline]
    fn around_poll<R>(&self, waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        driver::nursed(waker, poll)
    }

    fn panicked(&self) -> Option<OnUnjoined> {
        let mut on_unjoined = None;
        self.with(|shared| {
            on_unjoined = shared.hooks.on_unjoined.clone();
            if shared.hooks.unhandled == UnhandledPanic::ShutdownRuntime {
                shared.close();
                shared.alarm.ring();
            }
        });
        on_unjoined
    }

    fn release(&self, task: &TaskRef) {
        self.with(|shared| {
            if !shared.owned.release(task) {
                return;
            }
            if shared.is_closed() {
                shared.unpark_all();
            } else {
                shared.emptied.notify_one();
            }
        });
    }
}
