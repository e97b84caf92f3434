//! How workers are engaged and dismissed: at the user's request, by the lookout, and all of them at the end.

use std::io;

use heist_sync::sys::atomic::Ordering;

use super::shared::{Shared, Worker};
use super::thread_state::is_blocked;
use super::wake::send_thread;

/// Engages a worker, if it isn't.
///
/// # Errors
/// If no thread can be had.
pub(crate) fn engage(shared: &Shared, worker: usize) -> io::Result<()> {
    let crew = &shared.crew;
    {
        let mut roll = crew.roll.lock();
        if roll.closed || roll.engaged[worker] {
            return Ok(());
        }
        roll.engaged[worker] = true;
        crew.note(&shared.idle, &roll);
        // A thread will be on its way (R2). The worker's bit is clear, so no other thread claims it.
        shared.idle.search();
        shared.remotes[worker].thread.clear();
        shared.remotes[worker].offer.open();
    }
    send_first_thread(shared, worker)
}

/// Engages a spare, if the bound allows it. Returns whether it did.
pub(crate) fn engage_spare(shared: &Shared) -> bool {
    let crew = &shared.crew;
    let regular = crew.regular();
    let free = {
        let roll = crew.roll.lock();
        // A worker that was dismissed as a regular one while its poll blocks is no help, and isn't lent (R6).
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

/// Gives a spare another thread, if its thread is blocked in a poll. Returns whether it did.
pub(crate) fn replace(shared: &Shared, worker: usize) -> bool {
    let remote = &shared.remotes[worker];
    let called_in = remote.offer.call_in(|| {
        // A thread will be on its way (R2).
        shared.idle.search();
        // Until its poll has ended (`stop_drifting`).
        shared.driver.running.begin(1);
        shared.crew.adrift.replace(remote.thread.get());
        remote.thread.clear();
    });
    called_in && send_first_thread(shared, worker).is_ok()
}

/// Sends a thread to a worker that has just been opened. If no thread can be had, the worker isn't engaged after all.
fn send_first_thread(shared: &Shared, worker: usize) -> io::Result<()> {
    let sent = send_thread(shared, worker);
    let offer = &shared.remotes[worker].offer;
    if sent.is_err() && offer.shut() {
        if let Some(lying) = offer.clear() {
            // C3: it may have been lent.
            let moved = lying.empty();
            shared.remotes[worker].parker.come_back();
            shared.lay_down(lying);
            shared.wake_for(moved);
        }
        strike(shared, worker);
    }
    sent
}

/// Dismisses the last spare that hasn't been dismissed yet. Returns whether there was one.
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

/// Tells a worker to put itself on its offer, for good, once its poll ends. Called under the lock (C4). An unpark must
/// follow.
fn tell_to_go(shared: &Shared, worker: usize) {
    // Ordering: Release pairs with the Acquire in `is_dismissed`. Because of the unpark, the worker sees it at its next
    // turn.
    shared.remotes[worker]
        .dismissed
        .store(true, Ordering::Release);
}

/// Changes the number of regular workers.
///
/// # Errors
/// If there is no place for so many, or if no thread can be had. In the second case there are more workers than before,
/// but fewer than requested.
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
            // Ordering: Relaxed: a worker that was told to go and hasn't gone yet stays.
            remote.dismissed.store(false, Ordering::Relaxed);
        }
        let gone = workers..before;
        gone.clone().for_each(|worker| tell_to_go(shared, worker));
        gone
    };
    gone.for_each(|worker| shared.unpark(worker));
    (0..workers).try_for_each(|worker| engage(shared, worker))?;
    // Tasks that only regular workers take may be for other workers now.
    shared.wake_one();
    Ok(())
}

/// A worker that was dismissed puts itself on its offer. It is returned to the caller instead if the runtime has closed
/// (C2), or if the dismissal was called off.
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
        shared.crew.note(&shared.idle, &roll);
        shared.lay_down(worker);
    }
    if shared.modes.chief() == Some(index) {
        // The others poll for themselves.
        shared.set_chief(None);
    }
    shared.wake_for(moved);
    shared.driver.running.rests();
    None
}

/// The runtime ends: the workers leave their loops, cancel all tasks and go. Workers that aren't engaged go at once.
/// This waits for nothing.
pub(crate) fn close(shared: &Shared) {
    shared.modes.close();
    let gone: Vec<_> = {
        let mut roll = shared.crew.roll.lock();
        roll.closed = true;
        let idle = (0..roll.engaged.len()).filter(|&worker| !roll.engaged[worker]);
        idle.filter_map(|worker| shared.remotes[worker].offer.clear())
            .collect()
    };
    drop(gone);
    shared.unpark_all();
}

/// A worker leaves: it has drained, or never had a thread.
pub(crate) fn strike(shared: &Shared, worker: usize) {
    let left = {
        let mut roll = shared.crew.roll.lock();
        roll.engaged[worker] = false;
        shared.crew.note(&shared.idle, &roll);
        let last = roll.count_from(0) == 0;
        // A worker that was engaged in vain goes with the others that are idle (C2).
        let idle = roll.closed.then(|| shared.remotes[worker].offer.clear());
        drop(idle);
        last.then(|| roll.leaving.take())
    };
    shared.driver.running.rests();
    if let Some(leaving) = left {
        shared.driver.shutdown();
        drop(leaving);
    }
}
