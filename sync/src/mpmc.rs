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
pub use inner::{bounded, unbounded};
pub use receiver::{Receiver, WeakReceiver};
pub use sender::{Sender, WeakSender};
pub use stream::{OwnedRecvStream, RecvStream, SendSink};
