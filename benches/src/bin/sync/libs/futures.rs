//! futures-channel, and the mutex of futures-util.

use futures_channel::{mpsc, oneshot};
use futures_util::{SinkExt as _, StreamExt as _};

use super::{Channel, Ends, Mutex, Oneshot, Try, perhaps_yield};

/// Its capacity is what was asked for, plus one for each sender.
pub(crate) struct Mpsc;
pub(crate) struct Unbounded;
pub(crate) struct One;

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
        rx.next().await
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

impl Ends for Unbounded {
    type Tx = mpsc::UnboundedSender<u64>;
    type Rx = mpsc::UnboundedReceiver<u64>;

    fn ends(_capacity: usize) -> (Self::Tx, Self::Rx) {
        mpsc::unbounded()
    }
}

impl Channel for Unbounded {
    async fn send(tx: &mut Self::Tx, value: u64) {
        let _ = tx.unbounded_send(value);
    }

    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.next().await
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

impl Mutex for futures_util::lock::Mutex<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    async fn add_one(&self, yields: bool) {
        let mut guard = self.lock().await;
        perhaps_yield(yields).await;
        *guard += 1;
    }
}
