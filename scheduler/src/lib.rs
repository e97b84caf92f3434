//! Which task is polled next, on which thread, and when a thread may sleep.
//!
//! A [`Runtime`](runtime::Runtime) has workers, each with queues of its own from which the others steal, a reactor
//! that turns events into wakes, and a pool of threads for blocking jobs. The front door is the crate `heist`, which
//! re-exports what is here.
//!
//! The way of a task, and where to read about each station:
//!
//! ```text
//! spawn ─► task (task.rs, task/state.rs) ─► queue (queue.rs) ─► worker (worker.rs) ─► poll
//!            ▲                                 ▲                   │ nothing to do
//!            └────── Waker::wake ──────────────┘                 idle (idle.rs, idle/README.md) ─► park (park.rs, driver.rs)
//! ```
//!
//! What the hot paths touch, by cache line, and who shares it:
//!
//! | path | touches | shared with |
//! |---|---|---|
//! | spawn on a worker | the task, the lock of the own shard, the own slot, `idle` (read) | completers of that shard's tasks; sleepers |
//! | wake on a worker | the task's state, the own slot, `idle` (read) | other holders of the task; sleepers |
//! | poll | the task, the own counters | other holders of the task |
//! | complete | the task, the lock of the shard that it was spawned in | the spawner |
//! | wake from outside | the task's state, `Shared`'s count, the injector, `idle` | all who do the same |

mod blocking;
mod context;
mod crew;
mod driver;
mod idle;
mod metrics;
mod park;
mod queue;
mod relief;
pub mod runtime;
mod shared;
mod stall;
pub mod task;
mod whole;
mod worker;

#[doc(hidden)]
pub mod protocol {
    //! The protocols by themselves, for the models.
    pub use crate::idle::Idle;
    pub use crate::park::Parker;
    pub use crate::queue::{Local, Open, Seen, Slot};
    pub use crate::relief::{Offer, Place};
    pub use crate::whole::{Seat, Whole};
}
