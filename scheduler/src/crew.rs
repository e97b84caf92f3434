//! Which workers are engaged: those that the runtime was built with, and spares while they are needed.
//!
//! A runtime has a place for each worker that it may ever have: first the regular ones, then the spares. A worker that
//! isn't engaged lies on its offer (`relief.rs`) with nothing in its queues, and nobody claims it. Engaging it sends a
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

use std::io;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::channel::Sender;
use heist_sync::sys::{Mutex, hints};

use crate::adrift::Adrift;
use crate::lookout::thread_state::{self, is_blocked};
use crate::relief;
use crate::shared::Shared;
use crate::worker::Worker;

/// Who works, of all who could.
pub(crate) struct Crew {
    roll: Mutex<Roll>,
    /// How many regular workers there are: those with lower numbers.
    regular: hints::AtomicUsize,
    /// One more than the highest number of an engaged worker: how far thieves look. Real in a model too, where it
    /// hardly changes.
    reach: hints::AtomicUsize,
    spares: usize,
    /// Threads that are in a poll still and have lost their worker.
    pub(crate) adrift: Adrift,
    /// Held by whoever changes the number of regular workers.
    resizing: Mutex<()>,
}

struct Roll {
    closed: bool,
    engaged: Vec<bool>,
    /// Dropped as the last worker leaves.
    leaving: Option<Sender<()>>,
}

