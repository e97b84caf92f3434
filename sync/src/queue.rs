//! Queues of work, as asyncio has them: first in first out, last in first out, or smallest first. They have a bound or
//! none, and count the work that isn't done yet.
//!
//! A queue is shared by reference, or in an [`Arc`](std::sync::Arc). It has no ends whose drop closes it; it ends by
//! [`shutdown`](OrderedQueue::shutdown). If messages should end when their senders do, use [`mpsc`](crate::mpsc) or
//! [`mpmc`](crate::mpmc).
//!
//! | asyncio | here |
//! |---|---|
//! | `Queue(n)`, `Queue()` | [`Queue::bounded(n)`](OrderedQueue::bounded), [`Queue::unbounded()`](OrderedQueue::unbounded) |
//! | `put_nowait`, `get_nowait` | [`try_put`](OrderedQueue::try_put), [`try_get`](OrderedQueue::try_get) |
//! | `qsize`, `empty`, `full`, `maxsize` | [`len`](OrderedQueue::len), [`is_empty`](OrderedQueue::is_empty), [`is_full`](OrderedQueue::is_full), [`max_capacity`](OrderedQueue::max_capacity) |
//! | `QueueShutDown` | [`ShutDown`], [`PutError`], which gives the item back |

// # How it is made
//
// The items lie in a store under a lock. Two semaphores say who may touch it: `room` holds a permit for each item that
// still fits, and `items` one for each item that is there. Their queues are first come, first served, and lose nothing
// to a cancelled wait. So the same is true here.
//
// # Invariants
//
// 1. An item is pushed under the lock, by a task that took a permit of `room`; after that its permit is given to
//    `items`. So a task that holds a permit of `items` finds an item, until the queue is shut down.
// 2. `shut` is set under the lock and never cleared, and nothing is pushed from then on. The semaphores are closed after
//    that. A task that puts is refused then; a task that gets looks into the store without a permit, until it is empty.
// 3. `unfinished` is what was put less what was done or drained, and `finishes` counts how often that fell to 0. Whoever
//    brings it to 0 calls `finished` after that. A task that joins asks for a notification first and then looks at
//    both. It looks again once it is notified, because the notification may be late news of an earlier end.

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

/// A queue that gives out items in the order in which they were put.
///
/// # Examples
///
/// Several workers share the work, and `join` waits until all of it is done:
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

/// A queue that gives out the item that was put last.
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

/// A queue that gives out the smallest item first. Equal items are given out in the order in which they were put. To
/// get the greatest first, put [`Reverse`](std::cmp::Reverse)s.
///
/// Items are compared under the queue's lock, so a comparison must not use the queue. The drop of an item may. If a
/// comparison panics, the caller panics. The item that was being put is in the queue then, the item that was being
/// taken is still there, and the order of the others is lost.
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

/// What [`Queue`], [`LifoQueue`] and [`PriorityQueue`] have in common. `O` is the order in which items are given out.
///
/// # Examples
///
/// ```
/// use heist::sync::queue::Queue;
///
/// #[heist::main]
/// async fn main() {
///     let queue = Queue::bounded(2);
///     let produce = async {
///         for item in 0..5 {
///             queue.put(item).await.expect("nobody shuts it down before this ends");
///         }
///         queue.join().await;
///         queue.shutdown(false);
///     };
///     let consume = async {
///         let mut items = vec![];
///         while let Ok(item) = queue.get().await {
///             items.push(item);
///             queue.task_done();
///         }
///         items
///     };
///     let ((), items) = heist::join!(produce, consume);
///     assert_eq!(items, [0, 1, 2, 3, 4]);
/// }
/// ```
pub struct OrderedQueue<T, O: Order<T> = Fifo> {
    state: Mutex<State<O::Store>>,
    /// How many more items there is room for. `None` if there is no bound.
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
    /// Counts `n` more items as done. Returns whether all are done now, which the caller has to tell (invariant 3).
    /// `None` if there weren't `n`.
    fn done(&mut self, n: usize) -> Option<bool> {
        let left = self.unfinished.checked_sub(n)?;
        let finished = n > 0 && left == 0;
        self.unfinished = left;
        self.finishes = self.finishes.wrapping_add(usize::from(finished));
        Some(finished)
    }
}

impl<T, O: Order<T>> OrderedQueue<T, O> {
    /// Makes a queue with room for `max_capacity` items.
    ///
    /// # Panics
    ///
    /// Panics if `max_capacity` is 0 or more than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::{Queue, TryPutError};
    ///
    /// let queue = Queue::bounded(1);
    /// assert!(queue.try_put('a').is_ok());
    /// assert!(queue.is_full());
    /// assert_eq!(queue.try_put('b'), Err(TryPutError::Full('b')));
    /// ```
    #[track_caller]
    pub fn bounded(max_capacity: usize) -> Self {
        assert!(max_capacity > 0, "a queue has room for at least one item");
        Self::new(Some(Semaphore::new(max_capacity)), Some(max_capacity))
    }

