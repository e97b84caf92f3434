//! Queues of work, as asyncio has them: first in first out, last in first out, and the least first; with a bound or
//! without, and with a count of the work that isn't done yet.
//!
//! A queue is shared by reference, or in an [`Arc`](std::sync::Arc): it has no ends that close it, so it ends by
//! [`shutdown`](OrderedQueue::shutdown). Where messages end with their senders, take [`mpsc`](crate::mpsc) or
//! [`mpmc`](crate::mpmc).
//!
//! | asyncio | here |
//! |---|---|
//! | `Queue(n)`, `Queue()` | [`Queue::bounded(n)`](OrderedQueue::bounded), [`Queue::unbounded()`](OrderedQueue::unbounded) |
//! | `put_nowait`, `get_nowait` | [`try_put`](OrderedQueue::try_put), [`try_get`](OrderedQueue::try_get) |
//! | `qsize`, `empty`, `full`, `maxsize` | [`len`](OrderedQueue::len), [`is_empty`](OrderedQueue::is_empty), [`is_full`](OrderedQueue::is_full), [`max_capacity`](OrderedQueue::max_capacity) |
//! | `QueueShutDown` | [`ShutDown`], [`PutError`], which gives the item back |
//!
//! # How it is made
//!
//! The items lie in a store under a lock. Two semaphores say who may touch it: `room` holds a permit for each item that
//! still fits, `items` one for each that lies there. Their queues are first come, first served, and lose nothing to a
//! cancelled wait, so neither do these.
//!
//! Invariants:
//! 1. An item is pushed by one who took a permit of `room`, under the lock, and its permit is given to `items` after
//!    that. So who holds a permit of `items` finds an item, until the queue is shut down.
//! 2. `shut` is set under the lock and never cleared, and nothing is pushed from then on. The semaphores are closed
//!    after that: who puts is refused, and who gets looks into the store without a permit, until it is empty.
//! 3. `unfinished` is what was put less what was done or drained, and `finishes` counts how often that came to 0. Whoever
//!    brings it there calls `finished` after that. Who joins asks for a notification first and looks at both then; and
//!    again once notified, as that may be late news of an earlier end.

mod error;
mod order;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use self::error::{PutError, ShutDown, TryGetError, TryPutError};
pub use self::order::{Fifo, Lifo, Order, Priority};
use crate::contain::{Panics, contain};
use crate::park::block_on;
use crate::sys::Mutex;
use crate::waits::{Wait, noting};
use crate::{Notify, Semaphore, TryAcquireError};

/// A queue that gives out first what was put first.
///
/// # Examples
///
/// Workers share the work, and `join` waits until all of it is done:
///
/// ```
/// use heist::sync::queue::Queue;
///
/// let work = Queue::bounded(2);
/// std::thread::scope(|threads| {
///     for _ in 0..3 {
///         threads.spawn(|| {
///             while let Ok(_item) = work.blocking_get() {
///                 work.task_done();
///             }
///         });
///     }
///     for item in 0..10 {
///         work.blocking_put(item).expect("it is open");
///     }
///     work.blocking_join();
///     work.shutdown(false);
/// });
/// assert!(work.is_empty());
/// ```
pub type Queue<T> = OrderedQueue<T, Fifo>;

/// A queue that gives out first what was put last.
///
/// # Examples
///
/// ```
/// use heist::sync::queue::LifoQueue;
///
/// let stack = LifoQueue::unbounded();
/// stack.try_put("below").unwrap();
/// stack.try_put("above").unwrap();
/// assert_eq!(stack.try_get(), Ok("above"));
/// ```
pub type LifoQueue<T> = OrderedQueue<T, Lifo>;

/// A queue that gives out the least item first, and of those that are equal the one that was put first. For the greatest
/// first, put [`Reverse`](std::cmp::Reverse)s.
///
/// Items are compared under the queue's lock, so a comparison must not use the queue; the drop of an item may. One that
/// panics does so in the caller: the item that it was to put is in the queue then, the one that it was to get is still
/// there, and the order of the others isn't kept.
///
/// # Examples
///
/// ```
/// use heist::sync::queue::PriorityQueue;
///
/// let jobs = PriorityQueue::unbounded();
/// jobs.try_put((2, "wash")).unwrap();
/// jobs.try_put((1, "fill")).unwrap();
/// assert_eq!(jobs.try_get(), Ok((1, "fill")));
/// ```
pub type PriorityQueue<T> = OrderedQueue<T, Priority>;

