//! How tasks wait for each other: every primitive of heist that needs only a [`Waker`](std::task::Waker).
//!
//! Nothing in here knows an executor, so all of it works on any. The front door is the crate `heist`, whose
//! `sync` module re-exports these types.
//!
//! | to | take |
//! |---|---|
//! | hand over one value, once | [`oneshot`] |
//! | hand over many values to one task | [`mpsc`] |
//! | hand over many values to each of many tasks | [`broadcast`] |
//! | hand over many values, each to one of many tasks | [`mpmc`] |
//! | share out work, and wait until it is done | [`queue`] |
//! | let many see the last value, and wait for the next | [`watch`] |
//! | hold data across an `.await` | [`Mutex`] |
//! | the same, with many readers at once | [`RwLock`] |
//! | wait for a change of such data | [`Condvar`] |
//! | let at most so many in | [`Semaphore`] |
//! | say that something happened | [`Notify`] |
//! | say that something is so, until it isn't | [`Event`] |
//! | wait until all have come | [`Barrier`] |
//! | have a value computed once | [`OnceCell`] |
//! | wait for a value that is set once | [`SetOnce`] |
//! | tell tasks to stop, and those they have set to work | [`CancellationToken`] |
//! | find a future that holds others up and isn't polled | [`futurelock`] |

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
    //! What the models and the other crates of heist use beside the public types; no promise is made to anyone else.
    pub use crate::contain::{contain, drop_each, drop_payload};
    pub use crate::park::{Announce, announce_blocking, block_on, block_on_for};
    pub use crate::spin::Patience;
    pub use crate::timer::{MakeSleep, Sleep, set_timer};
}
