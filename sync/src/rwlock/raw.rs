//! The lock behind [`RwLock`](super::RwLock): one word, and a line of the tasks that wait, which is in `line`.
//!
//! It is held by one writer or by readers. One of the readers may be the *upgradable* one. There is only one such
//! reader at a time, so it can become the writer without releasing the lock, once the other readers have left. Taking
//! the lock and releasing it are one CAS or addition each while nobody waits.
//!
//! What a task may do that comes while others wait: a reader keeps out if a writer waits, in the queue or woken and on
//! its way (write preference: otherwise readers that overlap would hold the lock for ever). Apart from that a task may
//! take a lock that has room for it, even if others wait (barging), because those are woken to try, and are not handed
//! the lock. To prevent starvation, the lock is handed over to a task that has waited longer than half a millisecond,
//! or was woken in vain a few times.
//!
//! (Readers that barge in on a woken writer were tried too. They gain nothing if the lock is held for a short time. If
//! it is held for a long time, each writer is woken in vain several times.)
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
//! | `BARRED` | readers that come keep out: a `Write` or `Upgrade` is queued, or the first in the queue is a starving reader |
//! | `STARVING` | writers and upgradable readers that come keep out: the first in the queue is starving |
//! | `WOKEN` | a waiter was released as the scout and has not acted on it yet |
//! | `EXPECTED` | readers that come keep out: the scout is a writer |
//!
//! # Outcomes of a waiter
//!
//! - `OWNED`: it holds the lock in the way that it asked for.
//! - `TRY`: it may try to take the lock, ahead of those that wait, and in spite of the flags that keep others out.
//! - `SCOUT`: the same, but it has to serve the queue after it has tried.
//!
//! # Invariants
//!
//! 1. `WAITERS`, `BARRED` and `STARVING` are what the table says, whenever the queue's lock is free. They are changed
//!    under that lock alone.
//! 2. `WOKEN` ⇔ exactly one waiter stands at `Released(SCOUT)` and its owner has not acted yet: it will take the lock,
//!    queue again, or be dropped. `EXPECTED` ⇔ the same, and the waiter is a `Write`. In each case the owner clears
//!    both flags and then serves the queue ([`RawRwLock::serve`]), unless there is nothing to serve: nobody waits, or
//!    it took the lock as a writer.
//! 3. Nobody sleeps beside a lock that has room for it. The *window* is the waiters from the first up to and including
//!    the first `Write` or `Upgrade`. If a waiter in the window could be admitted, then `WOKEN` is set, or somebody
//!    whose change of the word made room is on the way to serve, whenever the queue's lock is free. If the first waiter
//!    is starving, that somebody hands the lock over, `WOKEN` or not, and the first is never woken to try.
//!    - Whoever makes room (unlock, downgrade) serves, unless there is a scout and nobody starves. In that case the
//!      scout serves after it has cleared `WOKEN`, so it sees the room.
//!    - Whoever leaves the queue serves.
//!    - Whoever queues is admitted instead if it could be, by the same CAS that would set `WAITERS`. So whoever makes
//!      room after that sees the flag.
//! 4. A waiter at `Released(OWNED)` holds the lock; if it is dropped, it releases it. (An `Upgrade` becomes upgradable
//!    again, and the guard that it came from releases that at once.)
//! 5. An `Upgrade` is first in the queue, always starving, and the only one: only the holder of `UPGRADABLE` queues it,
//!    and others get no further than the second place. So no task that it waits for waits behind it, except by the
//!    user's own doing, and no task that waits for it stands before it.
//!
//! The flags and the count are one word, so each of these is decided by one CAS, and no fence is needed.
//!
//! # Orderings
//!
//! Releasing and downgrading are a Release of the word, and taking is an Acquire. All changes between them are
//! read-modify-writes, so the chain is not broken. A hand-over takes the lock on the waiter's behalf and passes the
//! order on in the waiter's outcome. The flags carry no data: the queue's lock orders what they speak of.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::line::{Kind, Line, LockedLine, Want};
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
/// What the word says about the scout: invariant 2.
const SCOUT_FLAGS: usize = WOKEN | EXPECTED;
/// One reader in the word.
const READER: usize = 128;
/// The flags that follow from the queue: invariant 1.
const QUEUE_FLAGS: usize = WAITERS | BARRED | STARVING;

/// The largest number of readers at once.
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

/// As in the mutex: a waiter that has waited this long and is beaten again gets the lock handed over.
const PATIENCE: Duration = Duration::from_micros(500);

/// A waiter that has been beaten this often gets it handed over too. This bound needs no clock.
const ATTEMPTS: u32 = if cfg!(heist_loom) { 1 } else { 16 };

impl Kind {
    /// Whether readers that come wait behind a waiter of this kind.
    fn bars_readers(self) -> bool {
        matches!(self, Self::Write | Self::Upgrade)
    }

    /// The flags that keep out tasks that come for this and have not waited yet.
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

