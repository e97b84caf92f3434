//! smol's crates: async-channel, async-lock, event-listener.

use event_listener::{Event, IntoNotification as _};

use super::{
    Barrier, Blocking, Channel, Ends, Mutex, Notify, Once, Oneshot, RwLock, Semaphore, Try,
    perhaps_yield,
};

pub(crate) struct Mpmc;
pub(crate) struct Unbounded;
/// A channel of one.
pub(crate) struct One;

macro_rules! channel {
    ($name:ident, $capacity:ident => $make:expr) => {
        impl Ends for $name {
            type Tx = async_channel::Sender<u64>;
            type Rx = async_channel::Receiver<u64>;

            fn ends($capacity: usize) -> (Self::Tx, Self::Rx) {
                $make
            }
        }

        impl Channel for $name {
            async fn send(tx: &mut Self::Tx, value: u64) {
                let _ = tx.send(value).await;
            }

            async fn recv(rx: &mut Self::Rx) -> Option<u64> {
                rx.recv().await.ok()
            }
        }
    };
}

channel!(Mpmc, capacity => async_channel::bounded(capacity));
channel!(Unbounded, _capacity => async_channel::unbounded());

impl Try for Mpmc {
    fn try_send(tx: &mut Self::Tx, value: u64) -> bool {
        tx.try_send(value).is_ok()
    }

    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok()
    }
}

impl Blocking for Mpmc {
    fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.send_blocking(value);
    }

    fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv_blocking().ok()
    }
}

impl Oneshot for One {
    type Tx = async_channel::Sender<u64>;
    type Rx = async_channel::Receiver<u64>;

    fn ends() -> (Self::Tx, Self::Rx) {
        async_channel::bounded(1)
    }

    fn send(tx: Self::Tx, value: u64) {
        let _ = tx.try_send(value);
    }

    async fn recv(rx: Self::Rx) -> u64 {
        rx.recv().await.unwrap()
    }
}

impl Mutex for async_lock::Mutex<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    async fn add_one(&self, yields: bool) {
        let mut guard = self.lock().await;
        perhaps_yield(yields).await;
        *guard += 1;
    }
}

/// Only one permit at a time: the crate offers no more.
impl Semaphore for async_lock::Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    async fn hold(&self, n: u32, yields: bool) {
        assert_eq!(n, 1);
        let _permit = self.acquire().await;
        perhaps_yield(yields).await;
    }
}

/// It keeps no notification: a task must begin to wait before it comes.
impl Notify for Event {
    fn new() -> Self {
        Self::new()
    }

    fn notify_one(&self) {
        self.notify(1.additional());
    }

    async fn wait(&self) {
        self.listen().await;
    }

    async fn there_and_back(&self) {
        let wait = self.listen();
        self.notify_one();
        wait.await;
    }
}

impl RwLock for async_lock::RwLock<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    async fn read(&self, yields: bool) -> u64 {
        let guard = self.read().await;
        perhaps_yield(yields).await;
        *guard
    }

    async fn write(&self, yields: bool) {
        let mut guard = self.write().await;
        perhaps_yield(yields).await;
        *guard += 1;
    }
}

impl Barrier for async_lock::Barrier {
    fn new(tasks: usize) -> Self {
        Self::new(tasks)
    }

    async fn wait(&self) {
        let _ = self.wait().await;
    }
}

impl Once for async_lock::OnceCell<u64> {
    fn new() -> Self {
        Self::new()
    }

    async fn get(&self) -> u64 {
        *self.get_or_init(|| async { 1 }).await
    }
}
