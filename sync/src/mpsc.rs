//! Channels for many values, from many senders to one receiver.
//!
//! [`channel`] is bounded: where it is full, [`Sender::send`] waits until there is room, so a fast sender is slowed down
//! to its receiver's pace. [`unbounded_channel`] is not: sending never waits, and what is not received piles up.
//!
//! The channel ends when all senders are dropped, or the receiver closes it: what had been sent can still be received,
//! and then [`Receiver::recv`] gives `None`. When the receiver is dropped, sending fails.
//!
//! # Examples
//!
//! ```
//! use heist_sync::mpsc;
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
