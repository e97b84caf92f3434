//! Waiting for a condition of the data behind a mutex.
//!
//! # Invariants
//!
//! 1. `waiting` ⇔ the queue is not empty, whenever the queue's lock is free. It is changed under that lock.
//! 2. A waiter is queued before it unlocks the mutex. So a task that locks the mutex after that, changes the data and
//!    then notifies, finds the waiter: the mutex orders the change of `waiting` before the notifier's look at it. A
//!    task that notifies without having held the mutex may find nobody, and nothing is promised to it.
//! 3. A waiter that was released with `ONE` stays so until it holds the mutex again. If it is dropped before that, it
//!    passes its notification on to the next in line. A waiter that was released with `ALL` has nothing to pass on: all
//!    others have been told.
//!
//! # Orderings
//!
//! The mutex orders the data, and the queue's lock orders the queue. Nothing is left for `waiting` to order (invariant
//! 2).

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::contain::at_last;
use crate::mutex::{Mutex, MutexGuard, OwnedMutexGuard};
use crate::park::block_on;
use crate::sys::atomic::{AtomicBool, Ordering};
use crate::waiting::{FIRST_OUTCOME, Locked, Outcome, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::{Wakes, wake};

/// The outcome of a waiter that [`Condvar::notify_one`] released.
const ONE: Outcome = FIRST_OUTCOME;
/// The outcome of a waiter that [`Condvar::notify_all`] released.
const ALL: Outcome = FIRST_OUTCOME + 1;

/// Waits for a condition of the data behind a [`Mutex`].
///
/// If a task holds the mutex and the data isn't as the task needs it, the task calls [`wait`](Self::wait). In one step
/// that unlocks the mutex and begins to wait. Once another task has changed the data and notified it, the task locks
/// the mutex again.
///
/// A notification says that the condition may hold, not that it does: a third task may lock the mutex in between. So
/// look again, or let [`wait_while`](Self::wait_while) do it. Unlike with std's `Condvar`, a waiter is never woken for
/// no reason.
///
/// # Fairness
///
/// [`notify_one`](Self::notify_one) wakes the task that has waited longest. That task then competes for the mutex like
/// any other.
///
/// # Examples
///
/// ```
/// use heist::sync::{Condvar, Mutex};
///
/// struct Jobs {
///     queue: Mutex<Vec<u32>>,
///     added: Condvar,
/// }
///
/// impl Jobs {
///     async fn add(&self, job: u32) {
///         self.queue.lock().await.push(job);
///         self.added.notify_one();
///     }
///
///     async fn next(&self) -> u32 {
///         let queue = self.queue.lock().await;
///         let mut queue = self.added.wait_while(queue, |queue| queue.is_empty()).await;
///         queue.pop().expect("it is not empty")
///     }
/// }
///
/// #[heist::main]
/// async fn main() {
///     let jobs = Jobs { queue: Mutex::new(vec![]), added: Condvar::new() };
///     let (job, ()) = heist::join!(jobs.next(), jobs.add(7));
///     assert_eq!(job, 7);
/// }
/// ```
pub struct Condvar {
    waiting: AtomicBool,
    queue: WaitQueue<()>,
}

impl Condvar {
    /// Makes a condition variable that nobody waits on.
    pub fn new() -> Self {
        Self {
            waiting: AtomicBool::new(false),
            queue: WaitQueue::new(),
        }
    }

    /// Like [`new`](Self::new), as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// static CHANGED: heist::sync::Condvar = heist::sync::Condvar::const_new();
    /// CHANGED.notify_all();
    /// ```
    #[cfg(not(heist_loom))]
    pub const fn const_new() -> Self {
        Self {
            waiting: AtomicBool::new(false),
            queue: WaitQueue::const_new(),
        }
    }

    /// Unlocks the mutex of `guard`, waits to be notified, and locks the mutex again.
    ///
    /// Notifications count from the first poll on, which unlocks the mutex; until then this task holds it. Waiters of
    /// one condition variable may use different mutexes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue, and the mutex is not locked again. If a notification had
    /// already reached it, that goes to the next task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let shared = Arc::new((Mutex::new(0), Condvar::new()));
    ///     let other = shared.clone();
    ///     let task = heist::spawn(async move {
    ///         let (number, changed) = &*other;
    ///         *number.lock().await = 7;
    ///         changed.notify_one();
    ///     });
    ///
    ///     let (number, changed) = &*shared;
    ///     let mut number = number.lock().await;
    ///     while *number == 0 {
    ///         number = changed.wait(number).await;
    ///     }
    ///     assert_eq!(*number, 7);
    ///     task.await.unwrap();
    /// }
    /// ```
    pub async fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = MutexGuard::mutex(&guard);
        self.wait_and_lock(guard, || mutex.lock()).await
    }

    /// Like [`wait`](Self::wait), with the guard of a mutex in an [`Arc`](std::sync::Arc).
    ///
    /// # Cancel safety
    ///
    /// The same as for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (number, changed) = (Arc::new(Mutex::new(0)), Arc::new(Condvar::new()));
    ///     let guard = number.clone().lock_owned().await;
    ///     let notified = changed.clone();
    ///     // The guard has no lifetime, so a task can take it along.
    ///     let waiting = heist::spawn(async move {
    ///         let mut guard = guard;
    ///         while *guard == 0 {
    ///             guard = notified.wait_owned(guard).await;
    ///         }
    ///         *guard
    ///     });
    ///
    ///     *number.lock().await = 7;
    ///     changed.notify_one();
    ///     assert_eq!(waiting.await.unwrap(), 7);
    /// }
    /// ```
    pub async fn wait_owned<T: ?Sized>(&self, guard: OwnedMutexGuard<T>) -> OwnedMutexGuard<T> {
        let mutex = OwnedMutexGuard::mutex(&guard).clone();
        self.wait_and_lock(guard, || Mutex::lock_owned(mutex)).await
    }

    /// Waits as long as `condition` returns true for the data. Doesn't wait if it returns false at once.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (items, changed) = (Mutex::new(vec![]), Condvar::new());
    ///     let three = async {
    ///         let items = items.lock().await;
    ///         let items = changed.wait_while(items, |items| items.len() < 3).await;
    ///         items.iter().sum::<i32>()
    ///     };
    ///     let add = async {
    ///         for i in 0..3 {
    ///             items.lock().await.push(i);
    ///             changed.notify_one();
    ///         }
    ///     };
    ///     let (sum, ()) = heist::join!(three, add);
    ///     assert_eq!(sum, 3);
    /// }
    /// ```
    pub async fn wait_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> MutexGuard<'a, T>
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Like [`wait`](Self::wait), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// let (number, changed) = (Mutex::new(0), Condvar::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *number.blocking_lock() = 7;
    ///         changed.notify_one();
    ///     });
    ///     let mut number = number.blocking_lock();
    ///     while *number == 0 {
    ///         number = changed.blocking_wait(number);
    ///     }
    ///     assert_eq!(*number, 7);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        block_on(self.wait(guard))
    }

    /// Like [`wait_while`](Self::wait_while), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *ready.blocking_lock() = true;
    ///         changed.notify_one();
    ///     });
    ///     let guard = changed.blocking_wait_while(ready.blocking_lock(), |ready| !*ready);
    ///     assert!(*guard);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait_while<'a, T, F>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: F,
    ) -> MutexGuard<'a, T>
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        block_on(self.wait_while(guard, condition))
    }

    /// Wakes the task that has waited longest, if any waits.
    ///
    /// Change the data under the mutex first: a task that begins to wait after that sees the change. A notification
    /// isn't kept if nobody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (places, freed) = (Mutex::new(0), Condvar::new());
    ///     let take = async {
    ///         let places = places.lock().await;
    ///         let mut places = freed.wait_while(places, |places| *places == 0).await;
    ///         *places -= 1;
    ///     };
    ///     let free = async {
    ///         *places.lock().await += 1;
    ///         // There is one place, so one task is enough.
    ///         freed.notify_one();
    ///     };
    ///     heist::join!(take, free);
    ///     assert_eq!(*places.lock().await, 0);
    /// }
    /// ```
    pub fn notify_one(&self) {
        // Ordering: hint only, by invariant 2.
        if !self.waiting.load(Ordering::Relaxed) {
            return;
        }
        let mut locked = self.queue.lock();
        let waker = locked.pop_front(ONE);
        self.settle(&locked);
        drop(locked);
        wake(waker);
    }

    /// Wakes all tasks that wait now.
    ///
    /// Call this if the change may let several tasks go on, or if tasks wait for different conditions.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Condvar, Mutex};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (open, changed) = (Mutex::new(false), Condvar::new());
    ///     let pass = || async {
    ///         let open = open.lock().await;
    ///         let _open = changed.wait_while(open, |open| !*open).await;
    ///     };
    ///     let open_it = async {
    ///         *open.lock().await = true;
    ///         changed.notify_all();
    ///     };
    ///     heist::join!(pass(), pass(), open_it);
    /// }
    /// ```
    pub fn notify_all(&self) {
        // Ordering: hint only, by invariant 2.
        if !self.waiting.load(Ordering::Relaxed) {
            return;
        }
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        while let Some(waker) = locked.pop_front(ALL) {
            wakes.push(waker);
        }
        self.settle(&locked);
        drop(locked);
        wakes.wake_all();
    }

    async fn wait_and_lock<G, F: Future<Output = G>>(
        &self,
        guard: G,
        lock: impl FnOnce() -> F,
    ) -> G {
        let mut waiting = pin!(Waiting {
            condvar: self,
            guard: Some(guard),
            waiter: Waiter::new(&self.queue, ()),
        });
        waiting.as_mut().await;
        // If this is dropped here, it still has the notification: invariant 3.
        let guard = lock().await;
        waiting.project().waiter.reset();
        guard
    }

    /// Restores invariant 1.
    fn settle(&self, locked: &Locked<'_, ()>) {
        if locked.is_empty() {
            // Ordering: hint only, by invariant 2.
            self.waiting.store(false, Ordering::Relaxed);
        }
    }
}

