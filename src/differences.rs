//! What differs from tokio, name by name, for programs that are moved.
//!
//! heist is compared with the stable interface of tokio 1.54, all features on. "The same" means the same name, the same
//! signature and the same contract. `sync/tests/same_source` compiles the names with both, and a program of `runtime`, `task`,
//! `sync` and `time` that has to come to the same results. The README tells what heist promises beside that.
//!
//! The folder `tokio` of heist's repository has a crate of that name. In the place of the registry's, it runs a program and the
//! crates that name `tokio` on heist, unchanged.
//!
//! # What is there
//!
//! | tokio | in heist |
//! |---|---|
//! | the crate's root: `main`, `test`, `select!`, `join!`, `try_join!`, `pin!`, `task_local!`, `spawn` | all |
//! | [`runtime`](crate::runtime) | all |
//! | [`task`](crate::task) | all |
//! | [`sync`](crate::sync) | all but `mpsc::error::RecvError`, which tokio has deprecated and nothing returns |
//! | [`time`](crate::time) | all but `time::error::Error`, because no timer of heist fails. `pause`, `advance` and `resume` need no feature |
//! | [`io`](crate::io) | all but `io::bsd`, which waits for FreeBSD's asynchronous I/O |
//! | [`net`](crate::net) | all but the named pipes of Windows (`net::windows`) |
//! | [`fs`](crate::fs) | all |
//! | [`process`](crate::process) | all. On Windows it is compiled and was never run |
//! | [`signal`](crate::signal) | all. On Windows it is compiled and was never run |
//! | what needs `tokio_unstable` | `task::Builder`, `task::join_set`, `Builder::unhandled_panic`, and most metrics are there, and are stable; the rest isn't |
//!
//! # Signatures
//!
//! The first three rows may keep a program from compiling that compiles with tokio. The others don't, unless it relies on a
//! trait being absent.
//!
//! | item | tokio | heist | why |
//! |---|---|---|---|
//! | `io::{AsyncRead, AsyncWrite, AsyncBufRead, AsyncSeek}`, `ReadBuf` | tokio's own | heist's own, of the same shape; tokio's readers and writers need [`io::compat`](crate::io::compat). In the crate `tokio` of heist's repository both are the same | heist doesn't depend on tokio |
//! | `AsyncFd::{new, with_interest, try_new, try_with_interest}` | ask for `AsRawFd` | ask for `AsFd` as well; for a mere number there is the unsafe `register` | a number doesn't promise that the descriptor stays open |
//! | `fs::FileTimes` | a type of tokio's | std's; `set_created` is a method of std's `FileTimesExt` | one type less |
//! | the futures of `AsyncReadExt` and its like | not `Unpin` | `Unpin` | |
//! | sockets, `fs::File`, pipes of children | tokio's traits | those of `futures_io` too, by the feature `futures-io`; `signal::unix::Signal` and the receivers of `mpsc` are `Stream`s | |
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
//! | `net`, `fs`, `process`, `signal`, `time` outside any runtime | panic | work, by a thread that starts at first use | |
//! | a sleep whose runtime has been shut down | panics | moves to the runtime that polls it next | |
//! | signals | are heard while some runtime with I/O is driven | are always heard | |
//! | a signal that comes after its listener was dropped and before the same poll makes another | reaches that in a current-thread runtime, which hears of signals between polls | reaches nobody | another thread tells the listeners at once |
//! | `try_read` and its like once the runtime is gone | still give what had come | fail | |
//! | `readable`, `writable`, `ready` | cost no budget | cost a unit, as reads and writes do | a loop of `writable` and `try_write` yields |
//! | `readable` on a new socket | mostly waits until there is something | is mostly ready, until an operation finds otherwise | the first operation waits for no event |
//! | a task that yields in a current-thread runtime with nothing else to do | goes on after a look for events | after a look only if the last one is 16 µs ago | the look is a system call |
//! | `Sleep::is_elapsed` | is false until the sleep was woken | asks the clock | |
//! | `TcpStream::connect` to a host with several addresses | tries one after the other | starts the next attempt after 250 ms (RFC 8305), and takes the first that succeeds | an address that doesn't answer costs 250 ms, not minutes |
//! | look-up of host names | on the blocking pool | on a pool of its own, at most 64 at once | a name server that doesn't answer holds up no file and no shutdown |
//! | writes to pipes, if the program has undone Rust's ignoring of SIGPIPE | raise SIGPIPE | fail with `BrokenPipe` | |
//! | `fs::File`: reads | on the blocking pool | at once on Linux, if the bytes are in the page cache; otherwise on the pool | |
//! | the exit status of a `Child` that is dropped | is taken by some runtime; there is no promise when | is taken when the process ends | no zombie is left |
//! | `Builder::{max_io_events_per_tick, max_io_events_per_busy_tick}` | bound a look for events | check their argument and do nothing else | heist bounds that by itself |
//! | `block_on` in a task of a multi-thread runtime | panics | blocks that task alone; another thread takes over its worker | |
//! | `block_on` in a current-thread runtime | panics | panics | no other thread can take over |
//! | dropping a `Runtime` where futures are polled | panics | ends it without waiting | the last reference may be anywhere |
//! | dropping `EnterGuard`s in another order | panics | works; the thread stays in the one that was entered last | |
//! | `block_in_place` in a `LocalSet` | panics | works in a multi-thread runtime, and holds up the set | |
//! | `RuntimeMetrics::num_workers` | fixed | `Handle::set_worker_threads` changes it; spare workers don't count | |
//! | `RuntimeMetrics::worker_…(worker)` | panics from `num_workers` on | has places for spare workers there, and panics beyond them | |
//! | `runtime::worker_index` | below `num_workers` | the numbers of spare workers are above | |
//! | `task::block_in_place` | its worker goes to another thread at once | as soon as there is work for it | a call that is soon over costs no thread |
//! | `on_thread_start`, `on_thread_stop` | are called by workers and by threads for blocking jobs, inside the runtime | are called by the reactor thread and by spare workers too | |
//! | names of threads by default | `tokio-rt-worker` | `heist-worker` | |
//! | a task whose future is done and then panics in its drop | ends with that panic | ends with its output; the panic is printed | the output is there |
//! | the future of `block_on` in a current-thread runtime, if it yields | has its next turn when the ready tasks had one | has it after `event_interval` polls of ready tasks | |
//! | polls that take long, or block | hold up the tasks behind them | other workers, or spare ones, take those tasks | |
//! | `LocalSet` in a `LocalRuntime` | not supported | works; `spawn_local` spawns into whichever was entered last | |
//! | a writer that says it has taken more than it was given | mostly panics | is the error `InvalidData` | |
//! | `read_line`, `read_to_string` of what isn't UTF-8 | count the place of the error from the start of the string | from the start of what was read | what was there isn't looked at again |
//! | `task_local!` | | the same; the first poll of a `spawn_eager`, which tokio lacks, is a call inside its spawner and sees the spawner's values | |
//! | `#[main]`, `#[test]` | options `flavor`, `worker_threads`, `name`, `crate`, `start_paused`; `unhandled_panic` needs `tokio_unstable` | the same; `shutdown_grace` is new | |
//! | `time::sleep` | ends at the next full millisecond | ends within some tens of microseconds on Linux | |
//! | `time::pause`, `start_paused` | in current-thread runtimes, with the feature `test-util` | in both flavors, without a feature | |
//! | paused time | jumps in full milliseconds | jumps to the exact deadline | |
//! | waits of `sync` | | see *In `sync`* in the README, and `sync/tests/differential/differences.rs` | |
//!
//! # What tokio has no counterpart of
//!
//! | module | items |
//! |---|---|
//! | [`runtime`](crate::runtime) | `Runtime::{shutdown, turn, descriptor}` and those of `LocalRuntime`, `ShutdownReport`, `Handle::{set_worker_threads, spawn_eager}`, `Builder::{max_worker_threads, max_spare_workers, stall_threshold, on_stall, on_worker_start, on_unjoined_panic}` |
//! | [`task`](crate::task) | `TaskGroup`, `AbortOnDropHandle` and `JoinMap` (tokio-util has both), `spawn_eager`, `JoinHandle::{blocking_join, blocking_join_timeout}`, `JoinSet::insert`, `coop::{budget, stop}` |
//! | [`sync`](crate::sync) | `mpmc`, `queue`, `Condvar`, `Event`, `CancellationToken` (tokio-util has it), `futurelock`, `waits`, upgradable reads, `Barrier::{reset, abort, checked_wait}`, `blocking_` forms of most waits |
//! | [`io`](crate::io) | `SyncIoBridge` and `compat` (tokio-util has both) |
//! | the crate's root | [`event_loop`](crate::event_loop), and `hyper` with the feature of that name |
