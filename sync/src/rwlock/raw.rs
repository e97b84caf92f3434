//! The lock behind [`RwLock`](super::RwLock): one word, and a line of those who wait, which is in `line`.
//!
//! It is held by one writer, or by readers, one of whom may be the *upgradable* one: no second of that kind is let in
//! beside it, so it can become the writer without letting go, once the readers beside it have left. Taking the lock and
//! letting it go are one CAS or addition each while nobody waits.
//!
//! Who comes while others wait: a reader keeps out where a writer waits, in the queue or woken and on its way (write
//! preference: else readers that overlap would hold the lock for ever). Apart from that somebody who comes while the lock
//! would take them may have it, even if others wait (barging), as those are woken to try, and are not handed the lock. So
//! that nobody starves, one who has waited longer than half a millisecond, or was woken in vain a few times, has it
//! handed over.
//!
//! (Readers that barge in on a woken writer were tried too. They gain nothing where the lock is held for short, and where
//! it is held for long each writer is woken in vain several times.)
//!
//! # The word
//!
//! `readers << 7 | flags`; the upgradable reader is counted in `readers`.
//!
//! | flag | set when |
//! |---|---|
//! | `WRITER` | it is held by a writer, or has been handed to one that has not looked yet |
//! | `UPGRADABLE` | it is held by an upgradable reader, or has been handed to one |
//! | `WAITERS` | the queue is not empty |
//! | `BARRED` | readers who come keep out: a `Write` or `Upgrade` is queued, or the first in the queue is a starving reader |
//! | `STARVING` | writers and upgradable readers who come keep out: the first in the queue is starving |
//! | `WOKEN` | a waiter was released as the scout and has not acted on it yet |
//! | `EXPECTED` | readers who come keep out: the scout is a writer |
//!
//! # Outcomes of a waiter
//!
//! `OWNED`: it holds the lock in the way that it asked for. `TRY`: it may try for the lock, past those who wait and past
//! the flags that keep others out. `SCOUT`: the same, with the duty to serve the queue after having tried.
//!
//! # Invariants
//!
//! 1. `WAITERS`, `BARRED` and `STARVING` are what the table says, whenever the queue's lock is free. They are changed
//!    under that lock alone.
//! 2. `WOKEN` ⇔ exactly one waiter stands at `Released(SCOUT)` with its owner yet to act: to take the lock, to queue
//!    again, or to be dropped; `EXPECTED` ⇔ it is so, and the waiter is a `Write`. Each way it clears both and then serves
//!    the queue ([`RawRwLock::serve`]), except where there is nothing to serve: nobody waits, or it took the lock as a
//!    writer.
//! 3. Nobody sleeps beside a lock that would take them. The *window* are the waiters from the first up to the first
//!    `Write` or `Upgrade`, inclusive. If one in the window could be admitted, then `WOKEN` is set, or somebody whose change
//!    of the word made it so is on the way to serve; whenever the queue's lock is free. For a starving first: then that
//!    somebody hands the lock over, `WOKEN` or not, and the first is never woken to try. Kept by those who make room
//!    (unlock, downgrade), who serve unless there is a scout and nobody starves: then the scout's serving, which comes
//!    after its clearing of `WOKEN`, sees their room. Kept by those who leave the queue, who serve. Kept by those who
//!    queue: they are admitted instead where they could be, by the same CAS that else sets `WAITERS`, so one who makes room
//!    after that sees the flag.
//! 4. A waiter at `Released(OWNED)` holds the lock; dropped, it lets it go. (An `Upgrade` becomes upgradable again, for
//!    the guard that it came from to let go at once.)
//! 5. An `Upgrade` is first in the queue, always starving, and the only one: only the holder of `UPGRADABLE` queues it, and
//!    others go no further than to the second place. So nobody it waits for waits behind it but by the user's own doing,
//!    and nobody who waits for it stands before it.
//!
//! The flags and the count are one word, so each of these is decided by one CAS, and no fence is needed.
//!
//! # Orderings
//!
//! Letting go and downgrading are a Release, and taking is an Acquire of the same word; all changes between them are
//! read-modify-writes, so the chain is not broken. A hand-over takes on the waiter's behalf and passes that on by the
//! waiter's outcome. The flags carry no data: the queue's lock orders what they speak of.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::line::{Line, LockedLine, Want};
use crate::contain::{Panics, or_undo};
use crate::coop;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::sys::clock::Instant;
use crate::waiting::{FIRST_OUTCOME, HOLDS, Outcome, Place, Standing, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::Wakes;

const WRITER: usize = 1;
const UPGRADABLE: usize = 2;
const WAITERS: usize = 4;
const WOKEN: usize = 8;
const BARRED: usize = 16;
const STARVING: usize = 32;
const EXPECTED: usize = 64;
/// What is said of the scout: invariant 2.
const SCOUT_FLAGS: usize = WOKEN | EXPECTED;
/// One reader in the word.
const READER: usize = 128;
/// What is a function of the queue: invariant 1.
const QUEUE_FLAGS: usize = WAITERS | BARRED | STARVING;

/// The most readers at once.
pub(super) const MAX_READERS: u32 = {
    let fit = usize::MAX / READER;
    let most = u32::MAX >> 3;
    if fit < most as usize {
        fit as u32
    } else {
        most
    }
};

const TRY: Outcome = FIRST_OUTCOME;
const SCOUT: Outcome = (FIRST_OUTCOME + 1) | HOLDS;
const OWNED: Outcome = (FIRST_OUTCOME + 2) | HOLDS;

/// As of the mutex: one who has waited for so long and is beaten again has the lock handed over.
const PATIENCE: Duration = Duration::from_micros(500);

/// So does one that has been beaten so often: a bound that needs no clock.
const ATTEMPTS: u32 = if cfg!(heist_loom) { 1 } else { 16 };

/// A way to hold the lock, or to come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Upgradable,
    Write,
    /// From upgradable to writing.
    Upgrade,
}

