//! Channels for many values, from many senders to many receivers; each value goes to one of them.
//!
//! | made by | holds | sending waits |
//! |---|---|---|
//! | [`bounded(n)`](bounded) | `n` messages | for room |
//! | [`bounded(0)`](bounded) | none: sender and receiver meet | for a receiver |
//! | [`unbounded()`](unbounded) | any number | never |
//!
//! Both ends can be cloned, and each has its weak form. The channel is closed when all senders or all receivers are gone,
//! or by [`Sender::close`] or [`Receiver::close`]. What had been sent can still be received then, and after that
//! [`Receiver::recv`] gives `None`; a message that is refused comes back in the error.
//!
//! # Fairness
//!
//! First in, first out on both sides: room goes to the sender that has waited longest, messages to the receiver that has
//! waited longest, and nobody overtakes those who wait, [`try_send`](Sender::try_send) and
//! [`try_recv`](Receiver::try_recv) included. Messages leave in the order in which they were sent; where several receivers
//! have been woken, which of them gets which of the messages depends on who is polled first.
//!
//! A waker that panics and a future that is forgotten do what they do with [`mpsc`](crate::mpsc).
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
