//! The sending end.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use super::error::{SendError, TrySendError};
use super::inner::{Inner, upgrade};
use crate::coop;
use crate::park::block_on;
use crate::sys::Arc;
use crate::sys::atomic::Ordering::Relaxed;

/// Sends to a channel. Clones send to the same channel.
///
/// [`send`](Self::send) has an example.
pub struct Sender<T> {
    inner: Arc<Inner<T>>,
}

/// A [`Sender`] that doesn't keep the channel open.
pub struct WeakSender<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Sender<T> {
    /// The caller has counted it.
    pub(super) fn new(inner: Arc<Inner<T>>) -> Self {
        Self { inner }
    }

    pub(super) fn inner(&self) -> &Arc<Inner<T>> {
        &self.inner
    }

    /// Waits for room, then sends a message. With a capacity of 0 it waits until a receiver that waits has been given
    /// the message. (If that receiver is cancelled before it is polled, the message goes to the next receiver.) Senders
    /// are served in the order in which they came.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the message is dropped and the place in the queue is lost. With a
    /// capacity of 0, a message may have been received even so, if the future was woken and not polled since.
    ///
    /// # Errors
    ///
    /// Returns the message if the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// async fn greet(sender: &mpmc::Sender<String>) {
    ///     if let Err(unsent) = sender.send("hello".into()).await {
    ///         println!("nobody listens any more: {}", unsent.0);
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpmc::bounded(1);
    ///     greet(&sender).await;
    ///     assert_eq!(receiver.recv().await.as_deref(), Some("hello"));
    /// }
    /// ```
    #[track_caller]
    pub fn send(&self, message: T) -> impl Future<Output = Result<(), SendError<T>>> {
        let place = Location::caller();
        async move {
            let Err(message) = self.inner.send_at_once(message) else {
                return Ok(());
            };
            self.inner.send(message, place).await.map_err(SendError)
        }
    }

    /// Sends a message if there is room now and no other sender waits for it. With a capacity of 0, sends it if a
    /// receiver waits.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] holds the message and says why it was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::unbounded();
    /// sender.try_send(1).unwrap();
    /// drop(receiver);
    /// assert_eq!(sender.try_send(2).unwrap_err().into_inner(), 2);
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.inner
            .try_send(message)
            .map_err(|(refused, message)| refused.into_error(message))
    }

    /// Like [`send`](Self::send), but blocks the thread.
    ///
    /// # Errors
    ///
    /// Returns the message if the channel is closed.
    ///
    /// [`Receiver::blocking_recv`](super::Receiver::blocking_recv) has an example.
    #[track_caller]
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        block_on(self.send(message))
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
    /// assert!(sender.close());
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    pub fn close(&self) -> bool {
        self.inner.close()
    }

    /// Waits until the channel is closed by anybody, or all receivers are gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpmc::bounded::<u32>(1);
    ///     heist::spawn(async move { receiver.close() });
    ///     sender.closed().await;
    ///     assert!(sender.is_closed());
    /// }
    /// ```
    pub async fn closed(&self) {
        coop::consume_budget().await;
        // It is made before the look, so that a close between the two completes it.
        let closed = self.inner.closed().notified();
        if !self.is_closed() {
            closed.await;
        }
    }

    /// Makes a sender that doesn't keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::bounded::<u32>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    #[must_use = "a weak sender that is dropped does nothing"]
    pub fn downgrade(&self) -> WeakSender<T> {
        // Ordering: hint only.
        self.inner.weak_senders.fetch_add(1, Relaxed);
        WeakSender {
            inner: self.inner.clone(),
        }
    }
}