    /// The word after the lock was taken for `kind`, if it can be. This is the only place that says who may be in
    /// together.
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

    /// Like `taken`, for a task that comes and has not waited.
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

    /// Like [`try_take`](Self::try_take), for one unit of the budget; tried before [`acquire`](Self::acquire).
    #[inline]
    pub(super) fn take_at_once(&self, kind: Kind) -> bool {
        coop::at_once(|| self.try_take(kind))
    }

    /// Releases the lock, which the caller holds as `kind`.
    #[inline]
    pub(super) fn let_go(&self, kind: Kind) {
        let held = match kind {
            Kind::Read => READER,
            Kind::Upgradable => READER + UPGRADABLE,
            Kind::Write | Kind::Upgrade => WRITER,
        };
        // Ordering: Release pairs with the Acquires of those that take the lock.
        let before = self.word.fetch_sub(held, Ordering::Release);
        if before & WAITERS != 0 {
            self.made_room(before - held, kind == Kind::Read);
        }
    }

    /// Changes from `from` to a lesser way to hold the lock.
    pub(super) fn downgrade(&self, from: Kind, to: Kind) {
        let (gone, come) = match (from, to) {
            (Kind::Write, Kind::Read) => (WRITER, READER),
            (Kind::Write, Kind::Upgradable) => (WRITER, READER + UPGRADABLE),
            (Kind::Upgradable, Kind::Read) => (UPGRADABLE, 0),
            _ => unreachable!("no downgrade leads from {from:?} to {to:?}"),
        };
        // Ordering: Release pairs with the Acquires of those that take the lock: readers see what was written.
        let before = self
            .word
            .fetch_add(come.wrapping_sub(gone), Ordering::Release);
        if before & WAITERS != 0 {
            self.made_room(before.wrapping_add(come).wrapping_sub(gone), false);
        }
    }

    /// A writer that was upgraded is given up, and becomes the upgradable reader again. That reader releases the lock
    /// next, and serves. Until then it owes that.
    fn stay_upgradable(&self) {
        // Ordering: hint only, nothing was written.
        self.word
            .fetch_add(READER + UPGRADABLE - WRITER, Ordering::Relaxed);
    }

    /// Gives back what an [`Acquire`] of that kind has taken and its caller won't hear of.
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
            // This makes room for a writer if it was the last one, for an upgrade if only the upgradable one is left,
            // and for another reader if there were as many as possible.
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

    /// Admits waiters from the line: hands the lock to starving ones at the front, and wakes others to try. Restores
    /// invariants 1 and 3.
    fn serve(&self, locked: &mut LockedLine<'_>, wakes: &mut Wakes) {
        let (word, first) = self.hand_over(locked, wakes);
        if word & (WOKEN | WRITER) == 0
            && let Some(first) = first
        {
            self.wake(word, first.kind, locked, wakes);
        }
        self.refresh(locked);
    }

    /// Hands the lock to starving waiters at the front. Returns the first one that is left, and a word that has no room
    /// for it if it starves.
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

    /// Wakes the waiters in the window that could be admitted now: one writer, or readers. There is no scout, and no
    /// writer holds the lock. The first waiter is of kind `first`.
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

    /// Sets the flags for a scout: invariant 2. This comes before its release, because the scout may act at once.
    fn send_scout(&self, flags: usize) {
        // Ordering: hint only. The scout's outcome orders it before the scout's acts, the queue's lock before all others'.
        self.word.fetch_or(flags, Ordering::Relaxed);
    }

    /// Takes the lock for a waiter that was woken with `outcome`, if it can be had and a scout then has nobody to
    /// serve.
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

    /// Under the queue's lock: takes the lock by `taken`, or sets `flags`, which the caller makes true by queueing. In
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

    /// The flags of a line whose first waiter is of this kind.
    fn flags(&self, kind: Kind, starving: bool, locked: &LockedLine<'_>) -> usize {
        // If a waiter starves because there is no room among the readers, it gets the next room. If it waits for the
        // upgradable reader to leave, it keeps no reader out.
        let limited = self.most_readers < MAX_READERS;
        let starving_reader = starving && (kind == Kind::Read || limited);
        let barred = locked.has_barrier() || kind.bars_readers() || starving_reader;
        WAITERS | if barred { BARRED } else { 0 } | if starving { STARVING } else { 0 }
    }

    /// Waits to take the lock as `kind`, for a caller at `place`.
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
    /// The future of [`RawRwLock::acquire`]. When it completes, the lock is held.
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
                // The caller's upgradable lock is released next, and that serves.
                lock.refresh(&locked);
            } else {
                lock.serve(&mut locked, &mut wakes);
            }
        } else if standing == Standing::Released(SCOUT) {
            // Ordering: hint only. Whoever makes room from here on sees that there is no scout. Room that was made
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
        // Another task was faster, or there are others to serve. If the clone panics, the waiter is left to `cancel`.
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
