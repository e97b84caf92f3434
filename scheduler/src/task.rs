//! Tasks, and what their spawners keep of them.
//!
//! Inside: one allocation each, driven through one word of state.
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
//! Upon these stand, each in a file of its own and with invariants of its own: sets of tasks that are joined as they end
//! ([`join_set`]), groups that begin and end together ([`task_group`]), sets of tasks that stay on one thread
//! ([`LocalSet`]). All of them have the same tasks; what differs is who is told of their end, and where they are queued.
//!
//! A panic in user code, be it a poll, a drop, or a waker, stops here: it becomes the task's result, or, where there
//! is nobody to tell, ends with the message that the panic hook has printed.

mod api;
mod builder;
mod cell;
pub(crate) mod eager;
mod error;
mod id;
mod join;
pub mod join_set;
mod local;
mod origin;
mod owned;
mod state;
pub mod task_group;
mod waker;

use crate::context;

pub use api::{block_in_place, id, spawn, spawn_blocking, try_id, yield_now};
pub use builder::Builder;
pub use eager::spawn_eager;
pub use error::JoinError;
pub use id::Id;
pub use join::{AbortHandle, AbortOnDropHandle, JoinHandle};
pub use join_set::JoinSet;
pub use local::{LocalEnterGuard, LocalSet, spawn_local};
pub use task_group::TaskGroup;

#[doc(hidden)]
pub use cell::{Runnable, Schedule, TaskRef, new_task, new_task_from};
#[doc(hidden)]
pub use origin::Origin;
#[doc(hidden)]
pub use owned::Owned;

/// Calls `f`, which polls or drops what is a task's own, with that task's id. In the hands of a worker it has none, lest
/// `f` give the worker away.
fn as_own<R>(id: Id, f: impl FnOnce() -> R) -> R {
    if context::in_a_workers_hands() {
        return f();
    }
    context::as_task(id, f)
}