pin_project! {
    /// Completes once it has been notified. Its waiter stays as it was released.
    struct Waiting<'a, G> {
        condvar: &'a Condvar,
        // `Some` until it has been queued.
        guard: Option<G>,
        #[pin]
        waiter: Waiter<'a, ()>,
    }

    impl<G> PinnedDrop for Waiting<'_, G> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl<G> Waiting<'_, G> {
    /// Leaves the queue, or passes on a notification that was never used: invariant 3.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let mut locked = this.condvar.queue.lock();
        let removed = locked.remove(this.waiter.as_mut());
        if removed.is_some() {
            this.condvar.settle(&locked);
        }
        drop(locked);
        at_last(|| drop(removed));
        if this.waiter.standing() == Standing::Released(ONE) {
            this.condvar.notify_one();
        }
    }

    fn poll_waiting(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.guard.is_none() {
            return this.waiter.poll_queued(cx).map(|_| ());
        }
        let waker = cx.waker().clone();
        let mut locked = this.condvar.queue.lock();
        // Ordering: hint only, by invariant 2.
        this.condvar.waiting.store(true, Ordering::Relaxed);
        locked.push_back(this.waiter, waker);
        drop(locked);
        // Invariant 2. This wakes others, whose wakers may panic; this task waits by then.
        *this.guard = None;
        Poll::Pending
    }
}

impl<G> Future for Waiting<'_, G> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The mutex takes the unit of the budget; it comes next.
        ready!(waits::noted(Wait::Condvar, self.poll_waiting(cx)));
        Poll::Ready(())
    }
}

// A panic leaves the queue as it is between two steps.
impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
