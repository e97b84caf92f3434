//! Channels from many senders to many receivers. Each message goes to one receiver.
//!
//! | made by | holds | sending waits |
//! |---|---|---|
//! | [`bounded(n)`](bounded) | `n` messages | for room |
//! | [`bounded(0)`](bounded) | none: sender and receiver meet | for a receiver |
//! | [`unbounded()`](unbounded) | any number | never |
//!
//! Senders and receivers can be cloned, and both have weak forms. The channel closes when all senders or all receivers
//! are gone, or by [`Sender::close`] or [`Receiver::close`]. A message that is refused comes back in the error.
//! Messages that were sent before can still be received; after that [`Receiver::recv`] returns `None`.
//!
//! # Fairness
//!
//! Both sides are first in, first out: room goes to the sender that has waited longest, and messages go to the receiver
//! that has waited longest. Nobody overtakes a task that waits, not even [`try_send`](Sender::try_send) and
//! [`try_recv`](Receiver::try_recv). Messages leave in the order in which they were sent. If several receivers have
//! been woken, the first one to be polled gets the first message.
//!
//! Wakers that panic and futures that are forgotten have the same effects as with [`mpsc`](crate::mpsc).
//!
//! # Examples
//!
//! ```
//! use heist::sync::mpmc;
//!
//! let (sender, receiver) = mpmc::bounded(4);
//! let workers: Vec<_> = (0..2)
//!     .map(|_| {
//!         let jobs = receiver.clone();
//!         std::thread::spawn(move || {
//!             let mut sum = 0;
//!             while let Some(job) = jobs.blocking_recv() {
//!                 sum += job;
//!             }
//!             sum
//!         })
//!     })
//!     .collect();
//! for job in 1..=10 {
//!     sender.blocking_send(job).unwrap();
//! }
//! drop(sender);
//! let sums = workers.into_iter().map(|worker| worker.join().unwrap());
//! assert_eq!(sums.sum::<u32>(), 55);
//! ```

mod inner;
mod meeting;
mod offers;
mod receiver;
mod sender;
mod several;
mod stream;

pub use crate::mpsc::error;
pub use receiver::{Receiver, WeakReceiver};
pub use sender::{Sender, WeakSender};
pub use stream::{OwnedRecvStream, RecvStream, SendSink};

use crate::Semaphore;
use crate::sys::Arc;
use inner::Inner;

/// Makes a bounded channel with room for `capacity` messages. With a capacity of 0 it holds none: a message is sent
/// when a receiver that waits is given it.
///
/// # Panics
///
/// Panics if `capacity` is more than [`Semaphore::MAX_PERMITS`]. A capacity above 2²⁸ − 1 is cut down to that, which
/// [`Sender::capacity`] tells.
///
/// # Examples
///
/// ```
/// use heist::sync::mpmc::{self, error::TrySendError};
///
/// let (sender, receiver) = mpmc::bounded(1);
/// sender.try_send("first").unwrap();
/// assert_eq!(sender.try_send("second"), Err(TrySendError::Full("second")));
/// assert_eq!(receiver.try_recv(), Ok("first"));
/// ```
///
/// A rendezvous:
///
/// ```
/// use heist::sync::mpmc;
///
/// let (sender, receiver) = mpmc::bounded(0);
/// assert!(sender.try_send(1).is_err(), "nobody waits for it");
/// let receiving = std::thread::spawn(move || receiver.blocking_recv());
/// sender.blocking_send(2).unwrap();
/// assert_eq!(receiving.join().unwrap(), Some(2));
/// ```
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity <= Semaphore::MAX_PERMITS,
        "a channel's capacity is at most MAX_PERMITS"
    );
    ends(Inner::new(Some(capacity)))
}

/// Makes a channel without a bound: sending never waits.
///
/// # Examples
///
/// ```
/// use heist::sync::mpmc;
///
/// let (sender, receiver) = mpmc::unbounded();
/// for i in 0..100 {
///     sender.try_send(i).unwrap();
/// }
/// assert_eq!(receiver.len(), 100);
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    ends(Inner::new(None))
}

fn ends<T>(inner: Arc<Inner<T>>) -> (Sender<T>, Receiver<T>) {
    (Sender::new(inner.clone()), Receiver::new(inner))
}
