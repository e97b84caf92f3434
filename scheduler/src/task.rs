//! Tasks, and what their spawners keep of them.
//!
//! A task is a future that a runtime polls. [`spawn`] makes one and gives its [`JoinHandle`]. Several tasks are kept
//! together by a [`JoinSet`] or a [`JoinMap`], which give their outputs as they end, by a [`TaskGroup`], whose tasks begin and end
//! together, and by a [`LocalSet`], whose tasks stay on one thread.

mod api;
mod builder;
mod join_map;
pub mod join_set;
mod local;
pub mod task_group;
mod task_local;

pub use crate::cell::{AbortHandle, AbortOnDropHandle, Id, JoinError, JoinHandle};
pub use api::{block_in_place, id, spawn, spawn_blocking, spawn_eager, try_id, yield_now};
pub use builder::Builder;
pub use join_map::JoinMap;
pub use join_set::JoinSet;
pub use local::{LocalEnterGuard, LocalSet, spawn_local};
pub use task_group::TaskGroup;
pub use task_local::{AccessError, LocalKey};

pub mod futures {
    //! Futures that the items of the module above return.
    pub use super::task_local::TaskLocalFuture;
}

#[doc(hidden)]
pub use crate::cell::{Origin, Owned, Runnable, Schedule, TaskRef, new_task, new_task_from};
