//! An async runtime: worker threads that steal tasks from each other, a reactor thread that turns outside events into
//! wake-ups, channels and locks by which tasks coordinate, and an event loop in the manner of asyncio on top.
//!
//! ```
//! use heist::sync::mpsc;
//! use heist::time::{Duration, timeout};
//!
//! #[heist::main]
//! async fn main() {
//!     let (sender, mut receiver) = mpsc::channel(16);
//!     for i in 0..4 {
//!         let sender = sender.clone();
//!         heist::spawn(async move { sender.send(i * i).await });
//!     }
//!     drop(sender);
//!
//!     let mut sum = 0;
//!     while let Ok(Some(square)) = timeout(Duration::from_secs(1), receiver.recv()).await {
//!         sum += square;
//!     }
//!     assert_eq!(sum, 14);
//! }
//! ```
//!
//! | to | see |
//! |---|---|
//! | start tasks, wait for them, end them | [`spawn`], [`task`] |
//! | wait for many tasks, or for all or none of them | [`task::JoinSet`], [`task::TaskGroup`] |
//! | run futures that aren't `Send` | [`task::LocalSet`], [`task::spawn_local`] |
//! | build a runtime, watch it, shut it down | [`runtime`], [`main`], [`test`] |
//! | let tasks wait for each other | [`sync`] |
//! | wait for the clock | [`time`] |
//! | talk over TCP | [`net`], [`io`] |
//! | wait for the first of several things, or for all | [`select!`], [`join!`], [`try_join!`] |
//! | write callbacks instead of tasks | [`event_loop`] |
//!
//! Where something is the same as tokio's it has tokio's name, signature and contract. [`net`] and [`time`] work outside
//! any runtime too, on a reactor thread that starts at first use.
//!
//! # Features
//!
//! - `macros` (default): [`main`], [`test`] and [`select!`].
//! - `hyper`: hyper 1's `rt` traits on heist's types, in the module `hyper`.

#[doc(inline)]
pub use heist_reactor::{io, net, time};
#[doc(inline)]
pub use heist_scheduler::runtime;
#[doc(inline)]
pub use heist_scheduler::task::spawn;
#[doc(inline)]
pub use heist_sync as sync;

#[cfg(feature = "macros")]
#[doc(inline)]
pub use heist_macros::{main, test};

pub mod event_loop;
#[cfg(feature = "hyper")]
pub mod hyper;
#[doc(hidden)]
pub mod macros;

pub mod task {
    //! Tasks: what runs, and what its spawner keeps of it.

    #[doc(inline)]
    pub use heist_scheduler::task::{
        AbortHandle, AbortOnDropHandle, Builder, Id, JoinError, JoinHandle, JoinSet,
        LocalEnterGuard, LocalSet, TaskGroup, block_in_place, id, join_set, spawn, spawn_blocking,
        spawn_eager, spawn_local, task_group, try_id, yield_now,
    };
    #[doc(inline)]
    pub use heist_sync::coop;
    #[doc(inline)]
    pub use heist_sync::coop::{consume_budget, unconstrained};
}

/// The README's program, so that it compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
