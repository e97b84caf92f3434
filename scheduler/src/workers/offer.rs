//! How a worker changes threads, so that a thread which blocks holds up nobody.
//!
//! A worker (its queues and what else it knows) is used by one thread at a time. While it has none it lies on an
//! [`Offer`]. There are four reasons to lie there:
//!
//! | | a thread comes when | counted as |
//! |---|---|---|
//! | its thread blocks inside a task: [`block_in_place`](crate::task::block_in_place) | somebody has work for it, or its thread returns | asleep |
//! | it was engaged and its thread is on the way | that thread arrives | searching |
//! | it isn't engaged: a spare that nobody needs | it is engaged (`engage.rs`) | nothing |
//! | it is a spare's, whose thread polls a task: it is *lent* | its thread has polled, or it is called in | nothing |
//!
//! So to leave a worker behind is to let it fall asleep, by the protocol of `idle.rs`: announce, look again, and whoever
//! has work for it claims it. What differs is the waking: its parker is `AWAY`, so the one who unparks it sends a
//! thread. A thread that blocks costs no more than that, unless there is work.
//!
//! Invariants:
//! - **R1** A worker is on its offer or with one thread, which took it from there under the lock.
//! - **R2** A worker on offer that counts as searching has a thread on its way (`asked`), or the one who counts it is
//!   about to ask. Where no thread can be had the count is taken back, under the lock, as long as nobody took the
//!   worker; so whoever takes it learns from the offer whether it still counts.
//! - **R3** At most one thread is on its way to an offer. A thread that finds the worker gone goes home; one that finds
//!   the worker's next stay takes it all the same, so a worker lies there in the state that its table row says from the
//!   first moment on: it is put there, goes away and falls asleep in one step, under the lock.
//! - **R4** A thread that gave its worker away finishes its poll without one: what it wakes goes through the injector.
//!   It never touches the worker again, unless it takes it from the offer itself.
//! - **R5** A worker that isn't engaged is shut: neither a late thread, nor a late unpark, nor a thread that once left it
//!   there brings it to life, as it doesn't count as searching. Who engages it counts it first, then opens it.
//! - **R6** A spare's worker is lent for the length of each poll, shut, with its queues empty but for what the thread stole
//!   before the poll. Each loan has a number. The thread takes the worker back by that number; where the lookout has
//!   called it in meanwhile, as the thread is blocked, the number is void, another thread has or gets the worker, and
//!   this one goes home after its poll. So a spare that blocks holds up neither what it wakes, which goes through the
//!   injector, nor its own place. A thread that gives way in the poll ends the loan, and begins another when it is back
//!   with the worker; an eager task that yields in the poll ends none. Regular workers aren't lent: their wakes stay
//!   local, and what lies behind one that is held up is moved to the injector (`lookout.rs`).

use heist_sync::sys::Mutex;

use super::idle::Idle;
use super::park::Parker;

/// Where a worker lies that no thread uses.
pub struct Offer<W>(Mutex<Lying<W>>);

struct Lying<W> {
    worker: Option<W>,
    /// A thread is on its way.
    asked: bool,
    /// No thread could be had: the worker doesn't count as searching any more (R2).
    refused: bool,
    /// It isn't engaged, or it is lent: no thread takes it before that has changed (R5, R6).
    shut: bool,
    /// Its thread polls a task, and comes back for it.
    lent: bool,
    /// Which loan it is, or was the last.
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
            shut: false,
            lent: false,
            loan: 0,
        }))
    }

    /// Puts the worker there, and calls `go_away` in the same step: from then on unparking it means to send a thread,
    /// and whoever comes for it finds it.
    pub fn put(&self, worker: W, go_away: impl FnOnce()) {
        self.lay(worker, false, go_away);
    }

    /// Puts a worker there that nobody is to take before it is engaged.
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

    /// Its thread polls a task without it, and comes back ([`end_loan`](Self::end_loan)) unless it is
    /// [called in](Self::call_in). Which loan it is.
    pub fn lend(&self, worker: W) -> u64 {
        let mut lying = self.0.lock();
        lying.refused = false;
        lying.shut = true;
        lying.lent = true;
        lying.worker = Some(worker);
        lying.loan += 1;
        lying.loan
    }

    /// The thread has polled, and takes back what it lent. Nothing where that was called in.
    pub fn end_loan(&self, loan: u64) -> Option<W> {
        let mut lying = self.0.lock();
        if !lying.lent || lying.loan != loan {
            return None;
        }
        lying.lent = false;
        lying.shut = false;
        lying.worker.take()
    }

    /// The thread that lent it is blocked: another is to have it. `count`, called in the same step where it is lent, counts
    /// it as searching; the caller sends a thread then (R2).
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

    /// The worker is engaged, and counts as searching: whichever thread comes first takes it.
    pub fn open(&self) {
        let mut lying = self.0.lock();
        lying.refused = false;
        lying.shut = false;
    }

    /// Takes away a worker that nobody will engage any more.
    pub fn clear(&self) -> Option<W> {
        self.0.lock().worker.take()
    }

    /// The worker isn't engaged after all. False where a thread has it by now.
    #[must_use]
    pub fn shut(&self) -> bool {
        let mut lying = self.0.lock();
        lying.shut = lying.worker.is_some();
        lying.shut
    }

    /// Whether the caller has to send a thread.
    #[must_use]
    pub fn ask(&self) -> bool {
        let mut lying = self.0.lock();
        let wanted = lying.worker.is_some() && !lying.shut;
        wanted && !std::mem::replace(&mut lying.asked, true)
    }

    /// The thread that was sent arrives, be it in a later stay of the worker than it was sent for. What it finds, and
    /// whether the worker counts as searching if it was claimed (R2).
    pub fn answer(&self) -> Option<(W, bool)> {
        let mut lying = self.0.lock();
        lying.asked = false;
        lying.take()
    }

    /// The thread that left returns; what it finds, and whether the worker counts as searching if it was claimed (R2).
    /// Nothing where another thread had it meanwhile, and was dismissed with it.
    pub fn take_back(&self) -> Option<(W, bool)> {
        self.0.lock().take()
    }

    /// No thread could be sent. Whether the worker, if it is there still, was the last to count as searching: the
    /// caller posts for it then (F2). `more` says whether there is work to be seen.
    #[must_use]
    pub fn refuse(&self, place: Place<'_>, more: impl FnOnce() -> bool) -> bool {
        let mut lying = self.0.lock();
        lying.asked = false;
        if lying.worker.is_none() {
            return false;
        }
        lying.refused = true;
        // R2: claimed, it counts as searching.
        !place.idle.retract(place.index) && place.idle.search_ended(more)
    }

    /// The worker's thread leaves: it lies there, asleep. The second look (S3) has to follow.
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
    /// Leaves it without a thread. A token is an old one: whoever has work for the worker from here on claims it.
    fn go_away(self) {
        while !self.parker.go_away() {}
    }

    /// A thread has taken the worker from its offer. Whether it counts as searching; `counts`: it does if it was
    /// claimed.
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
