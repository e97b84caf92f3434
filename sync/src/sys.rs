//! The one switch between real threads and modelled ones.
//!
//! Every protocol of heist names its atomics, cells, locks, threads and queues through this module and nothing
//! else, so that `--cfg heist_loom` puts loom's under all of them at once, and `--cfg heist_shuttle` shuttle's. Only the
//! names in use are exported.
//!
//! | name | real | `--cfg heist_loom` | `--cfg heist_shuttle` | Miri |
//! |---|---|---|---|---|
//! | [`atomic`], [`cell`], [`Arc`], [`thread`], [`clock`], [`thread_local_const`] | std | loom | shuttle, and cells that see an overlap | std |
//! | [`Mutex`], [`RwLock`], [`Condvar`] | parking_lot | loom, in parking_lot's shape | shuttle, in the same shape | parking_lot |
//! | `deque` | crossbeam-deque | stand-in | stand-in | stand-in |
//!
//! Traps that this module exists for:
//! - crossbeam's queues inside a model give false violations, as loom can't see their atomics, and fail Miri's
//!   strict provenance: a plain `deque` stand-in with the same interface serves there.
//! - A parking_lot lock held across a switch of loom's stops the model for ever.
//! - loom treats SeqCst accesses as AcqRel: a store-load order is written with [`atomic::fence`].
//!
//! It is public for the other crates of heist, and no promise is made to anyone else.

#[cfg(heist_loom)]
#[path = "sys/loom.rs"]
mod backend;
#[cfg(heist_shuttle)]
#[path = "sys/shuttle.rs"]
mod backend;
#[cfg(not(any(heist_loom, heist_shuttle)))]
#[path = "sys/real.rs"]
mod backend;

#[cfg(any(heist_loom, heist_shuttle))]
#[doc(hidden)]
pub use backend::modelled_thread_local;
pub use backend::{
    Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic, cell,
    clock, hint, thread, thread_local_const,
};
pub use crossbeam_utils::CachePadded;
#[cfg(not(any(heist_loom, heist_shuttle)))]
pub use once_cell::sync::OnceCell;

#[cfg(feature = "runtime")]
pub mod deque;
/// Channels between threads, for what no model crosses: that a thread has ended, commands to one.
#[cfg(feature = "runtime")]
pub use crossbeam_channel as channel;
#[cfg(any(heist_loom, heist_shuttle))]
mod once;
#[cfg(any(heist_loom, heist_shuttle))]
pub use once::OnceCell;
pub mod rand;

pub mod hints {
    //! Atomics that take part in no protocol: figures, limits that only save work. They are the real ones under loom
    //! too, where each access of a modelled one multiplies the interleavings.
    pub use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
}
