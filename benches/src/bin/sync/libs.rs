//! What the rows need from a crate, so that each row is written once. There is one file for each crate.
//!
//! The traits are thin on purpose: every method is one call of the crate's own, or two. If a crate lacks something, it
//! doesn't implement the trait, and has no figure in that row.

use std::future::Future;

pub(crate) mod crossbeam;
pub(crate) mod flume;
pub(crate) mod futures;
pub(crate) mod heist;
pub(crate) mod kanal;
pub(crate) mod smol;
pub(crate) mod tokio;

/// The two ends of a channel of numbers.
pub(crate) trait Ends: 'static {
    type Tx: Clone + Send + 'static;
    type Rx: Send + 'static;

    /// A channel of that capacity, or a channel without a bound.
    fn ends(capacity: usize) -> (Self::Tx, Self::Rx);
}

/// A channel whose ends wait as tasks.
pub(crate) trait Channel: Ends {
    fn send(tx: &mut Self::Tx, value: u64) -> impl Future<Output = ()> + Send;
    /// `None` when all senders are gone.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>> + Send;
}

/// A channel whose ends can be used without waiting.
pub(crate) trait Try: Ends {
    fn try_send(tx: &mut Self::Tx, value: u64) -> bool;
    fn try_recv(rx: &mut Self::Rx) -> Option<u64>;
}

/// A channel whose ends wait as threads.
pub(crate) trait Blocking: Ends {
    fn send(tx: &mut Self::Tx, value: u64);
    /// `None` when all senders are gone.
    fn recv(rx: &mut Self::Rx) -> Option<u64>;
}

/// A channel for one number.
pub(crate) trait Oneshot: 'static {
    type Tx: Send + 'static;
    type Rx: Send + 'static;

    fn ends() -> (Self::Tx, Self::Rx);
    fn send(tx: Self::Tx, value: u64);
    fn recv(rx: Self::Rx) -> impl Future<Output = u64> + Send;
}

/// A mutex round a counter.
pub(crate) trait Mutex: Send + Sync + 'static {
    fn new() -> Self;
    /// Takes the lock, yields if asked to, adds one, and gives the lock back.
    fn add_one(&self, yields: bool) -> impl Future<Output = ()> + Send;
}

/// A lock of readers and writers round a counter.
pub(crate) trait RwLock: Send + Sync + 'static {
    fn new() -> Self;
    /// Takes the lock to read, yields if asked to, and gives the lock back.
    fn read(&self, yields: bool) -> impl Future<Output = u64> + Send;
    /// Takes the lock to write, yields if asked to, adds one, and gives the lock back.
    fn write(&self, yields: bool) -> impl Future<Output = ()> + Send;
}

pub(crate) trait Semaphore: Send + Sync + 'static {
    fn new(permits: usize) -> Self;
    /// Takes `n` permits, yields if asked to, and gives them back.
    fn hold(&self, n: u32, yields: bool) -> impl Future<Output = ()> + Send;
}

/// How one task tells another that something has happened.
pub(crate) trait Notify: Send + Sync + 'static {
    fn new() -> Self;
    fn notify_one(&self);
    /// Waits for a notification. It may come from now on. If the crate keeps notifications, it may also have come
    /// before.
    fn wait(&self) -> impl Future<Output = ()> + Send;
    /// Begins to wait, notifies, and ends the wait.
    fn there_and_back(&self) -> impl Future<Output = ()> + Send;
}

/// Where tasks wait until a number of them have come.
pub(crate) trait Barrier: Send + Sync + 'static {
    fn new(tasks: usize) -> Self;
    fn wait(&self) -> impl Future<Output = ()> + Send;
}

/// A value that is made by whoever needs it first.
pub(crate) trait Once: 'static {
    fn new() -> Self;
    fn get(&self) -> impl Future<Output = u64> + Send;
}

/// A channel in which each receiver gets each value, or the last value.
pub(crate) trait Fan: 'static {
    type Tx: Send + 'static;
    type Rx: Send + 'static;
    /// How many values may be sent before one is received, without losing any.
    const ROOM: usize;

    fn tx() -> Self::Tx;
    fn rx(tx: &Self::Tx) -> Self::Rx;
    fn send(tx: &Self::Tx, value: u64);
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = u64> + Send;
}

/// Yields once if asked to, so that a lock is held for one round through the scheduler.
pub(crate) async fn perhaps_yield(yields: bool) {
    if yields {
        ::heist::task::yield_now().await;
    }
}