impl Kind {
    /// Whether readers who come wait behind one who is queued for this.
    fn bars_readers(self) -> bool {
        matches!(self, Self::Write | Self::Upgrade)
    }

    /// The flags that keep out those who come for this and have not waited yet.
    fn kept_out_by(self) -> usize {
        match self {
            Self::Read => BARRED | EXPECTED,
            Self::Upgradable => BARRED | EXPECTED | STARVING,
            Self::Write => STARVING,
            Self::Upgrade => 0,
        }
    }

    fn wait(self) -> Wait {
        match self {
            Self::Read => Wait::Read,
            Self::Upgradable => Wait::UpgradableRead,
            Self::Write | Self::Upgrade => Wait::Write,
        }
    }
}

pub(crate) struct RawRwLock {
    word: AtomicUsize,
    most_readers: u32,
    line: Line,
}

impl RawRwLock {
    #[cfg(heist_loom)]
    #[track_caller]
    pub(super) fn new(most_readers: u32) -> Self {
        assert_fits(most_readers);
        Self {
            word: AtomicUsize::new(0),
            most_readers,
            line: Line::new(),
        }
    }

    #[cfg(not(heist_loom))]
    #[track_caller]
    pub(super) const fn new(most_readers: u32) -> Self {
        assert_fits(most_readers);
        Self {
            word: AtomicUsize::new(0),
            most_readers,
            line: Line::new(),
        }
    }

    /// The word once the lock has been taken for `kind`, where it can be: the one place that says who may be in together.
    #[inline(always)]
    fn taken(&self, word: usize, kind: Kind) -> Option<usize> {
        let readers = word / READER;
        let room = readers < self.most_readers as usize;
        match kind {
            Kind::Read => (word & WRITER == 0 && room).then(|| word + READER),
            Kind::Upgradable => {
                (word & (WRITER | UPGRADABLE) == 0 && room).then(|| word + READER + UPGRADABLE)
            }
            Kind::Write => (word & WRITER == 0 && readers == 0).then_some(word | WRITER),
            // The caller is the upgradable reader.
            Kind::Upgrade => (readers == 1).then(|| word - READER - UPGRADABLE + WRITER),
        }
    }

    /// As `taken`, for one who comes and has not waited.
    #[inline(always)]
    fn taken_by_comer(&self, word: usize, kind: Kind) -> Option<usize> {
        if word & kind.kept_out_by() != 0 {
            return None;
        }
        self.taken(word, kind)
    }

