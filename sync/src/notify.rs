//! Telling tasks that something has happened, without saying what.
//!
//! # The word
//!
//! `generation << 2 | state`, where `state` is `EMPTY`, `WAITING` (the queue is not empty) or `NOTIFIED` (a permit
//! is there for the next to come), and `generation` counts the calls of `notify_waiters`.
//!
//! # Invariants
//!
//! 1. `WAITING` ⇔ the queue is not empty, whenever the queue's lock is free. A change to or from `WAITING`, and a
//!    change of the generation, is made under the lock. Between `EMPTY` and `NOTIFIED` anyone may move by CAS.
//! 2. A [`Notified`] remembers the generation in which it was made, and is complete once that generation has passed. It
//!    looks at that before it takes a permit. So a `notify_waiters` that came before its first poll completes it, and
//!    the permit stays for a task that needs it.
//! 3. If a waiter was released with `ONE` and is dropped before it looked, it passes its notification on in the same
//!    way. A waiter that was released with `ALL` has nothing to pass on: all others have been told too.
//!
//! # Orderings
//!
//! A notification is a Release, of the word or of a waiter's outcome; receiving it is an Acquire of the same. So what
//! was done before the one is seen after the other. A `notify_one` that finds the permit already there is a Release
//! too: the task that takes the permit sees what every notifier did.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::contain::{at_last, or_undo};
use crate::coop;
use crate::park::block_on;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::waiting::{FIRST_OUTCOME, KeptWaiter, Locked, Outcome, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::{Wakes, wake};

const EMPTY: usize = 0;
const WAITING: usize = 1;
const NOTIFIED: usize = 2;
const STATE: usize = 3;
/// One generation in the word.
const GENERATION: usize = 4;

/// The outcome of a waiter that [`Notify::notify_one`] released.
const ONE_FIRST: Outcome = FIRST_OUTCOME;
/// The outcome of a waiter that [`Notify::notify_last`] released.
const ONE_LAST: Outcome = FIRST_OUTCOME + 1;
/// The outcome of a waiter that [`Notify::notify_waiters`] released.
const ALL: Outcome = FIRST_OUTCOME + 2;

/// Tells tasks that something has happened.
///
/// It holds at most one permit. [`notify_one`](Self::notify_one) wakes the task that has waited longest. If no task
/// waits, it leaves the permit for the next [`notified`](Self::notified). [`notify_waiters`](Self::notify_waiters)
/// wakes all tasks that wait, and leaves no permit.
///
/// # Examples
///
/// A task that is notified before it waits does not wait:
///
/// ```
/// use heist::sync::Notify;
///
/// #[heist::main]
/// async fn main() {
///     let ready = Notify::new();
///     ready.notify_one();
///     ready.notified().await;
/// }
/// ```
pub struct Notify {
    word: AtomicUsize,
    queue: WaitQueue<()>,
}

pin_project! {
    /// The future of [`Notify::notified`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Notified<'a> {
        notify: &'a Notify,
        progress: Progress,
        #[pin]
        waiter: Waiter<'a, ()>,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            this.listen().cancel();
        }
    }
}

pin_project! {
    /// The future of [`Notify::notified_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct OwnedNotified {
        progress: Progress,
        #[pin]
        waiter: KeptWaiter<Arc<Notify>, ()>,
    }

    impl PinnedDrop for OwnedNotified {
        fn drop(this: Pin<&mut Self>) {
            this.listen().cancel();
        }
    }
}

/// How far a waiting task has come.
struct Progress {
    /// The word's generation when it was made: invariant 2.
    generation: usize,
    done: bool,
}

/// Either kind of future, while it is polled or dropped.
struct Listen<'w, 'q> {
    notify: &'w Notify,
    progress: &'w mut Progress,
    waiter: Pin<&'w mut Waiter<'q, ()>>,
}

impl Notify {
    /// Makes a `Notify` without a permit.
    pub fn new() -> Self {
        Self {
            word: AtomicUsize::new(EMPTY),
            queue: WaitQueue::new(),
        }
    }

    /// Like [`new`](Self::new), as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// static CHANGED: heist::sync::Notify = heist::sync::Notify::const_new();
    /// CHANGED.notify_one();
    /// ```
    #[cfg(not(heist_loom))]
    pub const fn const_new() -> Self {
        Self {
            word: AtomicUsize::new(EMPTY),
            queue: WaitQueue::const_new(),
        }
    }

