//! Channels for many values, from many senders to one receiver.
//!
//! [`channel`] is bounded: where it is full, [`Sender::send`] waits until there is room, so a fast sender is slowed down
//! to its receiver's pace. [`unbounded_channel`] is not: sending never waits, and what is not received piles up.
//!
//! The channel ends when all senders are dropped, or the receiver closes it: what had been sent can still be received,
//! and then [`Receiver::recv`] gives `None`. When the receiver is dropped, sending fails.
//!
//! # Wakers that panic
//!
//! The panic of a waker costs no message. That of a sender's waker ends in the call that receives, which has a message to
//! give out; any other goes on to whoever woke it, once the message lies in the channel.
//!
//! # Futures that are forgotten
//!
//! A future that has been polled and is forgotten ([`std::mem::forget`]) keeps its place: room that is given to it is not
//! used by others, and the end of a closed channel waits for it. So it is with [`mpmc`](crate::mpmc), and there with a
//! message as well, until all receivers are gone.
//!
//! # Examples
//!
//! ```
//! use heist::sync::mpsc;
//!
//! let (sender, mut receiver) = mpsc::channel(8);
//! let threads: Vec<_> = (0..3)
//!     .map(|i| {
//!         let sender = sender.clone();
//!         std::thread::spawn(move || sender.blocking_send(i).unwrap())
//!     })
//!     .collect();
//! drop(sender);
//! let mut sum = 0;
//! while let Some(i) = receiver.blocking_recv() {
//!     sum += i;
//! }
//! assert_eq!(sum, 3);
//! # for thread in threads { thread.join().unwrap(); }
//! ```

mod block;
mod bounded;
pub(crate) mod chan;
mod ends;
pub mod error;
mod permit;
pub(crate) mod receiving;
pub(crate) mod reserve;
mod unbounded;

pub use bounded::{Receiver, Sender, WeakSender, channel};
pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
