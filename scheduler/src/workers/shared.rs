//! The data of the workers: what the workers of a runtime share, what others see of each worker, and a worker itself.
//! What workers do is in other files (the table in `workers/README.md`).
//!
//! A task has an uncounted pointer to `Shared`: [`Home`]. That is sound because of these invariants:
//! - **H1** A worker leaves only when no task is alive: `drain` in `run.rs` waits for that. Each worker holds an `Arc`
//!   of `Shared` of its own. So `Shared` exists as long as a task isn't complete.
//! - **H2** A thread that queues a task still touches `Shared` after the push, because it has to wake a worker. The
//!   task may be complete by then. So the thread keeps `Shared` alive in another way: a worker and the reactor thread
//!   hold it anyway, and any other thread takes an `Arc` before the push.
//! - **H3** A blocking job belongs to no worker. It has an `Arc` of its own until it is complete.
//!
//! So spawning, waking and completing on a worker touch no counter that the workers share.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::{Arc as StdArc, OnceLock};
use std::task::Waker;
use std::time::Instant;

use heist_sync::protocol::Patience;
use heist_sync::sys::atomic::{Ordering, fence};
use heist_sync::sys::deque::Injector;
use heist_sync::sys::rand::Rand;
use heist_sync::sys::{Arc, CachePadded, hints};

use super::alive::Alive;
use super::counters::Counters;
use super::crew::Crew;
use super::driver::Driver;
use super::extensions::Extensions;
use super::hooks::{Alarm, Hooks};
use super::idle::Idle;
use super::looks::Looks;
use super::modes::Modes;
use super::offer::{Offer, Place};
use super::park::Parker;
use super::runtime_id::Id;
use super::samples::Samples;
use super::stall::Stalls;
use super::thread_state::Tid;
use crate::cell::Runnable;
use crate::queue::{Local, Open};

/// What the workers of a runtime share.
pub(crate) struct Shared {
    /// What others see of each worker. The worker itself writes most of it.
    pub(crate) remotes: Box<[StdArc<CachePadded<Remote>>]>,
    /// Tasks from outside. Written by threads outside, and by workers that have no tasks of their own.
    pub(crate) injector: Injector<Runnable>,
    /// Which workers sleep and which search. Workers write it when they fall asleep and are woken.
    pub(crate) idle: Idle,
    /// Tasks and jobs that aren't complete. Written by spawners, and by whoever completes a task.
    pub(crate) alive: Alive,
    /// State that hardly ever changes. Written by the thread that closes the runtime, and by the lookout.
    pub(crate) modes: Modes,
    /// Which workers are engaged. Written by the lookout, and by a thread that changes the number of workers.
    pub(crate) crew: Crew,
    pub(crate) driver: Driver,
    pub(crate) stalls: Stalls,
    pub(crate) hooks: Hooks,
    /// Rung by a panic, if the runtime has to end then.
    pub(crate) alarm: Alarm,
    /// What others keep with the runtime.
    pub(crate) extensions: Extensions,
    /// How many tasks came from outside.
    pub(crate) injections: CachePadded<hints::AtomicU64>,
    /// How often a worker was woken.
    pub(crate) wakes: CachePadded<hints::AtomicU64>,
    /// A pointer to itself, from which an `Arc` may be made.
    home: OnceLock<Home>,
    /// How workers look out for each other. Set in multi-thread runtimes.
    pub(super) rounds: OnceLock<StdArc<dyn Rounds>>,
    /// What a thread does when it has come for a worker.
    pub(super) serve: Serve,
    pub(crate) flavor: Flavor,
    pub(crate) id: Id,
    pub(crate) name: Option<Box<str>>,
    /// The number of the one thread that drives the runtime, if it is a local one.
    pub(crate) local_to: Option<u64>,
    started: Instant,
}

/// Works with a worker that was taken from its offer and may count as searching. This is a call from down here up to
/// the workers' loops (`run.rs`).
pub(crate) type Serve = fn(&Arc<Shared>, Box<Worker>, bool);

/// How workers look out for each other (`rounds.rs`). This is the other call up.
pub(crate) trait Rounds: Send + Sync {
    /// A worker is between two polls. If it is time to, it looks whether others need help.
    fn pass(&self, shared: &Shared, worker: usize);
}

/// The kind of a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// What a runtime is, from its start to its end.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) flavor: Flavor,
    pub(crate) name: Option<Box<str>>,
    /// See [`Shared::local_to`].
    pub(crate) local_to: Option<u64>,
}

impl From<Flavor> for Kind {
    fn from(flavor: Flavor) -> Self {
        Self {
            flavor,
            name: None,
            local_to: None,
        }
    }
}

