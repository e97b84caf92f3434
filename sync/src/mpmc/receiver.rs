//! The receiving end.

use std::fmt;
use std::task::Poll;

use super::error::TryRecvError;
use super::inner::{Inner, upgrade};
use super::sender::shared_methods;
use crate::park::block_on;
use crate::sys::Arc;
use crate::sys::atomic::Ordering::Relaxed;

/// Receives from a channel. Clones receive from the same channel; each message goes to one of them.
///
/// [`recv`](Self::recv) has an example.
pub struct Receiver<T> {
    inner: Arc<Inner<T>>,
}

/// A [`Receiver`] that doesn't keep the channel open.
pub struct WeakReceiver<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Receiver<T> {
    /// The caller has counted it.
    pub(super) fn new(inner: Arc<Inner<T>>) -> Self {
        Self { inner }
    }

    /// Waits for the next message. Receivers are served in the order in which they came. Returns `None` once the
    /// channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message. A message that was meant for it goes to the next receiver, ahead of all
    /// other messages.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// async fn sum(numbers: &mpmc::Receiver<u32>) -> u32 {
    ///     let mut sum = 0;
    ///     while let Some(number) = numbers.recv().await {
    ///         sum += number;
    ///     }
    ///     sum
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpmc::unbounded();
    ///     let sum = heist::spawn(async move { sum(&receiver).await });
    ///     for number in 1..4 {
    ///         sender.send(number).await.expect("the receiver is there");
    ///     }
    ///     drop(sender);
    ///     assert_eq!(sum.await.expect("no panic"), 6);
    /// }
    /// ```
    pub async fn recv(&self) -> Option<T> {
        // A message that is there is taken without a future that can wait. It is no variable here, because the future
        // would have room for it.
        if let Some(message) = self.inner.recv_at_once() {
            return Some(message);
        }
        self.inner.recv().await
    }

    /// Waits until there is a message, then appends the messages that are there to `buffer`, at most `limit` of them.
    /// Returns how many. It returns 0 if the channel is closed and empty, or if `limit` is 0. Receivers are served in
    /// the order in which they came.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::unbounded();
    /// (0..10).for_each(|i| sender.try_send(i).unwrap());
    /// let mut batch = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut batch, 4), 4);
    /// assert_eq!(batch, [0, 1, 2, 3]);
    /// ```
    pub async fn recv_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let Some(first) = self.recv().await else {
            return 0;
        };
        buffer.push(first);
        1 + self.inner.take_many(buffer, limit - 1)
    }

    /// Takes the next message, if it is there now and no other receiver waits for it.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says why there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc::{self, error::TryRecvError};
    ///
    /// let (sender, receiver) = mpmc::bounded(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.inner.try_recv() {
            Poll::Ready(Some(value)) => Ok(value),
            Poll::Ready(None) => Err(TryRecvError::Disconnected),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Like [`recv`](Self::recv), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::bounded(1);
    /// let receivers = [receiver.clone(), receiver];
    /// let threads = receivers.map(|receiver| {
    ///     std::thread::spawn(move || std::iter::from_fn(|| receiver.blocking_recv()).sum::<u32>())
    /// });
    /// for number in 1..=4 {
    ///     sender.blocking_send(number).unwrap();
    /// }
    /// drop(sender);
    /// assert_eq!(threads.map(|thread| thread.join().unwrap()).iter().sum::<u32>(), 10);
    /// ```
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T> {
        block_on(self.recv())
    }

    /// Like [`recv_many`](Self::recv_many), but blocks the thread.
    ///
    /// [`recv_many`](Self::recv_many) has an example.
    #[track_caller]
    pub fn blocking_recv_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        block_on(self.recv_many(buffer, limit))
    }

    /// A share of the channel, which keeps it alive but not open.
    pub(super) fn inner(&self) -> &Arc<Inner<T>> {
        &self.inner
    }

    /// Closes the channel for all: nothing more can be sent, and messages that were sent before can still be received.
    /// Returns whether it was open.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::bounded(2);
    /// sender.try_send(1).unwrap();
    /// assert!(receiver.close());
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn close(&self) -> bool {
        self.inner.close()
    }

    /// Makes a receiver that doesn't keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::bounded::<u32>(1);
    /// let weak = receiver.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(receiver);
    /// assert!(weak.upgrade().is_none());
    /// assert!(sender.is_closed());
    /// ```
    #[must_use = "a weak receiver that is dropped does nothing"]
    pub fn downgrade(&self) -> WeakReceiver<T> {
        // Ordering: hint only.
        self.inner.weak_receivers.fetch_add(1, Relaxed);
        WeakReceiver {
            inner: self.inner.clone(),
        }
    }
}

shared_methods!(Receiver, WeakReceiver, receivers, weak_receivers);

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.inner.drop_receiver();
    }
}
