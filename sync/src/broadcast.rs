//! Channels that give each value to every receiver.
//!
//! A [`channel`] keeps the values that were sent last, up to its capacity. Sending never waits: when the channel is
//! full, the oldest value is overwritten. A receiver that had not received it yet is told that it has *lagged*, and by
//! how many values. So a slow receiver holds up nobody.
//!
//! A value is kept until every receiver that existed when it was sent has received it. All but the last get a clone,
//! one after the other, so a value need not be `Sync`. The last receiver gets the value itself.
//!
//! The channel closes when all senders are dropped. Values that were sent before can still be received; after that,
//! receiving fails. Sending fails while there is no receiver; [`Sender::subscribe`] makes one.
//!
//! # Fairness
//!
//! Each receiver gets the values in the order in which they were sent. A send wakes all receivers that wait, those
//! first that have waited longest.
//!
//! # Examples
//!
//! ```
//! use heist::sync::broadcast::{self, error::{RecvError, TryRecvError}};
//!
//! let (sender, mut early) = broadcast::channel(2);
//! sender.send("one").unwrap();
//! let mut late = sender.subscribe();
//! sender.send("two").unwrap();
//! sender.send("three").unwrap();
//! drop(sender);
//! // Two are kept: the first is overwritten before `early` comes for it.
//! assert_eq!(early.blocking_recv(), Err(RecvError::Lagged(1)));
//! assert_eq!(early.blocking_recv(), Ok("two"));
//! assert_eq!(late.try_recv(), Ok("two"));
//! assert_eq!(late.try_recv(), Ok("three"));
//! assert_eq!(late.try_recv(), Err(TryRecvError::Closed));
//! ```

pub mod error;
mod ring;

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use self::error::{RecvError, SendError, TryRecvError};
use self::ring::{End, MAX_CAPACITY, Missing, Ring};
use crate::coop;
use crate::park::block_on;
use crate::sys::Arc;
use crate::sys::atomic::Ordering;
use crate::waiting::Waiter;
use crate::waits::{self, Wait};

/// Makes a channel that keeps the last `capacity` values. The capacity is rounded up to a power of two, and allocated
/// at once.
///
/// # Panics
///
/// Panics if `capacity` is 0 or more than `usize::MAX / 2`.
///
/// # Examples
///
/// ```
/// use heist::sync::broadcast;
///
/// let (sender, mut receiver) = broadcast::channel(4);
/// sender.send("hello").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("hello"));
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::with_receivers(capacity, 1);
    let receiver = Receiver {
        ring: sender.ring.clone(),
        next: 0,
    };
    (sender, receiver)
}

/// Sends to all receivers of a channel. Clones send to the same channel.
///
/// [`send`](Self::send) has an example.
pub struct Sender<T> {
    ring: Arc<Ring<T>>,
}

/// A [`Sender`] that doesn't keep the channel open.
///
/// [`upgrade`](Self::upgrade) has an example.
pub struct WeakSender<T> {
    ring: Arc<Ring<T>>,
}

/// Receives the values that are sent after the receiver was made.
///
/// It can't be cloned, because it isn't obvious where a clone would begin. See [`resubscribe`](Self::resubscribe).
///
/// [`recv`](Self::recv) has an example.
pub struct Receiver<T> {
    ring: Arc<Ring<T>>,
    /// The number of the next value to receive.
    next: u64,
}