impl Roll {
    /// How many are engaged, of the workers from `first` on.
    fn count_from(&self, first: usize) -> usize {
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

    /// This thread comes back from blocking and finds its worker in use: waits until it may go on without.
    pub(crate) fn go_on_adrift(&self, shared: &Shared) {
        let bound = match shared.is_closed() {
            true => usize::MAX,
            false => self.spares.max(1),
        };
        let interval = shared.stalls.threshold;
        self.adrift.go_on(thread_state::here(), bound, interval);
    }

    pub(crate) fn is_spare(&self, worker: usize) -> bool {
        worker >= self.regular()
    }

    /// After each change, under the lock.
    fn note(&self, shared: &Shared, roll: &Roll) {
        let reach = roll.engaged.iter().rposition(|&engaged| engaged);
        // Ordering: Release pairs with the Acquire in `reach`.
        self.reach
            .store(reach.map_or(0, |last| last + 1), Ordering::Release);
        shared.idle.set_workers(roll.count_from(0));
    }
}

/// Engages a worker, if it isn't.
///
/// # Errors
/// Where no thread can be had.
pub(crate) fn engage(shared: &Shared, worker: usize) -> io::Result<()> {
    let crew = &shared.crew;
    {
        let mut roll = crew.roll.lock();
        if roll.closed || roll.engaged[worker] {
            return Ok(());
        }
        roll.engaged[worker] = true;
        crew.note(shared, &roll);
        // On its way (R2). Its bit is clear, so nobody else claims it.
        shared.idle.search();
        shared.remotes[worker].thread.clear();
        shared.remotes[worker].offer.open();
    }
    send_first_thread(shared, worker)
}

/// Engages a spare, where the bound allows it. Whether it did.
pub(crate) fn engage_spare(shared: &Shared) -> bool {
    let crew = &shared.crew;
    let regular = crew.regular();
    let free = {
        let roll = crew.roll.lock();
        // A regular worker that was dismissed in a poll that blocks is no help, and isn't lent (R6).
        let is_gone = |worker: usize| {
            let remote = &shared.remotes[worker];
            remote.is_dismissed() && is_blocked(remote.thread.get())
        };
        let counts = |&worker: &usize| roll.engaged[worker] && !is_gone(worker);
        let spares = regular..roll.engaged.len();
        (spares.clone().filter(counts).count() < crew.spares)
            .then(|| roll.engaged[regular..].iter().position(|&engaged| !engaged))
            .flatten()
    };
    free.is_some_and(|spare| engage(shared, regular + spare).is_ok())
}

/// Gives a spare whose thread is blocked in a poll another thread. Whether it did.
pub(crate) fn replace(shared: &Shared, worker: usize) -> bool {
    let remote = &shared.remotes[worker];
    let called_in = remote.offer.call_in(|| {
        // On its way (R2).
        shared.idle.search();
        shared.crew.adrift.replace(remote.thread.get());
        remote.thread.clear();
    });
    called_in && send_first_thread(shared, worker).is_ok()
}

/// Sends a thread to a worker that has just been opened. Where none can be had it isn't engaged after all.
fn send_first_thread(shared: &Shared, worker: usize) -> io::Result<()> {
    let sent = relief::send_thread(shared, worker);
    let offer = &shared.remotes[worker].offer;
    if sent.is_err() && offer.shut() {
        if let Some(lying) = offer.clear() {
            // C3: it may have been lent.
            let moved = lying.empty();
            shared.remotes[worker].parker.come_back();
            relief::lay_down(shared, lying);
            shared.wake_for(moved);
        }
        strike(shared, worker);
    }
    sent
}

/// Dismisses the last spare that hasn't been told yet. Whether there was one.
pub(crate) fn dismiss_spare(shared: &Shared) -> bool {
    let last = {
        let roll = shared.crew.roll.lock();
        let regular = shared.crew.regular();
        let stays =
            |&worker: &usize| roll.engaged[worker] && !shared.remotes[worker].is_dismissed();
        let last = (regular..roll.engaged.len()).rev().find(stays);
        last.inspect(|&spare| tell_to_go(shared, spare))
    };
    last.inspect(|&spare| shared.unpark(spare)).is_some()
}

/// Tells a worker to put itself on its offer, for good, once its poll ends. Under the lock (C4); to be followed by an
/// unpark.
fn tell_to_go(shared: &Shared, worker: usize) {
    // Ordering: Release: with the unpark the worker sees it at its next turn.
    shared.remotes[worker]
        .dismissed
        .store(true, Ordering::Release);
}

/// Changes the number of regular workers.
///
/// # Errors
/// Where there is no place for so many, and where no thread can be had: there are more workers then than before, but
/// not so many.
pub(crate) fn resize(shared: &Shared, workers: usize) -> io::Result<()> {
    let crew = &shared.crew;
    let places = shared.remotes.len() - crew.spares;
    if workers > places {
        let text = format!("the runtime was built for {places} workers at most");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let _one_at_a_time = crew.resizing.lock();
    let gone = {
        let _roll = crew.roll.lock();
        // Ordering: hint only; see `regular`.
        let before = crew.regular.swap(workers, Ordering::Relaxed);
        for remote in &shared.remotes[..workers] {
            // Ordering: Relaxed: one that was told to go and hasn't yet stays.
            remote.dismissed.store(false, Ordering::Relaxed);
        }
        let gone = workers..before;
        gone.clone().for_each(|worker| tell_to_go(shared, worker));
        gone
    };
    gone.for_each(|worker| shared.unpark(worker));
    (0..workers).try_for_each(|worker| engage(shared, worker))?;
    // What only regular workers take may be for others now.
    shared.wake_one();
    Ok(())
}

/// A worker that was dismissed puts itself on its offer; comes back where the runtime has closed (C2), and where the
/// dismissal was called off.
pub(crate) fn retire(shared: &Shared, worker: Box<Worker>) -> Option<Box<Worker>> {
    let index = worker.index;
    let moved = worker.empty();
    worker.count_asleep();
    let remote = &shared.remotes[index];
    {
        let mut roll = shared.crew.roll.lock();
        // Ordering: Relaxed: `resize` takes the lock after it has called a dismissal off.
        if roll.closed || !remote.dismissed.swap(false, Ordering::Relaxed) {
            drop(roll);
            worker.count_awake();
            shared.wake_for(moved);
            return Some(worker);
        }
        roll.engaged[index] = false;
        shared.crew.note(shared, &roll);
        relief::lay_down(shared, worker);
    }
    shared.wake_for(moved);
    None
}

/// No worker is engaged from here on, and those who aren't go.
pub(crate) fn close(shared: &Shared) {
    let gone: Vec<_> = {
        let mut roll = shared.crew.roll.lock();
        roll.closed = true;
        let idle = (0..roll.engaged.len()).filter(|&worker| !roll.engaged[worker]);
        idle.filter_map(|worker| shared.remotes[worker].offer.clear())
            .collect()
    };
    drop(gone);
}

/// A worker that has drained leaves, or one that never had a thread goes.
pub(crate) fn strike(shared: &Shared, worker: usize) {
    let left = {
        let mut roll = shared.crew.roll.lock();
        roll.engaged[worker] = false;
        shared.crew.note(shared, &roll);
        let last = roll.count_from(0) == 0;
        // One that was engaged in vain goes with the others that are idle (C2).
        let idle = roll.closed.then(|| shared.remotes[worker].offer.clear());
        drop(idle);
        last.then(|| roll.leaving.take())
    };
    if let Some(leaving) = left {
        shared.driver.shutdown();
        drop(leaving);
    }
}