    /// Takes the lock if it can be had now.
    #[inline]
    pub(super) fn try_take(&self, kind: Kind) -> bool {
        // Ordering: hint only, the CAS decides.
        let mut word = self.word.load(Ordering::Relaxed);
        while let Some(taken) = self.taken_by_comer(word, kind) {
            // Ordering: Acquire pairs with the Releases in `let_go` and `change`, so that the data is seen as the last
            // writer left it, and by a writer only once the readers have left it.
            match self
                .word
                .compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// [`try_take`](Self::try_take), for a unit of the budget: what comes before [`acquire`](Self::acquire).
    #[inline]
    pub(super) fn take_at_once(&self, kind: Kind) -> bool {
        coop::at_once(|| self.try_take(kind))
    }

    /// Lets go of the lock, which the caller holds as `kind`.
    #[inline]
    pub(super) fn let_go(&self, kind: Kind) {
        let held = match kind {
            Kind::Read => READER,
            Kind::Upgradable => READER + UPGRADABLE,
            Kind::Write | Kind::Upgrade => WRITER,
        };
        // Ordering: Release pairs with the Acquires of those who take the lock.
        let before = self.word.fetch_sub(held, Ordering::Release);
        if before & WAITERS != 0 {
            self.made_room(before - held, kind == Kind::Read);
        }
    }

    /// From `from` to a lesser way to hold the lock.
    pub(super) fn downgrade(&self, from: Kind, to: Kind) {
        let (gone, come) = match (from, to) {
            (Kind::Write, Kind::Read) => (WRITER, READER),
            (Kind::Write, Kind::Upgradable) => (WRITER, READER + UPGRADABLE),
            (Kind::Upgradable, Kind::Read) => (UPGRADABLE, 0),
            _ => unreachable!("no downgrade leads from {from:?} to {to:?}"),
        };
        // Ordering: Release pairs with the Acquires of those who take the lock: readers see what was written.
        let before = self
            .word
            .fetch_add(come.wrapping_sub(gone), Ordering::Release);
        if before & WAITERS != 0 {
            self.made_room(before.wrapping_add(come).wrapping_sub(gone), false);
        }
    }

    /// From a writer that was upgraded and is given up, to the upgradable reader that lets go next, which serves: until
    /// then it owes that.
    fn stay_upgradable(&self) {
        // Ordering: hint only, nothing was written.
        self.word
            .fetch_add(READER + UPGRADABLE - WRITER, Ordering::Relaxed);
    }

    /// Gives back what an [`Acquire`] of that kind has taken, and its caller will not hear of.
    fn give_back(&self, kind: Kind) {
        match kind {
            Kind::Upgrade => self.stay_upgradable(),
            kind => self.let_go(kind),
        }
    }

    /// After a change that left `word`, with waiters: keeps invariant 3.
    #[cold]
    fn made_room(&self, word: usize, one_reader_less: bool) {
        if word & (WOKEN | STARVING) == WOKEN {
            // The scout serves.
            return;
        }
        if one_reader_less {
            // It makes room for a writer, if it was the last; for one that upgrades, if the upgradable one is alone; or
            // for another reader, if there were as many as may be.
            let readers = word / READER;
            let alone = readers == usize::from(word & UPGRADABLE != 0);
            let was_full = readers + 1 >= self.most_readers as usize;
            let helps = was_full || (alone && word & BARRED != 0);
            if !helps {
                return;
            }
        }
        let mut wakes = Wakes::default();
        self.serve(&mut self.line.lock(), &mut wakes);
        wakes.wake_all();
    }

    /// Admits from the line whom it can: hands the lock to those at the front who starve, and wakes others to try.
    /// Restores invariants 1 and 3.
    fn serve(&self, locked: &mut LockedLine<'_>, wakes: &mut Wakes) {
        let (word, first) = self.hand_over(locked, wakes);
        if word & (WOKEN | WRITER) == 0
            && let Some(first) = first
        {
            self.wake(word, first.kind, locked, wakes);
        }
        self.refresh(locked);
    }

    /// Hands the lock to those at the front who starve. Gives the first who is left, and a word that has no room for that
    /// one if it starves.
    fn hand_over(&self, locked: &mut LockedLine<'_>, wakes: &mut Wakes) -> (usize, Option<Want>) {
        loop {
            // Ordering: hint only. Whoever makes room from here on sees WAITERS and comes here, after this hold of the lock.
            let word = self.word.load(Ordering::Relaxed);
            let first = locked.first();
            let Some(Want {
                kind,
                starving: true,
                ..
            }) = first
            else {
                return (word, first);
            };
            let Some(taken) = self.taken(word, kind) else {
                return (word, first);
            };
            // Ordering: Acquire as in `try_take`; the outcome's Release passes it on to the waiter.
            let handed =
                self.word
                    .compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed);
            if handed.is_ok() {
                wakes.push(locked.release(kind, OWNED));
            }
        }
    }

    /// Wakes those in the window who could be admitted now: one writer, or readers. There is no scout, and no writer in;
    /// the first is of that kind.
    fn wake(&self, word: usize, first: Kind, locked: &mut LockedLine<'_>, wakes: &mut Wakes) {
        let readers = word / READER;
        if first == Kind::Write {
            if readers == 0 {
                self.send_scout(WOKEN | EXPECTED);
                wakes.push(locked.release(Kind::Write, SCOUT));
            }
            return;
        }
        let mut room = (self.most_readers as usize).saturating_sub(readers);
        let mut upgradable = word & UPGRADABLE == 0;
        let mut outcome = SCOUT;
        while room > 0
            && let Some(Want { kind, .. }) = locked.first_of(upgradable)
            && !kind.bars_readers()
        {
            room -= 1;
            upgradable &= kind != Kind::Upgradable;
            if outcome == SCOUT {
                self.send_scout(WOKEN);
            }
            wakes.push(locked.release(kind, std::mem::replace(&mut outcome, TRY)));
        }
    }

    /// Sets what is said of a scout: invariant 2. Before it is released, as it may act at once.
    fn send_scout(&self, flags: usize) {
        // Ordering: hint only. The scout's outcome orders it before the scout's acts, the queue's lock before all others'.
        self.word.fetch_or(flags, Ordering::Relaxed);
    }

    /// Takes the lock for one who was woken with `outcome`, if it can be had, and a scout has nobody to serve then.
    fn take_woken(&self, kind: Kind, outcome: Outcome) -> bool {
        let update = |word| {
            let taken = self.taken(word, kind)?;
            if outcome == TRY {
                return Some(taken);
            }
            // Invariant 2.
            (kind == Kind::Write || word & WAITERS == 0).then_some(taken & !SCOUT_FLAGS)
        };
        // Ordering: Acquire as in `try_take`.
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, update)
            .is_ok()
    }

