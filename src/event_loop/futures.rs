//! Futures that are set by hand, and tasks that the loop spawns.

mod creation;
mod future;
mod outcome;

pub use creation::TaskBuilder;
pub use future::{CallbackId, Future, FutureError, InvalidState, Promise};