/// What others see of a worker.
pub(crate) struct Remote {
    pub(crate) open: Open,
    pub(crate) parker: Parker,
    pub(crate) counters: Counters,
    /// Where the worker lies while no thread uses it.
    pub(crate) offer: Offer<Box<Worker>>,
    /// The thread that uses it.
    pub(crate) thread: Tid,
    /// The worker has to put itself on its offer. A real atomic even in a model, because the token that follows orders
    /// it.
    pub(super) dismissed: hints::AtomicBool,
    /// Its poll has lasted so long that spares may also take its yielded tasks.
    pub(crate) stalled: hints::AtomicBool,
    /// How many polls it does in a millisecond, by the lookout's measure.
    polls_per_ms: hints::AtomicU32,
}

/// A worker, which belongs to one thread at a time.
///
/// Aligned, so that no two workers share a cache line: they are made one after the other, and each thread writes to its
/// own at every poll.
#[repr(align(128))]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    /// What others see of it: the same as `shared.remotes[index]`, one step nearer.
    pub(super) remote: StdArc<CachePadded<Remote>>,
    pub(super) local: Local,
    pub(super) rand: Rand,
    pub(super) tick: Cell<u32>,
    /// In how many polls it collects the reactor's events.
    pub(super) events_in: Cell<u32>,
    /// In how many polls it looks at the injector first.
    pub(super) injector_in: Cell<u32>,
    /// In how many polls it looks out for others.
    pub(super) look_out_in: Cell<u32>,
    /// How many of the last polls came from the slot.
    pub(super) slot_run: Cell<u32>,
    /// Whether it counts in `Idle::searching`.
    pub(super) searching: Cell<bool>,
    /// Whether it sleeps between two turns of a foreign event loop.
    pub(super) armed: Cell<bool>,
    pub(super) samples: Samples,
    /// Whether wakers are left in `woken` that have to be called on loan.
    pub(super) owes_calls: Cell<bool>,
    /// While events are handed out: how many tasks they woke.
    pub(super) batch: Cell<Option<usize>>,
    /// The wakers of events, while they are collected. Kept, so that nothing is allocated.
    pub(super) woken: Cell<Vec<Waker>>,
    /// When it looks at the reactor, if no other thread does.
    pub(super) looks: Option<Looks>,
    /// A blocking job was given away since the worker last ran out of work.
    pub(super) expecting: Cell<bool>,
    pub(super) patience: Cell<Patience>,
}

impl Shared {
    pub(crate) fn new(
        remotes: Vec<Remote>,
        crew: Crew,
        stalls: Stalls,
        hooks: Hooks,
        driver: Driver,
        kind: Kind,
        serve: Serve,
    ) -> Arc<Self> {
        let places = remotes.len();
        let shared = Arc::new(Self {
            remotes: remotes
                .into_iter()
                .map(|remote| StdArc::new(CachePadded::new(remote)))
                .collect(),
            injector: Injector::new(),
            idle: Idle::new(places),
            // One shard more, for spawns from other threads.
            alive: Alive::new(places + 1),
            modes: Modes::new(),
            driver,
            crew,
            stalls,
            hooks,
            alarm: Alarm::default(),
            injections: CachePadded::new(hints::AtomicU64::new(0)),
            wakes: CachePadded::new(hints::AtomicU64::new(0)),
            extensions: Extensions::new(),
            home: OnceLock::new(),
            rounds: OnceLock::new(),
            serve,
            flavor: kind.flavor,
            id: Id::next(),
            name: kind.name,
            local_to: kind.local_to,
            started: Instant::now(),
        });
        let _ = shared.home.set(Home::of(&shared));
        shared
    }

    /// Makes an `Arc` of it.
    pub(crate) fn counted(&self) -> Arc<Self> {
        let home = self.home.get().expect("set as it was made");
        // SAFETY: it is borrowed, so it is alive.
        unsafe { home.counted() }
    }

