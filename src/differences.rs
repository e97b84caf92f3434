//! What differs from tokio, name by name, for programs that are moved.
//!
//! heist is compared with the stable interface of tokio 1.54, all features on. "The same" means the same name, the same
//! signature and the same contract. `sync/tests/same_source` compiles the names with both, and a program that has to come to
//! the same results. The README tells what heist promises beside that.
//!
//! # What is there
//!
//! | tokio | in heist |
//! |---|---|
//! | the crate's root: `main`, `test`, `select!`, `join!`, `try_join!`, `pin!`, `task_local!`, `spawn` | all |
//! | [`runtime`](crate::runtime) | all |
//! | [`task`](crate::task) | all |
//! | [`sync`](crate::sync) | all but `mpsc::error::RecvError`, which tokio has deprecated and nothing returns |
//! | [`time`](crate::time) | all but `time::error::Error`, because no timer of heist fails |
// Rows for `time::pause` and its like, and for each of the modules in the row below, go here.
//! | `io`, `net`, `fs`, `process`, `signal` | see the README for what isn't there yet |
//! | what needs `tokio_unstable` | `task::Builder`, `task::join_set`, `Builder::unhandled_panic`, and most metrics are there, and are stable; the rest isn't |
//!
//! # Signatures
//!
//! None of these keeps a program from compiling that compiles with tokio, unless it relies on a trait being absent.
//!
//! | item | tokio | heist | why |
//! |---|---|---|---|
//! | `lock`, `read`, `write`, `acquire`, `reserve` and their `_owned` and `_many` forms, `mpsc::Sender::{send, send_timeout}`, `Barrier::wait` | `async fn` | `fn` that returns `impl Future` | what is free is taken without a future that can wait |
//! | `map` and `try_map` of the guards of `Mutex` | map to sized types | to unsized ones too | nothing speaks against it |
//! | `SemaphorePermit::semaphore` | borrows the permit | borrows the semaphore | nothing speaks against it |
//! | `UnwindSafe`, `RefUnwindSafe`, `Unpin` | missing for `broadcast` and `watch`, `Barrier`, `Notified`, `Sleep`, `Timeout`, `Interval`, `EnterGuard` and others | there | a panic leaves nothing half done |
//! | `LocalKey::try_with`'s error | has no name outside tokio | [`task::AccessError`](crate::task::AccessError) | a function may want to return it |
//! | `Notified`, `OwnedNotified` | `sync::futures` | there, and in `sync` too | |
//! | `Display` and `Debug` of errors | | texts of heist's own | match on variants and methods, not on texts |
//!
//! # Behaviour
//!
//! | item | tokio | heist | why |
//! |---|---|---|---|
//! | `Builder::{enable_all, enable_io, enable_time}` | without them sockets and timers panic | do nothing: sockets and timers always work | what a program forgets can't hurt it |
//! | `Builder::{max_io_events_per_tick, max_io_events_per_busy_tick}` | bound a look for events | check their argument and do nothing else | heist bounds that by itself |
//! | `block_on` in a task of a multi-thread runtime | panics | blocks that task alone; another thread takes over its worker | |
//! | `block_on` in a current-thread runtime | panics | panics | no other thread can take over |
//! | dropping a `Runtime` where futures are polled | panics | ends it without waiting | the last reference may be anywhere |
//! | `RuntimeMetrics::num_workers` | fixed | `Handle::set_worker_threads` changes it; spare workers don't count | |
//! | `RuntimeMetrics::worker_…(worker)` | panics from `num_workers` on | has places for spare workers there, and panics beyond them | |
//! | `runtime::worker_index` | below `num_workers` | the numbers of spare workers are above | |
//! | `task::block_in_place` | its worker goes to another thread at once | as soon as there is work for it | a call that is soon over costs no thread |
//! | polls that take long, or block | hold up the tasks behind them | other workers, or spare ones, take those tasks | |
//! | `LocalSet` in a `LocalRuntime` | not supported | works; `spawn_local` spawns into whichever was entered last | |
//! | `task_local!` | | the same; the first poll of a `spawn_eager`, which tokio lacks, is a call inside its spawner and sees the spawner's values | |
//! | `#[main]`, `#[test]` | options `flavor`, `worker_threads`, `name`, `crate`, `start_paused` | all but `start_paused`; `shutdown_grace` is new | |
//! | `time::sleep` | ends at the next full millisecond | ends within some tens of microseconds on Linux | |
//! | waits of `sync` | | see *In `sync`* in the README, and `sync/tests/differential/differences.rs` | |
//!
//! # What tokio has no counterpart of
//!
//! | module | items |
//! |---|---|
//! | [`runtime`](crate::runtime) | `Runtime::{shutdown, turn, descriptor}` and those of `LocalRuntime`, `ShutdownReport`, `Handle::{set_worker_threads, spawn_eager}`, `Builder::{max_worker_threads, max_spare_workers, stall_threshold, on_stall, on_worker_start, on_unjoined_panic}` |
//! | [`task`](crate::task) | `TaskGroup`, `AbortOnDropHandle` (tokio-util has it), `spawn_eager`, `JoinHandle::{blocking_join, blocking_join_timeout}`, `JoinSet::insert`, `coop::{budget, stop}` |
//! | [`sync`](crate::sync) | `mpmc`, `queue`, `Condvar`, `Event`, `CancellationToken` (tokio-util has it), `futurelock`, `waits`, upgradable reads, `Barrier::{reset, abort, checked_wait}`, `blocking_` forms of most waits |
//! | the crate's root | [`event_loop`](crate::event_loop), and `hyper` with the feature of that name |