    /// Makes a queue with room for any number of items.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::Queue;
    ///
    /// let queue = Queue::unbounded();
    /// for i in 0..1000 {
    ///     queue.try_put(i).expect("there is always room");
    /// }
    /// assert_eq!(queue.len(), 1000);
    /// ```
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

    /// Waits for room, then puts `item` into the queue. Tasks are served in the order in which they came. The item
    /// counts as unfinished until [`task_done`](Self::task_done) is called for it.
    ///
    /// # Errors
    ///
    /// [`PutError`] holds the item, if the queue is shut down before there is room.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the item is dropped and not put, and the place among those who
    /// wait is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::{PutError, Queue};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let queue = Queue::bounded(1);
    ///     queue.put("first").await.unwrap();
    ///
    ///     // The second waits until the first is taken out.
    ///     let (put, got) = heist::join!(queue.put("second"), queue.get());
    ///     assert_eq!((put, got), (Ok(()), Ok("first")));
    ///
    ///     queue.shutdown(false);
    ///     assert_eq!(queue.put("third").await, Err(PutError("third")));
    /// }
    /// ```
    pub async fn put(&self, item: T) -> Result<(), PutError<T>> {
        if let Some(room) = &self.room {
            match noting(Wait::QueuePut, room.acquire()).await {
                Ok(permit) => permit.forget(),
                Err(_) => return Err(PutError(item)),
            }
        }
        self.push(item)
    }

    /// Puts `item` into the queue, if there is room now and no other task waits for it.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] holds the item, and says whether there is no room or the queue is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::{Queue, TryPutError};
    ///
    /// let queue = Queue::bounded(1);
    /// queue.try_put(1).unwrap();
    /// assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
    /// queue.shutdown(false);
    /// assert_eq!(queue.try_put(2), Err(TryPutError::ShutDown(2)));
    /// ```
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

    /// Like [`put`](Self::put), but blocks the thread.
    ///
    /// # Errors
    ///
    /// The same as for [`put`](Self::put).
    ///
    /// [`Queue`] has an example.
    #[track_caller]
    pub fn blocking_put(&self, item: T) -> Result<(), PutError<T>> {
        block_on(self.put(item))
    }

    /// Waits for an item, then takes it out of the queue. Tasks are served in the order in which they came.
    ///
    /// # Errors
    ///
    /// [`ShutDown`] if the queue is shut down and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item. It gives up the place among those who wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::Queue;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let queue = Queue::unbounded();
    ///     queue.put(1).await.unwrap();
    ///     queue.shutdown(false);
    ///     // What is in it can still be taken out.
    ///     assert_eq!(queue.get().await, Ok(1));
    ///     assert!(queue.get().await.is_err());
    /// }
    /// ```
    pub async fn get(&self) -> Result<T, ShutDown> {
        if let Ok(permit) = noting(Wait::QueueGet, self.items.acquire()).await {
            permit.forget();
        }
        self.pop()
    }

