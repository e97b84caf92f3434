//! A place where tasks wait until all of them have come.
//!
//! # Invariants
//!
//! Everything is decided under the queue's lock. The words beside it are only for looking at.
//! 1. The queue holds the tasks that have come and wait, `waiting` of them, always fewer than `parties`. The last one
//!    to come doesn't queue: it empties the queue.
//! 2. While the barrier is broken nobody is queued, and tasks that come are refused.
//! 3. A task that was released has its result, whatever happens to the barrier meanwhile. If a task gives up while it
//!    is queued, it counts as if it had not come.

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

/// All tasks have come.
const COMPLETE: Outcome = FIRST_OUTCOME;
/// The barrier was reset or aborted.
const BROKEN: Outcome = FIRST_OUTCOME + 1;

/// A place where `n` tasks wait for each other. Once all have come they all go on, and the barrier can be used again.
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
    /// How many tasks have come: the queue's length.
    waiting: AtomicUsize,
    broken: AtomicBool,
    queue: WaitQueue<()>,
}

/// What [`Barrier::wait`] returns: whether this task is the leader.
#[derive(Debug, Clone)]
pub struct BarrierWaitResult(bool);

/// The barrier is broken, or it was reset or aborted while this task waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenBarrier(());

pin_project! {
    /// A wait. Its output says who leads.
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
    /// Makes a barrier for `n` tasks. 0 means the same as 1: no task ever waits.
    pub fn new(n: usize) -> Self {
        Self {
            parties: n.max(1),
            waiting: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            queue: WaitQueue::new(),
        }
    }

    /// Waits until all tasks have come: as many as the barrier is for. The task that came last is the leader.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before all have come, this task counts as if it had not come, and the others wait for
    /// another one.
    ///
    /// # Panics
    ///
    /// Panics if the barrier is broken or is reset meanwhile. Only [`abort`](Self::abort) and [`reset`](Self::reset) do
    /// that; if you use them, call [`checked_wait`](Self::checked_wait) instead. The panic's message names the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Barrier;
    /// use heist::task::JoinSet;
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let barrier = Arc::new(Barrier::new(3));
    ///     let mut tasks = JoinSet::new();
    ///     for _ in 0..3 {
    ///         let barrier = barrier.clone();
    ///         tasks.spawn(async move { barrier.wait().await.is_leader() });
    ///     }
    ///     let leaders = tasks.join_all().await;
    ///     assert_eq!(leaders.into_iter().filter(|leads| *leads).count(), 1);
    /// }
    /// ```
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

    /// Like [`wait`](Self::wait), but returns an error if the barrier is broken.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// [`BrokenBarrier`] if the barrier is broken, or if it is [reset](Self::reset) or [aborted](Self::abort)
    /// meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Barrier;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let barrier = Barrier::new(2);
    ///     let fails = async { barrier.abort() };
    ///     let (result, ()) = heist::join!(barrier.checked_wait(), fails);
    ///     assert!(result.is_err());
    /// }
    /// ```
    pub async fn checked_wait(&self) -> Result<BarrierWaitResult, BrokenBarrier> {
        let arrive = Arrive {
            barrier: self,
            waiter: Waiter::new(&self.queue, ()),
        };
        arrive.await
    }

    /// Like [`wait`](Self::wait), but blocks the thread.
    ///
    /// # Panics
    ///
    /// The same as for [`wait`](Self::wait).
    ///
    /// [`Barrier`] has an example.
    #[track_caller]
    pub fn blocking_wait(&self) -> BarrierWaitResult {
        match self.blocking_checked_wait() {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Like [`checked_wait`](Self::checked_wait), but blocks the thread.
    ///
    /// # Errors
    ///
    /// The same as for [`checked_wait`](Self::checked_wait).
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = heist::sync::Barrier::new(2);
    /// barrier.abort();
    /// assert!(barrier.blocking_checked_wait().is_err());
    /// ```
    #[track_caller]
    pub fn blocking_checked_wait(&self) -> Result<BarrierWaitResult, BrokenBarrier> {
        block_on(self.checked_wait())
    }

    /// Makes the barrier as new. Tasks that wait get an error, and tasks that come from now on are counted from one.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = heist::sync::Barrier::new(1);
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(!barrier.is_broken());
    /// assert!(barrier.blocking_wait().is_leader());
    /// ```
    pub fn reset(&self) {
        self.turn_away(false);
    }

    /// Breaks the barrier. Tasks that wait, and tasks that come until it is [reset](Self::reset), get an error. Call
    /// this if a task can't come, so that the others don't wait for ever.
    ///
    /// [`checked_wait`](Self::checked_wait) has an example.
    pub fn abort(&self) {
        self.turn_away(true);
    }

    /// Whether the barrier was broken by [`abort`](Self::abort).
    ///
    /// [`reset`](Self::reset) has an example.
    pub fn is_broken(&self) -> bool {
        // Ordering: hint only. The lock decides.
        self.broken.load(Ordering::Relaxed)
    }

    /// The number of tasks that the barrier is for.
    ///
    /// [`num_waiting`](Self::num_waiting) has an example.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// The number of tasks that wait now.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let barrier = heist::sync::Barrier::new(3);
    /// let mut wait = pin!(barrier.wait());
    /// assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert_eq!((barrier.num_waiting(), barrier.parties()), (1, 3));
    /// ```
    pub fn num_waiting(&self) -> usize {
        // Ordering: hint only. The lock decides.
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
    /// Counts this task as not come, unless all have come: invariant 3.
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
    /// Whether this task came last. True for exactly one of the tasks that were released together.
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