    /// Waits to be notified. Completes with the permit, if there is one, or once a notification reaches this task.
    ///
    /// The future is completed by a [`notify_waiters`](Self::notify_waiters) from this call on, and by a
    /// [`notify_one`](Self::notify_one) from its first poll (or [`enable`](Notified::enable)) on; the permit bridges
    /// the gap. To miss no `notify_waiters`, call this first, then look whether you still have to wait, and then await
    /// the future.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue. If a `notify_one` had already reached it, that goes to the
    /// next task.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Notify;
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let notify = Arc::new(Notify::new());
    ///     let waiting = heist::spawn({
    ///         let notify = notify.clone();
    ///         async move { notify.notified().await }
    ///     });
    ///     // It doesn't matter which comes first: the notification is kept for the task.
    ///     notify.notify_one();
    ///     waiting.await.expect("no panic");
    /// }
    /// ```
    #[inline]
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            progress: self.begin(),
            waiter: Waiter::new(&self.queue, ()),
        }
    }

    /// Like [`notified`](Self::notified), for a `Notify` in an [`Arc`]: the future owns a share of it, and may be moved
    /// into a task.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`notified`](Self::notified).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Notify;
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let ready = Arc::new(Notify::new());
    ///     let notified = ready.clone().notified_owned();
    ///     let task = heist::spawn(async move { notified.await });
    ///     ready.notify_waiters();
    ///     task.await.unwrap();
    /// }
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified {
            progress: self.begin(),
            waiter: KeptWaiter::new(self, |notify| &notify.queue, ()),
        }
    }

    /// Like [`notified`](Self::notified), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let ready = heist::sync::Notify::new();
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| ready.notify_one());
    ///     ready.blocking_notified();
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_notified(&self) {
        block_on(self.notified());
    }

    fn begin(&self) -> Progress {
        // Ordering: Acquire pairs with the Release in `notify_waiters`. If the caller looks after this at what the
        // notifier changed, it sees the change or is notified.
        let word = self.word.load(Ordering::Acquire);
        Progress {
            generation: word & !STATE,
            done: false,
        }
    }

    /// Notifies the task that has waited longest. If no task waits, leaves a permit.
    ///
    /// [`notified`](Self::notified) has an example.
    pub fn notify_one(&self) {
        self.notify(ONE_FIRST);
    }

    /// Notifies the task that came last. If no task waits, leaves a permit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let notify = heist::sync::Notify::new();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let (mut first, mut last) = (pin!(notify.notified()), pin!(notify.notified()));
    /// assert!(first.as_mut().poll(&mut cx).is_pending());
    /// assert!(last.as_mut().poll(&mut cx).is_pending());
    ///
    /// notify.notify_last();
    /// assert!(first.as_mut().poll(&mut cx).is_pending());
    /// assert!(last.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn notify_last(&self) {
        self.notify(ONE_LAST);
    }

    /// Notifies all tasks that wait now, and all [`Notified`] futures that have not been polled yet. Leaves no permit.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Notify;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let notify = Notify::new();
    ///     // Both are there before the notification, so both get it.
    ///     let (one, other) = (notify.notified(), notify.notified());
    ///     notify.notify_waiters();
    ///     heist::join!(one, other);
    /// }
    /// ```
    pub fn notify_waiters(&self) {
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        // Ordering: Release pairs with the Acquire in `take`, for futures that are not queued yet.
        self.update(|word| {
            let state = if word & STATE == WAITING {
                EMPTY
            } else {
                word & STATE
            };
            Some(((word & !STATE).wrapping_add(GENERATION)) | state)
        })
        .expect("it always changes");
        while let Some(waker) = locked.pop_front(ALL) {
            wakes.push(waker);
        }
        drop(locked);
        wakes.wake_all();
    }

    /// Gives one notification in the way that `how` says.
    fn notify(&self, how: Outcome) {
        let left_permit =
            self.update(|word| (word & STATE != WAITING).then_some((word & !STATE) | NOTIFIED));
        if left_permit.is_ok() {
            return;
        }
        let mut locked = self.queue.lock();
        let waker = self.notify_locked(&mut locked, how);
        drop(locked);
        wake(waker);
    }

    fn notify_locked(&self, locked: &mut Locked<'_, ()>, how: Outcome) -> Option<std::task::Waker> {
        let waker = if how == ONE_LAST {
            locked.pop_back(how)
        } else {
            locked.pop_front(how)
        };
        let state = match waker {
            None => NOTIFIED,
            Some(_) => EMPTY,
        };
        self.settle(locked, state);
        waker
    }

    /// Restores invariant 1 after a pop or a removal. If the queue is empty, the new state is `state`.
    fn settle(&self, locked: &Locked<'_, ()>, state: usize) {
        if locked.is_empty() {
            // A permit that has come beside the lock since the queue was emptied is not overwritten.
            let _ = self.update(|word| {
                (word & STATE == WAITING || state == NOTIFIED).then_some((word & !STATE) | state)
            });
        }
    }

    /// Takes the permit, or sees that the generation has passed: invariant 2.
    fn take(&self, generation: usize) -> bool {
        let taken = self.update(|word| {
            let current = word & !STATE == generation;
            (current && word & STATE == NOTIFIED).then_some(word & !STATE)
        });
        match taken {
            Ok(_) => true,
            Err(word) => word & !STATE != generation,
        }
    }

    /// Under the lock: like `take`, and then returns whether the permit was taken. Otherwise sets `WAITING`, which the
    /// caller makes true by queueing.
    fn take_or_announce(&self, generation: usize) -> Option<bool> {
        let before = self.update(|word| {
            if word & !STATE != generation {
                return None;
            }
            let state = if word & STATE == NOTIFIED {
                EMPTY
            } else {
                WAITING
            };
            Some((word & !STATE) | state)
        });
        match before {
            Ok(word) => (word & STATE == NOTIFIED).then_some(true),
            Err(_) => Some(false),
        }
    }

    fn update(&self, f: impl FnMut(usize) -> Option<usize>) -> Result<usize, usize> {
        // Ordering: Release, so that a task that receives a notification sees what its notifier did. Acquire, so that a
        // task that takes a permit sees what those did that left it. The two pair with each other, through this word.
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, f)
    }
}

