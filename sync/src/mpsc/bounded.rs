//! The bounded channel.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::chan::{Chan, MOST};
use super::ends::{Rx, Tx, WeakTx, ends};
use super::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use super::permit::{Permit, PermitIterator};
use super::receiver::receiver_methods;
use super::receiving::Sole;
use super::reserve::{Closed, Reserve, SendInTurn, send_at_once};
use crate::Semaphore;
use crate::coop;
use crate::park::block_on;
use crate::timer;
use crate::waiting::Place;

/// Makes a bounded channel. It has room for `buffer` messages; a permit that is out takes up room as well.
///
/// # Panics
///
/// Panics if `buffer` is 0 or more than [`Semaphore::MAX_PERMITS`]. A buffer above 2²⁸ − 1 is cut down to that, which
/// [`max_capacity`](Sender::max_capacity) tells.
///
/// # Examples
///
/// ```
/// use heist::sync::mpsc::{self, error::TrySendError};
///
/// let (sender, mut receiver) = mpsc::channel(1);
/// sender.try_send("first").unwrap();
/// assert_eq!(sender.try_send("second"), Err(TrySendError::Full("second")));
/// assert_eq!(receiver.try_recv(), Ok("first"));
/// sender.try_send("second").unwrap();
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "a bounded channel needs a buffer of at least 1");
    assert!(
        buffer <= Semaphore::MAX_PERMITS,
        "a channel's buffer is at most MAX_PERMITS"
    );
    let buffer = buffer.min(MOST);
    let (tx, rx) = ends(Chan::bounded(buffer, Sole::default()));
    (Sender { tx, buffer }, Receiver { rx, buffer })
}

/// Sends to a bounded channel. Clones send to the same channel.
///
/// [`channel`] has an example.
pub struct Sender<T> {
    tx: Tx<T>,
    buffer: usize,
}

/// A [`Sender`] that doesn't keep the channel open.
///
/// [`Sender::downgrade`] has an example.
pub struct WeakSender<T> {
    tx: WeakTx<T>,
    buffer: usize,
}

/// Receives from a bounded channel.
///
/// [`channel`] has an example.
pub struct Receiver<T> {
    rx: Rx<T>,
    buffer: usize,
}

impl<T> Sender<T> {
    pub(super) fn chan(&self) -> &Chan<T, Sole> {
        self.tx.chan()
    }

