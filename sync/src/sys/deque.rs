//! The queues of the scheduler: a worker's own deque, first in first out, open to thieves; and the injector, open
//! to all. Real: crossbeam-deque. Under loom and Miri: a plain specification of it behind the same interface.

#[cfg(not(any(heist_loom, miri)))]
pub use crossbeam_deque::{Injector, Steal, Stealer, Worker};

#[cfg(any(heist_loom, miri))]
pub use stand_in::{Injector, Steal, Stealer, Worker};

#[cfg(any(test, heist_loom, miri))]
pub mod stand_in;

#[cfg(all(test, not(heist_loom)))]
mod tests;
