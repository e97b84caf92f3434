//! What the rows ask of a crate, so that each row is written once. One file a crate.
//!
//! The traits are thin on purpose: every method is one call of the crate's own, or two. What a crate lacks it doesn't
//! implement, and has no figure in that row.

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

    /// A channel of that capacity, unless it is one without a bound.
    fn ends(capacity: usize) -> (Self::Tx, Self::Rx);
}

/// A channel whose ends wait as tasks.
pub(crate) trait Channel: Ends {
    fn send(tx: &mut Self::Tx, value: u64) -> impl Future<Output = ()> + Send;
    /// `None` when all senders are gone.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>> + Send;
}

/// A channel whose ends can do without waiting.
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
    /// Takes the lock, perhaps yields, adds one, gives it back.
    fn add_one(&self, yields: bool) -> impl Future<Output = ()> + Send;
}

/// A lock of readers and writers round a counter.
pub(crate) trait RwLock: Send + Sync + 'static {
    fn new() -> Self;
    /// Takes the lock to read, perhaps yields, gives it back.
    fn read(&self, yields: bool) -> impl Future<Output = u64> + Send;
    /// Takes the lock to write, perhaps yields, adds one, gives it back.
    fn write(&self, yields: bool) -> impl Future<Output = ()> + Send;
}

pub(crate) trait Semaphore: Send + Sync + 'static {
    fn new(permits: usize) -> Self;
    /// Takes `n` permits, perhaps yields, gives them back.
    fn hold(&self, n: u32, yields: bool) -> impl Future<Output = ()> + Send;
}

/// What one task says to another: that something has happened.
pub(crate) trait Notify: Send + Sync + 'static {
    fn new() -> Self;
    fn notify_one(&self);
    /// Waits for a notification that may come from now on or, where the crate keeps one, has come before.
    fn wait(&self) -> impl Future<Output = ()> + Send;
    /// Begins to wait, notifies, and ends the wait.
    fn there_and_back(&self) -> impl Future<Output = ()> + Send;
}

/// Where tasks wait until so many have come.
pub(crate) trait Barrier: Send + Sync + 'static {
    fn new(tasks: usize) -> Self;
    fn wait(&self) -> impl Future<Output = ()> + Send;
}

/// A value that is made by whoever needs it first.
pub(crate) trait Once: 'static {
    fn new() -> Self;
    fn get(&self) -> impl Future<Output = u64> + Send;
}

/// A channel each of whose receivers gets each value, or each last one.
pub(crate) trait Fan: 'static {
    type Tx: Send + 'static;
    type Rx: Send + 'static;
    /// So many values may be sent before one is received, without one being lost.
    const ROOM: usize;

    fn tx() -> Self::Tx;
    fn rx(tx: &Self::Tx) -> Self::Rx;
    fn send(tx: &Self::Tx, value: u64);
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = u64> + Send;
}

/// Holds a lock for one round through the scheduler, if asked to.
pub(crate) async fn perhaps_yield(yields: bool) {
    if yields {
        ::heist::task::yield_now().await;
    }
}
