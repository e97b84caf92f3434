//! What turns outside events into wake-ups: readiness of sockets, deadlines, finished blocking jobs.
//!
//! A [`Reactor`] owns one poller, the sources and the timers registered with it, and a pool of threads for blocking
//! jobs. It ends every story in [`Waker::wake`](std::task::Waker::wake) and knows nothing of tasks or of who polls
//! them, so the futures of [`net`], [`time`] and [`blocking`] run on any executor: inside a runtime of heist they
//! use that runtime's reactor, anywhere else a default one, whose thread starts at first use.
//!
//! | module | what it holds |
//! |---|---|
//! | [`Reactor`], [`Turn`], [`Monitor`] | the poller, who may wait in it, and the thread that does when nobody else will |
//! | [`net`] | TCP, name look-up |
//! | [`io`] | reading and writing, on `futures_io`'s traits |
//! | [`time`] | sleeps, timeouts, intervals |
//! | [`blocking`] | the pool of threads |

#![forbid(unsafe_code)]

pub mod blocking;
mod context;
mod handover;
pub mod io;
pub mod net;
#[cfg(not(heist_loom))]
mod poller;
#[cfg(heist_loom)]
#[path = "poller/modelled.rs"]
mod poller;
mod reactor;
mod readiness;
mod relay;
mod signal;
mod sources;
#[doc(hidden)]
pub mod testing;
mod thread;
pub mod time;
mod timers;

pub use context::EnterGuard;
pub use reactor::{Config, Reactor, ThreadHook, ThreadName, Turn, wake_all};
pub use thread::{Monitor, Pace};

#[doc(hidden)]
pub mod protocol {
    //! The protocols by themselves, for the models.
    pub use crate::blocking::pool::{Job, Pool, PoolConfig, Refused, Spawner};
    pub use crate::handover::{Handover, Held};
    pub use crate::readiness::{Direction, Listed, News, Seen, Source};
    pub use crate::relay::{Next, Relay};
    pub use crate::signal::{Kick, NEVER, Signal};
    pub use crate::sources::table::Table;
    pub use crate::timers::{Closed, Key, Rejected, Shard, Timers};
}
