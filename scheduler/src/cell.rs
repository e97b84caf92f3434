//! What a task is.
//!
//! One allocation each, driven through one word of state.
//!
//! ```text
//!   Header { state, vtable, links, id, origin, shard,
//!            waits, is_job }                               what every holder may see
//!   scheduler: S                                           where the task goes when it is woken
//!   stage: Running(future) | Finished(result) | Consumed   whose it is, state.rs says
//!   join_waker                                             whose it is, S4 in state.rs says
//! ```
//!
//! Four kinds of holder, each a pointer to the header and a type of its own:
//! - the runtime, by one reference from birth until the task is complete, listed in [`Owned`];
//! - a [`Runnable`], evidence that the task is scheduled (S1): whoever has it may run it, once;
//! - a [`JoinHandle`], to which the output belongs, and [`AbortHandle`]s;
//! - wakers.
//!
//! A panic in user code, be it a poll, a drop, or a waker, stops here: it becomes the task's result, or, where there
//! is nobody to tell, ends with the message that the panic hook has printed.
//!
//! To read it from the bottom up: `state.rs`, `header.rs`, `waker.rs`, `join.rs`, `owned.rs`, `task.rs`.

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
pub(crate) use waker::wakes_at_once;