    /// Under the queue's lock: takes the lock by `taken`, or sets `flags`, which the queueing that follows makes true; in
    /// both cases clears `done`.
    fn take_or_flag(
        &self,
        flags: usize,
        done: usize,
        taken: impl Fn(usize) -> Option<usize>,
    ) -> bool {
        let update = |word| {
            Some(match taken(word) {
                Some(taken) => taken & !done,
                None => (word & !done) | flags,
            })
        };
        // Ordering: Acquire as in `try_take`.
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, update)
            .is_ok_and(|before| taken(before).is_some())
    }

    /// Restores invariant 1 after a change of the queue.
    fn refresh(&self, locked: &LockedLine<'_>) {
        let flags = match locked.first() {
            None => 0,
            Some(first) => self.flags(first.kind, first.starving, locked),
        };
        // Ordering: hint only, the queue's lock orders it.
        let _ = self
            .word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                (word & QUEUE_FLAGS != flags).then_some((word & !QUEUE_FLAGS) | flags)
            });
    }

    /// The flags of a line whose first is such a one.
    fn flags(&self, kind: Kind, starving: bool, locked: &LockedLine<'_>) -> usize {
        // One that starves for want of room among the readers is to have the next; one that waits for the upgradable
        // reader to leave keeps no reader out.
        let limited = self.most_readers < MAX_READERS;
        let starving_reader = starving && (kind == Kind::Read || limited);
        let barred = locked.has_barrier() || kind.bars_readers() || starving_reader;
        WAITERS | if barred { BARRED } else { 0 } | if starving { STARVING } else { 0 }
    }

    /// Comes to the lock for `kind`, in time, for one who asked at `place`.
    #[inline]
    pub(super) fn acquire(&self, kind: Kind, place: Place) -> Acquire<'_> {
        Acquire {
            lock: self,
            kind,
            since: None,
            attempts: 0,
            waiter: Waiter::new(self.line.queue_of(kind), Want::new(kind))
                .watched(kind.wait(), place),
        }
    }
}

#[track_caller]
const fn assert_fits(most_readers: u32) {
    assert!(most_readers > 0, "a lock lets in at least one reader");
    assert!(
        most_readers <= MAX_READERS,
        "a lock counts at most u32::MAX >> 3 readers, on 32-bit machines usize::MAX >> 7"
    );
}