/// The methods that both ends have.
macro_rules! shared_methods {
    ($end:ident, $weak:ident, $count:ident, $weak_count:ident) => {
        impl<T> $end<T> {
            /// Whether the channel is closed, or one side is gone.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpmc::bounded::<u32>(1);
            /// assert!(!sender.is_closed() && !receiver.is_closed());
            /// receiver.close();
            /// assert!(sender.is_closed() && receiver.is_closed());
            /// ```
            pub fn is_closed(&self) -> bool {
                self.inner.is_closed()
            }

            /// The number of messages that were sent and not yet received. With a capacity of 0, these are the messages
            /// whose receiver was given one and has not been polled since.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpmc::bounded(1);
            /// assert!(sender.is_empty() && !sender.is_full());
            /// sender.try_send(1).unwrap();
            /// assert_eq!((receiver.len(), receiver.capacity()), (1, Some(1)));
            /// assert!(!receiver.is_empty() && receiver.is_full());
            /// ```
            pub fn len(&self) -> usize {
                self.inner.len()
            }

            /// Whether there is no message to receive now.
            ///
            /// [`len`](Self::len) has an example.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room, or senders wait for it. Always true with a capacity of 0, never true without a
            /// bound.
            ///
            /// [`len`](Self::len) has an example.
            pub fn is_full(&self) -> bool {
                self.inner.is_full()
            }

            /// The capacity that the channel was made with, at most 2²⁸ − 1. `None` without a bound.
            ///
            /// [`len`](Self::len) has an example.
            pub fn capacity(&self) -> Option<usize> {
                self.inner.capacity
            }

            /// The number of senders.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpmc::bounded::<u32>(1);
            /// let (_other, _weak) = (sender.clone(), receiver.downgrade());
            /// assert_eq!((receiver.sender_count(), receiver.weak_sender_count()), (2, 0));
            /// assert_eq!((sender.receiver_count(), sender.weak_receiver_count()), (1, 1));
            /// ```
            pub fn sender_count(&self) -> usize {
                // Ordering: hint only.
                self.inner.senders.load(Relaxed)
            }

            /// The number of weak senders.
            ///
            /// [`sender_count`](Self::sender_count) has an example.
            pub fn weak_sender_count(&self) -> usize {
                // Ordering: hint only.
                self.inner.weak_senders.load(Relaxed)
            }

            /// The number of receivers.
            ///
            /// [`sender_count`](Self::sender_count) has an example.
            pub fn receiver_count(&self) -> usize {
                // Ordering: hint only.
                self.inner.receivers.load(Relaxed)
            }

            /// The number of weak receivers.
            ///
            /// [`sender_count`](Self::sender_count) has an example.
            pub fn weak_receiver_count(&self) -> usize {
                // Ordering: hint only.
                self.inner.weak_receivers.load(Relaxed)
            }

            /// Whether both are ends of the same channel.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::sync::mpmc;
            ///
            /// let (sender, receiver) = mpmc::bounded::<u32>(1);
            /// let (stranger, other) = mpmc::bounded::<u32>(1);
            /// assert!(sender.same_channel(&sender.clone()) && receiver.same_channel(&receiver.clone()));
            /// assert!(!sender.same_channel(&stranger) && !receiver.same_channel(&other));
            /// ```
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.inner, &other.inner)
            }
        }

        impl<T> Clone for $end<T> {
            fn clone(&self) -> Self {
                // Ordering: hint only. There is at least one, so the count neither rises from 0 nor falls to 0.
                self.inner.$count.fetch_add(1, Relaxed);
                Self::new(self.inner.clone())
            }
        }

        impl<T> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end))
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .field("closed", &self.is_closed())
                    .finish()
            }
        }

        impl<T> $weak<T> {
            /// Makes an end that counts again. Returns `None` if the last one that did has been dropped.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpmc::bounded::<u32>(1);
            /// let (weak_sender, weak_receiver) = (sender.downgrade(), receiver.downgrade());
            /// assert!(weak_sender.upgrade().is_some() && weak_receiver.upgrade().is_some());
            /// drop((sender, receiver));
            /// assert!(weak_sender.upgrade().is_none() && weak_receiver.upgrade().is_none());
            /// ```
            pub fn upgrade(&self) -> Option<$end<T>> {
                upgrade(&self.inner.$count).then(|| $end::new(self.inner.clone()))
            }
        }

        impl<T> Clone for $weak<T> {
            fn clone(&self) -> Self {
                // Ordering: hint only.
                self.inner.$weak_count.fetch_add(1, Relaxed);
                Self {
                    inner: self.inner.clone(),
                }
            }
        }

        impl<T> Drop for $weak<T> {
            fn drop(&mut self) {
                // Ordering: hint only.
                self.inner.$weak_count.fetch_sub(1, Relaxed);
            }
        }

        impl<T> fmt::Debug for $weak<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($weak)).finish_non_exhaustive()
            }
        }
    };
}
pub(super) use shared_methods;

shared_methods!(Sender, WeakSender, senders, weak_senders);

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.inner.drop_sender();
    }
}