    /// Takes an item out of the queue, if there is one now that no other task waits for.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::{Queue, TryGetError};
    ///
    /// let queue = Queue::unbounded();
    /// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    /// queue.try_put(1).unwrap();
    /// queue.shutdown(false);
    /// assert_eq!(queue.try_get(), Ok(1));
    /// assert_eq!(queue.try_get(), Err(TryGetError::ShutDown));
    /// ```
    pub fn try_get(&self) -> Result<T, TryGetError> {
        match self.items.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(TryGetError::Empty),
            Err(TryAcquireError::Closed) => {}
        }
        self.pop().map_err(|ShutDown(())| TryGetError::ShutDown)
    }

    /// Like [`get`](Self::get), but blocks the thread.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    ///
    /// [`Queue`] has an example.
    #[track_caller]
    pub fn blocking_get(&self) -> Result<T, ShutDown> {
        block_on(self.get())
    }

    /// Says that an item that was taken out is done.
    ///
    /// # Panics
    ///
    /// Panics if it is called more often than items were put.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::Queue;
    ///
    /// let queue = Queue::unbounded();
    /// queue.try_put("job").unwrap();
    /// let _job = queue.try_get().unwrap();
    /// // It is taken out, but still being worked on.
    /// assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    /// queue.task_done();
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    #[track_caller]
    pub fn task_done(&self) {
        let done = self.state.lock().done(1);
        match done {
            None => panic!("task_done was called more often than items were put into the queue"),
            Some(true) => self.finished.notify_waiters(),
            Some(false) => {}
        }
    }

    /// Waits until all items that were put are [done](Self::task_done). Completes at once if they are. Otherwise it
    /// completes as soon as they are, even if more is put right after that.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use heist::sync::queue::Queue;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (queue, sum) = (Arc::new(Queue::unbounded()), Arc::new(AtomicU32::new(0)));
    ///     for _ in 0..2 {
    ///         let (queue, sum) = (queue.clone(), sum.clone());
    ///         heist::spawn(async move {
    ///             while let Ok(number) = queue.get().await {
    ///                 sum.fetch_add(number, Ordering::Relaxed);
    ///                 queue.task_done();
    ///             }
    ///         });
    ///     }
    ///     for number in 1..=4 {
    ///         queue.put(number).await.unwrap();
    ///     }
    ///     queue.join().await;
    ///     assert_eq!(sum.load(Ordering::Relaxed), 10);
    /// }
    /// ```
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

    /// Like [`join`](Self::join), but blocks the thread.
    ///
    /// [`Queue`] has an example.
    #[track_caller]
    pub fn blocking_join(&self) {
        block_on(self.join());
    }

    /// Shuts the queue down. Nothing more can be put, and tasks that wait to put get their item back. Items in the
    /// queue can still be taken out; once it is empty, getting fails.
    ///
    /// If `immediate` is true, the items in the queue are dropped and count as done.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::Queue;
    ///
    /// let queue = Queue::unbounded();
    /// queue.try_put(1).unwrap();
    /// queue.shutdown(false);
    /// assert!(queue.try_put(2).is_err());
    /// assert_eq!(queue.len(), 1);
    ///
    /// // It may be called again, to drop what is left.
    /// queue.shutdown(true);
    /// assert!(queue.is_empty());
    /// queue.blocking_join();
    /// ```
    pub fn shutdown(&self, immediate: bool) {
        let mut state = self.state.lock();
        state.shut = true;
        let drained = immediate.then(|| std::mem::take(&mut state.store));
        let finished = state.done(drained.as_ref().map_or(0, O::len));
        drop(state);
        // Invariant 2. If a waker or a drop panics, everybody else is told all the same.
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

    /// Whether the queue was shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = heist::sync::queue::Queue::<u8>::unbounded();
    /// assert!(!queue.is_shut_down());
    /// queue.shutdown(false);
    /// assert!(queue.is_shut_down());
    /// ```
    pub fn is_shut_down(&self) -> bool {
        self.state.lock().shut
    }

    /// The number of items in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::queue::Queue;
    ///
    /// let queue = Queue::bounded(2);
    /// assert!(queue.is_empty());
    /// queue.try_put(1).unwrap();
    /// assert_eq!((queue.len(), queue.is_full(), queue.max_capacity()), (1, false, Some(2)));
    /// ```
    pub fn len(&self) -> usize {
        O::len(&self.state.lock().store)
    }

    /// Whether the queue is empty.
    ///
    /// [`len`](Self::len) has an example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another item.
    ///
    /// Never true if there is no bound. [`len`](Self::len) has an example.
    pub fn is_full(&self) -> bool {
        self.max_capacity.is_some_and(|most| self.len() >= most)
    }

    /// How many items there is room for. `None` if there is no bound.
    ///
    /// [`len`](Self::len) has an example.
    pub fn max_capacity(&self) -> Option<usize> {
        self.max_capacity
    }

    /// The number of items that were put and are not [done](Self::task_done).
    ///
    /// [`task_done`](Self::task_done) has an example.
    pub fn unfinished(&self) -> usize {
        self.state.lock().unfinished
    }

    /// Whether nothing is unfinished, or nothing was at some time since the first look, which `begun` notes.
    fn has_finished_since(&self, begun: &mut Option<usize>) -> bool {
        let state = self.state.lock();
        state.unfinished == 0 || *begun.get_or_insert(state.finishes) != state.finishes
    }

    /// Puts an item for which there is room.
    fn push(&self, item: T) -> Result<(), PutError<T>> {
        let mut state = self.state.lock();
        if state.shut {
            drop(state);
            return Err(PutError(item));
        }
        // Comparing items is user code. If it panics, the item is in the store all the same.
        let pushed = catch_unwind(AssertUnwindSafe(|| O::push(&mut state.store, item)));
        state.unfinished += 1;
        drop(state);
        // Invariant 1. If the queue was closed meanwhile, this has no use and does no harm.
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

    /// Takes out the item that a permit was taken for. If the queue is shut down, takes out what there is.
    fn pop(&self) -> Result<T, ShutDown> {
        let mut state = self.state.lock();
        let popped = catch_unwind(AssertUnwindSafe(|| O::pop(&mut state.store)));
        drop(state);
        match popped {
            Ok(Some(item)) => {
                if let Some(room) = &self.room {
                    // This wakes a task that puts. A panic there doesn't concern the caller, who has the item.
                    contain(|| room.add_permits(1));
                }
                Ok(item)
            }
            Ok(None) => Err(ShutDown(())),
            Err(panic) => {
                // The item is still there.
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