/// What [`Queue`], [`LifoQueue`] and [`PriorityQueue`] have in common; `O` is the order in which items are given out.
pub struct OrderedQueue<T, O: Order<T> = Fifo> {
    state: Mutex<State<O::Store>>,
    /// Room for how many more items; `None`: there is no bound.
    room: Option<Semaphore>,
    items: Semaphore,
    finished: Notify,
    max_capacity: Option<usize>,
}

struct State<S> {
    store: S,
    unfinished: usize,
    finishes: usize,
    shut: bool,
}

impl<S> State<S> {
    /// So many more are done. Whether all are now, the caller having to say so (invariant 3); `None` where there weren't
    /// so many.
    fn done(&mut self, n: usize) -> Option<bool> {
        let left = self.unfinished.checked_sub(n)?;
        let finished = n > 0 && left == 0;
        self.unfinished = left;
        self.finishes = self.finishes.wrapping_add(usize::from(finished));
        Some(finished)
    }
}

impl<T, O: Order<T>> OrderedQueue<T, O> {
    /// A queue with room for `max_capacity` items.
    ///
    /// # Panics
    ///
    /// With a capacity of 0, and of more than [`Semaphore::MAX_PERMITS`].
    #[track_caller]
    pub fn bounded(max_capacity: usize) -> Self {
        assert!(max_capacity > 0, "a queue has room for at least one item");
        Self::new(Some(Semaphore::new(max_capacity)), Some(max_capacity))
    }

    /// A queue with room for any number of items.
    pub fn unbounded() -> Self {
        Self::new(None, None)
    }

    fn new(room: Option<Semaphore>, max_capacity: Option<usize>) -> Self {
        Self {
            state: Mutex::new(State {
                store: O::Store::default(),
                unfinished: 0,
                finishes: 0,
                shut: false,
            }),
            room,
            items: Semaphore::new(0),
            finished: Notify::new(),
            max_capacity,
        }
    }

    /// Puts `item` in: completes once there is room for it, and everybody who came before has had theirs. The item
    /// counts as unfinished until [`task_done`](Self::task_done) is called for it.
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item where the queue is shut down, before or meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place among those who wait, and drops the item: it isn't in the queue then.
    pub async fn put(&self, item: T) -> Result<(), PutError<T>> {
        if let Some(room) = &self.room {
            match noting(Wait::QueuePut, room.acquire()).await {
                Ok(permit) => permit.forget(),
                Err(_) => return Err(PutError(item)),
            }
        }
        self.push(item)
    }

