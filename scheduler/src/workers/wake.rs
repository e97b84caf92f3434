//! How work comes to the workers from outside, and which worker is woken for it: a sleeping worker gets a token; a
//! worker that its thread has left is sent a thread.

use std::io;

use heist_sync::sys::Arc;
use heist_sync::sys::atomic::Ordering;

use super::shared::Shared;
use crate::cell::Runnable;
use crate::thread;

impl Shared {
    /// Queues a task from outside, and makes sure that a worker runs it.
    pub(super) fn inject(&self, task: Runnable) {
        // Ordering: hint only. Only threads that queue from outside write it, and they share more than this.
        self.injections.fetch_add(1, Ordering::Relaxed);
        self.injector.push(task);
        self.wake_one();
        self.rouse_lookout();
    }

    /// Queues tasks from outside, and wakes the workers that they are worth, all at once.
    pub(crate) fn inject_all(&self, tasks: &mut Vec<Runnable>) {
        let n = tasks.len();
        if n == 0 {
            // The reactor thread comes here after each turn. To rouse it for nothing would end its next wait at once.
            return;
        }
        // Ordering: hint only.
        self.injections.fetch_add(n as u64, Ordering::Relaxed);
        for task in tasks.drain(..) {
            self.injector.push(task);
        }
        self.wake_for(n);
        self.rouse_lookout();
    }

    /// Work has come from outside. If all workers are blocked, the lookout has to notice. (The models have no lookout.)
    pub(super) fn rouse_lookout(&self) {
        if !cfg!(heist_loom) && self.idle.asleep() == 0 {
            self.driver.work_begins();
        }
    }

    /// A worker that the lookout took for blocked goes on.
    #[cold]
    pub(crate) fn rouse(&self) {
        self.modes.set_unwatched(false);
        self.driver.work_begins();
    }

    /// After a push of `n` tasks: wakes one sleeper for each, as long as there are any. The first is woken only if no
    /// worker searches already.
    pub(crate) fn wake_for(&self, n: usize) {
        if n == 0 {
            return;
        }
        self.wake_one();
        if self.modes.chief().is_some() {
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
        match self.modes.chief() {
            None => self.wake_some(),
            Some(chief) if self.idle.claim_this(chief) => self.unpark(chief),
            Some(_) => {}
        }
        self.wake_draining();
    }

    /// After a push, and the fence of `claim` after it: a worker that drains either sees the push or is seen here.
    #[inline]
    fn wake_draining(&self) {
        if self.modes.is_closed_after_push() {
            self.unpark_all();
        }
    }

    #[inline]
    fn wake_some(&self) {
        if let Some(worker) = self.idle.claim() {
            self.unpark(worker);
        }
    }

    /// After a push to a yielded queue, from which spares take nothing: wakes a regular worker that sleeps, if one has
    /// to be woken.
    pub(crate) fn wake_regular(&self) {
        if self.modes.chief().is_some() {
            return self.wake_one();
        }
        if let Some(worker) = self.idle.claim_below(self.crew.regular()) {
            self.unpark(worker);
        }
        self.wake_draining();
    }

    /// Makes a worker the chief, or, with `None`, lets all workers poll. For the lookout only.
    pub(super) fn set_chief(&self, chief: Option<usize>) {
        self.modes.set_chief(chief);
        if chief.is_none() && self.has_work() {
            self.wake_for(self.crew.regular());
        }
    }

    /// F2: wakes a sleeper for the work that a searcher has left.
    pub(crate) fn wake_for_rest(&self) {
        // A spare's view: a spare takes only fresh tasks.
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
            send_any_thread(self, worker);
        }
    }

    pub(super) fn unpark_all(&self) {
        for worker in 0..self.crew.reach() {
            self.unpark(worker);
        }
    }
}

/// Sends a thread to a worker on offer, unless one is on its way already.
///
/// # Errors
/// If no thread can be had: nobody claims this worker then, until its own thread is back.
pub(crate) fn send_thread(shared: &Shared, index: usize) -> io::Result<()> {
    let offer = &shared.remotes[index].offer;
    if !offer.ask() {
        return Ok(());
    }
    let there = shared.counted();
    let job = Box::new(move || arrive(&there, index));
    // Naming a thread is user code. It must not find this thread's worker in its seat.
    let sent = thread::aside(|| shared.driver.start_worker(job));
    if sent.is_err() {
        // F2: other workers may be asleep because our count kept them from being woken.
        if offer.refuse(shared.place(index), || shared.has_work()) {
            shared.wake_for_rest();
        }
    }
    sent
}

/// Sends a thread to a worker on offer. If no thread can be had, the tasks in its queues wait for thieves, for its own
/// thread to return, or for the first thread that becomes free.
pub(super) fn send_any_thread(shared: &Shared, index: usize) {
    let offer = &shared.remotes[index].offer;
    if send_thread(shared, index).is_ok() || !offer.want() {
        return;
    }
    let there = shared.counted();
    let job = Box::new(move || {
        if let Some(worker) = there.remotes[index].offer.answer_late() {
            (there.serve)(&there, worker, false);
        }
    });
    if thread::aside(|| shared.driver.queue_worker(job)).is_err() {
        offer.give_up();
    }
}

/// What the thread that was sent does.
fn arrive(shared: &Arc<Shared>, index: usize) {
    let Some((worker, counts)) = shared.remotes[index].offer.answer() else {
        return;
    };
    (shared.serve)(shared, worker, counts);
}
