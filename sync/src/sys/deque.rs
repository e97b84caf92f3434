//! The queues of the scheduler: a worker's own deque, first in first out, open to thieves; and the injector, open
//! to all. Real: crossbeam-deque. Under loom, shuttle and Miri: a plain specification of it behind the same interface.

#[cfg(not(any(heist_loom, heist_shuttle, miri)))]
pub use crossbeam_deque::{Injector, Steal, Stealer, Worker};

#[cfg(any(heist_loom, heist_shuttle, miri))]
pub use stand_in::{Injector, Steal, Stealer, Worker};

#[cfg(any(test, heist_loom, heist_shuttle, miri))]
pub mod stand_in;

#[cfg(all(test, not(any(heist_loom, heist_shuttle))))]
mod tests;
