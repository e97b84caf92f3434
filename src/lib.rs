//! heist is an async runtime for programs that mix I/O with computing.
//!
//! Worker threads poll tasks and steal tasks from each other. One reactor thread turns I/O events and deadlines into
//! wake-ups. Channels and locks let tasks wait for each other. An event loop with callbacks, in the manner of asyncio, is
//! built on top.
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
//! | start tasks, wait for them, cancel them | [`spawn`], [`task`] |
//! | wait for many tasks | [`task::JoinSet`], [`task::TaskGroup`] |
//! | run futures that aren't `Send` | [`task::LocalSet`], [`task::spawn_local`] |
//! | call blocking code | [`task::block_in_place`], [`task::spawn_blocking`] |
//! | build a runtime, watch it, shut it down | [`runtime`], [`main`], [`test`] |
//! | let tasks wait for each other | [`sync`] |
//! | wait for a point in time | [`time`] |
//! | talk over TCP, UDP, Unix sockets, pipes | [`net`], [`io`] |
//! | wait for any file descriptor, on Unix | [`io::unix::AsyncFd`](io/unix/struct.AsyncFd.html) |
//! | read and write files | [`fs`], [`io`] |
//! | run other programs | [`process`] |
//! | listen for Ctrl-C, and for other signals on Unix | [`signal`] |
//! | test code that waits for a long time | [`time::pause`], [`test`] |
//! | choose how the runtime waits for sockets, also by `HEIST_REACTOR` | [`runtime::backend`] |
//! | give a future a value of its own | [`task_local!`] |
//! | wait for the first of several futures, or for all | [`select!`], [`join!`], [`try_join!`] |
//! | write callbacks instead of tasks | [`event_loop`] |
//!
//! What heist has in common with tokio has tokio's name and signature, and its contract except for what [`differences`]
//! lists. Sockets, files, timers, child processes and signals also work outside any runtime: they use a reactor thread of
//! their own, which starts at first use.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `macros` (on by default) | [`main`], [`test`] and [`select!`] |
//! | `futures-io` (on by default) | the traits of `futures_io` on sockets, files and the pipes of children |
//! | `hyper` | the module `hyper`: hyper 1's `rt` traits on heist's types |
//! | `tracing` | stalls as events of the crate `tracing` |
//! | `tls` | TLS for the transports of the event loop, by the crate `rustls`: `event_loop::tls` |
//!
//! [`join!`], [`try_join!`], [`pin!`] and [`task_local!`] need no feature.

#[cfg(feature = "macros")]
#[doc(inline)]
pub use heist_macros::{main, test};
#[doc(inline)]
#[cfg(any(unix, windows))]
pub use heist_reactor::process;
#[doc(inline)]
pub use heist_reactor::{fs, net, signal, time};
#[doc(inline)]
pub use heist_scheduler::runtime;
#[doc(inline)]
pub use heist_scheduler::task::spawn;

#[cfg(doc)]
pub mod differences;
pub mod event_loop;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
#[doc(hidden)]
pub mod macros;

pub mod sync {
    //! Channels, locks and signals: how tasks wait for each other.
    //!
    //! | to | use |
    //! |---|---|
    //! | send one value, once | [`oneshot`] |
    //! | send many values to one task | [`mpsc`] |
    //! | send many values to several tasks, each value to all of them | [`broadcast`] |
    //! | send many values to several tasks, each value to one of them | [`mpmc`] |
    //! | share out work, and wait until it is done | [`queue`] |
    //! | publish a value that changes, and wait for changes | [`watch`] |
    //! | hold data locked across an `.await` | [`Mutex`] |
    //! | the same, with many readers at once | [`RwLock`] |
    //! | wait until locked data has changed | [`Condvar`] |
    //! | limit how many tasks do something at once | [`Semaphore`] |
    //! | notify a task that something has happened | [`Notify`] |
    //! | set and clear a flag that tasks wait for | [`Event`] |
    //! | wait until several tasks have come to the same point | [`Barrier`] |
    //! | compute a value once, when it is first needed | [`OnceCell`] |
    //! | wait for a value that is set once | [`SetOnce`] |
    //! | tell tasks to stop, and the tasks that they have started | [`CancellationToken`] |
    //! | find a future that was given a lock and isn't polled | [`futurelock`] |
    //!
    //! All of it works on any executor, not only on heist's. Each wait has a `blocking_` form for threads. A task of heist
    //! may call that too: another thread takes over its worker.
    //!
    //! # Examples
    //!
    //! A semaphore lets two of three tasks in at a time:
    //!
    //! ```
    //! use heist::sync::Semaphore;
    //! use heist::task::JoinSet;
    //! use std::sync::Arc;
    //!
    //! #[heist::main]
    //! async fn main() {
    //!     let permits = Arc::new(Semaphore::new(2));
    //!     let mut tasks = JoinSet::new();
    //!     for i in 0..3 {
    //!         let permits = permits.clone();
    //!         tasks.spawn(async move {
    //!             let _permit = permits.acquire().await.expect("nobody closes it");
    //!             i * i
    //!         });
    //!     }
    //!     assert_eq!(tasks.join_all().await.len(), 3);
    //! }
    //! ```

