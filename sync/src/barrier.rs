//! A place where tasks wait until all have come.
//!
//! # Invariants
//!
//! All of it is decided under the queue's lock; the words beside it are for looking at.
//! 1. The queue holds those who have come and wait, `waiting` of them, always fewer than `parties`. The one that would
//!    make them complete doesn't queue: it empties the queue.
//! 2. While the barrier is broken nobody is queued, and who comes is refused.
//! 3. A task that was released has its result, whatever becomes of the barrier meanwhile; one that gives up while queued
//!    hasn't come.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::contain::{Panics, at_last};
use crate::coop;
use crate::park::block_on;
use crate::sys::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::waiting::{FIRST_OUTCOME, Locked, Outcome, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::Wakes;

/// All have come.
const COMPLETE: Outcome = FIRST_OUTCOME;
/// The barrier was reset or aborted.
const BROKEN: Outcome = FIRST_OUTCOME + 1;

/// A place where tasks wait until `n` of them have come, again and again.
///
/// # Examples
///
/// ```
/// use heist::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = std::thread::scope(|threads| {
///     let all: Vec<_> = (0..3)
///         .map(|_| threads.spawn(|| barrier.blocking_wait().is_leader()))
///         .collect();
///     all.into_iter().filter_map(|one| one.join().ok()).filter(|&leads| leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
pub struct Barrier {
    parties: usize,
    /// How many have come: the queue's length.
    waiting: AtomicUsize,
    broken: AtomicBool,
    queue: WaitQueue<()>,
}

/// What [`Barrier::wait`] gives: whether this task leads the others.
#[derive(Debug, Clone)]
pub struct BarrierWaitResult(bool);

/// The barrier was reset or aborted while this task waited, or is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenBarrier(());

pin_project! {
    /// A wait: its output says who leads.
    struct Arrive<'a> {
        barrier: &'a Barrier,
        #[pin]
        waiter: Waiter<'a, ()>,
    }

    impl PinnedDrop for Arrive<'_> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl Barrier {
    /// A barrier for `n` tasks; 0 is taken for 1, as with one no task ever waits.
    pub fn new(n: usize) -> Self {
        Self {
            parties: n.max(1),
            waiting: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            queue: WaitQueue::new(),
        }
    }

    /// Waits until all have come: completes once so many wait here as the barrier is for. The one that came last leads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before all have come takes this task's coming back: the others wait for another.
    ///
    /// # Panics
    ///
    /// If the barrier is broken, or is reset meanwhile; only [`abort`](Self::abort) and [`reset`](Self::reset) do that.
    /// Where they are used, take [`checked_wait`](Self::checked_wait). The panic's message names the caller.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = BarrierWaitResult> {
        let place = Location::caller();
        async move {
            match self.checked_wait().await {
                Ok(result) => result,
                Err(error) => panic!("{error} that was waited at in {place}"),
            }
        }
    }

    /// As [`wait`](Self::wait), and hears of it where the barrier is broken.
    ///
    /// # Cancel safety
    ///
    /// As of [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Where the barrier is broken, or is [reset](Self::reset) or [aborted](Self::abort) meanwhile.
    pub async fn checked_wait(&self) -> Result<BarrierWaitResult, BrokenBarrier> {
        let arrive = Arrive {
            barrier: self,
            waiter: Waiter::new(&self.queue, ()),
        };
        arrive.await
    }

    /// As [`wait`](Self::wait), by blocking this thread.
    ///
    /// # Panics
    ///
    /// As of [`wait`](Self::wait).
    #[track_caller]
    pub fn blocking_wait(&self) -> BarrierWaitResult {
        match self.blocking_checked_wait() {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`checked_wait`](Self::checked_wait), by blocking this thread.
    ///
    /// # Errors
    ///
    /// As of [`checked_wait`](Self::checked_wait).
    #[track_caller]
    pub fn blocking_checked_wait(&self) -> Result<BarrierWaitResult, BrokenBarrier> {
        block_on(self.checked_wait())
    }

    /// Makes the barrier as new: those who wait hear that it broke, those who come from now on are counted from one.
    pub fn reset(&self) {
        self.turn_away(false);
    }

    /// Breaks the barrier: those who wait, and those who come until it is [reset](Self::reset), hear of it. For one who
    /// can't come, lest the others wait for ever.
    pub fn abort(&self) {
        self.turn_away(true);
    }

    /// Whether the barrier is broken, by [`abort`](Self::abort).
    pub fn is_broken(&self) -> bool {
        // Ordering: hint only; it is decided under the lock.
        self.broken.load(Ordering::Relaxed)
    }

    /// For how many tasks it is.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many wait now.
    pub fn num_waiting(&self) -> usize {
        // Ordering: hint only; it is decided under the lock.
        self.waiting.load(Ordering::Relaxed)
    }

    fn turn_away(&self, broken: bool) {
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        // Ordering: hint only; the lock orders it.
        self.broken.store(broken, Ordering::Relaxed);
        self.release(&mut locked, BROKEN, &mut wakes);
        drop(locked);
        wakes.wake_all();
    }

    /// Empties the queue: invariant 1.
    fn release(&self, locked: &mut Locked<'_, ()>, outcome: Outcome, wakes: &mut Wakes) {
        // Ordering: hint only; the lock orders it.
        self.waiting.store(0, Ordering::Relaxed);
        while let Some(waker) = locked.pop_front(outcome) {
            wakes.push(waker);
        }
    }
}

impl Arrive<'_> {
    /// Takes the coming back, unless all have come: invariant 3.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() != Standing::Queued {
            return;
        }
        let mut locked = this.barrier.queue.lock();
        let removed = locked.remove(this.waiter.as_mut());
        if removed.is_some() {
            // Ordering: hint only; the lock orders it.
            this.barrier.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        drop(locked);
        at_last(|| drop(removed));
    }

    fn poll_arrive(
        self: Pin<&mut Self>,
        cx: &Context<'_>,
    ) -> Poll<Result<BarrierWaitResult, BrokenBarrier>> {
        let mut this = self.project();
        if this.waiter.standing() != Standing::Idle {
            let outcome = ready!(this.waiter.as_mut().poll_queued(cx));
            this.waiter.reset();
            return Poll::Ready(match outcome {
                COMPLETE => Ok(BarrierWaitResult(false)),
                _ => Err(BrokenBarrier(())),
            });
        }
        let waker = cx.waker().clone();
        let mut wakes = Wakes::default();
        let mut locked = this.barrier.queue.lock();
        // Orderings: hint only; the lock orders it.
        if this.barrier.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(BrokenBarrier(())));
        }
        let come = this.barrier.waiting.load(Ordering::Relaxed) + 1;
        if come < this.barrier.parties {
            this.barrier.waiting.store(come, Ordering::Relaxed);
            locked.push_back(this.waiter, waker);
            return Poll::Pending;
        }
        this.barrier.release(&mut locked, COMPLETE, &mut wakes);
        drop(locked);
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| drop(waker));
        panics.go_on();
        Poll::Ready(Ok(BarrierWaitResult(true)))
    }
}

impl Future for Arrive<'_> {
    type Output = Result<BarrierWaitResult, BrokenBarrier>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let result = ready!(waits::noted(Wait::Barrier, self.poll_arrive(cx)));
        unit.made_progress();
        Poll::Ready(result)
    }
}

impl BarrierWaitResult {
    /// Whether this task came last: true for one of those who were released together.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

// A panic leaves nothing half done: each step restores the invariants before it calls out.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.num_waiting())
            .field("broken", &self.is_broken())
            .finish()
    }
}

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier was broken")
    }
}

impl Error for BrokenBarrier {}