    /// Waits for room, then sends a message. Senders are served in the order in which they came.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the message is dropped and not sent, and the place in the queue is
    /// lost. To keep the message, call [`reserve`](Self::reserve) first.
    ///
    /// # Errors
    ///
    /// Returns the message if the receiver has been dropped or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// async fn greet(sender: &mpsc::Sender<String>) {
    ///     if sender.send("hello".into()).await.is_err() {
    ///         println!("nobody listens any more");
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     greet(&sender).await;
    ///     assert_eq!(receiver.recv().await.as_deref(), Some("hello"));
    /// }
    /// ```
    #[track_caller]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        let place = Location::caller();
        async move {
            let Err(value) = send_at_once(self.chan(), value) else {
                return Ok(());
            };
            let send = SendInTurn::new(self.chan(), value, place);
            send.await.map_err(SendError)
        }
    }

    /// Sends a message if there is room now and no other sender waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] holds the message and says why it was not sent.
    ///
    /// [`channel`] has an example.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.chan()
            .send(message)
            .map_err(|(refused, message)| refused.into_error(message))
    }

    /// Waits for room for at most `limit`, then sends a message. Senders are served in the order in which they came.
    ///
    /// If the program has a reactor of heist, that measures the time; otherwise a thread of this crate does, which
    /// starts at first use. A message for which there is room at once is sent, however short the limit.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`] holds the message and says why it was not sent.
    ///
    /// # Panics
    ///
    /// Panics if that thread is needed and the system refuses to start it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use heist::sync::mpsc::{self, error::SendTimeoutError};
    ///
    /// async fn offer(sender: &mpsc::Sender<u32>, value: u32) {
    ///     match sender.send_timeout(value, Duration::from_secs(1)).await {
    ///         Ok(()) => println!("taken"),
    ///         Err(SendTimeoutError::Timeout(value)) => println!("nobody wants {value}"),
    ///         Err(SendTimeoutError::Closed(_)) => println!("nobody is there"),
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     offer(&sender, 7).await;
    ///     assert_eq!(receiver.recv().await, Some(7));
    /// }
    /// ```
    #[track_caller]
    pub fn send_timeout(
        &self,
        value: T,
        limit: Duration,
    ) -> impl Future<Output = Result<(), SendTimeoutError<T>>> {
        let place = Location::caller();
        async move {
            match timer::within(limit, self.reserve_room(1, place)).await {
                None => Err(SendTimeoutError::Timeout(value)),
                Some(Err(SendError(()))) => Err(SendTimeoutError::Closed(value)),
                Some(Ok(())) => {
                    Permit::new(self.chan()).send(value);
                    Ok(())
                }
            }
        }
    }

    /// Like [`send`](Self::send), but blocks the thread.
    ///
    /// # Errors
    ///
    /// Returns the message if the receiver has been dropped or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let sending = std::thread::spawn(move || (0..3).try_for_each(|i| sender.blocking_send(i)));
    /// assert_eq!(std::iter::from_fn(|| receiver.blocking_recv()).sum::<u32>(), 3);
    /// sending.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send(value))
    }

    /// Waits for room for one message and reserves it. Senders are served in the order in which they came.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue. If room had already been given to it, that goes to the next
    /// sender.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver has been dropped or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// async fn answer(sender: &mpsc::Sender<u32>) {
    ///     // Only computed once there is room for it.
    ///     if let Ok(permit) = sender.reserve().await {
    ///         permit.send(6 * 7);
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     answer(&sender).await;
    ///     assert_eq!(receiver.recv().await, Some(42));
    /// }
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Result<Permit<'_, T>, SendError<()>>> {
        let place = Location::caller();
        async move {
            self.reserve_room(1, place).await?;
            Ok(Permit::new(self.chan()))
        }
    }

    /// Waits for room for `n` messages and reserves it all at once. Senders are served in the order in which they came.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver has been dropped or closed, or `n` is more than
    /// [`max_capacity`](Self::max_capacity).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// async fn send_pair(sender: &mpsc::Sender<&str>) {
    ///     let Ok(permits) = sender.reserve_many(2).await else { return };
    ///     for (permit, word) in permits.zip(["hello", "world"]) {
    ///         permit.send(word);
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = mpsc::channel(2);
    ///     send_pair(&sender).await;
    ///     assert_eq!(receiver.recv().await, Some("hello"));
    ///     assert_eq!(receiver.recv().await, Some("world"));
    /// }
    /// ```
    #[track_caller]
    pub fn reserve_many(
        &self,
        n: usize,
    ) -> impl Future<Output = Result<PermitIterator<'_, T>, SendError<()>>> {
        let place = Location::caller();
        async move {
            if n > self.max_capacity() {
                return Err(SendError(()));
            }
            self.reserve_room(n as u64, place).await?;
            Ok(PermitIterator::new(self.chan(), n))
        }
    }

    /// Like [`reserve`](Self::reserve), but takes the sender by value. The permit borrows nothing; using it gives the
    /// sender back.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`reserve`](Self::reserve). The sender is dropped with the future.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver has been dropped or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     let permit = sender.reserve_owned().await.expect("the receiver is there");
    ///     // The permit gives the sender back.
    ///     let sender = permit.send(1);
    ///     assert_eq!(receiver.recv().await, Some(1));
    ///     drop(sender);
    ///     assert_eq!(receiver.recv().await, None);
    /// }
    /// ```
    #[track_caller]
    pub fn reserve_owned(self) -> impl Future<Output = Result<OwnedPermit<T>, SendError<()>>> {
        let place = Location::caller();
        async move {
            self.reserve_room(1, place).await?;
            Ok(OwnedPermit::new(self))
        }
    }

    /// Reserves room for one message, if there is room now and no other sender waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(sender.try_send(1).is_err());
    /// permit.send(2);
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.try_reserve_room(1)?;
        Ok(Permit::new(self.chan()))
    }

    /// Reserves room for `n` messages, if there is that much now and no other sender waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel(3);
    /// let mut permits = sender.try_reserve_many(2).unwrap();
    /// permits.next().unwrap().send(1);
    /// drop(permits);
    /// assert_eq!(sender.capacity(), 2, "one is used and one given back");
    /// ```
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n > self.max_capacity() {
            return Err(if self.is_closed() {
                TrySendError::Closed(())
            } else {
                TrySendError::Full(())
            });
        }
        self.try_reserve_room(n as u64)?;
        Ok(PermitIterator::new(self.chan(), n))
    }

    /// Like [`try_reserve`](Self::try_reserve), but takes the sender by value.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why there is no room, and holds the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel::<u32>(1);
    /// let permit = sender.clone().try_reserve_owned().unwrap();
    /// assert!(sender.try_reserve().is_err());
    /// drop(permit.release());
    /// assert!(sender.try_reserve().is_ok());
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.chan().try_reserve(1) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(refused) => Err(refused.into_error(self)),
        }
    }

    async fn reserve_room(&self, n: u64, place: Place) -> Result<(), SendError<()>> {
        coop::consume_budget().await;
        Reserve::new(self.chan(), n, place)
            .await
            .map_err(|Closed| SendError(()))
    }

    fn try_reserve_room(&self, n: u64) -> Result<(), TrySendError<()>> {
        self.chan()
            .try_reserve(n)
            .map_err(|refused| refused.into_error(()))
    }

    /// Waits until the receiver has been dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpsc::channel::<u32>(1);
    ///     heist::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    ///     assert!(sender.is_closed());
    /// }
    /// ```
    pub async fn closed(&self) {
        self.tx.closed().await;
    }

    /// Whether the receiver has been dropped or closed.
    ///
    /// [`closed`](Self::closed) has an example.
    pub fn is_closed(&self) -> bool {
        self.chan().is_closed()
    }

    /// Whether both senders send to the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel::<u32>(1);
    /// let (stranger, _its_receiver) = mpsc::channel(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// assert!(!sender.same_channel(&stranger));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.same_channel(&other.tx)
    }

    /// How many messages there is room for now. It is 0 while a sender waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(3);
    /// sender.try_send(1).unwrap();
    /// assert_eq!((sender.capacity(), sender.max_capacity()), (2, 3));
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(sender.capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.chan().capacity() as usize
    }

    /// The buffer that the channel was made with, at most 2²⁸ − 1.
    ///
    /// [`capacity`](Self::capacity) has an example.
    pub fn max_capacity(&self) -> usize {
        self.buffer
    }

    /// Makes a sender that doesn't keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel::<u32>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    #[must_use = "a weak sender that is dropped does nothing"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            tx: self.tx.downgrade(),
            buffer: self.buffer,
        }
    }

    /// The number of senders.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::mpsc::channel::<u32>(1);
    /// let (_clone, _weak) = (sender.clone(), sender.downgrade());
    /// assert_eq!((sender.strong_count(), sender.weak_count()), (2, 1));
    /// assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (2, 1));
    /// ```
    pub fn strong_count(&self) -> usize {
        self.tx.strong_count()
    }

    /// The number of weak senders.
    ///
    /// [`strong_count`](Self::strong_count) has an example.
    pub fn weak_count(&self) -> usize {
        self.tx.weak_count()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
            buffer: self.buffer,
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl<T> WeakSender<T> {
    /// Makes a [`Sender`] again. Returns `None` if all senders have been dropped, as the channel has ended then.
    ///
    /// [`Sender::downgrade`] has an example.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        Some(Sender {
            tx: self.tx.upgrade()?,
            buffer: self.buffer,
        })
    }

    /// The number of senders.
    pub fn strong_count(&self) -> usize {
        self.tx.strong_count()
    }

    /// The number of weak senders.
    pub fn weak_count(&self) -> usize {
        self.tx.weak_count()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
            buffer: self.buffer,
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

/// Room for one message, with the sender in it; dropping it gives the room back. Made by [`Sender::reserve_owned`] and
/// [`Sender::try_reserve_owned`].
///
/// [`send`](Self::send) has an example.
#[must_use = "a permit that is dropped sends nothing"]
pub struct OwnedPermit<T> {
    /// `None` once it has been used.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    /// The permit has been taken from the channel by the caller.
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self {
            sender: Some(sender),
        }
    }

    /// Sends a message without waiting, and returns the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// let sender = permit.send(1);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert!(!sender.is_closed());
    /// ```
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = self.sender.take().expect("it is used once");
        sender.chan().send_permitted(value);
        sender
    }

    /// Gives the room back, and returns the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel::<u32>(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// assert_eq!(permit.release().capacity(), 1);
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let sender = self.sender.take().expect("it is used once");
        sender.chan().give_back(1);
        sender
    }

    /// Whether both permits are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.sender
            .as_ref()
            .zip(other.sender.as_ref())
            .is_some_and(|(a, b)| a.same_channel(b))
    }

    /// Whether the permit is of the channel that `sender` sends to.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = heist::sync::mpsc::channel::<u32>(2);
    /// let permit = sender.clone().try_reserve_owned().unwrap();
    /// assert!(permit.same_channel_as_sender(&sender));
    /// ```
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.sender
            .as_ref()
            .is_some_and(|own| own.same_channel(sender))
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.chan().give_back(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// How many messages there is room for now. It is 0 while a sender waits.
    ///
    /// [`Sender::capacity`] has an example.
    pub fn capacity(&self) -> usize {
        self.rx.chan().capacity() as usize
    }

    /// The buffer that the channel was made with, at most 2²⁸ − 1.
    ///
    /// [`Sender::capacity`] has an example.
    pub fn max_capacity(&self) -> usize {
        self.buffer
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("closed", &self.is_closed())
            .finish()
    }
}

receiver_methods!(Receiver);
