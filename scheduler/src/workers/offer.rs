//! How a worker changes threads, so that a thread that blocks delays no other tasks.
//!
//! A worker (its queues and the rest of its state) is used by one thread at a time. While no thread uses it, it lies on
//! an [`Offer`]. There are four reasons for that:
//!
//! | | a thread comes when | counted as |
//! |---|---|---|
//! | its thread blocks inside a task: [`block_in_place`](crate::task::block_in_place) | another thread has work for it, or its thread returns | asleep |
//! | it was engaged and its thread is on the way | that thread arrives | searching |
//! | it isn't engaged: a spare that isn't needed | it is engaged (`engage.rs`) | nothing |
//! | it is a spare's, whose thread polls a task: it is *lent* | its thread has polled, or it is called in | nothing |
//!
//! So a thread leaves its worker behind by letting it fall asleep, by the protocol of `idle.rs`: announce, look again,
//! and whoever has work for the worker claims it. Only the waking differs: the worker's parker is `AWAY`, so the thread
//! that unparks it sends a thread. A thread that blocks costs no more than that, unless there is work.
//!
//! Invariants:
//! - **R1** A worker is either on its offer or with one thread, which took it from there under the lock.
//! - **R2** If a worker on offer counts as searching, a thread is on its way (`asked`), or the thread that counts it is
//!   about to ask for one. If no thread can be had, the count is taken back, under the lock, as long as no thread took
//!   the worker. So a thread that takes the worker learns from the offer whether it still counts. The first thread that is
//!   free then comes for the worker, unless its own thread is back before.
//! - **R3** At most one thread is on its way to an offer. A thread that finds the worker gone goes home. A thread may
//!   be sent for one stay of the worker and find the next: it takes the worker all the same. So a worker has to lie
//!   there in the state of its table row from the first moment on: it is put there, goes away and falls asleep in one
//!   step, under the lock.
//! - **R4** A thread that gave its worker away finishes its poll without one: tasks that it wakes go through the
//!   injector. It never touches the worker again, unless it takes it from the offer itself.
//! - **R5** A worker that isn't engaged is shut. It can't be brought to life by a late thread, a late unpark, or a
//!   thread that once left it there, because it doesn't count as searching. The thread that engages it counts it first,
//!   then opens it.
//! - **R6** A spare's worker is lent for the length of each poll. It is shut, and its queues are empty except for what
//!   the thread stole before the poll. Each loan has a number. The thread takes the worker back by that number. If the
//!   thread is blocked, the lookout may call the worker in: then the number is void, another thread has or gets the
//!   worker, and this thread goes home after its poll. So a spare that blocks delays neither the tasks that it wakes,
//!   which go through the injector, nor the use of its own place. A thread that gives way in the poll ends the loan,
//!   and begins another when it is back with the worker. An eager task that yields in the poll does not end the loan.
//!   Regular workers aren't lent: their wakes stay local, and tasks behind a regular worker that is held up are moved
//!   to the injector (`lookout.rs`).

use heist_sync::sys::Mutex;

use super::idle::Idle;
use super::park::Parker;

/// The place where a worker lies while no thread uses it.
pub struct Offer<W>(Mutex<Lying<W>>);

struct Lying<W> {
    worker: Option<W>,
    /// A thread is on its way.
    asked: bool,
    /// No thread could be had: the worker no longer counts as searching (R2).
    refused: bool,
    /// It was refused, and the first thread that is free will come for it.
    wanted: bool,
    /// The worker isn't engaged, or it is lent: no thread takes it before that changes (R5, R6).
    shut: bool,
    /// Its thread polls a task, and comes back for it.
    lent: bool,
    /// The number of this loan, or of the last one.
    loan: u64,
}

impl<W> Lying<W> {
    fn take(&mut self) -> Option<(W, bool)> {
        if self.shut {
            return None;
        }
        let counts = !self.refused;
        self.worker.take().map(|worker| (worker, counts))
    }
}

impl<W> Offer<W> {
    /// An empty offer.
    pub fn new() -> Self {
        Self(Mutex::new(Lying {
            worker: None,
            asked: false,
            refused: false,
            wanted: false,
            shut: false,
            lent: false,
            loan: 0,
        }))
    }

    /// Puts the worker there, and calls `go_away` in the same step. From then on whoever unparks it has to send a
    /// thread, and whoever comes for it finds it.
    pub fn put(&self, worker: W, go_away: impl FnOnce()) {
        self.lay(worker, false, go_away);
    }

    /// Puts a worker there that no thread may take before it is engaged.
    pub fn lay_down(&self, worker: W, place: Place<'_>) {
        self.lay(worker, true, || place.go_away());
    }

    fn lay(&self, worker: W, shut: bool, go_away: impl FnOnce()) {
        let mut lying = self.0.lock();
        lying.refused = false;
        lying.shut = shut;
        lying.worker = Some(worker);
        go_away();
    }

    /// Its thread polls a task without it, and comes back ([`end_loan`](Self::end_loan)) unless the worker is [called
    /// in](Self::call_in). Returns the loan's number.
    pub fn lend(&self, worker: W) -> u64 {
        let mut lying = self.0.lock();
        lying.refused = false;
        lying.shut = true;
        lying.lent = true;
        lying.worker = Some(worker);
        lying.loan += 1;
        lying.loan
    }

