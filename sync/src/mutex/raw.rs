//! The lock behind [`Mutex`](super::Mutex): one word, and a queue of the tasks that wait.
//!
//! Locking and unlocking are one CAS each while nobody waits. If a task comes while the lock is free, it may take the
//! lock even if others wait (barging). A task that already runs on a core makes progress, while a task that has been
//! woken is still on its way there. A lock that changes hands by wake-ups alone is slower by orders of magnitude. To
//! prevent starvation, the lock is handed over to a waiter that has waited longer than half a millisecond, or has been
//! woken in vain a few times: the next unlock does that. Go's mutex and parking_lot do the same.
//!
//! # The word
//!
//! | bit | set when | cleared when |
//! |---|---|---|
//! | `LOCKED` | somebody holds the lock, or it has been handed to a waiter that has not looked yet | it is free |
//! | `WAITERS` | the queue is not empty | it is |
//! | `WOKEN` | one waiter was released with `TRY` and has not yet tried | it tries, or is dropped |
//! | `STARVING` | a waiter came back to the front of the queue starving | the lock is handed to the front, or the queue is empty |
//!
//! # Invariants
//!
//! 1. `WAITERS` ⇔ the queue is not empty, whenever the queue's lock is free. It is set and cleared under that lock.
//! 2. `WOKEN` ⇔ exactly one waiter stands at `Released(TRY)` and its owner has not acted on that yet. So an unlock
//!    wakes at most one, however often the lock is taken and released while that one is on its way.
//! 3. Nobody sleeps beside a free lock: if `LOCKED` is clear and `WAITERS` is set, `WOKEN` is set, whenever the queue's
//!    lock is free. The unlock keeps this by going through the queue if it would break it otherwise. The woken waiter
//!    keeps it in each case: it takes the lock, or queues again while `LOCKED` is set, or, if it is dropped, passes the
//!    wake on ([`RawMutex::pass_on`]).
//! 4. A waiter at `Released(OWNED)` holds the lock; if it is dropped, it unlocks. `STARVING` keeps an unlock from
//!    clearing `LOCKED`, so nobody can barge in on a hand-over.
//!
//! All four bits are one word, so each of these is decided by one CAS, and no fence is needed between them.
//!
//! # Orderings
//!
//! Unlocking is a Release and locking an Acquire of the same word, so the data is handed on. In a hand-over the
//! waiter's outcome carries it instead. The bits beside `LOCKED` carry no data: the queue's lock orders what they say.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::contain::{at_last, or_undo};
use crate::coop;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::clock::Instant;
use crate::waiting::{FIRST_OUTCOME, HOLDS, Locked, Outcome, Place, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::wake;

const LOCKED: u32 = 1;
const WAITERS: u32 = 2;
const WOKEN: u32 = 4;
const STARVING: u32 = 8;

/// The waiter may try for the lock.
const TRY: Outcome = FIRST_OUTCOME | HOLDS;
/// The waiter holds the lock.
const OWNED: Outcome = (FIRST_OUTCOME + 1) | HOLDS;

/// A waiter that has waited this long and is beaten to the lock again gets it handed over. It is about the time that a
/// wake-up takes on a loaded machine, so hand-overs stay rare.
const PATIENCE: Duration = Duration::from_micros(500);

/// A waiter that has been beaten this often gets it handed over too. This bound needs no clock.
const ATTEMPTS: u32 = if cfg!(heist_loom) { 1 } else { 16 };

pub(crate) struct RawMutex {
    word: AtomicU32,
    queue: WaitQueue<()>,
}

impl RawMutex {
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            queue: WaitQueue::new(),
        }
    }

    #[cfg(not(heist_loom))]
    pub(super) const fn const_new() -> Self {
        Self {
            word: AtomicU32::new(0),
            queue: WaitQueue::const_new(),
        }
    }

    /// Takes the lock if it is free, whether or not others wait.
    #[inline]
    pub(super) fn try_lock(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `unlock`, so that the data is seen as the last holder left it.
        let first = self
            .word
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        match first {
            Ok(_) => true,
            Err(word) => word & LOCKED == 0 && self.barge(0),
        }
    }

    /// Like [`try_lock`](Self::try_lock), for one unit of the budget; tried before [`lock`](Self::lock).
    #[inline]
    pub(super) fn lock_at_once(&self) -> bool {
        coop::at_once(|| self.try_lock())
    }

    /// Takes the lock if it is free, in the presence of waiters, and clears `done` in the same step.
    fn barge(&self, done: u32) -> bool {
        // Ordering: Acquire as in `try_lock`.
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                (word & LOCKED == 0).then_some((word | LOCKED) & !done)
            })
            .is_ok()
    }

    /// Releases the lock. The caller holds it.
    #[inline]
    pub(super) fn unlock(&self) {
        // Ordering: Release pairs with the Acquire in `try_lock`, so that the next holder sees the data.
        let alone = self
            .word
            .compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed);
        if alone.is_err() {
            self.unlock_among_waiters();
        }
    }

    #[cold]
    fn unlock_among_waiters(&self) {
        // Ordering: Release as in `unlock`.
        let left_alone = self
            .word
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                // A waiter is on its way and nobody starves: invariants 3 and 4 hold without another wake.
                let quiet = word & WAITERS == 0 || word & (WOKEN | STARVING) == WOKEN;
                quiet.then_some(word & !LOCKED)
            });
        if left_alone.is_ok() {
            return;
        }
        let mut locked = self.queue.lock();
        // Ordering: hint only. Once WAITERS is seen under the queue's lock, it stays set.
        let word = self.word.load(Ordering::Relaxed);
        let waker = if word & STARVING != 0 {
            let waker = locked.pop_front(OWNED);
            self.note_popped(&locked, STARVING);
            debug_assert!(waker.is_some(), "who starves is queued");
            waker
        } else {
            // Ordering: Release as in `unlock`.
            self.word.fetch_and(!LOCKED, Ordering::Release);
            self.wake_front(&mut locked)
        };
        drop(locked);
        wake(waker);
    }

    /// Keeps invariant 3: if the lock is free, somebody waits and nobody is on the way, releases the first waiter to
    /// try.
    fn wake_front(&self, locked: &mut Locked<'_, ()>) -> Option<Waker> {
        // Ordering: hint only. If somebody took the lock meanwhile, it sees WAITERS when it unlocks.
        self.word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                (word & (LOCKED | WAITERS | WOKEN) == WAITERS).then_some(word | WOKEN)
            })
            .ok()?;
        let waker = locked.pop_front(TRY);
        self.note_popped(locked, 0);
        waker
    }

    /// After a pop: clears `done`, and the flags that an empty queue doesn't have.
    fn note_popped(&self, locked: &Locked<'_, ()>, done: u32) {
        let done = if locked.is_empty() {
            done | WAITERS | STARVING
        } else {
            done
        };
        // Ordering: hint only, the queue's lock orders it.
        self.word.fetch_and(!done, Ordering::Relaxed);
    }

    /// Called for a waiter that was woken to try and won't: the wake goes on to the next one.
    fn pass_on(&self) {
        let mut locked = self.queue.lock();
        // Ordering: hint only. A holder that unlocks from here on sees that nobody is on the way.
        self.word.fetch_and(!WOKEN, Ordering::Relaxed);
        let waker = self.wake_front(&mut locked);
        drop(locked);
        wake(waker);
    }

    /// Under the queue's lock: takes the lock, or sets `flags`, which the caller makes true by queueing. In both cases
    /// clears `done`.
    fn lock_or_flag(&self, flags: u32, done: u32) -> bool {
        let update = |word| {
            let flag = if word & LOCKED == 0 { LOCKED } else { flags };
            Some((word & !done) | flag)
        };
        // Ordering: Acquire as in `try_lock`.
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, update)
            .is_ok_and(|before| before & LOCKED == 0)
    }

    /// Waits for the lock, for a caller at `place`.
    pub(super) fn lock(&self, place: Place) -> Lock<'_> {
        Lock {
            mutex: self,
            since: None,
            attempts: 0,
            waiter: Waiter::new(&self.queue, ()).watched(Wait::Mutex, place),
        }
    }
}

