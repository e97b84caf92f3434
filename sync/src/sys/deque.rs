//! The queues of the scheduler: a worker's own deque, first in first out, from which thieves can steal; and the
//! injector, which all threads use. The real ones are crossbeam-deque's. Under loom, shuttle and Miri, a plain
//! specification with the same interface takes their place.

#[cfg(not(any(heist_loom, heist_shuttle, miri)))]
pub use crossbeam_deque::{Injector, Steal, Stealer, Worker};

#[cfg(any(heist_loom, heist_shuttle, miri))]
pub use stand_in::{Injector, Steal, Stealer, Worker};

#[cfg(any(test, heist_loom, heist_shuttle, miri))]
pub mod stand_in;

#[cfg(all(test, not(any(heist_loom, heist_shuttle))))]
mod tests;
