//! The one switch between real threads and modelled ones.
//!
//! Every protocol of heist names its atomics, cells, locks, threads and queues through this module and nothing else. So
//! `--cfg heist_loom` replaces all of them by loom's at once, and `--cfg heist_shuttle` by shuttle's. Only the names in
//! use are exported.
//!
//! | name | real | `--cfg heist_loom` | `--cfg heist_shuttle` | Miri |
//! |---|---|---|---|---|
//! | [`atomic`], [`cell`], [`Arc`], [`thread`], [`clock`], [`thread_local_const`] | std | loom | shuttle, and cells that see an overlap | std |
//! | [`Mutex`], [`RwLock`], [`Condvar`], without poisoning | std | loom | shuttle | std |
//! | `deque` | crossbeam-deque | stand-in | stand-in | stand-in |
//!
//! This module exists because of these traps:
//! - crossbeam's queues report false violations inside a model, because loom can't see their atomics, and they fail
//!   Miri's strict provenance. There `deque` is a plain stand-in with the same interface.
//! - A real lock that is held across a switch of loom's stops the model for ever.
//! - loom treats SeqCst accesses as AcqRel, so a store-load order is written with [`atomic::fence`].
//!
//! It is public for the other crates of heist. Others can't rely on it.

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
/// Channels between threads for things that no model covers: that a thread has ended, or commands to a thread.
#[cfg(feature = "runtime")]
pub use crossbeam_channel as channel;
#[cfg(any(heist_loom, heist_shuttle))]
mod once;
#[cfg(any(heist_loom, heist_shuttle))]
pub use once::OnceCell;
pub mod rand;

pub mod hints {
    //! Atomics that take part in no protocol: figures, and limits that only save work. They are the real ones under
    //! loom too, because each access of a modelled one multiplies the interleavings.
    pub use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
}