pin_project! {
    /// The future of [`RawRwLock::acquire`]: its output is the lock, held.
    pub(super) struct Acquire<'a> {
        lock: &'a RawRwLock,
        kind: Kind,
        // When it queued first.
        since: Option<Instant>,
        // How often it has been woken in vain.
        attempts: u32,
        #[pin]
        waiter: Waiter<'a, Want>,
    }

    impl PinnedDrop for Acquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl Acquire<'_> {
    /// Leaves the queue, or passes on what it was given and never used: invariants 2, 3 and 4.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let lock = *this.lock;
        let mut wakes = Wakes::default();
        let mut locked = lock.line.lock();
        let removed = locked.remove(*this.kind, this.waiter.as_mut());
        let standing = this.waiter.standing();
        if removed.is_some() {
            if *this.kind == Kind::Upgrade {
                // Its upgradable lock is let go next, and that serves.
                lock.refresh(&locked);
            } else {
                lock.serve(&mut locked, &mut wakes);
            }
        } else if standing == Standing::Released(SCOUT) {
            // Ordering: hint only. One who makes room from here on sees that there is no scout, and what room was made
            // before is seen by the serving.
            lock.word.fetch_and(!SCOUT_FLAGS, Ordering::Relaxed);
            lock.serve(&mut locked, &mut wakes);
        }
        drop(locked);
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| drop(removed));
        if standing == Standing::Released(OWNED) {
            panics.run(|| lock.give_back(*this.kind));
        }
        panics.go_on();
    }

    #[inline]
    fn poll_acquire(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        if self.waiter.standing() != Standing::Idle {
            return self.poll_again(cx);
        }
        if self.lock.try_take(self.kind) {
            return Poll::Ready(());
        }
        self.queue_up(cx)
    }

    /// The lock couldn't be had at once.
    #[cold]
    fn queue_up(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let this = self.project();
        let (lock, kind) = (*this.lock, *this.kind);
        let waker = cx.waker().clone();
        let mut locked = lock.line.lock();
        let flags = match kind {
            Kind::Upgrade => WAITERS | BARRED | STARVING,
            Kind::Write => WAITERS | BARRED,
            Kind::Read | Kind::Upgradable => WAITERS,
        };
        if lock.take_or_flag(flags, 0, |word| lock.taken_by_comer(word, kind)) {
            drop(locked);
            or_undo(|| drop(waker), || lock.give_back(kind));
            return Poll::Ready(());
        }
        *this.since = Some(Instant::now());
        if kind == Kind::Upgrade {
            // Invariant 5.
            locked.push_front(kind, true, this.waiter, waker);
        } else {
            locked.push_back(kind, this.waiter, waker);
        }
        Poll::Pending
    }

    /// It has been queued.
    fn poll_again(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let (lock, kind) = (*this.lock, *this.kind);
        let outcome = ready!(this.waiter.as_mut().poll_queued(cx));
        if outcome == OWNED || lock.take_woken(kind, outcome) {
            this.waiter.reset();
            return Poll::Ready(());
        }
        // Beaten to it, or to serve others. A clone that panics leaves the waiter to `cancel`.
        let waker = cx.waker().clone();
        *this.attempts += 1;
        let starving = *this.attempts >= ATTEMPTS
            || this.since.is_some_and(|since| since.elapsed() > PATIENCE);
        let done = if outcome == SCOUT { SCOUT_FLAGS } else { 0 };
        let mut wakes = Wakes::default();
        let mut locked = lock.line.lock();
        this.waiter.as_mut().reset();
        let flags = lock.flags(kind, starving, &locked);
        if lock.take_or_flag(flags, done, |word| lock.taken(word, kind)) {
            lock.serve(&mut locked, &mut wakes);
            drop(locked);
            let user_code = || {
                wakes.wake_all();
                drop(waker);
            };
            or_undo(user_code, || lock.give_back(kind));
            return Poll::Ready(());
        }
        locked.push_front(kind, starving, this.waiter, waker);
        lock.serve(&mut locked, &mut wakes);
        drop(locked);
        wakes.wake_all();
        Poll::Pending
    }
}

impl Future for Acquire<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        let wait = self.kind.wait();
        ready!(waits::noted(wait, self.poll_acquire(cx)));
        unit.made_progress();
        Poll::Ready(())
    }
}
