//! A flag that tasks wait for, as in asyncio and trio.
//!
//! # Invariants
//!
//! 1. `set` rises under the queue's lock, and the queue is emptied in the same hold. A task queues under the lock if
//!    `set` is clear. So nobody is queued while the flag is set, whenever the lock is free.
//! 2. A task that was released is done, even if the flag is cleared meanwhile.
//!
//! # Orderings
//!
//! Setting is a Release, the second time too, and seeing the flag set is an Acquire of the same word. A task that was
//! released has the order from its waiter's outcome. So whoever gets past the flag sees what was done before it was
//! set.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::coop;
use crate::park::block_on;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::waiting::{FIRST_OUTCOME, Outcome, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::Wakes;

const CLEAR: u32 = 0;
const SET: u32 = 1;

/// The event was set.
const RELEASED: Outcome = FIRST_OUTCOME;

/// A flag that tasks [wait](Self::wait) for. It is clear at first; it can be [set](Self::set) and
/// [cleared](Self::clear).
///
/// Setting the flag releases all tasks that wait, in the order in which they came, even if it is cleared again before
/// they run. While it is set, nobody waits.
///
/// # Examples
///
/// ```
/// use heist::sync::Event;
///
/// let open = Event::new();
/// std::thread::scope(|threads| {
///     threads.spawn(|| open.blocking_wait());
///     open.set();
/// });
/// assert!(open.is_set());
/// open.clear();
/// assert!(!open.is_set());
/// ```
pub struct Event {
    word: AtomicU32,
    queue: WaitQueue<()>,
}

pin_project! {
    /// The future of [`Event::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct EventWait<'a> {
        event: &'a Event,
        #[pin]
        waiter: Waiter<'a, ()>,
    }
}

impl Event {
    /// Makes an event that is clear.
    pub fn new() -> Self {
        Self {
            word: AtomicU32::new(CLEAR),
            queue: WaitQueue::new(),
        }
    }

    /// Like [`new`](Self::new), as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// static STOPPED: heist::sync::Event = heist::sync::Event::const_new();
    /// STOPPED.set();
    /// ```
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new() -> Self {
        Self {
            word: AtomicU32::new(CLEAR),
            queue: WaitQueue::const_new(),
        }
    }

    /// Makes an event that is set, as a constant function.
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub(crate) const fn const_new_set() -> Self {
        Self {
            word: AtomicU32::new(SET),
            queue: WaitQueue::const_new(),
        }
    }

    /// Sets the flag, and releases all tasks that wait.
    ///
    /// [`wait`](Self::wait) has an example.
    pub fn set(&self) {
        // Ordering: Release pairs with the Acquire in `is_set`. If it was set already, nobody is queued (invariant 1).
        let again = self
            .word
            .compare_exchange(SET, SET, Ordering::Release, Ordering::Relaxed);
        if again.is_ok() {
            return;
        }
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        // Ordering: Release as above.
        self.word.swap(SET, Ordering::Release);
        while let Some(waker) = locked.pop_front(RELEASED) {
            wakes.push(waker);
        }
        drop(locked);
        wakes.wake_all();
    }

    /// Clears the flag: tasks that come from now on wait until it is set again.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = heist::sync::Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        // Ordering: hint only. A task that sees it clear learns nothing else by that.
        self.word.store(CLEAR, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    ///
    /// [`clear`](Self::clear) has an example.
    pub fn is_set(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `set`, so that what was done before it is seen.
        self.word.load(Ordering::Acquire) == SET
    }

    /// Waits until the flag is set. Completes at once if it is set already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::Event;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let ready = Arc::new(Event::new());
    ///     let set = ready.clone();
    ///     let task = heist::spawn(async move { set.set() });
    ///     ready.wait().await;
    ///     // It stays set until it is cleared.
    ///     ready.wait().await;
    ///     task.await.unwrap();
    /// }
    /// ```
    pub fn wait(&self) -> EventWait<'_> {
        EventWait {
            event: self,
            waiter: Waiter::new(&self.queue, ()),
        }
    }

    /// Like [`wait`](Self::wait), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let ready = heist::sync::Event::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| ready.set());
    ///     ready.blocking_wait();
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) {
        if !self.is_set() {
            block_on(self.wait());
        }
    }
}

impl EventWait<'_> {
    fn poll_wait(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.waiter.standing() != Standing::Idle {
            // Invariant 2.
            ready!(this.waiter.as_mut().poll_queued(cx));
            this.waiter.reset();
            return Poll::Ready(());
        }
        if this.event.is_set() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut locked = this.event.queue.lock();
        if this.event.is_set() {
            return Poll::Ready(());
        }
        // Invariant 1.
        locked.push_back(this.waiter, waker);
        Poll::Pending
    }
}

impl Future for EventWait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(waits::noted(Wait::Event, self.poll_wait(cx)));
        unit.made_progress();
        Poll::Ready(())
    }
}

// A panic leaves nothing half done: each step restores the invariants before it calls out.
impl UnwindSafe for Event {}
impl RefUnwindSafe for Event {}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish()
    }
}

impl fmt::Debug for EventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait")
            .field("event", self.event)
            .finish_non_exhaustive()
    }
}
