//! The part of heist that waits for events: sockets that become ready, deadlines, blocking jobs that end.
//!
//! A [`Reactor`] owns a poller, the sockets and timers that are registered with it, and a pool of threads for blocking jobs.
//! For each event it calls a [`Waker`](std::task::Waker). It knows nothing of tasks, so the futures of [`net`], [`fs`],
//! [`time`] and [`blocking`] run on any executor. Inside a runtime of heist they use that runtime's reactor. Elsewhere they use a default
//! one, whose thread starts at first use.
//!
//! | module | what it holds |
//! |---|---|
//! | [`Reactor`], [`Turn`], [`Monitor`] | the poller, the right to wait in it, and the thread that waits when nobody else does |
//! | [`net`] | TCP, UDP, Unix sockets, pipes, look-up of host names |
//! | [`fs`] | files and directories |
//! | [`io`] | reading and writing: the traits, and what is made of them |
//! | [`time`] | sleeps, timeouts, intervals |
//! | [`signal`] | signals of the operating system |
//! | `process` | child processes |
//! | [`backend`] | the choice of the poller, and the contract of pollers |
//! | [`blocking`] | the pool of threads |

// How to read it, from the bottom up. Each file uses only files of lower floors, and files of its own floor that come
// earlier here. `.ci/floors -v reactor/src` shows it.
//
// | floor | files | what they are |
// |---|---|---|
// | 1 | `wakeup`, `handover`, `relay`, `readiness`, then `arrivals`, `standstill` | the protocols: how a wait is cut short, who holds the poller, who calls wakers that may block, whether a socket is worth a system call, how listeners hear of a signal, when a paused clock may jump |
// | 2 | `backend`, then `config`, `clock`, `monitor` | what a reactor is told from outside, the contract of its poller, and what time it is |
// | 3 | `timers`, `poller`, `sources`, `pool` | the four things that a reactor is made of |
// | 4 | `reactor`, then `thread`, `registry` and `wire` | the reactor itself, its thread, the list of all reactors, and what models wait for |
// | 5 | `context`, `time`, `current`, `blocking` | how a thread finds its reactor; sleeps, and jobs |
// | 6 | `io`, `sys`, `registered` | the traits of readers and writers; what the systems do differently; operations on sockets |
// | 7 | `async_fd`, `fs`, `net`, `signal`, then `process` | what is made of these |

#![deny(unsafe_code)]
#![cfg_attr(
    heist_loom,
    expect(dead_code, reason = "models leave out what uses it")
)]

mod arrivals;
mod handover;
mod readiness;
mod relay;
mod standstill;
mod ticker;
mod wakeup;

// Miri has no timerfd, and a model has no time.
#[cfg_attr(
    any(not(target_os = "linux"), miri, heist_loom),
    path = "watchdog/portable.rs"
)]
mod watchdog;

pub mod backend;
mod clock;
mod config;
mod monitor;

#[cfg(not(heist_loom))]
mod poller;
#[cfg(heist_loom)]
#[path = "poller/modelled.rs"]
mod poller;
mod pool;
mod sources;
mod timers;

mod reactor;
mod registry;
mod thread;
#[cfg(heist_loom)]
mod wire;

mod context;
mod current;
pub mod time;

pub mod blocking;

// Models end here: what follows has no protocol of its own (`loom-tests/sources` leaves it out).
#[cfg(all(unix, not(heist_loom)))]
mod async_fd;
#[cfg(not(heist_loom))]
pub mod fs;
#[cfg(not(heist_loom))]
pub mod io;
#[cfg(not(heist_loom))]
#[macro_use]
pub mod net;
#[cfg(all(any(unix, windows), not(heist_loom)))]
pub mod process;
#[cfg(not(heist_loom))]
mod registered;
#[cfg(not(heist_loom))]
pub mod signal;
#[cfg(not(heist_loom))]
mod sys;

#[doc(hidden)]
pub mod testing;

pub use config::{Config, ThreadHook, ThreadName};
pub use context::EnterGuard;
pub use monitor::{Crew, Monitor, Pace};
pub use reactor::{Reactor, Running, Turn, wake_all};
pub use sources::is_shutdown;

#[doc(hidden)]
pub mod protocol {
    //! The protocols on their own, for the models.
    pub use crate::arrivals::{Arrivals, Bell, Listener};
    #[cfg(unix)]
    pub use crate::backend::{
        Event, Interest,
        watchlist::{Asked, File, System, Watchlist},
    };
    pub use crate::handover::{Handover, Held};
    pub use crate::pool::{Job, Pool, PoolConfig, Refused, Spawner};
    pub use crate::readiness::{Direction, Listed, News, Seen, Source, Stale, Wanted};
    pub use crate::relay::{Next, Relay};
    pub use crate::sources::table::Table;
    pub use crate::standstill::Standstill;
    pub use crate::ticker::Ticker;
    pub use crate::timers::{Closed, Key, Rejected, Shard, Timers};
    pub use crate::wakeup::{Kick, NEVER, Signal};
    #[cfg(heist_loom)]
    pub use crate::wire::Wire;
    #[cfg(unix)]
    pub use rustix::{event::PollFlags, io::Errno};
}
