//! Which workers are engaged: the roll.
//!
//! A runtime has a place for each worker that it may ever have: first the regular ones, then the spares. A worker that
//! isn't engaged lies on its offer (`offer.rs`) with empty queues, and no thread claims it. Engaging it sends a thread.
//! When it is dismissed, its thread puts it back once its poll ends.
//!
//! Invariants:
//! - **C1** Under the lock, `engaged` counts the workers that aren't lying idle on their offers, and until the runtime
//!   is closed it is at least one: the first regular worker is never dismissed.
//! - **C2** Once `closed` is set, no worker is engaged and none is put back. Each worker that was engaged drains and
//!   leaves. The last to leave ends the reactor.
//! - **C3** A worker is put back with its queues empty. What was in them has gone to the injector, and is posted.
//! - **C4** Which workers are regular, and which are dismissed, changes under the lock. So no thread dismisses a worker
//!   as a spare while another thread makes it a regular one.

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::channel::Sender;
use heist_sync::sys::{Mutex, hints};

use super::adrift::Adrift;
use super::idle::Idle;

/// Which workers are engaged.
pub(crate) struct Crew {
    pub(super) roll: Mutex<Roll>,
    /// How many regular workers there are: the workers with lower numbers than this.
    pub(super) regular: hints::AtomicUsize,
    /// One more than the highest number of an engaged worker: how far thieves look. A real atomic even in a model,
    /// where it hardly changes.
    reach: hints::AtomicUsize,
    pub(super) spares: usize,
    /// Threads that are still in a poll and have lost their worker.
    pub(crate) adrift: Adrift,
    /// Held by a thread while it changes the number of regular workers.
    pub(super) resizing: Mutex<()>,
}

pub(super) struct Roll {
    pub(super) closed: bool,
    pub(super) engaged: Vec<bool>,
    /// Dropped when the last worker leaves.
    pub(super) leaving: Option<Sender<()>>,
}

impl Roll {
    /// How many are engaged, of the workers from `first` on.
    pub(super) fn count_from(&self, first: usize) -> usize {
        self.engaged[first..]
            .iter()
            .filter(|&&engaged| engaged)
            .count()
    }
}

impl Crew {
    /// A crew with places for `places` workers. To begin with, the first `regular` of them are regular workers. The
    /// last `spares` places are for spares. No worker is engaged yet.
    pub(crate) fn new(places: usize, regular: usize, spares: usize) -> Self {
        Self {
            roll: Mutex::new(Roll {
                closed: false,
                engaged: vec![false; places],
                leaving: None,
            }),
            regular: hints::AtomicUsize::new(regular),
            reach: hints::AtomicUsize::new(regular),
            spares,
            adrift: Adrift::new(),
            resizing: Mutex::new(()),
        }
    }

    /// Engages a worker that has a thread of its own, and lies on no offer.
    pub(crate) fn enlist(&self, worker: usize) {
        self.roll.lock().engaged[worker] = true;
    }

    /// `leaving` is dropped when the last worker leaves.
    pub(crate) fn tell(&self, leaving: Sender<()>) {
        self.roll.lock().leaving = Some(leaving);
    }

    pub(crate) fn regular(&self) -> usize {
        // Ordering: hint only: it changes only when a user resizes, and each change is followed by wakes.
        self.regular.load(Ordering::Relaxed)
    }

    pub(crate) fn reach(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `note`. For most it is a hint, but a thief that was woken for a
        // new worker's task has to see that worker.
        self.reach.load(Ordering::Acquire)
    }

    /// How many spares are engaged.
    pub(crate) fn spares(&self) -> usize {
        self.roll.lock().count_from(self.regular())
    }

    /// Writes to `engaged` whether each worker is engaged.
    pub(crate) fn read_roll(&self, engaged: &mut Vec<bool>) {
        engaged.clone_from(&self.roll.lock().engaged);
    }

    /// Whether each worker that is engaged sleeps.
    pub(super) fn is_asleep(&self, idle: &Idle) -> bool {
        let roll = self.roll.lock();
        let mut workers = roll.engaged.iter().enumerate();
        workers.all(|(worker, &engaged)| !engaged || idle.is_asleep(worker))
    }

    pub(crate) fn is_spare(&self, worker: usize) -> bool {
        worker >= self.regular()
    }

    /// Called after each change, under the lock.
    pub(super) fn note(&self, idle: &Idle, roll: &Roll) {
        let reach = roll.engaged.iter().rposition(|&engaged| engaged);
        // Ordering: Release pairs with the Acquire in `reach`.
        self.reach
            .store(reach.map_or(0, |last| last + 1), Ordering::Release);
        idle.set_workers(roll.count_from(0));
    }
}