impl<T> Sender<T> {
    /// Makes a channel without a receiver, otherwise like [`channel`]. [`subscribe`](Self::subscribe) makes receivers.
    ///
    /// # Panics
    ///
    /// The same as for [`channel`].
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = heist::sync::broadcast::Sender::new(4);
    /// assert!(sender.send(1).is_err());
    /// let mut receiver = sender.subscribe();
    /// assert_eq!(sender.send(2).unwrap(), 1);
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self::with_receivers(capacity, 0)
    }

    #[track_caller]
    fn with_receivers(capacity: usize, receivers: usize) -> Self {
        assert!(
            capacity > 0,
            "a broadcast channel needs a capacity of at least 1"
        );
        assert!(
            capacity <= MAX_CAPACITY,
            "a broadcast channel's capacity is at most usize::MAX / 2"
        );
        Self {
            ring: Arc::new(Ring::new(capacity.next_power_of_two(), receivers)),
        }
    }

    /// Sends a value to all receivers that exist now, and returns how many. They may still be dropped before they
    /// receive it.
    ///
    /// If the channel is full, this overwrites the oldest value.
    ///
    /// # Errors
    ///
    /// Fails if there is no receiver. A receiver that is made later does not get the value, but sending may succeed
    /// then.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::broadcast;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut one) = broadcast::channel(16);
    ///     let mut other = sender.subscribe();
    ///     assert_eq!(sender.send("news").expect("there are receivers"), 2);
    ///     assert_eq!(one.recv().await, Ok("news"));
    ///     assert_eq!(other.recv().await, Ok("news"));
    /// }
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.ring.send(value).map_err(SendError)
    }

    /// Makes a receiver of the values that are sent from now on.
    ///
    /// # Panics
    ///
    /// Panics if there are `usize::MAX / 4` receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = heist::sync::broadcast::channel(4);
    /// sender.send("before").unwrap();
    /// let mut new = sender.subscribe();
    /// sender.send("after").unwrap();
    /// assert_eq!(new.try_recv(), Ok("after"));
    /// ```
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.ring)
    }

    /// Makes a sender that doesn't keep the channel open.
    ///
    /// [`WeakSender::upgrade`] has an example.
    #[must_use = "it has no effect beside the handle that it gives"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(&self.ring)
    }

    /// How many values are kept because some receiver has not received them yet. Takes time logarithmic in the
    /// capacity.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut first) = heist::sync::broadcast::channel(4);
    /// let mut second = sender.subscribe();
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// first.try_recv().unwrap();
    /// assert_eq!(sender.len(), 2);
    /// second.try_recv().unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether all receivers have received all values.
    ///
    /// [`len`](Self::len) has an example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::broadcast::channel::<u8>(4);
    /// let other = sender.subscribe();
    /// assert_eq!(sender.receiver_count(), 2);
    /// drop((receiver, other));
    /// assert_eq!(sender.receiver_count(), 0);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.ring.receivers()
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// Waits until there is no receiver. Completes at once if there is none now. A receiver that exists by the time
    /// this is polled keeps it waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::broadcast::channel::<u8>(4);
    /// let thread = std::thread::spawn(move || drop(receiver));
    /// sender.blocking_closed();
    /// assert_eq!(sender.receiver_count(), 0);
    /// # thread.join().unwrap();
    /// ```
    pub async fn closed(&self) {
        let mut gone = std::pin::pin!(coop::cooperative(self.ring.receivers_gone()));
        std::future::poll_fn(|cx| waits::noted(Wait::ReceiversGone, gone.as_mut().poll(cx))).await;
    }

    /// Like [`closed`](Self::closed), but blocks the thread.
    #[track_caller]
    pub fn blocking_closed(&self) {
        block_on(self.closed());
    }

    /// The number of senders. Weak ones don't count.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = heist::sync::broadcast::channel::<u8>(4);
    /// let (_clone, _weak) = (sender.clone(), sender.downgrade());
    /// assert_eq!((sender.strong_count(), sender.weak_count()), (2, 1));
    /// ```
    pub fn strong_count(&self) -> usize {
        strong_count(&self.ring)
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        weak_count(&self.ring)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Ordering: hint only. The count is not 0, because this sender is counted.
        self.ring.senders.fetch_add(1, Ordering::Relaxed);
        Self {
            ring: self.ring.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.ring.remove_sender();
    }
}

impl<T> WeakSender<T> {
    fn new(ring: &Arc<Ring<T>>) -> Self {
        // Ordering: hint only; the count is a figure.
        ring.weak_senders.fetch_add(1, Ordering::Relaxed);
        Self { ring: ring.clone() }
    }

    /// Makes a [`Sender`] again. Returns `None` if all senders have been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = heist::sync::broadcast::channel(4);
    /// let weak = sender.downgrade();
    /// weak.upgrade().unwrap().send(1).unwrap();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.ring.add_sender_if_open().then(|| Sender {
            ring: self.ring.clone(),
        })
    }

    /// The number of senders. Weak ones don't count.
    pub fn strong_count(&self) -> usize {
        strong_count(&self.ring)
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        weak_count(&self.ring)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::new(&self.ring)
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        // Ordering: hint only; the count is a figure.
        self.ring.weak_senders.fetch_sub(1, Ordering::Relaxed);
    }
}

fn strong_count<T>(ring: &Ring<T>) -> usize {
    // Ordering: Acquire as in `is_closed`, for callers that look for 0.
    ring.senders.load(Ordering::Acquire)
}

