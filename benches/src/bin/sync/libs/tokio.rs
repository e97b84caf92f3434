//! tokio's.

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    Barrier, Blocking, Channel, Ends, Fan, Mutex, Notify, Once, Oneshot, RwLock, Semaphore, Try,
    perhaps_yield,
};

pub(crate) struct Mpsc;
pub(crate) struct Unbounded;
pub(crate) struct One;
pub(crate) struct Broadcast;
pub(crate) struct Watch;

impl Ends for Mpsc {
    type Tx = mpsc::Sender<u64>;
    type Rx = mpsc::Receiver<u64>;

    fn ends(capacity: usize) -> (Self::Tx, Self::Rx) {
        mpsc::channel(capacity)
    }
}

impl Channel for Mpsc {
    async fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.send(value).await;
    }

    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().await
    }
}

impl Try for Mpsc {
    fn try_send(tx: &mut Self::Tx, value: u64) -> bool {
        tx.try_send(value).is_ok()
    }

    fn try_recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.try_recv().ok()
    }
}

impl Blocking for Mpsc {
    fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.blocking_send(value);
    }

    fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.blocking_recv()
    }
}

impl Ends for Unbounded {
    type Tx = mpsc::UnboundedSender<u64>;
    type Rx = mpsc::UnboundedReceiver<u64>;

    fn ends(_capacity: usize) -> (Self::Tx, Self::Rx) {
        mpsc::unbounded_channel()
    }
}

impl Channel for Unbounded {
    async fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.send(value);
    }

    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().await
    }
}

impl Oneshot for One {
    type Tx = oneshot::Sender<u64>;
    type Rx = oneshot::Receiver<u64>;

    fn ends() -> (Self::Tx, Self::Rx) {
        oneshot::channel()
    }

    fn send(tx: Self::Tx, value: u64) {
        let _ = tx.send(value);
    }

    async fn recv(rx: Self::Rx) -> u64 {
        rx.await.unwrap()
    }
}

impl Mutex for tokio::sync::Mutex<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    async fn add_one(&self, yields: bool) {
        let mut guard = self.lock().await;
        perhaps_yield(yields).await;
        *guard += 1;
    }
}

impl Semaphore for tokio::sync::Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    async fn hold(&self, n: u32, yields: bool) {
        let _permit = self.acquire_many(n).await.unwrap();
        perhaps_yield(yields).await;
    }
}

impl Notify for tokio::sync::Notify {
    fn new() -> Self {
        Self::new()
    }

    fn notify_one(&self) {
        self.notify_one();
    }

    async fn wait(&self) {
        self.notified().await;
    }

    async fn there_and_back(&self) {
        let mut wait = std::pin::pin!(self.notified());
        wait.as_mut().enable();
        self.notify_one();
        wait.await;
    }
}

impl RwLock for tokio::sync::RwLock<u64> {
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

impl Fan for Broadcast {
    type Tx = broadcast::Sender<u64>;
    type Rx = broadcast::Receiver<u64>;
    const ROOM: usize = 128;

    fn tx() -> Self::Tx {
        broadcast::channel(Self::ROOM).0
    }

    fn rx(tx: &Self::Tx) -> Self::Rx {
        tx.subscribe()
    }

    fn send(tx: &Self::Tx, value: u64) {
        let _ = tx.send(value);
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.recv().await.unwrap()
    }
}

impl Fan for Watch {
    type Tx = watch::Sender<u64>;
    type Rx = watch::Receiver<u64>;
    const ROOM: usize = 1;

    fn tx() -> Self::Tx {
        watch::channel(0).0
    }

    fn rx(tx: &Self::Tx) -> Self::Rx {
        tx.subscribe()
    }

    fn send(tx: &Self::Tx, value: u64) {
        tx.send_replace(value);
    }

    async fn recv(rx: &mut Self::Rx) -> u64 {
        rx.changed().await.unwrap();
        *rx.borrow_and_update()
    }
}

impl Barrier for tokio::sync::Barrier {
    fn new(tasks: usize) -> Self {
        Self::new(tasks)
    }

    async fn wait(&self) {
        let _ = self.wait().await;
    }
}

impl Once for tokio::sync::OnceCell<u64> {
    fn new() -> Self {
        Self::new()
    }

    async fn get(&self) -> u64 {
        *self.get_or_init(|| async { 1 }).await
    }
}
