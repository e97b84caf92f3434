//! The counting behind [`Semaphore`](super::Semaphore): one word of permits, and a queue of tasks that wait for some.
//!
//! The word is `permits << 2 | WAITERS | CLOSED`. Taking and giving back are one CAS each while nobody waits.
//!
//! # Invariants
//!
//! 1. `WAITERS` is set if and only if the queue is not empty, whenever the queue's lock is free. It is set and cleared
//!    under the lock alone.
//! 2. While `WAITERS` is set, permits are taken from the word under the lock alone, for the first in the queue. So
//!    permits that are given back add up until the first has all it wants, however many that is. So it is first in,
//!    first out, and small requests don't starve a large one.
//! 3. Whenever the lock is free, the first in the queue wants more than the word holds. Whoever raises the word while
//!    `WAITERS` is set, or changes who is first, goes on to [`Permits::serve`].
//! 4. `CLOSED` is never cleared. It is set under the lock, and the queue is emptied in the same hold. So nobody is
//!    queued in a closed semaphore.
//! 5. A permit is in exactly one place: in the word, in a permit that a caller holds, or with a released waiter whose
//!    owner has not looked yet. Such a waiter gives its permits back when it is dropped, and when it finds the
//!    semaphore closed. Permits that are given back beyond `MAX_PERMITS` are lost: others have been added in their
//!    place meanwhile.
//!
//! # Orderings
//!
//! Giving back is a Release and taking an Acquire of the same word. So what was done under a permit happens before what
//! is done under it next. The same holds for closing and being refused. Nothing else needs an order: the word alone
//! decides, and the queue orders the waiters' own states.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::error::TryAcquireError;
use crate::contain::{Panics, or_undo};
use crate::coop;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::waiting::{FIRST_OUTCOME, HOLDS, Locked, Outcome, Place, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::Wakes;

const CLOSED: usize = 1;
const WAITERS: usize = 2;
/// One permit in the word.
const ONE: usize = 4;

/// The most permits that a semaphore holds.
pub(super) const MAX_PERMITS: usize = usize::MAX >> 3;

const TOO_MANY: &str = "a semaphore holds at most MAX_PERMITS permits";

/// The waiter has the permits that it asked for.
const GRANTED: Outcome = FIRST_OUTCOME | HOLDS;
/// The semaphore was closed.
const REFUSED: Outcome = FIRST_OUTCOME + 1;

/// The semaphore was closed.
#[derive(Debug)]
pub(super) struct Closed;

/// Permits, and the tasks that wait for them, each with how many it wants.
pub(super) struct Permits {
    word: AtomicUsize,
    queue: WaitQueue<usize>,
}

/// What a look at the word says to a task that wants permits.
enum Look {
    Taken,
    Closed,
    Short(usize),
}

impl Permits {
    #[track_caller]
    pub(super) fn new(permits: usize) -> Self {
        assert_fits(permits);
        Self {
            word: AtomicUsize::new(permits * ONE),
            queue: WaitQueue::new(),
        }
    }

    #[cfg(not(heist_loom))]
    #[track_caller]
    pub(super) const fn const_new(permits: usize) -> Self {
        assert_fits(permits);
        Self {
            word: AtomicUsize::new(permits * ONE),
            queue: WaitQueue::const_new(),
        }
    }

    /// How many permits a call could take now. It is 0 while somebody is ahead in the queue.
    pub(super) fn available(&self) -> usize {
        // Ordering: hint only.
        let word = self.word.load(Ordering::Relaxed);
        if word & WAITERS == 0 { word / ONE } else { 0 }
    }

    pub(super) fn is_closed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `close`, so that whoever sees it closed sees what came before.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes `n` permits if they are there and nobody waits.
    #[inline]
    pub(super) fn try_take(&self, n: usize) -> Result<(), TryAcquireError> {
        match self.look(n) {
            Look::Taken => Ok(()),
            Look::Closed => Err(TryAcquireError::Closed),
            Look::Short(_) => Err(TryAcquireError::NoPermits),
        }
    }

    /// Takes `n` permits if they are there and nobody waits, for one unit of the budget; tried before
    /// [`take`](Self::take).
    #[inline]
    pub(super) fn take_at_once(&self, n: usize) -> bool {
        coop::at_once(|| matches!(self.look(n), Look::Taken))
    }

    #[inline]
    fn look(&self, n: usize) -> Look {
        // Ordering: hint only, the CAS decides.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // The second look is for its order: a task that is refused sees what was done before the close.
            if word & CLOSED != 0 && self.is_closed() {
                return Look::Closed;
            }
            // Invariant 2. A request for nothing never waits.
            if n > 0 && (word & WAITERS != 0 || word / ONE < n) {
                return Look::Short(word);
            }
            // Ordering: Acquire pairs with the Release in `raise`, so that what was done under these permits is seen.
            match self.word.compare_exchange_weak(
                word,
                word - n * ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Look::Taken,
                Err(now) => word = now,
            }
        }
    }

    /// Waits for `n` permits and takes them, for a caller at `place`.
    pub(super) fn take(&self, n: usize, place: Place) -> Take<'_> {
        Take {
            permits: self,
            want: n,
            waiter: Waiter::new(&self.queue, n).watched(Wait::Semaphore, place),
        }
    }

    /// Adds `n` permits and hands them to those that wait.
    ///
    /// # Panics
    ///
    /// Panics if there would be more than `MAX_PERMITS`. Nothing has been added then.
    #[track_caller]
    pub(super) fn add(&self, n: usize) {
        let added = self.raise(|held| held.checked_add(n).filter(|sum| *sum <= MAX_PERMITS));
        let Some(before) = added else {
            panic!("{TOO_MANY}");
        };
        self.serve_after(before);
    }

    /// Gives back `n` permits that were taken, and hands them to those that wait: invariant 5.
    #[inline]
    pub(super) fn give_back(&self, n: usize) {
        if n == 0 {
            return;
        }
        let given = self.raise(|held| Some(held.saturating_add(n).min(MAX_PERMITS)));
        self.serve_after(given.expect("whatever is given back fits"));
    }

    /// Raises the count to what `sum` makes of it, if anything, and returns the word as it was before.
    #[inline]
    fn raise(&self, sum: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        // Ordering: Release pairs with the Acquire in `look` and `serve`, so that the next holder sees what was done under
        // these permits.
        self.word
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                sum(word / ONE).map(|sum| sum * ONE + word % ONE)
            })
            .ok()
    }

    /// Called after the count was raised from `before`: invariant 3.
    #[inline]
    fn serve_after(&self, before: usize) {
        if before & WAITERS != 0 {
            let mut wakes = Wakes::default();
            self.serve(&mut self.queue.lock(), &mut wakes);
            wakes.wake_all();
        }
    }

    /// Takes up to `n` permits away for good, and returns how many.
    pub(super) fn forget(&self, n: usize) -> usize {
        // Ordering: hint only, the CAS decides.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & WAITERS != 0 {
                // Invariant 2: the permits that there are belong to somebody.
                return 0;
            }
            let taken = n.min(word / ONE);
            // The subtraction leaves the flags alone. Ordering: Acquire as in `look`.
            match self.word.compare_exchange_weak(
                word,
                word - taken * ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return taken,
                Err(now) => word = now,
            }
        }
    }

    /// Closes the semaphore: all that wait and all that come are refused.
    pub(super) fn close(&self) {
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        // Ordering: Release pairs with the Acquire in `is_closed`.
        self.word.fetch_or(CLOSED, Ordering::Release);
        while let Some(waker) = locked.pop_front(REFUSED) {
            wakes.push(waker);
        }
        // Invariant 1. Ordering: hint only, the lock orders it.
        self.word.fetch_and(!WAITERS, Ordering::Relaxed);
        drop(locked);
        wakes.wake_all();
    }

    /// Releases waiters at the front that can have what they want. Restores invariants 1 and 3.
    fn serve(&self, locked: &mut Locked<'_, usize>, wakes: &mut Wakes) {
        while let Some(want) = locked.front() {
            // Ordering: Acquire pairs with the Release in `raise`; the outcome's Release passes it on to the waiter.
            let taken = self
                .word
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                    (word / ONE >= want).then(|| word - want * ONE)
                });
            if taken.is_err() {
                // Whoever raises the word from here on sees WAITERS and comes here, after this hold of the lock.
                return;
            }
            wakes.push(locked.pop_front(GRANTED).expect("there is a front"));
        }
        // Ordering: hint only, the lock orders it.
        self.word.fetch_and(!WAITERS, Ordering::Relaxed);
    }

    /// Under the lock: takes `want` permits, or makes sure that WAITERS is set.
    fn take_or_announce(&self, want: usize) -> Look {
        loop {
            match self.look(want) {
                Look::Short(word) if word & WAITERS == 0 => {
                    // Ordering: hint only. If a `raise` comes first, it makes the CAS fail; if it comes later, it sees
                    // the flag.
                    let announced = self.word.compare_exchange(
                        word,
                        word | WAITERS,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    );
                    if announced.is_ok() {
                        return Look::Short(word);
                    }
                }
                decided => return decided,
            }
        }
    }
}