fn weak_count<T>(ring: &Ring<T>) -> usize {
    // Ordering: hint only; the count is a figure.
    ring.weak_senders.load(Ordering::Relaxed)
}

impl<T> Receiver<T> {
    #[track_caller]
    fn new(ring: &Arc<Ring<T>>) -> Self {
        Self {
            next: ring.add_receiver(),
            ring: ring.clone(),
        }
    }

    /// How many values were sent that this receiver has not received. If it is more than the capacity, the receiver has
    /// lagged.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::broadcast::channel(2);
    /// for i in 0..3 {
    ///     sender.send(i).unwrap();
    /// }
    /// // Two are kept; the oldest is lost.
    /// assert_eq!(receiver.len(), 3);
    /// ```
    pub fn len(&self) -> usize {
        (self.ring.sent() - self.next) as usize
    }

    /// Whether there is no value to receive now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// The number of senders. Weak ones don't count.
    pub fn sender_strong_count(&self) -> usize {
        strong_count(&self.ring)
    }

    /// The number of weak senders.
    pub fn sender_weak_count(&self) -> usize {
        weak_count(&self.ring)
    }

    /// Whether all senders have been dropped. There may still be values to receive.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::broadcast::channel::<u8>(2);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }
}

impl<T: Clone> Receiver<T> {
    /// Makes another receiver, of the values that are sent from now on. It does not get what this one has yet to
    /// receive.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::broadcast::error::TryRecvError;
    ///
    /// let (sender, mut receiver) = heist::sync::broadcast::channel(4);
    /// sender.send(1).unwrap();
    /// let mut other = receiver.resubscribe();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
    /// ```
    #[track_caller]
    pub fn resubscribe(&self) -> Self {
        Self::new(&self.ring)
    }

    /// Waits for the next value.
    ///
    /// If another receiver is cloning the same value on another thread, this thread blocks until that clone is done.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] if values were overwritten before this receiver received them; the next call returns the
    /// oldest value that is kept. [`RecvError::Closed`] if all senders are gone and everything was received.
    ///
    /// # Panics
    ///
    /// Panics if the value's `clone` panics; the value then counts as received. Panics too if that `clone` itself
    /// receives the same value through another receiver.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no value.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::broadcast;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = broadcast::channel(4);
    ///     sender.send(1).unwrap();
    ///     assert_eq!(receiver.recv().await, Ok(1));
    /// }
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let Self { ring, next } = self;
        let recv = Recv {
            ring,
            next,
            waiter: ring.waiter(),
        };
        recv.await
    }

    /// Takes the next value, if there is one now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is no value yet. Otherwise the same as for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// The same as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(2);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        // This is looked at first: what was sent before the end is there by then.
        let closed = self.ring.is_closed();
        self.ring
            .take(&mut self.next)
            .map_err(|missing| match missing {
                Missing::Lagged(missed) => TryRecvError::Lagged(missed),
                Missing::Empty if closed => TryRecvError::Closed,
                Missing::Empty => TryRecvError::Empty,
            })
    }

    /// Like [`recv`](Self::recv), but blocks the thread.
    ///
    /// # Errors
    ///
    /// The same as for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// The same as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::broadcast::channel(4);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        block_on(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.ring.remove_receiver(self.next);
    }
}

pin_project! {
    /// The future behind [`Receiver::recv`].
    struct Recv<'a, T> {
        ring: &'a Ring<T>,
        next: &'a mut u64,
        #[pin]
        waiter: Waiter<'a, ()>,
    }
}

impl<T: Clone> Recv<'_, T> {
    fn poll_recv(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Result<T, RecvError>> {
        let mut this = self.project();
        loop {
            match this.ring.take(this.next) {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(Missing::Lagged(missed)) => return Poll::Ready(Err(RecvError::Lagged(missed))),
                Err(Missing::Empty) => {}
            }
            let waited = this.ring.poll_wait(**this.next, this.waiter.as_mut(), cx);
            if ready!(waited) == End::Yes {
                return Poll::Ready(Err(RecvError::Closed));
            }
        }
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let result = ready!(waits::noted(Wait::BroadcastRecv, self.poll_recv(cx)));
        unit.made_progress();
        Poll::Ready(result)
    }
}

// If a value's clone or drop panics, it finds the ring between two steps.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for WeakSender<T> {}
impl<T> RefUnwindSafe for WeakSender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Sender")
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::WeakSender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Receiver")
    }
}