pin_project! {
    /// The future of [`RawMutex::lock`]. When it completes, the lock is held.
    pub(super) struct Lock<'a> {
        mutex: &'a RawMutex,
        // When it queued first.
        since: Option<Instant>,
        // How often it has been woken in vain.
        attempts: u32,
        #[pin]
        waiter: Waiter<'a, ()>,
    }

    impl PinnedDrop for Lock<'_> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl Lock<'_> {
    /// Leaves the queue, or passes on what it was given and never used.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let mut locked = this.mutex.queue.lock();
        let removed = locked.remove(this.waiter.as_mut());
        if removed.is_some() {
            // If this was the one that starved, the hand-over goes to the next in line. That may come early, which is
            // harmless.
            this.mutex.note_popped(&locked, 0);
        }
        drop(locked);
        at_last(|| drop(removed));
        match this.waiter.standing() {
            Standing::Released(OWNED) => this.mutex.unlock(),
            Standing::Released(_) => this.mutex.pass_on(),
            Standing::Idle | Standing::Queued => {}
        }
    }

    fn poll_lock(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let mut this = self.project();
        match this.waiter.standing() {
            Standing::Idle => {
                // `lock_at_once` has mostly tried a moment ago. So only a lock that looks free is worth a second CAS.
                // Ordering: hint only.
                let word = this.mutex.word.load(Ordering::Relaxed);
                if word & LOCKED == 0 && this.mutex.try_lock() {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                let mut locked = this.mutex.queue.lock();
                if this.mutex.lock_or_flag(WAITERS, 0) {
                    drop(locked);
                    or_undo(|| drop(waker), || this.mutex.unlock());
                    return Poll::Ready(());
                }
                *this.since = Some(Instant::now());
                locked.push_back(this.waiter, waker);
                Poll::Pending
            }
            Standing::Queued | Standing::Released(_) => {
                if ready!(this.waiter.as_mut().poll_queued(cx)) == OWNED {
                    this.waiter.reset();
                    return Poll::Ready(());
                }
                if this.mutex.barge(WOKEN) {
                    this.waiter.reset();
                    return Poll::Ready(());
                }
                // Another task was faster. If the clone panics, the waiter is left to `cancel`, which passes the wake
                // on.
                let waker = cx.waker().clone();
                *this.attempts += 1;
                let starving = *this.attempts >= ATTEMPTS
                    || this.since.is_some_and(|since| since.elapsed() > PATIENCE);
                let flags = if starving {
                    WAITERS | STARVING
                } else {
                    WAITERS
                };
                let mut locked = this.mutex.queue.lock();
                this.waiter.as_mut().reset();
                if this.mutex.lock_or_flag(flags, WOKEN) {
                    drop(locked);
                    or_undo(|| drop(waker), || this.mutex.unlock());
                    return Poll::Ready(());
                }
                locked.push_front(this.waiter, waker);
                Poll::Pending
            }
        }
    }
}

impl Future for Lock<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(waits::noted(Wait::Mutex, self.poll_lock(cx)));
        unit.made_progress();
        Poll::Ready(())
    }
}