    /// Puts `item` in, if there is room now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// With the item where there isn't, and where the queue is shut down.
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        match self.room.as_ref().map(Semaphore::try_acquire) {
            None => {}
            Some(Ok(permit)) => permit.forget(),
            Some(Err(TryAcquireError::NoPermits)) => return Err(TryPutError::Full(item)),
            Some(Err(TryAcquireError::Closed)) => return Err(TryPutError::ShutDown(item)),
        }
        self.push(item)
            .map_err(|PutError(item)| TryPutError::ShutDown(item))
    }

    /// As [`put`](Self::put), by blocking this thread.
    ///
    /// # Errors
    ///
    /// As of [`put`](Self::put).
    #[track_caller]
    pub fn blocking_put(&self, item: T) -> Result<(), PutError<T>> {
        block_on(self.put(item))
    }

    /// Takes an item out: completes once there is one, and everybody who came before has had theirs.
    ///
    /// # Errors
    ///
    /// [`ShutDown`] where the queue is shut down and has no items left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item, and gives up the place among those who wait.
    pub async fn get(&self) -> Result<T, ShutDown> {
        if let Ok(permit) = noting(Wait::QueueGet, self.items.acquire()).await {
            permit.forget();
        }
        self.pop()
    }

    /// Takes an item out, if there is one now that nobody waits for.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn try_get(&self) -> Result<T, TryGetError> {
        match self.items.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(TryGetError::Empty),
            Err(TryAcquireError::Closed) => {}
        }
        self.pop().map_err(|ShutDown(())| TryGetError::ShutDown)
    }

    /// As [`get`](Self::get), by blocking this thread.
    ///
    /// # Errors
    ///
    /// As of [`get`](Self::get).
    #[track_caller]
    pub fn blocking_get(&self) -> Result<T, ShutDown> {
        block_on(self.get())
    }

    /// Says that an item that was taken out has been dealt with.
    ///
    /// # Panics
    ///
    /// If it is called more often than items were put in.
    #[track_caller]
    pub fn task_done(&self) {
        let done = self.state.lock().done(1);
        match done {
            None => panic!("task_done was called more often than items were put into the queue"),
            Some(true) => self.finished.notify_waiters(),
            Some(false) => {}
        }
    }

    /// Waits until nothing is unfinished: completes at once where all that was put has been
    /// [dealt with](Self::task_done), else as soon as it has been, even if more is put right after.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn join(&self) {
        let mut begun = None;
        loop {
            // Invariant 3: in this order.
            let finished = self.finished.notified();
            if self.has_finished_since(&mut begun) {
                return;
            }
            noting(Wait::QueueJoin, finished).await;
        }
    }

    /// As [`join`](Self::join), by blocking this thread.
    #[track_caller]
    pub fn blocking_join(&self) {
        block_on(self.join());
    }

    /// Shuts the queue down: nothing can be put from now on, and those who wait to put get their item back. What is in the
    /// queue can still be taken out; once it is empty, those who want more hear of it.
    ///
    /// With `immediate`, what is in the queue is dropped, and counts as done.
    pub fn shutdown(&self, immediate: bool) {
        let mut state = self.state.lock();
        state.shut = true;
        let drained = immediate.then(|| std::mem::take(&mut state.store));
        let finished = state.done(drained.as_ref().map_or(0, O::len));
        drop(state);
        // Invariant 2. A waker or a drop that panics keeps nobody else from being told.
        let mut panics = Panics::default();
        if let Some(room) = &self.room {
            panics.run(|| room.close());
        }
        panics.run(|| self.items.close());
        if finished == Some(true) {
            panics.run(|| self.finished.notify_waiters());
        }
        for item in drained.into_iter().flatten() {
            panics.run(|| drop(item));
        }
        panics.go_on();
    }

    /// Whether it was shut down.
    pub fn is_shut_down(&self) -> bool {
        self.state.lock().shut
    }

    /// How many items are in the queue.
    pub fn len(&self) -> usize {
        O::len(&self.state.lock().store)
    }

    /// Whether no item is in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is room for no more items.
    pub fn is_full(&self) -> bool {
        self.max_capacity.is_some_and(|most| self.len() >= most)
    }

    /// For how many items there is room; `None` where there is no bound.
    pub fn max_capacity(&self) -> Option<usize> {
        self.max_capacity
    }

    /// How many items were put in and have not been [dealt with](Self::task_done).
    pub fn unfinished(&self) -> usize {
        self.state.lock().unfinished
    }

    /// Whether nothing is unfinished, or wasn't at some time since the first look, of which `begun` is the note.
    fn has_finished_since(&self, begun: &mut Option<usize>) -> bool {
        let state = self.state.lock();
        state.unfinished == 0 || *begun.get_or_insert(state.finishes) != state.finishes
    }

    /// Puts in what there is room for.
    fn push(&self, item: T) -> Result<(), PutError<T>> {
        let mut state = self.state.lock();
        if state.shut {
            drop(state);
            return Err(PutError(item));
        }
        // Comparing items is user code. Where it panics the item is in the store all the same.
        let pushed = catch_unwind(AssertUnwindSafe(|| O::push(&mut state.store, item)));
        state.unfinished += 1;
        drop(state);
        // Invariant 1. Closed meanwhile, it is of no use, and does no harm.
        let give = || self.items.add_permits(1);
        match pushed {
            Ok(()) => give(),
            Err(panic) => {
                contain(give);
                resume_unwind(panic);
            }
        }
        Ok(())
    }

    /// Takes out what a permit was taken for, or, shut down, what there is.
    fn pop(&self) -> Result<T, ShutDown> {
        let mut state = self.state.lock();
        let popped = catch_unwind(AssertUnwindSafe(|| O::pop(&mut state.store)));
        drop(state);
        match popped {
            Ok(Some(item)) => {
                if let Some(room) = &self.room {
                    // It wakes one who puts: a panic there is none of the caller's, who has the item.
                    contain(|| room.add_permits(1));
                }
                Ok(item)
            }
            Ok(None) => Err(ShutDown(())),
            Err(panic) => {
                // It is still there.
                contain(|| self.items.add_permits(1));
                resume_unwind(panic)
            }
        }
    }
}

impl<T, O: Order<T>> fmt::Debug for OrderedQueue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let (len, unfinished, shut) = (O::len(&state.store), state.unfinished, state.shut);
        drop(state);
        f.debug_struct("OrderedQueue")
            .field("len", &len)
            .field("max_capacity", &self.max_capacity)
            .field("unfinished", &unfinished)
            .field("shut_down", &shut)
            .finish()
    }
}
