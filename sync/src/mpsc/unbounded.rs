//! The unbounded channel.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::chan::Chan;
use super::ends::{Rx, Tx, WeakTx, ends};
use super::error::{SendError, TryRecvError};
use super::receiver::receiver_methods;
use super::receiving::Sole;
use crate::park::block_on;

/// Makes a channel without a bound: sending never waits.
///
/// # Examples
///
/// ```
/// use heist::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// sender.send(1).unwrap();
/// drop(sender);
/// assert_eq!(receiver.blocking_recv(), Some(1));
/// assert_eq!(receiver.blocking_recv(), None);
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = ends(Chan::unbounded(Sole::default()));
    (UnboundedSender { tx }, UnboundedReceiver { rx })
}

/// Sends to an unbounded channel. Clones send to the same channel.
///
/// [`unbounded_channel`] has an example.
pub struct UnboundedSender<T> {
    tx: Tx<T>,
}

/// An [`UnboundedSender`] that doesn't keep the channel open.
///
/// [`UnboundedSender::downgrade`] has an example.
pub struct WeakUnboundedSender<T> {
    tx: WeakTx<T>,
}

/// Receives from an unbounded channel.
///
/// [`unbounded_channel`] has an example.
pub struct UnboundedReceiver<T> {
    rx: Rx<T>,
}

impl<T> UnboundedSender<T> {
    /// Sends a message. Never waits.
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
    /// let (sender, receiver) = mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// drop(receiver);
    /// assert_eq!(sender.send(2).unwrap_err().0, 2);
    /// ```
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.tx
            .chan()
            .send(message)
            .map_err(|(_, message)| SendError(message))
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
    ///     let (sender, receiver) = mpsc::unbounded_channel::<u32>();
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
        self.tx.chan().is_closed()
    }

    /// Whether both senders send to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.same_channel(&other.tx)
    }

    /// Makes a sender that doesn't keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::unbounded_channel::<u32>();
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    #[must_use = "a weak sender that is dropped does nothing"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender {
            tx: self.tx.downgrade(),
        }
    }

    /// The number of senders.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = heist::sync::mpsc::unbounded_channel::<u32>();
    /// let (_clone, _weak) = (sender.clone(), sender.downgrade());
    /// assert_eq!((sender.strong_count(), sender.weak_count()), (2, 1));
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

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
        }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender")
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl<T> WeakUnboundedSender<T> {
    /// Makes an [`UnboundedSender`] again. Returns `None` if all senders have been dropped, as the channel has ended
    /// then.
    ///
    /// [`UnboundedSender::downgrade`] has an example.
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        Some(UnboundedSender {
            tx: self.tx.upgrade()?,
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

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender")
            .finish_non_exhaustive()
    }
}

receiver_methods!(UnboundedReceiver);

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("len", &self.len())
            .field("closed", &self.is_closed())
            .finish()
    }
}
