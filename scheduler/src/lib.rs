//! The scheduler: it decides which task is polled next, on which thread, and when a thread may sleep.
//!
//! A [`Runtime`](runtime::Runtime) has workers, a reactor that turns events into wakes, and a pool of threads for
//! blocking jobs. Each worker has queues of its own, from which the others steal. Programs use the crate `heist`, which
//! re-exports what is here.
//!
//! The path of a task:
//!
//! ```text
//! spawn ─► task (cell/) ─► queue (queue.rs) ─► worker (workers/worker.rs) ─► poll
//!            ▲                ▲                  │ nothing to do
//!            └─ Waker::wake ──┘                idle (workers/idle.rs) ─► park (workers/park.rs, workers/driver.rs)
//! ```
//!
//! The code has layers. A file uses only what is in its own layer or in one below:
//!
//! | layer | what is there |
//! |---|---|
//! | `task` | what programs spawn with: `spawn`, `JoinSet`, `TaskGroup`, `LocalSet` |
//! | `runtime` | a runtime's public API: it is built, entered, measured, ended |
//! | `workers` | which worker polls a task, sleeps or is woken, and which thread it uses |
//! | `queue` | where tasks wait for a worker |
//! | `cell` | what a task is: its state, its memory, its handles |
//! | `thread`, `id` | what a thread is doing at the moment; the number of a task |
//!
//! The memory shared between threads that the hot paths touch:
//!
//! | path | writes | reads |
//! |---|---|---|
//! | spawn on a worker | the new task; the lock of the worker's shard of `Owned`; its slot; its fresh queue, if the slot was full | which workers search and, if none does, which sleep; what hardly ever changes |
//! | wake on a worker | the task's state; then as a spawn, without the shard | as a spawn |
//! | poll | the task; the worker's slot, or, if that is empty, its fresh queue; its counters | the injector, if both are empty |
//! | yield | the task; the worker's yielded queue; its counters | as a spawn |
//! | complete | the task; the lock of the shard in which it was spawned; then a wake, if somebody waits for it | |
//! | join | the task: its state, output and join waker | |
//! | complete in a `JoinSet` or a `TaskGroup` | as complete; the lock of that set or group | |
//! | wake in a `LocalSet` | the task's state; the set's queue, which only one thread uses, or, from other threads, its inbox | |
//! | spawn or wake from outside | the task; for a spawn, the shard for spawns from outside; the runtime's count of references; the injector | as a spawn |
//!
//! Each row is one or more cache lines of its own (padded to 128 bytes). This is which threads share it:
//!
//! | line | written by | read by |
//! |---|---|---|
//! | a task | the threads that poll, wake, abort or join it | the same |
//! | a shard of `Owned`, one for each worker | its worker, on a spawn; whoever completes a task of it: another worker if the task was stolen | the same |
//! | a worker's slot, counters and parker | its worker; a thief that takes the slot's task; whoever wakes the worker | thieves on their last pass; the monitor, once a tick |
//! | a worker's fresh and yielded queue | its worker; thieves | thieves; a worker that falls asleep |
//! | which workers search | a worker that begins or ends a search, or wakes another: none while all are busy | all that push |
//! | which workers sleep, one line for 64 workers | a worker that falls asleep, or wakes another: none while all are busy | all that push while no worker searches |
//! | what hardly ever changes: whether the runtime has closed, how many workers there are, whether one polls for all | the thread that closes or resizes it; the lookout | all |
//! | the injector's ends | all threads outside; the reactor thread, a batch at a time; a worker that takes a batch | a worker without tasks of its own; one that falls asleep |
//! | the runtime's count of references | threads outside, for the length of a push; threads that clone a handle | nobody |
//!
//! So while all workers are busy with tasks that they spawn and wake themselves, none of them writes what another
//! reads. `benches/scaling` measures the cost of each path with more and more workers: it must not grow.

mod cell;
mod id;
mod queue;
pub mod runtime;
pub mod task;
mod thread;
mod whole;
mod workers;

#[doc(hidden)]
pub mod protocol {
    //! The protocols on their own, for the models.
    pub use crate::queue::{Local, Open, Seen, Slot};
    pub use crate::whole::{Seat, Whole};
    pub use crate::workers::adrift::Adrift;
    pub use crate::workers::idle::Idle;
    pub use crate::workers::offer::{Offer, Place};
    pub use crate::workers::park::Parker;
}
