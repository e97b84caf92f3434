//! heist: a work-stealing async runtime with an event loop on top.

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
        AbortHandle, Id, JoinError, JoinHandle, id, spawn, spawn_blocking, try_id, yield_now,
    };
    #[doc(inline)]
    pub use heist_sync::coop;
}

/// The README's program, so that it compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