    /// The thread has polled, and takes back the worker that it lent. `None` if that was called in.
    pub fn end_loan(&self, loan: u64) -> Option<W> {
        let mut lying = self.0.lock();
        if !lying.lent || lying.loan != loan {
            return None;
        }
        lying.lent = false;
        lying.shut = false;
        lying.worker.take()
    }

    /// The thread that lent the worker is blocked, so another gets it. If the worker is lent, `count` is called in the
    /// same step, to count it as searching, and the answer is true: the caller sends a thread then (R2).
    #[must_use]
    pub fn call_in(&self, count: impl FnOnce()) -> bool {
        let mut lying = self.0.lock();
        if !lying.lent {
            return false;
        }
        count();
        lying.lent = false;
        lying.shut = false;
        true
    }

    /// The worker is engaged, and counts as searching. The first thread that comes takes it.
    pub fn open(&self) {
        let mut lying = self.0.lock();
        lying.refused = false;
        lying.shut = false;
    }

    /// Takes away a worker that won't be engaged any more.
    pub fn clear(&self) -> Option<W> {
        self.0.lock().worker.take()
    }

    /// The worker isn't engaged after all. False if a thread has it by now.
    #[must_use]
    pub fn shut(&self) -> bool {
        let mut lying = self.0.lock();
        lying.shut = lying.worker.is_some();
        lying.shut
    }

    /// Asks for a thread. True if the caller has to send one.
    #[must_use]
    pub fn ask(&self) -> bool {
        let mut lying = self.0.lock();
        let wanted = lying.worker.is_some() && !lying.shut;
        wanted && !std::mem::replace(&mut lying.asked, true)
    }

    /// The thread that was sent arrives, perhaps in a later stay of the worker than it was sent for. Returns the
    /// worker, if it is there, and whether it counts as searching if it was claimed (R2).
    pub fn answer(&self) -> Option<(W, bool)> {
        let mut lying = self.0.lock();
        lying.asked = false;
        lying.take()
    }

    /// The thread that left returns. Returns the worker, if it is there, and whether it counts as searching if it was
    /// claimed (R2). `None` also if another thread had the worker meanwhile, and was dismissed with it.
    pub fn take_back(&self) -> Option<(W, bool)> {
        self.0.lock().take()
    }

    /// No thread could be sent. True if the worker is still there and was the last to count as searching, and `more`
    /// says that there is work to be seen: the caller posts for that work then (F2).
    #[must_use]
    pub fn refuse(&self, place: Place<'_>, more: impl FnOnce() -> bool) -> bool {
        let mut lying = self.0.lock();
        lying.asked = false;
        if lying.worker.is_none() {
            return false;
        }
        lying.refused = true;
        // R2: if it was claimed, it counts as searching.
        !place.idle.retract(place.index) && place.idle.search_ended(more)
    }

    /// No thread could be sent. True if the caller has to make the first thread that is free come for the worker
    /// ([`answer_late`](Self::answer_late)).
    #[must_use]
    pub fn want(&self) -> bool {
        let mut lying = self.0.lock();
        let refused = lying.refused && lying.worker.is_some() && !lying.shut;
        refused && !std::mem::replace(&mut lying.wanted, true)
    }

    /// A thread has become free. Returns the worker, if it still lies there refused. It doesn't count as searching.
    pub fn answer_late(&self) -> Option<W> {
        let mut lying = self.0.lock();
        lying.wanted = false;
        let refused = lying.refused;
        refused
            .then(|| lying.take())
            .flatten()
            .map(|(worker, _)| worker)
    }

    /// No thread will ever come for it.
    pub fn give_up(&self) {
        self.0.lock().wanted = false;
    }

    /// The worker's thread leaves, and the worker lies there, asleep. The second look (S3) has to follow.
    pub fn fall_asleep(&self, worker: W, place: Place<'_>) {
        self.put(worker, || {
            place.go_away();
            place.idle.announce(place.index, false);
        });
    }
}

/// Where a worker sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The record of who sleeps.
    pub idle: &'a Idle,
    /// The worker's number in it.
    pub index: usize,
    /// The worker's parker.
    pub parker: &'a Parker,
}

impl Place<'_> {
    /// Leaves the worker without a thread. A token that is there is an old one: whoever has work for the worker from
    /// here on claims it.
    fn go_away(self) {
        while !self.parker.go_away() {}
    }

    /// A thread has taken the worker from its offer. Returns whether the worker counts as searching: it does if it was
    /// claimed and `counts` is true.
    #[must_use]
    pub fn get_up(self, counts: bool) -> bool {
        self.parker.come_back();
        !self.idle.retract(self.index) && counts
    }
}

impl<W> Default for Offer<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> std::fmt::Debug for Offer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lying = self.0.lock();
        f.debug_struct("Offer")
            .field("occupied", &lying.worker.is_some())
            .field("asked", &lying.asked)
            .finish()
    }
}