    pub mod futures {
        //! Futures that the items of the module above return.
        #[doc(inline)]
        pub use heist_sync::{Notified, OwnedNotified};
    }

    #[doc(inline)]
    pub use heist_sync::{
        AcquireError, Barrier, BarrierWaitResult, BrokenBarrier, CancellationToken, Condvar,
        DropGuard, DropGuardRef, Event, EventWait, MappedMutexGuard, Mutex, MutexGuard, Notified,
        Notify, OnceCell, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedNotified,
        OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard,
        OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, RwLockMappedWriteGuard,
        RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
        SetError, SetOnce, SetOnceError, TryAcquireError, TryLockError, WaitForCancellationFuture,
        WaitForCancellationFutureOwned, broadcast, futurelock, mpmc, mpsc, oneshot, queue, waits,
        watch,
    };
}

pub mod task {
    //! Tasks: how to spawn them, wait for them and cancel them.
    //!
    //! | to | use |
    //! |---|---|
    //! | run a future beside this one | [`spawn`] |
    //! | the same, but run it at once up to its first wait | [`spawn_eager`] |
    //! | run a future that isn't `Send` | [`LocalSet`], [`LocalRuntime`](crate::runtime::LocalRuntime), [`spawn_local`] |
    //! | give a task a name for reports | [`Builder`] |
    //! | wait for tasks as they end | [`JoinSet`], [`JoinMap`] if they have keys |
    //! | wait for all tasks, and cancel all if one fails | [`TaskGroup`] |
    //! | call blocking code inside a task | [`block_in_place`] |
    //! | run blocking code on a thread of its own | [`spawn_blocking`] |
    //! | give a task a value of its own | [`task_local!`](crate::task_local) |
    //! | cancel a task | [`JoinHandle::abort`], [`AbortOnDropHandle`] |
    //! | let other tasks run | [`yield_now`], [`consume_budget`] |
    //!
    //! # Examples
    //!
    //! ```
    //! use heist::task;
    //!
    //! #[heist::main]
    //! async fn main() {
    //!     let sum = task::spawn(async { 1 + 2 });
    //!     let file = task::spawn_blocking(|| std::fs::read_to_string("/nowhere"));
    //!     let endless = task::spawn(std::future::pending::<()>());
    //!
    //!     assert_eq!(sum.await.unwrap(), 3);
    //!     assert!(file.await.unwrap().is_err());
    //!     endless.abort();
    //!     assert!(endless.await.unwrap_err().is_cancelled());
    //! }
    //! ```

    #[doc(inline)]
    pub use heist_scheduler::task::{
        AbortHandle, AbortOnDropHandle, AccessError, Builder, Id, JoinError, JoinHandle, JoinMap,
        JoinSet, LocalEnterGuard, LocalKey, LocalSet, TaskGroup, block_in_place, futures, id,
        join_set, spawn, spawn_blocking, spawn_eager, spawn_local, task_group, try_id, yield_now,
    };
    #[doc(inline)]
    pub use heist_sync::coop;
    #[doc(inline)]
    pub use heist_sync::coop::{Unconstrained, consume_budget, unconstrained};
}

/// The README's program, so that the tests compile and run it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