    /// Nanoseconds since the runtime's start, at least one.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos_at(Instant::now())
    }

    /// Nanoseconds from the runtime's start to `moment`, at least one.
    pub(crate) fn nanos_at(&self, moment: Instant) -> u64 {
        (moment.saturating_duration_since(self.started).as_nanos() as u64).max(1)
    }

    /// Where a worker sleeps.
    pub(crate) fn place(&self, worker: usize) -> Place<'_> {
        Place {
            idle: &self.idle,
            index: worker,
            parker: &self.remotes[worker].parker,
        }
    }

    /// Puts a worker on its offer, where no thread may claim it.
    pub(crate) fn lay_down(&self, worker: Box<Worker>) {
        let place = self.place(worker.index);
        let offer = &self.remotes[worker.index].offer;
        offer.lay_down(worker, place);
    }

    /// The workers that may have something to steal.
    pub(crate) fn reachable(&self) -> &[StdArc<CachePadded<Remote>>] {
        &self.remotes[..self.crew.reach().min(self.remotes.len())]
    }

    /// Whether any queue that can hold work does. A worker's slot is not such a queue (Q2).
    pub(crate) fn has_work(&self) -> bool {
        self.has_work_for(0)
    }

    /// S3: whether any queue that can hold work for `worker` does.
    pub(crate) fn has_work_for(&self, worker: usize) -> bool {
        let spare = self.crew.is_spare(worker);
        !self.injector.is_empty()
            || self.reachable().iter().any(|remote| {
                remote.open.has_fresh() || remote.gives_yielded(spare) && remote.open.has_yielded()
            })
    }

    /// Whether no other worker polls for this one.
    #[inline]
    pub(crate) fn polls_for_itself(&self, worker: usize) -> bool {
        self.modes.chief().is_none_or(|chief| chief == worker)
    }

    /// Whether every worker that takes tasks is at work.
    pub(crate) fn all_at_work(&self) -> bool {
        match self.modes.chief() {
            Some(chief) => !self.idle.is_asleep(chief),
            None => self.idle.asleep() == 0,
        }
    }

    /// Whether all workers sleep, and nothing is queued. A worker's slot is empty before it says that it sleeps.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.crew.is_asleep(&self.idle) && !self.has_work()
    }

    /// Whether there is a task that only regular workers may take.
    pub(crate) fn has_yielded(&self) -> bool {
        self.reachable()
            .iter()
            .any(|remote| remote.open.has_yielded())
    }

    /// For a worker that drains and has found nothing: whether all tasks are complete. If they aren't, the worker looks
    /// once more and parks. That is safe, because whoever queues a task, or completes the last, unparks all.
    pub(crate) fn settled(&self) -> bool {
        let settled = self.alive.tasks.live() == 0;
        // Ordering: SeqCst: pairs with the fence in `Idle::claim`: if the look after this doesn't see a push, that push
        // has its fence after this one, and reads `closed` as true.
        fence(Ordering::SeqCst);
        settled
    }
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
            polls_per_ms: hints::AtomicU32::new(u32::MAX),
        }
    }

    /// Sets how many polls the worker does in a millisecond. For the lookout only.
    pub(crate) fn set_polls_per_ms(&self, polls: u32) {
        // Ordering: hint only.
        self.polls_per_ms.store(polls, Ordering::Relaxed);
    }

    /// How many polls the worker does in a millisecond, as far as that is known.
    pub(crate) fn polls_per_ms(&self) -> u32 {
        // Ordering: hint only.
        self.polls_per_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn is_dismissed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `tell_to_go`.
        self.dismissed.load(Ordering::Acquire)
    }

    /// Sets whether its poll has lasted for long. For the lookout only.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        if stalled != self.is_stalled() {
            // Ordering: hint only.
            self.stalled.store(stalled, Ordering::Relaxed);
        }
    }

    /// Whether its poll has lasted for long.
    pub(crate) fn is_stalled(&self) -> bool {
        // Ordering: hint only: the lookout, which sets it, wakes a spare afterwards.
        self.stalled.load(Ordering::Relaxed)
    }

    /// Whether another worker may take the yielded tasks here. A spare may only if this worker has stalled.
    pub(crate) fn gives_yielded(&self, to_spare: bool) -> bool {
        !to_spare || self.is_stalled()
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
            owes_calls: Cell::new(false),
            events_in: Cell::new(1),
            injector_in: Cell::new(1),
            look_out_in: Cell::new(1),
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

    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(super) fn open(&self) -> &Open {
        &self.remote().open
    }
}

/// A task's pointer to the runtime that it belongs to, uncounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home(pub(super) NonNull<Shared>);

// SAFETY: `Shared` is `Send` and `Sync`. H1 and H3 say how long it exists.
unsafe impl Send for Home {}

// SAFETY: as for `Send`.
unsafe impl Sync for Home {}

impl Home {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        // Made from the `Arc`, not through a reference, because `with` makes an `Arc` of it again.
        Self(NonNull::new(Arc::as_ptr(shared).cast_mut()).expect("an Arc points somewhere"))
    }

    /// # Safety
    /// The runtime is alive.
    pub(super) unsafe fn counted(self) -> Arc<Shared> {
        // SAFETY: the caller's promise. `Shared` is only ever made in an `Arc`.
        unsafe {
            Arc::increment_strong_count(self.0.as_ptr());
            Arc::from_raw(self.0.as_ptr())
        }
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

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index)
            .finish()
    }
}
