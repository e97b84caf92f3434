//! What a task is.
//!
//! Each task is one allocation, driven through one word of state.
//!
//! ```text
//!   Header { state, vtable, links, id, origin, shard,
//!            waits, is_job }                               what every holder may see
//!   scheduler: S                                           where the task goes when it is woken
//!   stage: Running(future) | Finished(result) | Consumed   state.rs says who owns it
//!   join_waker                                             S4 in state.rs says who owns it
//! ```
//!
//! There are four kinds of holder. Each is a pointer to the header with a type of its own:
//! - the runtime, with one reference from birth until the task is complete, listed in [`Owned`];
//! - a [`Runnable`], evidence that the task is scheduled (S1): whoever has it may run it, once;
//! - a [`JoinHandle`], to which the output belongs, and [`AbortHandle`]s;
//! - wakers.
//!
//! A panic in user code (a poll, a drop, or a waker) stops here. It becomes the task's result. If there is nobody to
//! tell, nothing more follows than the message that the panic hook has printed.
//!
//! Read it from the bottom up: `state.rs`, `header.rs`, `waker.rs`, `join.rs`, `owned.rs`, `task.rs`.

mod error;
mod header;
mod join;
mod origin;
mod owned;
mod state;
mod task;
mod unjoined;
mod waker;

pub use crate::id::Id;
pub use error::JoinError;
pub use header::{Runnable, TaskRef};
pub use join::{AbortHandle, AbortOnDropHandle, JoinHandle};
pub use origin::Origin;
pub use owned::Owned;
pub use task::{Schedule, new_task, new_task_from};
pub(crate) use unjoined::OnUnjoined;
pub use unjoined::UnjoinedPanic;
pub(crate) use waker::{is_due, wakes_at_once};
