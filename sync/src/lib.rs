//! Channels, locks and signals for tasks: the module `sync` of heist as a crate of its own.
//!
//! Everything here needs only [`Waker`](std::task::Waker)s, so it works on any executor. In a program that uses heist, take
//! `heist::sync` instead: it has the same types, and a table of which to use for what.
//!
//! # Examples
//!
//! Threads that run no executor use the blocking forms:
//!
//! ```
//! use heist_sync::mpsc;
//!
//! let (sender, mut receiver) = mpsc::channel(8);
//! std::thread::spawn(move || sender.blocking_send("hello"));
//! assert_eq!(receiver.blocking_recv(), Some("hello"));
//! ```

mod barrier;
pub mod broadcast;
mod cancellation_token;
mod condvar;
mod contain;
pub mod coop;
mod event;
#[cfg(not(any(heist_loom, heist_shuttle)))]
pub mod futurelock;
#[cfg(any(heist_loom, heist_shuttle))]
#[path = "futurelock/unwatched.rs"]
mod futurelock;
mod held;
pub mod mpmc;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod park;
pub mod queue;
mod rwlock;
mod semaphore;
mod set_once;
mod spin;
#[doc(hidden)]
pub mod sys;
mod timer;
mod waiting;
pub mod waits;
mod wakes;
pub mod watch;

pub use self::once_cell::{OnceCell, SetError};
pub use barrier::{Barrier, BarrierWaitResult, BrokenBarrier};
pub use cancellation_token::{
    CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
pub use condvar::Condvar;
pub use event::{Event, EventWait};
pub use mutex::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use notify::{Notified, Notify, OwnedNotified};
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard,
    OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard,
};
pub use semaphore::{
    AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
};
pub use set_once::{SetOnce, SetOnceError};

#[doc(hidden)]
pub mod protocol {
    //! What the models and the other crates of heist use besides the public types. Others can't rely on it.
    pub use crate::contain::{contain, drop_each, drop_payload};
    pub use crate::futurelock::ask_scheduler;
    pub use crate::park::{Announce, announce_blocking, block_on, block_on_for};
    pub use crate::spin::Patience;
    pub use crate::timer::{MakeSleep, Sleep, set_timer};
}
