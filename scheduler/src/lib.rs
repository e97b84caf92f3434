//! Which task is polled next, on which thread, and when a thread may sleep.
//!
//! A [`Runtime`](runtime::Runtime) has workers, each with queues of its own from which the others steal, a reactor
//! that turns events into wakes, and a pool of threads for blocking jobs. The front door is the crate `heist`, which
//! re-exports what is here.
//!
//! The way of a task:
//!
//! ```text
//! spawn ─► task (cell/) ─► queue (queue.rs) ─► worker (workers/worker.rs) ─► poll
//!            ▲                ▲                  │ nothing to do
//!            └─ Waker::wake ──┘                idle (workers/idle.rs) ─► park (workers/park.rs, workers/driver.rs)
//! ```
//!
//! The house has floors; a file uses what is on its own floor or below:
//!
//! | floor | what is there |
//! |---|---|
//! | `task` | what programs spawn with: `spawn`, `JoinSet`, `TaskGroup`, `LocalSet` |
//! | `runtime` | a runtime's public face: it is built, entered, measured, ended |
//! | `workers` | who polls tasks, who sleeps, who is woken, which thread a worker uses |
//! | `queue` | where tasks wait for a worker |
//! | `cell` | what a task is: its state, its memory, its handles |
//! | `thread`, `id` | what a thread is about at the moment; the number of a task |
//!
//! What the hot paths touch of what threads share:
//!
//! | path | writes | reads |
//! |---|---|---|
//! | spawn on a worker | the new task; the lock of the worker's shard of `Owned`; its slot; where that was full, its fresh queue | who searches and, if nobody does, who sleeps; what hardly ever changes |
//! | wake on a worker | the task's state; then as a spawn, but for the shard | as a spawn |
//! | poll | the task; the worker's slot, or, if that is empty, its fresh queue; its counters | the injector, if both are empty |
//! | yield | the task; the worker's yielded queue; its counters | as a spawn |
//! | complete | the task; the lock of the shard in which it was spawned; then a wake, if somebody waits for it | |
//! | join | the task: its state, output and join waker | |
//! | complete in a `JoinSet` or a `TaskGroup` | as complete; the lock of that set or group | |
//! | wake in a `LocalSet` | the task's state; the set's queue, which is one thread's, or, from other threads, its inbox | |
//! | spawn or wake from outside | the task; the shard for those outside, on a spawn; the runtime's count of references; the injector | as a spawn |
//!
//! Each line stands for itself (padded to 128 bytes), and this is who shares it:
//!
//! | line | written by | read by |
//! |---|---|---|
//! | a task | whoever polls, wakes, aborts or joins it | the same |
//! | a shard of `Owned`, one a worker | its worker, on a spawn; who completes a task of it: another worker if the task was stolen | the same |
//! | a worker's slot, counters and parker | its worker; a thief that takes the slot's task; who wakes the worker | thieves on their last pass; the monitor, once a tick |
//! | a worker's fresh and yielded queue | its worker; thieves | thieves; a worker that falls asleep |
//! | who searches | a worker that begins or ends a search, or wakes another: nobody while all are busy | all who push |
//! | who sleeps, one a 64 workers | a worker that falls asleep, or wakes another: nobody while all are busy | all who push while nobody searches |
//! | what hardly ever changes: that the runtime has closed, how many workers there are, whether one polls for all | who closes or resizes it; the lookout | all |
//! | the injector's ends | all outside; the reactor thread, a batch at a time; a worker that takes a batch | a worker without tasks of its own; one that falls asleep |
//! | the runtime's count of references | threads outside, for the length of a push; who clones a handle | nobody |
//!
//! So while all workers are busy with what they spawn and wake themselves, none of them writes what another reads.
//! `benches/scaling` counts what each path costs with more and more workers: it must not grow.

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
    //! The protocols by themselves, for the models.
    pub use crate::queue::{Local, Open, Seen, Slot};
    pub use crate::whole::{Seat, Whole};
    pub use crate::workers::adrift::Adrift;
    pub use crate::workers::idle::Idle;
    pub use crate::workers::offer::{Offer, Place};
    pub use crate::workers::park::Parker;
}
