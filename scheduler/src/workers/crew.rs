//! Which workers are engaged: the roll.
//!
//! A runtime has a place for each worker that it may ever have: first the regular ones, then the spares. A worker that
//! isn't engaged lies on its offer (`offer.rs`) with nothing in its queues, and nobody claims it. Engaging it sends a
//! thread; dismissing it has its thread put it back once its poll ends.
//!
//! Invariants:
//! - **C1** Under the lock, `engaged` counts the workers that aren't lying idle on their offers, and until the runtime
//!   is closed it is at least one: the first regular worker is never dismissed.
//! - **C2** Once `closed`, none is engaged and none put back: each that was engaged drains and leaves, and the last to
//!   leave ends the reactor.
//! - **C3** A worker is put back with its queues empty: what was in them has gone to the injector, and is posted.
//! - **C4** Which workers are regular, and who is dismissed, changes under the lock: nobody dismisses a worker as a spare
//!   that another makes a regular one.

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::channel::Sender;
use heist_sync::sys::{Mutex, hints};

use super::adrift::Adrift;
use super::idle::Idle;

/// Who works, of all who could.
pub(crate) struct Crew {
    pub(super) roll: Mutex<Roll>,
    /// How many regular workers there are: those with lower numbers.
    pub(super) regular: hints::AtomicUsize,
    /// One more than the highest number of an engaged worker: how far thieves look. Real in a model too, where it
    /// hardly changes.
    reach: hints::AtomicUsize,
    pub(super) spares: usize,
    /// Threads that are in a poll still and have lost their worker.
    pub(crate) adrift: Adrift,
    /// Held by whoever changes the number of regular workers.
    pub(super) resizing: Mutex<()>,
}

pub(super) struct Roll {
    pub(super) closed: bool,
    pub(super) engaged: Vec<bool>,
    /// Dropped as the last worker leaves.
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
    /// A crew with a place for each of `places` workers, the last `spares` of which are spares' and the first `regular`
    /// those of the regular workers to begin with. None is engaged yet.
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

    /// Has `leaving` dropped as the last worker leaves.
    pub(crate) fn tell(&self, leaving: Sender<()>) {
        self.roll.lock().leaving = Some(leaving);
    }

    pub(crate) fn regular(&self) -> usize {
        // Ordering: hint only: it changes by hand, and each change is followed by wakes.
        self.regular.load(Ordering::Relaxed)
    }

    pub(crate) fn reach(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `note`: a hint, but for a thief that was woken for a new worker's
        // task and has to see that worker.
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

    pub(crate) fn is_spare(&self, worker: usize) -> bool {
        worker >= self.regular()
    }

    /// After each change, under the lock.
    pub(super) fn note(&self, idle: &Idle, roll: &Roll) {
        let reach = roll.engaged.iter().rposition(|&engaged| engaged);
        // Ordering: Release pairs with the Acquire in `reach`.
        self.reach
            .store(reach.map_or(0, |last| last + 1), Ordering::Release);
        idle.set_workers(roll.count_from(0));
    }
}