impl<'a> Notified<'a> {
    /// Queues the future without polling it, so that a [`Notify::notify_one`] can reach it from now on. Returns true if
    /// it is complete already.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Notify;
    /// use std::pin::pin;
    /// let notify = Notify::new();
    /// let mut first = pin!(notify.notified());
    /// assert!(!first.as_mut().enable());
    /// notify.notify_one();
    /// assert!(first.as_mut().enable());
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.listen().enable()
    }

    fn listen(self: Pin<&mut Self>) -> Listen<'_, 'a> {
        let this = self.project();
        Listen {
            notify: this.notify,
            progress: this.progress,
            waiter: this.waiter,
        }
    }
}

impl OwnedNotified {
    /// Like [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.listen().enable()
    }

    fn listen(self: Pin<&mut Self>) -> Listen<'_, 'static> {
        let this = self.project();
        let (waiter, notify) = this.waiter.parts();
        Listen {
            notify,
            progress: this.progress,
            waiter,
        }
    }
}

impl Listen<'_, '_> {
    fn enable(self) -> bool {
        self.step(&Context::from_waker(std::task::Waker::noop()), true)
            .is_ready()
    }

    fn poll(self, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(waits::noted(Wait::Notify, self.step(cx, false)));
        unit.made_progress();
        Poll::Ready(())
    }

    fn step(mut self, cx: &Context<'_>, enable: bool) -> Poll<()> {
        let Progress { generation, done } = self.progress;
        if *done {
            return Poll::Ready(());
        }
        match self.waiter.standing() {
            Standing::Idle => {
                if !self.notify.take(*generation) {
                    let waker = cx.waker().clone();
                    let mut locked = self.notify.queue.lock();
                    let Some(permit) = self.notify.take_or_announce(*generation) else {
                        locked.push_back(self.waiter, waker);
                        return Poll::Pending;
                    };
                    drop(locked);
                    let pass_on = || {
                        if permit {
                            self.notify.notify_one();
                        }
                    };
                    or_undo(|| drop(waker), pass_on);
                }
            }
            Standing::Queued if enable => return Poll::Pending,
            Standing::Queued | Standing::Released(_) => {
                ready!(self.waiter.as_mut().poll_queued(cx));
                self.waiter.reset();
            }
        }
        *done = true;
        Poll::Ready(())
    }

    /// Leaves the queue, or passes on a notification that was never seen: invariant 3.
    #[inline]
    fn cancel(self) {
        if self.waiter.standing() != Standing::Idle {
            self.leave();
        }
    }

    #[cold]
    fn leave(mut self) {
        let mut locked = self.notify.queue.lock();
        let removed = locked.remove(self.waiter.as_mut());
        if removed.is_some() {
            self.notify.settle(&locked, EMPTY);
        }
        drop(locked);
        at_last(|| drop(removed));
        if let Standing::Released(how @ (ONE_FIRST | ONE_LAST)) = self.waiter.standing() {
            self.notify.notify(how);
        }
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.listen().poll(cx)
    }
}

impl Future for OwnedNotified {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.listen().poll(cx)
    }
}

// A panic leaves the word and the queue as they are between two steps: each step restores the invariants before it
// calls out.
impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: hint only.
        let state = match self.word.load(Ordering::Relaxed) & STATE {
            WAITING => "waiting",
            NOTIFIED => "notified",
            _ => "empty",
        };
        f.debug_struct("Notify").field("state", &state).finish()
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified")
            .field("notify", self.notify)
            .field("done", &self.progress.done)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedNotified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedNotified")
            .field("notify", self.waiter.kept())
            .field("done", &self.progress.done)
            .finish_non_exhaustive()
    }
}
