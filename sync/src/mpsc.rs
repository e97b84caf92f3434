//! Channels from many senders to one receiver.
//!
//! [`channel`] is bounded: when it is full, [`Sender::send`] waits until there is room, so a fast sender is slowed down
//! to the receiver's pace. [`unbounded_channel`] has no bound: sending never waits, and messages that are not received
//! pile up.
//!
//! The channel closes when all senders are dropped, or when the receiver closes it. Messages that were sent before can
//! still be received; after that [`Receiver::recv`] returns `None`. Once the receiver is dropped, sending fails.
//!
//! # Wakers that panic
//!
//! A waker that panics costs no message. If a sender's waker panics while a message is received, the panic is dropped
//! and the message is returned. Any other waker's panic reaches the caller that woke it, after the message is in the
//! channel.
//!
//! # Futures that are forgotten
//!
//! A future that was polled and then forgotten ([`std::mem::forget`]) keeps the room that it was given for ever. Nobody
//! else can use that room, and a closed channel doesn't end while it is out. [`mpmc`](crate::mpmc) is
//! the same, and there it holds for messages too, until all receivers are gone.
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
mod receiver;
pub(crate) mod receiving;
pub(crate) mod reserve;
mod unbounded;

pub use bounded::{OwnedPermit, Receiver, Sender, WeakSender, channel};
pub use permit::{Permit, PermitIterator};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