#[track_caller]
const fn assert_fits(permits: usize) {
    assert!(permits <= MAX_PERMITS, "{}", TOO_MANY);
}

pin_project! {
    /// The future of [`Permits::take`].
    pub(super) struct Take<'a> {
        permits: &'a Permits,
        want: usize,
        #[pin]
        waiter: Waiter<'a, usize>,
    }

    impl PinnedDrop for Take<'_> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl Take<'_> {
    /// Leaves the queue, or gives back permits that were granted and never seen: invariant 5.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let mut wakes = Wakes::default();
        let mut locked = this.permits.queue.lock();
        let removed = locked.remove(this.waiter.as_mut());
        if removed.is_some() {
            // The one that is first now may want less: invariant 3.
            this.permits.serve(&mut locked, &mut wakes);
        }
        drop(locked);
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| drop(removed));
        if this.waiter.standing() == Standing::Released(GRANTED) {
            panics.run(|| this.permits.give_back(*this.want));
        }
        panics.go_on();
    }

    fn poll_take(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Result<(), Closed>> {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            match this.permits.look(*this.want) {
                Look::Taken => return Poll::Ready(Ok(())),
                Look::Closed => return Poll::Ready(Err(Closed)),
                Look::Short(_) => {}
            }
            let waker = cx.waker().clone();
            let mut locked = this.permits.queue.lock();
            match this.permits.take_or_announce(*this.want) {
                Look::Taken => {
                    drop(locked);
                    or_undo(|| drop(waker), || this.permits.give_back(*this.want));
                    return Poll::Ready(Ok(()));
                }
                Look::Closed => return Poll::Ready(Err(Closed)),
                Look::Short(_) => locked.push_back(this.waiter, waker),
            }
            return Poll::Pending;
        }
        let outcome = ready!(this.waiter.as_mut().poll_queued(cx));
        this.waiter.reset();
        if outcome == REFUSED {
            return Poll::Ready(Err(Closed));
        }
        if this.permits.is_closed() {
            // Closed after the grant: invariant 5.
            this.permits.give_back(*this.want);
            return Poll::Ready(Err(Closed));
        }
        Poll::Ready(Ok(()))
    }
}

impl Future for Take<'_> {
    type Output = Result<(), Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let result = ready!(waits::noted(Wait::Semaphore, self.poll_take(cx)));
        unit.made_progress();
        Poll::Ready(result)
    }
}
